//! The promises, as functions of what is left when a run is over.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use secrecy::ExposeSecret;

use crate::api::{OAuthClient, OnUnknownOutcome, names};
use crate::domain::record::{DATA_KEY, Phase, Record};

use super::cluster::Cluster;
use super::provider::Provider;
use super::scenario::{Scenario, Step, name};

/// What is left.
pub(super) struct Outcome<'a> {
    pub scenario: &'a Scenario,
    pub cluster: &'a Cluster,
    pub provider: &'a Provider,
    /// Faults that may leave a client that nobody knows of.
    pub deadly: usize,
    /// All faults.
    pub faults: usize,
    /// Writes of one more pass when all had come to rest.
    pub writes_at_rest: usize,
}

/// Every promise that is broken.
pub(super) fn broken(outcome: &Outcome<'_>) -> Vec<String> {
    let checks = [
        p1_one_recorded_client(outcome),
        p2_strays_are_suspects(outcome),
        p2_suspects_are_no_more_than_faults(outcome),
        p3_the_secret_is_complete(outcome),
        p4_foreign_secrets_stay(outcome),
        p6_four_writes(outcome),
        p6_rest_is_quiet(outcome),
        p7_the_manifest_stays(outcome),
        p9_deletion_ends(outcome),
        p10_the_wish_is_reached(outcome),
        token_and_uri_are_one(outcome),
    ];
    checks.into_iter().flatten().collect()
}

fn does(outcome: &Outcome<'_>, step: Step) -> bool {
    outcome.scenario.steps.contains(&step)
}

fn loses_records(outcome: &Outcome<'_>) -> bool {
    does(outcome, Step::LoseRecords) || does(outcome, Step::Clone) || does(outcome, Step::Restore)
}

fn records(cluster: &Cluster) -> Vec<Record> {
    let role = |secret: &&Secret| {
        secret
            .labels()
            .get(names::SECRET_ROLE)
            .is_some_and(|role| role == "record")
    };
    let found = cluster.secrets.values().filter(role);
    found
        .filter_map(|secret| Record::from_json(&secret.data.as_ref()?.get(DATA_KEY)?.0).ok())
        .collect()
}

/// Attempts and client identifiers that suspects tell of.
fn suspects(cluster: &Cluster) -> Vec<BTreeSet<String>> {
    let role = |secret: &&Secret| {
        secret
            .labels()
            .get(names::SECRET_ROLE)
            .is_some_and(|role| role == "suspect")
    };
    let text = |secret: &Secret, key: &str| {
        let value = secret.data.as_ref()?.get(key)?;
        String::from_utf8(value.0.clone()).ok()
    };
    let facts = |secret: &Secret| {
        ["attempt", "client_id"]
            .iter()
            .filter_map(|key| text(secret, key))
            .collect()
    };
    cluster.secrets.values().filter(role).map(facts).collect()
}

fn object<'a>(outcome: &Outcome<'a>) -> Option<&'a OAuthClient> {
    outcome.cluster.clients.get(&name())
}

fn ready(object: &OAuthClient) -> Option<&str> {
    let conditions = &object.status.as_ref()?.conditions;
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready")?;
    (object.status.as_ref()?.observed_generation == object.metadata.generation && ready.status == "True")
        .then_some("Ready")
}

fn reason(object: &OAuthClient) -> String {
    let conditions = object.status.iter().flat_map(|status| &status.conditions);
    conditions
        .filter(|condition| condition.type_ == "Ready")
        .map(|condition| condition.reason.clone())
        .collect()
}

fn p1_one_recorded_client(outcome: &Outcome<'_>) -> Option<String> {
    let object = object(outcome)?;
    ready(object)?;
    let uid = object.uid()?;
    let recorded: Vec<_> = records(outcome.cluster)
        .into_iter()
        .filter(|record| record.owner.uid == uid)
        .collect();
    let alive = recorded.iter().filter(|record| {
        let entry = outcome.provider.ledger.get(&record.client_id);
        entry.is_some_and(|entry| entry.alive)
    });
    let alive = alive.count();
    (alive != 1).then(|| format!("P1: Ready with {alive} recorded living clients"))
}

fn p2_strays_are_suspects(outcome: &Outcome<'_>) -> Option<String> {
    if loses_records(outcome) {
        return None;
    }
    let recorded: BTreeSet<String> = records(outcome.cluster)
        .into_iter()
        .map(|record| record.client_id)
        .collect();
    let known: BTreeSet<String> = suspects(outcome.cluster).into_iter().flatten().collect();
    let strays = outcome
        .provider
        .alive()
        .filter(|(id, entry)| !recorded.contains(*id) && !known.contains(*id) && !known.contains(&entry.attempt.1));
    let strays: Vec<_> = strays
        .map(|(id, entry)| format!("{id} of {}", entry.attempt.1))
        .collect();
    (!strays.is_empty()).then(|| format!("P2: living clients that nothing tells of: {strays:?}"))
}

