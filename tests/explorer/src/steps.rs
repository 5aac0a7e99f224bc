//! What users do, and what befalls the cluster and the provider.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use oauth_client_operator::api::{OAuthClient, names};
use oauth_client_operator::cluster::Role;
use oauth_client_operator::domain::record::{DATA_KEY, Phase};
use serde_json::json;

use super::cluster::{Cluster, Name};
use super::offered::Offered;
use super::replica::Trigger;
use super::scenario::{APPS, name};
use super::state::State;

/// One thing that somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Applies the manifest with these redirect URIs.
    Apply(u32),
    /// The same with the finalizer of somebody else.
    ApplyHeld(u32),
    /// Takes that finalizer off.
    Release,
    /// Applies the manifest with another name of the Secret.
    Rename,
    /// Deletes the object.
    Delete,
    /// Edits the client secret in the credentials Secret.
    Edit,
    /// Deletes the credentials Secret.
    DeleteSecret,
    /// Creates a Secret of the same name that is somebody else's.
    ForeignSecret,
    /// `kubectl replace` with a bare manifest: finalizer and annotations go.
    Replace,
    /// Empties the status.
    WipeStatus,
    /// Deletes every record in the operator's namespace.
    LoseRecords,
    /// Deletes the namespace of the applications.
    Terminate,
    /// Restores the object from a backup: a new UID, old annotations and no status.
    Restore,
    /// As `Restore`, with the status.
    RestoreAll,
    /// As `Restore`, after the namespace was deleted and created again while nobody looked.
    RestoreElsewhere,
    /// As `Restore`, and the records are of an earlier version of the operator, whose labels do not tell what they are about.
    RestoreUnlabelled,
    /// Allows the restored object to take over the record that is there.
    AllowRestore,
    /// Clones the cluster, and starts an operator there that knows it by another identifier.
    CloneCluster,
    /// Applies the manifest in the clone.
    ApplyInClone(u32),
    /// Deletes the object in the clone.
    DeleteInClone,
    /// The operator is started again, and does not watch the applications' namespace any more.
    Narrow,
    /// It watches the namespace again.
    Widen,
    /// The provider answers 401 to everything from now on.
    Sicken,
    /// The provider works again.
    Recover,
    /// The provider is installed anew and knows no client.
    LoseProvider,
    /// Somebody regenerates token and secret of every client at the provider.
    Regenerate,
    /// Deletes the provider object and the Secret of its credentials.
    RemoveProvider,
    /// The provider is gone for good and answers 503 to everything.
    Vanish,
    /// Applies the manifest of the second object.
    ApplySecond(u32),
    /// Applies both manifests at once.
    ApplyBoth,
    /// Deletes the second object.
    DeleteSecond,
    /// Applies a manifest that can never work.
    ApplyWrong,
    /// Applies the manifest, suspended.
    ApplySuspended(u32),
    /// Asks for another client in the place of the present one.
    ReplaceClient,
    /// Gives up the client that the status names.
    Abandon,
    /// Somebody writes something else into the record.
    CorruptRecord,
    /// The record is restored.
    MendRecord,
    /// The operator is started again, and finds that it may be a copy.
    Hold,
    /// It is started again, and knows that it is none.
    Free,
    /// The provider asks for a pause of some minutes.
    AskPause,
    /// So many others wait for calls of the provider that the next permit comes after longer than a deletion waits.
    Crowd,
    /// Other objects of the namespace have attempts of which nobody knows how they ended.
    OthersFail,
    /// The provider loses the client of the first object alone.
    LoseFirst,
    /// The provider object leads to another provider, whose credentials it has.
    EditProvider,
    /// It leads to the first one again.
    RevertProvider,
    /// The provider object is deleted, and one is made anew.
    RemakeProvider,
    /// As `RemakeProvider`, and the new one leads to another provider.
    RemakeElsewhere,
    /// The provider object has a member left out.
    OmitMember,
    /// The metadata names another token endpoint, and that is found.
    MoveEndpoints,
}

/// Seconds for which the provider asks to be left alone.
pub(super) const PAUSE: i64 = 300;

/// Seconds until the next permit comes, after [`Step::Crowd`].
pub(super) const CROWDED: i64 = 600;

/// The finalizer of [`Step::ApplyHeld`].
const THEIR_FINALIZER: &str = "others.example/hold";

/// Name of the Secret after [`Step::Rename`].
pub(super) const RENAMED: &str = "renamed";

