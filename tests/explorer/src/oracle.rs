//! The promises, asked of what is left when a run is over. Those that other tests share are functions of the testbed; here
//! are those that only a model can judge.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;
use testbed::promises::{self, Issued, Leftovers, Object, Published, Recorded, Suspected};

use oauth_client_operator::api::{OAuthClient, OnClientLost, OnUnknownOutcome, names};
use oauth_client_operator::domain::secret;

use super::cluster::{Cluster, KeptSecret};
use super::offered::OMITTED;
use super::provider::{Entry, THEIRS};
use super::scenario::{APPS, name};
use super::schedule::Choice;
use super::state::{End, State};
use super::steps::Step;

/// Every promise that is broken.
pub(super) fn broken(state: &State) -> Vec<String> {
    let everywhere: Vec<Leftovers> = (0..state.clusters.len())
        .map(|cluster| leftovers(state, cluster))
        .collect();
    let mut broken = Vec::new();
    for left in &everywhere {
        let found = promises::broken(left);
        // A client of one cluster is recorded there and nowhere else.
        broken.extend(
            found
                .into_iter()
                .filter(|text| everywhere.len() == 1 || !text.starts_with("P2: nothing tells")),
        );
    }
    if everywhere.len() > 1 {
        broken.extend(promises::p2_strays_are_suspects(&merged(&everywhere)));
    }
    if left_with_an_event(state) {
        broken.retain(|text| !text.starts_with("P2: nothing tells"));
    }
    if marker_was_stripped(state) {
        broken.retain(|text| !text.starts_with("P2: nothing tells"));
    }
    broken.retain(|text| !is_named_by_its_secret(state, text));
    broken.retain(|text| !is_kept_record(state, text));
    broken.extend(state.unfinished.iter().map(|text| format!("{text}, before the resync")));
    broken.extend(p6_four_writes(state));
    broken.extend(p6_rest_is_quiet(state));
    broken.extend(p7_the_manifest_stays(state));
    broken.extend(p9_no_client_in_use_is_deleted(state));
    broken.extend(token_and_uri_are_one(state));
    broken.extend(state.trespasses.iter().cloned());
    broken.extend(one_client_is_one_objects(state));
    broken.extend(settings_reach_the_provider(state));
    broken.extend(lost_clients_are_held(state));
    broken.extend(restored_objects_keep_their_client(state));
    broken
}

/// An object that was restored while all was at rest has the client that it had.
fn restored_objects_keep_their_client(state: &State) -> Option<String> {
    let steps = [Step::Restore, Step::RestoreAll, Step::RestoreElsewhere];
    let mut taken = state.schedule.script.iter();
    let acted = taken.any(|(_, _, choice)| *choice == Choice::UserActs);
    let restored = steps.into_iter().any(|step| state.scenario.does(step));
    let anew = restored && !acted && state.stated.len() > 1;
    anew.then(|| format!("P1: a restored object has another client: {:?}", state.stated))
}

/// Two objects that state the same client, unless two leaders recorded it at the same time.
fn one_client_is_one_objects(state: &State) -> Option<String> {
    let mut seen = BTreeSet::new();
    let mut stated = state.clusters[0].clients.values().filter_map(|kept| {
        let object = object(&kept.object);
        object.client_id.filter(|_| !object.deleting)
    });
    let twice = stated.find(|id| !seen.insert(id.clone()))?;
    let leaders = [
        Choice::OtherLeader,
        Choice::OtherLeaderStale,
        Choice::Paused,
        Choice::PausedInCall,
    ];
    let mut taken = state.schedule.script.iter();
    let two = taken.any(|(_, _, choice)| leaders.contains(choice));
    (!two).then(|| format!("P1: two objects state the client {twice}"))
}

/// A client that was registered in the place of a lost one, although the provider object says to wait and nobody asked for it.
fn lost_clients_are_held(state: &State) -> Option<String> {
    if state.scenario.lost != OnClientLost::Hold || state.scenario.does(Step::ReplaceClient) {
        return None;
    }
    let lost = state.provider.lost.as_ref()?;
    let records = state.clusters[0].secrets.values();
    let mut recorded = records.filter_map(|kept| Recorded::from_secret(&kept.secret));
    let held = recorded.any(|record| record.client_id == *lost);
    (!held).then(|| format!("P1: another client is in the place of the lost client {lost}, which was to be held"))
}

