//! What a run may leave behind although a promise says otherwise, and why.

use std::collections::BTreeSet;

use oauth_client_operator::api::OnUnknownOutcome;

use super::object;
use crate::schedule::Choice;
use crate::state::State;
use crate::steps::Step;

/// Reasons that this run may leave behind.
pub(super) fn excuses(state: &State, cluster: usize) -> BTreeSet<String> {
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
pub(super) fn left_with_an_event(state: &State) -> bool {
    let refused = |choice| matches!(choice, Choice::Invalid | Choice::Forbidden);
    let mut taken = state.schedule.script.iter();
    let refused = taken.any(|(_, what, choice)| ["create suspect", "get secret"].contains(what) && refused(*choice));
    refused && state.scenario.does(Step::CorruptRecord) && state.let_go
}

/// Whether somebody deleted the only record of this client before a status named it: its object says `RecordLost`, and the Secret
/// that is kept names the client.
pub(super) fn is_named_by_its_secret(state: &State, text: &str) -> bool {
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
pub(super) fn marker_was_stripped(state: &State) -> bool {
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
        Step::RestoreUnlabelled,
        Step::LoseRecords,
    ];
    strips.into_iter().any(|step| state.scenario.does(step)) && acted && state.deadly > 0
}
