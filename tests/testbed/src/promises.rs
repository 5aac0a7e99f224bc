//! The promises that the operator makes, as plain functions of what is left when all has come to rest.
//!
//! Nothing here knows the operator: [`Leftovers`] is filled from what the API server and the provider hold, by the crash
//! explorer from its models and by other tests from the real ones. Each function returns what it finds broken, in words that
//! hold no secret.

mod leftovers;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use secrecy::ExposeSecret;

pub use self::leftovers::{
    DELETING, Issued, Leftovers, OBJECT_VANISHED, Object, Published, REGISTERED, Recorded, Suspected,
};

/// Every promise that is broken.
#[must_use]
pub fn broken(left: &Leftovers) -> Vec<String> {
    [
        p1_one_recorded_client(left),
        p2_strays_are_suspects(left),
        p2_suspects_have_a_cause(left),
        p3_secrets_are_complete(left),
        p4_what_is_others_stays(left),
        p9_deletions_end(left),
        p10_the_wish_is_reached(left),
    ]
    .concat()
}

/// P1: an object that is Ready has exactly one recorded client, which lives; none ever has more.
#[must_use]
pub fn p1_one_recorded_client(left: &Leftovers) -> Vec<String> {
    let mut broken = Vec::new();
    for object in &left.objects {
        let living = left.records_of(&object.uid).filter(|record| {
            record.phase == REGISTERED && left.ledger.get(&record.client_id).is_some_and(|issued| issued.alive)
        });
        let living = living.count();
        if object.is_ready() && living != 1 {
            broken.push(format!("P1: {object} is Ready with {living} recorded living clients"));
        }
    }
    let mut seen = BTreeSet::new();
    for record in &left.records {
        if !seen.insert(&record.owner_uid) {
            broken.push(format!("P1: several records of the object {}", record.owner_uid));
        }
    }
    broken
}

/// P2: a living client that no record holds is told of, by a suspect or by the status of an object whose record was lost.
#[must_use]
pub fn p2_strays_are_suspects(left: &Leftovers) -> Vec<String> {
    let told: BTreeSet<&str> = left
        .records
        .iter()
        .map(|record| record.client_id.as_str())
        .chain(left.suspects.iter().filter_map(|suspect| suspect.client_id.as_deref()))
        .chain(left.objects.iter().filter_map(|object| object.client_id.as_deref()))
        .chain(left.their_clients.keys().map(String::as_str))
        .collect();
    let attempts: BTreeSet<&str> = left.suspects.iter().map(|suspect| suspect.attempt.as_str()).collect();
    let unnamed = left.living().filter(|(id, _)| !told.contains(id));
    let (known, unknown): (Vec<_>, Vec<_>) = unnamed.partition(|(_, issued)| issued.attempt.is_some());
    let mut broken: Vec<_> = known
        .iter()
        .filter(|(_, issued)| {
            !issued
                .attempt
                .as_deref()
                .is_some_and(|attempt| attempts.contains(attempt))
        })
        .map(|(id, issued)| format!("P2: nothing tells of the client {id} of attempt {:?}", issued.attempt))
        .collect();
    // A real provider does not know attempts, so its strays can only be counted.
    let doubts = left.suspects.iter().filter(|suspect| suspect.client_id.is_none());
    let doubts = doubts.count().saturating_sub(known.len());
    if unknown.len() > doubts {
        let ids: Vec<_> = unknown.iter().map(|(id, _)| *id).collect();
        broken.push(format!(
            "P2: clients {ids:?} that no record holds, and {doubts} suspects"
        ));
    }
    broken
}

/// P2: a suspect is about a client that lives, or a fault is its cause.
#[must_use]
pub fn p2_suspects_have_a_cause(left: &Leftovers) -> Vec<String> {
    let certain = |suspect: &&Suspected| {
        left.living().any(|(id, issued)| match &suspect.client_id {
            Some(client_id) => client_id == id,
            None => issued.attempt.as_ref() == Some(&suspect.attempt),
        })
    };
    let doubts = left.suspects.iter().filter(|suspect| !certain(suspect)).count();
    let faults = left.deadly_faults;
    if doubts > faults {
        return vec![format!(
            "P2: {doubts} doubtful suspects after {faults} faults that can cause one"
        )];
    }
    Vec::new()
}

