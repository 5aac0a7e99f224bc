//! The status of a suspended object: whether the operator has dealt with what the user asks for, were it not for the suspension.

use crate::api::{OAuthClientSpec, OAuthClientStatus, Reason};
use crate::domain::metadata::hex;

use super::{Conditions, Facts};

/// Bytes of a digest that a status keeps.
const KEPT: usize = 8;

/// Digest of a spec without `suspend`. Suspending and resuming do not change it.
#[must_use]
pub(super) fn spec_digest(spec: &OAuthClientSpec) -> String {
    let spec = OAuthClientSpec {
        suspend: false,
        ..spec.clone()
    };
    let bytes = serde_json::to_vec(&spec).unwrap_or_default();
    let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
    hex(&digest.as_ref()[..KEPT])
}

/// Sets what a suspended object says. Only `suspend` has changed: the last verdict is about the new generation as well. The spec
/// has changed too: the generation stays unobserved, and tools that wait go on waiting.
pub(super) fn suspend(status: &mut OAuthClientStatus, facts: &Facts<'_>) {
    let observed = status.observed_generation == facts.generation;
    let spec = facts.spec.map(spec_digest);
    let unchanged = observed || (spec.is_some() && status.observed_spec == spec);
    if unchanged {
        status.observed_generation = facts.generation;
        for condition in &mut status.conditions {
            condition.observed_generation = facts.generation;
        }
    }
    let mut conditions = Conditions {
        status: &mut status.conditions,
        generation: facts.generation,
        now: facts.now,
    };
    if !conditions.has("Ready") {
        conditions.set(
            "Ready",
            "Unknown",
            Reason::Suspended,
            "spec.suspend is set; remove it to have the client registered",
        );
    }
    conditions.settle();
    let message = if unchanged {
        "spec.suspend is set: the operator does not update, check or repair the client until it is removed"
    } else {
        "spec.suspend is set, and the spec may contain changes that were not applied; remove spec.suspend to apply them"
    };
    conditions.set("Suspended", "True", Reason::Suspended, message);
}
