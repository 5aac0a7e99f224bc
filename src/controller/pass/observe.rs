//! What a pass sees of the world outside, at each of its steps.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;

use crate::api::{OAuthClient, SecretVersion};
use crate::cluster::SecretMeta;
use crate::controller::world::World;
use crate::domain::breaker::BreakerKind;
use crate::domain::marker;
use crate::domain::pass::{Observed, SecretOwner, State, Watched, WatchedSecret};
use crate::domain::record::{Phase, Record};
use crate::domain::secret;
use crate::domain::status;

/// What the watches know of an object's surroundings.
pub(super) fn watched<W: World>(world: &W, object: &OAuthClient) -> Watched {
    let uid = object.metadata.uid.as_deref().unwrap_or_default();
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let name = secret::name(object);
    let former = world.credentials_of(uid);
    let former = former
        .iter()
        .filter(|meta| *meta.namespace == *namespace && *meta.name != *name && !meta.deleting);
    let prefix = marker::suspect_name(uid, "");
    let suspects = world.suspects_of(uid);
    let suspects = suspects.iter().filter_map(|entry| {
        let attempt = entry.name.strip_prefix(&prefix)?;
        Some((attempt.to_owned(), entry.client_id.as_deref().map(str::to_owned)))
    });
    let record = world.record(uid);
    let own = record.iter().filter(|own| own.phase == Some(Phase::Registered)).count();
    let registered = usize::try_from(world.registered_of(namespace, &object.name_any()));
    Watched {
        has_earlier: !world.names_objects() || registered.is_ok_and(|all| all > own),
        namespace_uid: world.namespace_uid(namespace),
        record: record.map(|record| record.generation),
        credentials: world
            .secret_at(namespace, &name)
            .map(|meta| watched_secret(world, &meta, uid)),
        former_names: former.map(|meta| meta.name.to_string()).collect(),
        suspects: suspects.collect(),
    }
}

fn watched_secret<W: World>(world: &W, meta: &Arc<SecretMeta>, uid: &str) -> WatchedSecret {
    let owner = match meta.owner_uid() {
        Some(owner) if owner == uid => SecretOwner::This,
        Some(owner) if !world.is_alive(owner) => SecretOwner::Former,
        _ => SecretOwner::Foreign,
    };
    WatchedSecret {
        version: SecretVersion {
            uid: meta.uid.to_string(),
            resource_version: meta.resource_version.to_string(),
        },
        owner,
        generation: meta.generation,
    }
}

/// What is outside of the pass, as it is now.
pub(super) fn observed<'a, W: World>(world: &'a W, state: &State, fresh_attempt: &'a str) -> Observed<'a> {
    let object = state.object();
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let provider = state.provider();
    let pause = provider.and_then(|provider| world.pause_of(provider));
    let denied = |what| provider.and_then(|provider| world.denied(provider, namespace, what));
    let record = state.record().map(|(record, _)| record);
    let deleted = object.metadata.deletion_timestamp.as_ref();
    Observed {
        operator: world.here(),
        leads: world.may_begin(),
        stopping: world.is_stopping(),
        namespace_terminating: world.is_terminating(namespace),
        registrations_denied: denied(BreakerKind::UnknownOutcome),
        recreations_denied: denied(BreakerKind::Recreation).or(pause.map(|pause| pause.rest)),
        pause,
        foreign_attempt_age: state
            .marked_attempt()
            .and_then(|attempt| world.foreign_attempt_age(&attempt)),
        foreign_update_age: state
            .update_in_flight()
            .and_then(|attempt| world.foreign_attempt_age(attempt)),
        deleting_for: deleted.map_or(Duration::ZERO, |since| world.age(since.0.as_second())),
        template_proven: record
            .and_then(Record::template)
            .is_none_or(|template| world.is_proven(&template)),
        rejected_for: status::rejected_since(object.status.as_ref()).map(|since| world.age(since)),
        missing_for: record.and_then(|record| Some(world.age(record.missing_since?))),
        fresh_attempt,
        now: world.now(),
    }
}

/// Name and namespace of an object's credentials Secret.
pub(super) fn secret_of(object: &OAuthClient) -> (String, String) {
    (object.namespace().unwrap_or_default(), secret::name(object))
}