/// P3: the identifier and the secret in a credentials Secret were issued together, and none stands alone.
#[must_use]
pub fn p3_secrets_are_complete(left: &Leftovers) -> Vec<String> {
    let mut broken = Vec::new();
    for secret in &left.secrets {
        if left.their_secrets.iter().any(|theirs| theirs.is_at(secret)) {
            continue;
        }
        let Some(id) = secret.text("client_id") else {
            broken.push(format!("P3: the Secret {secret} holds no client_id"));
            continue;
        };
        let recorded = left.records.iter().find(|record| record.client_id == id);
        let issued = left
            .ledger
            .get(id)
            .and_then(|issued| issued.secret.as_ref())
            .or_else(|| recorded.and_then(|record| record.client_secret.as_ref()))
            .map(ExposeSecret::expose_secret);
        let known = left.ledger.contains_key(id) || recorded.is_some();
        match (issued, secret.text("client_secret")) {
            _ if !known => broken.push(format!("P3: the Secret {secret} holds {id}, which nobody issued")),
            (Some(_), None) => broken.push(format!("P3: the Secret {secret} holds {id} without its client_secret")),
            (issued, held) if issued != held => {
                broken.push(format!(
                    "P3: the Secret {secret} holds {id} with another client's secret"
                ));
            }
            _ => {}
        }
    }
    broken
}

/// P4: Secrets and clients of others are as they were.
#[must_use]
pub fn p4_what_is_others_stays(left: &Leftovers) -> Vec<String> {
    let secrets = left.their_secrets.iter().filter_map(|theirs| {
        let same = left.secrets.iter().any(|secret| secret.is_same(theirs));
        (!same).then(|| format!("P4: the Secret {theirs} of somebody else was touched"))
    });
    let clients = left.their_clients.iter().filter_map(|(id, theirs)| {
        let same = left.ledger.get(id).is_some_and(|issued| issued.is_same(theirs));
        (!same).then(|| format!("P4: the client {id} of somebody else was touched"))
    });
    secrets.chain(clients).collect()
}

/// P9: a deleted object goes, and its client with it, or a reason that was to be expected is stated.
#[must_use]
pub fn p9_deletions_end(left: &Leftovers) -> Vec<String> {
    let objects = left.objects.iter().filter(|object| object.deleting);
    let objects = objects
        .filter(|object| !left.excuses.contains(&object.reason))
        .map(|object| format!("P9: {object} does not go: {:?}", object.reason));
    let ownerless = left.records.iter().filter_map(|record| {
        if left.objects.iter().any(|object| object.uid == record.owner_uid) {
            return None;
        }
        let id = &record.client_id;
        let (excuse, broken) = match record.phase.as_str() {
            DELETING => (
                "DeletionBlocked",
                format!("P9: the deletion of the client {id} outlived its object and does not end"),
            ),
            REGISTERED => (
                OBJECT_VANISHED,
                format!("P9: the record of the client {id} outlived its object, and nothing deletes it"),
            ),
            _ => return None,
        };
        (!left.excuses.contains(excuse)).then_some(broken)
    });
    objects.chain(ownerless).collect()
}

/// P10: every object that lives is as its manifest asks, or a reason that was to be expected is stated.
#[must_use]
pub fn p10_the_wish_is_reached(left: &Leftovers) -> Vec<String> {
    let living = left.objects.iter().filter(|object| !object.deleting);
    living
        .filter_map(|object| Some(format!("P10: {object} {}", unreached(left, object)?)))
        .collect()
}

fn unreached(left: &Leftovers, object: &Object) -> Option<String> {
    if !object.is_ready() {
        let excused = left.excuses.contains(&object.reason);
        return (!excused).then(|| format!("is at rest without being Ready: {:?}", object.reason));
    }
    let Some(record) = left.records_of(&object.uid).next() else {
        return Some("is Ready without a record".to_owned());
    };
    if record.phase != REGISTERED {
        return Some(format!("is Ready with a record in phase {}", record.phase));
    }
    let Some(issued) = left.ledger.get(&record.client_id).filter(|issued| issued.alive) else {
        return Some("is Ready without a client".to_owned());
    };
    if issued
        .redirect_uris
        .as_ref()
        .is_some_and(|uris| *uris != object.redirect_uris)
    {
        return Some("is Ready, and the provider has other redirect URIs".to_owned());
    }
    let secret = left
        .secrets
        .iter()
        .find(|secret| secret.namespace == object.namespace && secret.name == object.secret_name);
    match secret {
        None => Some("is Ready without its Secret".to_owned()),
        Some(secret) if secret.owner_uid.as_ref() != Some(&object.uid) => {
            Some("is Ready with another's Secret".to_owned())
        }
        Some(secret) if secret.text("client_id") != Some(&record.client_id) => {
            Some("is Ready with the Secret of another client".to_owned())
        }
        Some(_) => None,
    }
}