/// What the provider object says now holds for the clients that were registered before.
fn settings_reach_the_provider(state: &State) -> Vec<String> {
    if !state.scenario.does(Step::OmitMember) {
        return Vec::new();
    }
    let objects = state.clusters[0].clients.values().map(|kept| object(&kept.object));
    let ready = objects.filter(Object::is_ready).filter_map(|object| object.client_id);
    ready
        .filter(|id| {
            let entry = state.provider.ledger.get(id);
            entry.is_some_and(|entry| entry.metadata.contains_key(OMITTED) == state.offered.omits)
        })
        .map(|id| format!("P10: the client {id} is not as its provider object asks"))
        .collect()
}

/// What the wish lacks at the first rest: nothing may depend on the resync, but for what a lost trigger would have done.
pub(super) fn unfinished(state: &State) -> Vec<String> {
    if state.schedule.took(Choice::LoseTrigger) {
        return Vec::new();
    }
    let everywhere = (0..state.clusters.len()).map(|cluster| leftovers(state, cluster));
    everywhere
        .flat_map(|left| {
            [
                promises::p9_deletions_end(&left),
                promises::p10_the_wish_is_reached(&left),
            ]
            .concat()
        })
        .filter(|text| !is_kept_record(state, text))
        .chain(settings_reach_the_provider(state))
        .collect()
}

/// Whether this is about a record that is kept for whoever restores its object, because that may go without the operator's
/// having a say, or because the record is another cluster's. A pass that nothing but the user disturbs has a say until it
/// has told of the client.
fn is_kept_record(state: &State, text: &str) -> bool {
    let Some(of) = text.strip_prefix("P9: the record of the client ") else {
        return false;
    };
    let mut taken = state.schedule.script.iter().map(|(_, _, choice)| *choice);
    let disturbed = taken.any(|choice| choice != Choice::UserActs);
    let stated = state.stated.iter().any(|id| of.starts_with(&format!("{id} ")));
    // What is restored takes the record over, unless the namespace is another one, or it is deleted before that.
    let restores = [Step::Restore, Step::RestoreAll];
    if !disturbed && !state.scenario.does(Step::Delete) && restores.into_iter().any(|step| state.scenario.does(step)) {
        return false;
    }
    let others = [Step::RestoreElsewhere, Step::Replace, Step::CloneCluster];
    let mut steps = others.into_iter().chain(restores);
    // The other installation ends a deletion by the timeout, and its suspect tells of the client too.
    let elsewhere = state.scenario.second_installation;
    (stated || disturbed) && (elsewhere || steps.any(|step| state.scenario.does(step)))
}

/// What is left in a cluster, and at the provider.
fn leftovers(state: &State, number: usize) -> Leftovers {
    let cluster = &state.clusters[number];
    let ledger: BTreeMap<String, Issued> = state
        .provider
        .ledger
        .iter()
        .map(|(id, entry)| (id.clone(), issued(entry)))
        .collect();
    let published = |kept: &KeptSecret| Published::from_secret(&kept.secret);
    let in_apps = cluster.secrets.iter().filter(|((namespace, _), _)| namespace == APPS);
    let mut their_clients = BTreeMap::from([(THEIRS.to_owned(), theirs())]);
    if number == 1
        && let Some((id, issued)) = state.production.as_ref().and_then(|id| ledger.get_key_value(id))
    {
        // Production's own wish is judged in its own cluster; for the clone it is somebody else's client.
        let alive = Issued {
            alive: true,
            ..issued.clone()
        };
        their_clients.insert(id.clone(), alive);
    }
    Leftovers {
        objects: cluster.clients.values().map(|kept| object(&kept.object)).collect(),
        records: cluster
            .secrets
            .values()
            .filter_map(|kept| Recorded::from_secret(&kept.secret))
            .collect(),
        suspects: cluster
            .secrets
            .values()
            .filter_map(|kept| Suspected::from_secret(&kept.secret))
            .collect(),
        secrets: in_apps.map(|(_, kept)| published(kept)).collect(),
        their_secrets: their_secret(state).into_iter().collect(),
        ledger,
        their_clients,
        // Another installation ends a deletion with a suspect while this one may deregister the client.
        deadly_faults: state.deadly + state.causes + usize::from(state.scenario.second_installation),
        excuses: excuses(state, number),
    }
}