use Step::{
    Abandon, AllowRestore, Apply, ApplyBoth, ApplyHeld, ApplyInClone, ApplySecond, ApplySuspended, ApplyWrong,
    AskPause, CloneCluster, CorruptRecord, Crowd, Delete, DeleteInClone, DeleteSecond, DeleteSecret, Edit,
    EditProvider, ForeignSecret, Free, Hold, LoseFirst, LoseProvider, LoseRecords, MendRecord, MoveEndpoints, Narrow,
    OmitMember, OthersFail, Recover, Regenerate, Release, RemakeElsewhere, RemakeProvider, RemoveProvider, Rename,
    Replace, ReplaceClient, Restore, RestoreAll, RestoreElsewhere, RestoreUnlabelled, RevertProvider, Sicken,
    Terminate, Vanish, Widen, WipeStatus,
};

/// Does one step.
pub(super) fn act(step: Step, state: &mut State) {
    let (scenario, now) = (state.scenario, state.now);
    let cluster = match step {
        ApplyInClone(_) | DeleteInClone if state.clusters.len() > 1 => &mut state.clusters[1],
        _ => &mut state.clusters[0],
    };
    match step {
        Apply(version) | ApplyInClone(version) => cluster.apply(scenario.manifest(version)),
        ApplyHeld(version) => {
            let mut manifest = scenario.manifest(version);
            manifest.metadata.finalizers = Some(vec![THEIR_FINALIZER.to_owned()]);
            cluster.apply(manifest);
        }
        Release => cluster.change(&name(), |object| {
            object.finalizers_mut().retain(|held| held != THEIR_FINALIZER);
        }),
        Rename => {
            let mut manifest = scenario.manifest(1);
            manifest.spec.secret = serde_json::from_value(json!({"name": RENAMED})).unwrap();
            cluster.apply(manifest);
        }
        Delete | DeleteInClone => cluster.delete(&name(), now),
        Edit => cluster.change_secret(&name(), |secret| {
            let wrong = k8s_openapi::ByteString(b"wrong".to_vec());
            secret
                .data
                .get_or_insert_default()
                .insert("client_secret".to_owned(), wrong);
        }),
        DeleteSecret => {
            cluster.secrets.remove(&name());
        }
        ForeignSecret => {
            let foreign = json!({"metadata": {"name": "app", "namespace": APPS}, "data": {"theirs": "eA=="}});
            let _ = cluster.create(&serde_json::from_value(foreign).unwrap());
            cluster.writes = 0;
        }
        Replace => cluster.change(&name(), |object| {
            object.metadata.finalizers = None;
            object.metadata.annotations = None;
        }),
        WipeStatus => cluster.change(&name(), |object| object.status = None),
        LoseRecords => cluster.secrets.retain(|_, kept| kept.meta.role != Role::Record),
        Terminate => {
            cluster.terminating.insert(APPS.to_owned());
        }
        Restore | RestoreAll | RestoreElsewhere | RestoreUnlabelled => {
            if step == RestoreUnlabelled {
                strip_labels(cluster);
            }
            cluster.made_again += u32::from(step == RestoreElsewhere);
            if let Some(kept) = cluster.clients.remove(&name()) {
                let mut object = OAuthClient::clone(&kept.object);
                object.metadata.finalizers = None;
                object.metadata.deletion_timestamp = None;
                if step != RestoreAll {
                    object.status = None;
                }
                cluster.collect();
                cluster.apply(object);
            }
        }
        CloneCluster => state.clone_cluster(),
        Narrow | Widen => {
            state.replicas[1].narrowed = step == Narrow;
            state.replicas[0].narrowed = step == Narrow;
            for who in 0..2 {
                state.replicas[who] = state.replicas[who].restarted(&state.provider);
            }
        }
        Sicken => state.provider.refuses = Some(401),
        Vanish => state.provider.refuses = Some(503),
        Recover => state.provider.refuses = None,
        LoseProvider => state.provider.lose(),
        RemoveProvider => {
            state.provider.removed = Some(now);
            state.provider.revision += 1;
            for replica in state.replicas.iter_mut().filter(|replica| replica.active) {
                replica.pull_all(Trigger { deep: true, anew: true });
            }
        }
        Regenerate => state.provider.regenerate(),
        other => widen(other, state),
    }
    for cluster in &mut state.clusters {
        cluster.collect();
        cluster.terminate(now);
    }
}

