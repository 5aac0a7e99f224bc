//! What restored objects are promised.

use std::sync::Arc;

use kube::ResourceExt;
use oauth_client_operator::cluster::Role;
use oauth_client_operator::domain::record::{DATA_KEY, Record};

use super::cluster::Kept;
use super::schedule::Choice;
use super::state::State;
use super::steps::Step;

/// An object that was restored while all was at rest has the client that it had.
pub(super) fn restored_objects_keep_their_client(state: &State) -> Option<String> {
    let steps = [
        Step::Restore,
        Step::RestoreAll,
        Step::RestoreElsewhere,
        Step::RestoreUnlabelled,
    ];
    let mut taken = state.schedule.script.iter();
    let acted = taken.any(|(_, _, choice)| *choice == Choice::UserActs);
    let restored = steps.into_iter().any(|step| state.scenario.does(step));
    let anew = restored && !acted && state.stated.len() > 1;
    anew.then(|| format!("P1: a restored object has another client: {:?}", state.stated))
}

/// Whether a record of this client is marked as taken over by an object that lives, which has to remove it then.
pub(super) fn is_left_by_a_living_object(state: &State, of: &str) -> bool {
    state.clusters.iter().any(|cluster| {
        let records = cluster.secrets.values().filter(|kept| kept.meta.role == Role::Record);
        let mut taken = records.filter_map(|kept| {
            let bytes = kept.secret.data.as_ref()?.get(DATA_KEY)?;
            let record = Record::from_json(&bytes.0).ok()?;
            let by = record
                .taken_by
                .filter(|_| of.starts_with(&format!("{} ", record.client_id)))?;
            let living = |kept: &&Arc<Kept>| {
                kept.object.uid().as_ref() == Some(&by) && kept.object.metadata.deletion_timestamp.is_none()
            };
            cluster.clients.values().find(living)
        });
        taken.next().is_some()
    })
}