fn object(object: &OAuthClient) -> Object {
    let status = object.status.as_ref();
    let conditions = status.map(|status| status.conditions.as_slice()).unwrap_or_default();
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready");
    Object {
        uid: object.uid().unwrap_or_default(),
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        generation: object.metadata.generation.unwrap_or_default(),
        observed_generation: status.and_then(|status| status.observed_generation).unwrap_or_default(),
        ready: ready.is_some_and(|condition| condition.status == "True"),
        reason: ready.map(|condition| condition.reason.clone()).unwrap_or_default(),
        deleting: object.metadata.deletion_timestamp.is_some(),
        client_id: status.and_then(|status| status.client_id.clone()),
        secret_name: secret::name(object),
        redirect_uris: object.spec.metadata.redirect_uris.clone().unwrap_or_default(),
    }
}

fn issued(entry: &Entry) -> Issued {
    let uris = entry.metadata.get("redirect_uris").cloned();
    Issued {
        secret: Some(entry.secret.clone().into()),
        redirect_uris: uris.and_then(|uris| serde_json::from_value(uris).ok()),
        attempt: Some(entry.attempt.clone()),
        alive: entry.alive,
    }
}

fn theirs() -> Issued {
    Issued {
        secret: Some("secret-of-others".into()),
        redirect_uris: None,
        attempt: None,
        alive: true,
    }
}

fn their_secret(state: &State) -> Option<Published> {
    state.scenario.does(Step::ForeignSecret).then(|| Published {
        namespace: APPS.to_owned(),
        name: name().1,
        owner_uid: None,
        data: [("theirs".to_owned(), "x".into())].into(),
    })
}

/// Reasons that this run may leave behind.
fn excuses(state: &State, cluster: usize) -> BTreeSet<String> {
    let scenario = state.scenario;
    let mut excuses: BTreeSet<&str> = scenario.excuses.iter().copied().collect();
    let acted = state
        .schedule
        .script
        .iter()
        .any(|(_, _, choice)| *choice == Choice::UserActs);
    if scenario.does(Step::Abandon) && !acted {
        excuses.remove("RecordLost");
    }
    if cluster == 1 {
        excuses.insert("ManagedElsewhere");
    }
    if state.deadly > usize::from(scenario.policy == OnUnknownOutcome::Register) {
        excuses.insert("OutcomeUnknown");
    }
    if state.rejected {
        excuses.extend(["RegistrationRejected", "UpdateRejected"]);
    }
    if scenario.rotates && state.deadly > 0 {
        excuses.extend(["ManagementLost", "DeletionBlocked"]);
    }
    excuses.into_iter().map(str::to_owned).collect()
}

/// Whether a deletion let go of a client whose record nobody can read, and the entry that would name it was refused: an event tells.
fn left_with_an_event(state: &State) -> bool {
    let refused = |choice| matches!(choice, Choice::Invalid | Choice::Forbidden);
    let mut taken = state.schedule.script.iter();
    let refused = taken.any(|(_, what, choice)| ["create suspect", "get secret"].contains(what) && refused(*choice));
    refused && state.scenario.does(Step::CorruptRecord) && state.let_go
}

/// Whether somebody deleted the only record of this client before a status named it: its object says `RecordLost`, and the Secret
/// that is kept names the client.
fn is_named_by_its_secret(state: &State, text: &str) -> bool {
    let Some(of) = text.strip_prefix("P2: nothing tells of the client ") else {
        return false;
    };
    state.clusters.iter().any(|cluster| {
        let lost = cluster.clients.values().map(|kept| object(&kept.object));
        lost.filter(|object| object.reason == "RecordLost").any(|object| {
            let secret = cluster.secrets.get(&(object.namespace, object.secret_name));
            let data = secret.and_then(|kept| kept.secret.data.as_ref());
            let id = data.and_then(|data| data.get("client_id"));
            id.is_some_and(|id| of.starts_with(&format!("{} ", String::from_utf8_lossy(&id.0))))
        })
    })
}