/// The steps of the wider world.
fn widen(step: Step, state: &mut State) {
    let (scenario, now) = (state.scenario, state.now);
    let cluster = &mut state.clusters[0];
    match step {
        ApplySecond(version) => cluster.apply(scenario.manifest_of(1, version)),
        ApplyBoth => {
            cluster.apply(scenario.manifest(1));
            cluster.apply(scenario.manifest_of(1, 1));
        }
        DeleteSecond => cluster.delete(&scenario.object(1), now),
        ApplyWrong | ApplySuspended(_) => {
            let version = if let ApplySuspended(version) = step { version } else { 1 };
            let mut manifest = scenario.manifest(version);
            manifest.spec.suspend = step != ApplyWrong;
            if step == ApplyWrong {
                manifest.spec.extra_metadata = serde_json::from_value(json!({"client_secret": "mine"})).unwrap();
            }
            cluster.apply(manifest);
        }
        ReplaceClient | Abandon => {
            let annotation = if step == Abandon {
                names::ABANDON
            } else {
                names::REPLACE
            };
            cluster.change(&name(), |object| {
                let client = object.status.as_ref().and_then(|status| status.client_id.clone());
                if let Some(client) = client {
                    object.annotations_mut().insert(annotation.to_owned(), client);
                }
            });
        }
        CorruptRecord => {
            if let Some((name, record)) = record(cluster) {
                cluster.change_secret(&name, |secret| {
                    let wrong = k8s_openapi::ByteString(b"{}".to_vec());
                    secret.data.get_or_insert_default().insert(DATA_KEY.to_owned(), wrong);
                });
                state.backup = Some(Arc::new(record));
            }
        }
        AllowRestore => {
            let uid = cluster.clients.get(&name()).and_then(|kept| kept.object.uid());
            let registered = |(_, record): &(Name, Secret)| {
                let phase = record.labels().get(names::PHASE);
                phase.is_some_and(|phase| phase == Phase::Registered.as_str())
            };
            if let (Some((name, _)), Some(uid)) = (record(cluster).filter(registered), uid) {
                cluster.change_secret(&name, |secret| {
                    secret.annotations_mut().insert(names::RESTORE_TO.to_owned(), uid);
                });
            }
        }
        MendRecord => {
            if let (Some((name, _)), Some(backup)) = (record(cluster), state.backup.clone()) {
                cluster.change_secret(&name, |secret| secret.data.clone_from(&backup.data));
            }
        }
        Hold | Free => {
            for replica in &mut state.replicas {
                let mut here = replica.here.as_ref().clone();
                here.held = (step == Hold).then(|| "this may be a copy".to_owned());
                replica.here = Arc::new(here);
                *replica = replica.restarted(&state.provider);
            }
        }
        AskPause => state.provider.pause_until = Some(now + PAUSE),
        Crowd => state.crowded_until = now + CROWDED,
        OthersFail => {
            let clock = state.clock();
            for replica in &mut state.replicas {
                for other in ["x", "y", "z"] {
                    replica.unknown.note(clock, APPS, other);
                }
            }
        }
        LoseFirst => {
            let status = cluster.clients.get(&name()).and_then(|kept| kept.object.status.clone());
            if let Some(client) = status.and_then(|status| status.client_id) {
                state.provider.lose_client(&client);
            }
        }
        EditProvider => offer(state, |offered| offered.other = true),
        RevertProvider => offer(state, |offered| offered.other = false),
        RemakeProvider => offer(state, |offered| offered.made += 1),
        RemakeElsewhere => offer(state, |offered| {
            offered.made += 1;
            offered.other = true;
        }),
        MoveEndpoints => offer(state, |offered| offered.moved = true),
        OmitMember => offer(state, |offered| offered.omits = true),
        _ => {}
    }
}

/// Takes off what an earlier version of the operator did not write.
fn strip_labels(cluster: &mut Cluster) {
    let records = cluster
        .secrets
        .iter()
        .filter(|(_, kept)| kept.meta.role == Role::Record);
    let names: Vec<Name> = records.map(|(name, _)| name.clone()).collect();
    for name in names {
        cluster.change_secret(&name, |secret| {
            let labels = secret.labels_mut();
            labels.remove(names::CLIENT);
            labels.remove(names::OBJECT);
        });
    }
}

/// The record of the first object.
fn record(cluster: &Cluster) -> Option<(Name, Secret)> {
    let mut records = cluster.secrets.iter();
    let (name, kept) = records.find(|(_, kept)| kept.meta.role == Role::Record)?;
    Some((name.clone(), kept.secret.clone()))
}

/// Changes the provider object, which running processes see.
fn offer(state: &mut State, change: impl FnOnce(&mut Offered)) {
    change(&mut state.offered);
    state.provider.revision += 1;
    state.uncompared = true;
    for replica in state.replicas.iter_mut().filter(|replica| replica.active) {
        replica.pull_all(Trigger { deep: true, anew: true });
    }
}