fn p2_suspects_are_no_more_than_faults(outcome: &Outcome<'_>) -> Option<String> {
    let by_design = usize::from(outcome.scenario.unmanaged || loses_records(outcome));
    let suspects = suspects(outcome.cluster).len();
    (suspects > outcome.deadly + by_design).then(|| format!("P2: {suspects} suspects after {} faults", outcome.deadly))
}

fn p3_the_secret_is_complete(outcome: &Outcome<'_>) -> Option<String> {
    if does(outcome, Step::ForeignSecret) {
        return None;
    }
    let secret = outcome.cluster.secrets.get(&name())?;
    let text = |key: &str| {
        let value = secret.data.as_ref()?.get(key)?;
        String::from_utf8(value.0.clone()).ok()
    };
    let (id, value) = (
        text("client_id").unwrap_or_default(),
        text("client_secret").unwrap_or_default(),
    );
    let entry = outcome.provider.ledger.get(&id);
    let fits = entry.is_some_and(|entry| entry.secret == value);
    (!fits).then(|| format!("P3: the Secret holds {id} with {value}"))
}

fn p4_foreign_secrets_stay(outcome: &Outcome<'_>) -> Option<String> {
    if !does(outcome, Step::ForeignSecret) {
        return None;
    }
    let secret = outcome.cluster.secrets.get(&name());
    let data = secret.and_then(|secret| secret.data.as_ref());
    let stays = data.is_some_and(|data| data.len() == 1 && data.contains_key("theirs"));
    let clients = outcome.provider.ledger.len();
    (!stays || clients > 0).then(|| format!("P4: the foreign Secret is {data:?}, {clients} clients registered"))
}

fn p6_four_writes(outcome: &Outcome<'_>) -> Option<String> {
    let plain = outcome.faults == 0 && outcome.scenario.steps == [Step::Apply(1)];
    let writes = outcome.cluster.writes;
    (plain && writes != 4).then(|| format!("P6: {writes} writes from apply to Ready"))
}

fn p6_rest_is_quiet(outcome: &Outcome<'_>) -> Option<String> {
    let writes = outcome.writes_at_rest;
    (writes > 0).then(|| format!("P6: {writes} writes at rest"))
}

fn p7_the_manifest_stays(outcome: &Outcome<'_>) -> Option<String> {
    let object = object(outcome)?;
    let foreign = object
        .annotations()
        .keys()
        .find(|key| *key != names::CREATE_PENDING)
        .cloned();
    let labelled = !object.labels().is_empty();
    (foreign.is_some() || labelled).then(|| "P7: the manifest was changed".to_owned())
}

fn p9_deletion_ends(outcome: &Outcome<'_>) -> Option<String> {
    let object = object(outcome)?;
    object.metadata.deletion_timestamp.as_ref()?;
    Some(format!("P9: the object is still there, {}", reason(object)))
}

fn p10_the_wish_is_reached(outcome: &Outcome<'_>) -> Option<String> {
    let object = object(outcome)?;
    if object.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let reason = reason(object);
    let excused = match reason.as_str() {
        "SecretConflict" => does(outcome, Step::ForeignSecret),
        "OutcomeUnknown" => outcome.deadly > usize::from(outcome.scenario.policy == OnUnknownOutcome::Register),
        "RecordLost" => loses_records(outcome),
        "ManagementLost" => (outcome.scenario.rotates || does(outcome, Step::Lose)) && outcome.deadly > 0,
        "UpdateUnsupported" => outcome.scenario.unmanaged,
        "" => does(outcome, Step::Clone),
        _ => false,
    };
    if ready(object).is_none() {
        return (!excused).then(|| format!("P10: at rest without being Ready: {reason:?}"));
    }
    let wanted = object.spec.metadata.redirect_uris.clone().unwrap_or_default();
    let record = records(outcome.cluster)
        .into_iter()
        .find(|record| Some(&record.owner.uid) == object.metadata.uid.as_ref())?;
    if record.phase != Phase::Registered {
        return Some(format!("P10: Ready with a record in phase {:?}", record.phase));
    }
    let entry = outcome.provider.ledger.get(&record.client_id)?;
    let fits = entry.metadata.get("redirect_uris") == Some(&serde_json::json!(wanted));
    if !fits && !outcome.scenario.unmanaged {
        return Some("P10: Ready, and the provider has another redirect URI".to_owned());
    }
    let kept = outcome.cluster.secrets.contains_key(&name());
    let same_secret = record
        .client_secret
        .as_ref()
        .is_some_and(|secret| secret.expose_secret() == entry.secret);
    (!kept || !same_secret).then(|| "P10: Ready without its Secret".to_owned())
}

fn token_and_uri_are_one(outcome: &Outcome<'_>) -> Option<String> {
    outcome
        .provider
        .misdirected
        .then(|| "a management token was shown to another client's URI".to_owned())
}