/// Whether the marker was taken off in the middle of an attempt, or the record of one deleted: after a crash, nothing can tell of
/// that one.
fn marker_was_stripped(state: &State) -> bool {
    let acted = state
        .schedule
        .script
        .iter()
        .any(|(_, _, choice)| *choice == Choice::UserActs);
    let strips = [
        Step::Replace,
        Step::Restore,
        Step::RestoreAll,
        Step::RestoreElsewhere,
        Step::LoseRecords,
    ];
    strips.into_iter().any(|step| state.scenario.does(step)) && acted && state.deadly > 0
}

fn merged(everywhere: &[Leftovers]) -> Leftovers {
    let mut all = everywhere[0].clone();
    for left in &everywhere[1..] {
        all.objects.extend(left.objects.iter().cloned());
        all.records.extend(left.records.iter().cloned());
        all.suspects.extend(left.suspects.iter().cloned());
    }
    all
}

fn p6_four_writes(state: &State) -> Option<String> {
    let plain = state.schedule.script.is_empty() && state.scenario.steps == [Step::Apply(1)];
    let writes = state.writes();
    (plain && writes != 4).then(|| format!("P6: {writes} writes from apply to Ready"))
}

fn p6_rest_is_quiet(state: &State) -> Option<String> {
    match state.end {
        End::Over(0) => None,
        // Two installations that serve one namespace contradict each other in the status at every look.
        End::Over(_) if state.scenario.second_installation => None,
        // What is tried again and again may leave a mark each time.
        End::Over(_) if state.provider.refuses.is_some() || asks_in_vain(state) => None,
        End::Over(writes) => Some(format!("P6: {writes} writes at rest")),
        _ => Some("P10: it does not come to rest".to_owned()),
    }
}

/// Whether the provider refuses the token of a recorded client: it is asked again and again, under a mark each time.
fn asks_in_vain(state: &State) -> bool {
    let clients = state.clusters.iter().flat_map(|cluster| cluster.clients.values());
    let mut reasons = clients.map(|kept| object(&kept.object).reason);
    let lost = ["ManagementLost", "OutcomeUnknown", "ClientMissing", "ClientLost"];
    let refuses = [Step::LoseProvider, Step::LoseFirst, Step::Regenerate];
    let asks = refuses.into_iter().any(|step| state.scenario.does(step)) || state.scenario.put.is_some();
    asks && reasons.any(|reason| lost.contains(&reason.as_str()))
}

fn p7_the_manifest_stays(state: &State) -> Vec<String> {
    let changed = |cluster: &Cluster| {
        cluster.clients.values().any(|kept| {
            let theirs = [names::CREATE_PENDING, names::ABANDON, names::REPLACE];
            let foreign = kept
                .object
                .annotations()
                .keys()
                .any(|key| !theirs.contains(&key.as_str()));
            foreign || !kept.object.labels().is_empty()
        })
    };
    let mut broken: Vec<String> = state
        .clusters
        .iter()
        .flat_map(|cluster| cluster.trespasses.clone())
        .map(|text| format!("P7: {text}"))
        .collect();
    if state.clusters.iter().any(changed) {
        broken.push("P7: the manifest was changed".to_owned());
    }
    broken
}

/// A client that a living object states as its own was deleted by nobody's wish.
fn p9_no_client_in_use_is_deleted(state: &State) -> Vec<String> {
    if state.scenario.does(Step::LoseProvider) || state.scenario.does(Step::LoseFirst) {
        return Vec::new();
    }
    let clients = state.clusters.iter().flat_map(|cluster| cluster.clients.values());
    let living = clients.filter(|kept| kept.object.metadata.deletion_timestamp.is_none());
    let stated = living.filter_map(|kept| kept.object.status.as_ref()?.client_id.as_ref());
    stated
        .filter(|id| state.provider.ledger.get(*id).is_some_and(|entry| !entry.alive))
        .map(|id| format!("P9: the client {id} was deleted, and a living object states it"))
        .collect()
}

fn token_and_uri_are_one(state: &State) -> Option<String> {
    state
        .provider
        .misdirected
        .then(|| "P4: a management token was shown to another client's URI".to_owned())
}
