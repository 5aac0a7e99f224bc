//! The promises, asked of what is left when a run is over. Those that other tests share are functions of the testbed; here
//! are those that only a model can judge.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;
use testbed::promises::{self, Issued, Leftovers, Object, Published, Recorded, Suspected};

use oauth_client_operator::api::{OAuthClient, OnClientLost, names};
use oauth_client_operator::cluster::Role;
use oauth_client_operator::domain::secret;

use super::cluster::{Cluster, KeptSecret};
use super::offered::{MOVED_TOKEN, OMITTED, TOKEN};
use super::provider::{Entry, SUBSTITUTE, THEIRS};
use super::restored::{is_left_by_a_living_object, restored_objects_keep_their_client};
use super::scenario::{APPS, Substituted, name};
use super::schedule::Choice;
use super::state::{End, State};
use super::steps::Step;

mod excuses;

use excuses::{excuses, is_named_by_its_secret, left_with_an_event, marker_was_stripped};

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
        let tells = |id: &String, text: &str| text.starts_with(&format!("P2: nothing tells of the client {id} "));
        let was_stated = |text: &str| state.stated.iter().any(|id| tells(id, text));
        let lost = state.scenario.does(Step::LoseRecords);
        broken.retain(|text| !text.starts_with("P2: nothing tells") || was_stated(text) && !lost);
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
    broken.extend(endpoints_reach_the_secrets(state));
    broken.extend(rejected_values_are_taken_back(state));
    broken
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

/// No application uses a client whose values were rejected at its registration, nor one whose update was rejected and not taken back.
fn rejected_values_are_taken_back(state: &State) -> Vec<String> {
    let Some(substituted) = state.scenario.substitutes else {
        return Vec::new();
    };
    // A request that the provider refuses is not sent again, and of another client no former values are known: neither is Ready.
    if state.rejected || state.scenario.does(Step::ReplaceClient) {
        return Vec::new();
    }
    let secrets = state.clusters[0].secrets.values();
    let published = secrets.filter(|kept| kept.meta.role == Role::Credentials);
    let ids = published.filter_map(|kept| {
        let id = &kept.secret.data.as_ref()?.get("client_id")?.0;
        Some(String::from_utf8_lossy(id).into_owned())
    });
    let is_substitute = |id: &String| {
        let entry = state.provider.ledger.get(id).filter(|entry| !entry.regenerated);
        entry.is_some_and(|entry| entry.metadata["redirect_uris"][0] == SUBSTITUTE)
    };
    let told = |id: String| match substituted {
        Substituted::Every => format!("P1: an application has the client {id}, whose values were rejected"),
        Substituted::Second => format!("P1: the rejected values of the client {id} were not taken back"),
    };
    ids.filter(is_substitute).map(told).collect()
}

/// What the metadata says now is what applications of clients read that were registered before.
fn endpoints_reach_the_secrets(state: &State) -> Vec<String> {
    if !state.scenario.does(Step::MoveEndpoints) {
        return Vec::new();
    }
    let wanted = if state.offered.moved { MOVED_TOKEN } else { TOKEN };
    let cluster = &state.clusters[0];
    let mut objects = cluster.clients.values().map(|kept| object(&kept.object));
    if !objects.any(|object| object.is_ready()) {
        return Vec::new();
    }
    let secrets = cluster.secrets.values();
    let credentials = secrets.filter(|kept| kept.meta.role == Role::Credentials);
    credentials
        .filter(|kept| {
            let data = kept.secret.data.as_ref().and_then(|data| data.get("token_endpoint"));
            data.is_none_or(|endpoint| endpoint.0 != wanted.as_bytes())
        })
        .map(|kept| {
            format!(
                "P10: the Secret {:?} holds an endpoint of yesterday",
                kept.secret.metadata.name
            )
        })
        .collect()
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
        .chain(endpoints_reach_the_secrets(state))
        .collect()
}

/// Whether this is about a record that is kept for whoever restores its object, because that may go without the operator's
/// having a say, or because the record is another cluster's. A pass that nothing but the user disturbs has a say until it
/// has told of the client.
fn is_kept_record(state: &State, text: &str) -> bool {
    let Some(of) = text.strip_prefix("P9: the record of the client ") else {
        return false;
    };
    if is_left_by_a_living_object(state, of) {
        return false;
    }
    let mut taken = state.schedule.script.iter().map(|(_, _, choice)| *choice);
    let disturbed = taken.any(|choice| choice != Choice::UserActs);
    let stated = state.stated.iter().any(|id| of.starts_with(&format!("{id} ")));
    // What is restored takes the record over, unless the namespace is another one, or it is deleted before that.
    let restores = [Step::Restore, Step::RestoreAll, Step::RestoreUnlabelled];
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
    let rejects = state.scenario.substitutes.is_some();
    let plain = state.schedule.script.is_empty() && state.scenario.steps == [Step::Apply(1)] && !rejects;
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
