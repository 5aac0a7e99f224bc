//! Looks at clients' own credentials: this client's, and another one's to compare with.

use crate::domain::capability;
use crate::domain::marker;
use crate::domain::pass::{State, StoredRecord, stored};
use crate::domain::probe::{Control, ProbeKind, Probed, compares};
use crate::domain::record::Record;
use crate::domain::status;
use crate::provider::{Located, ProbeCall};

use super::management;
use super::world::World;

/// Finds out whether the provider accepts the recorded client's credentials; where it rejects those of a client whose management
/// token it refused, whether it accepts another client's.
pub(super) async fn look<W: World>(world: &W, state: &State) -> Option<(Probed, Option<Control>)> {
    let (record, _) = state.record()?;
    let located = located(state);
    let call = ProbeCall::of(&as_discovered(state, record), record.applied_auth_method(), located);
    let probed = match &call {
        Some(call) => world.probe(call).await,
        None => Probed::Unclear,
    };
    world.observed(&record.endpoints.issuer, &capability::of_probe(probed));
    // Providers lock clients that show a wrong secret.
    if let (Probed::Accepted(kind), Some(call), true) = (probed, &call, capability::is_throw_away(state.object())) {
        let wrong = world.answer_to(&call.with_wrong_secret().only(kind)).await;
        world.observed(&record.endpoints.issuer, &capability::of_wrong_secret(kind, wrong));
    }
    let control = match probed {
        Probed::Rejected(kind) if state.wants_control() => Some(control(world, state, kind, record, located).await),
        _ => None,
    };
    Some((probed, control))
}

fn located(state: &State) -> Option<Located<'_>> {
    management::located_by(state.provider()?, state.endpoints()).ok()?
}

/// The record with the endpoints that its provider has now.
fn as_discovered(state: &State, record: &Record) -> Record {
    let mut record = record.clone();
    if let Some(found) = state
        .endpoints()
        .filter(|found| found.issuer == record.endpoints.issuer)
    {
        record.endpoints.clone_from(found);
    }
    record
}

/// Looks at other clients of this provider until one is accepted that proves something.
async fn control<W: World>(
    world: &W,
    state: &State,
    kind: ProbeKind,
    own: &Record,
    located: Option<Located<'_>>,
) -> Control {
    let accepted = own
        .accepted
        .or_else(|| status::verified_at(state.object().status.as_ref()));
    let mut control = Control::Missing;
    for uid in world.companions(state.object()) {
        let name = marker::record_name(&uid);
        let found = world.get_secret(&world.here().namespace, &name).await;
        let Some(StoredRecord::Present { record, .. }) = found.ok().flatten().as_ref().map(stored) else {
            continue;
        };
        let Some(proves) = compares(own, accepted, &record) else {
            continue;
        };
        let Some(call) = ProbeCall::of(&as_discovered(state, &record), record.applied_auth_method(), located) else {
            continue;
        };
        match world.probe(&call.only(kind)).await {
            Probed::Accepted(_) if proves => return Control::Accepted,
            Probed::Accepted(_) => {}
            Probed::Rejected(_) | Probed::AcceptsAnybody(_) | Probed::Unclear | Probed::NoAnswer => {
                control = Control::NotAccepted;
            }
        }
    }
    control
}
