//! Deregistrations at a URI that is made from a template: row D16a, and what row D13 says of them.
//!
//! Invariant: a success at such a URI counts only after a read at one of this provider and template has shown a client, and nothing is
//! deregistered at a URI that shows another client.

use crate::api::ManagementMode;
use crate::domain::capability;
use crate::domain::record::Record;

use super::journal::Deregistration;
use super::view::View;

/// Whether the claimed client has to be read before it is deregistered.
pub(super) fn is_to_be_read(view: &View<'_>, record: &Record) -> bool {
    let is_guess = record.management.mode == ManagementMode::Credentials && !view.seen.template_proven;
    (is_guess || capability::is_throw_away(view.object)) && view.journal.shown.is_none()
}

/// Whether the client in hand, which no record holds, has to be read before it is deregistered. This is rare, so that what other
/// clients have shown does not matter.
pub(super) fn is_to_be_read_in_hand(view: &View<'_>, record: &Record) -> bool {
    record.management.mode == ManagementMode::Credentials && view.journal.shown.is_none()
}

/// What is said while the deletion waits for its second look.
pub(super) const fn refusal(ended: Option<Deregistration>) -> &'static str {
    match ended {
        Some(Deregistration::Unproven) => {
            "the provider answered that it deregistered the client, but a GET at the same URI did not show the client before, so the answer proves nothing; \
             check management.uriTemplate of the provider object. The operator tries a second time"
        }
        Some(Deregistration::Misdirected) => {
            "the management URI of the client returned a different client, so nothing was deregistered; check management.uriTemplate of the provider object. \
             The operator tries a second time"
        }
        _ => "the provider refused to deregister the client, or no longer knows it; the operator tries a second time",
    }
}
