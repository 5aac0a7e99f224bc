//! `spec.adopt`: a client that exists is taken over (row C8a), or a recorded one gets a new token (row K10b).
//!
//! One read with the token has to show the client before anything of it is recorded. A client that somebody else's record uses is
//! never taken over.

use crate::api::ManagementMode;
use crate::api::Reason;
use crate::domain::adoption::{self, Adoption};
use crate::domain::failure::{Class, Failure};
use crate::domain::record::Record;

use super::UNDER_WAY;
use super::effect::{Decision, Effect};
use super::first::foreign_secret;
use super::row::Row;
use super::view::{CredentialsView, Provider, View};
use crate::domain::secret;

/// K10b: the recorded client gets the token that the object names, if it is another one than was taken over last.
pub(super) fn token(view: &View<'_>, record: &Record) -> Option<Decision> {
    let adopt = view.object.spec.adopt.as_ref()?;
    if adoption::is_set_aside(adopt, record.adopted.as_deref()) {
        return None;
    }
    let row = Row::K10b;
    let adoption = match view.journal.adoption.as_deref() {
        None => return Some(row.does(Effect::ReadAdoption)),
        // It was taken over, and its Secret may have been removed since.
        Some(Err(_)) if adoption::was_done(adopt, record.adopted.as_deref()) => return None,
        Some(Err(failure)) => return Some(row.fails(failure.clone())),
        Some(Ok(adoption)) if adoption.is_same_as(record.adopted.as_deref()) => return None,
        Some(Ok(adoption)) => adoption,
    };
    if record.management.mode != ManagementMode::RegistrationAccessToken {
        return Some(row.fails(of_no_use()));
    }
    let Some(uri) = adoption.uri.as_ref().or(record.registration_client_uri.as_ref()) else {
        return Some(row.fails(needs_uri()));
    };
    Some(match view.endpoints {
        None => row.does(Effect::Discover),
        Some(found) if found.issuer != record.endpoints.issuer => {
            row.fails(super::keep::provider_changed(&found.issuer, &record.endpoints.issuer))
        }
        // A view that lags behind must not undo a newer token, nor may an update that is under way bring one after this.
        Some(_) if !view.journal.object_read => row.does(Effect::ReadObject),
        Some(_) => match view.seen.foreign_update_age.and_then(|age| UNDER_WAY.checked_sub(age)) {
            Some(wait) => row.fails(super::change::under_way(wait)),
            None => row.does(take(adoption, uri)),
        },
    })
}

/// C8a: the client is taken over instead of being registered.
pub(super) fn client(view: &View<'_>, provider: &Provider) -> Option<Decision> {
    view.object.spec.adopt.as_ref()?;
    let row = Row::C8a;
    if !provider.target.knobs.allow_adoption {
        let text = "spec.adopt names a client that this operator has not registered, and the provider object does not allow that; ask its owner to set \
                    allowAdoption there, or remove spec.adopt to have a client registered";
        return Some(row.refuses(Class::Denied, Reason::AdoptionNotAllowed, text));
    }
    if provider.target.knobs.management != ManagementMode::RegistrationAccessToken {
        return Some(row.fails(of_no_use()));
    }
    match view.credentials {
        CredentialsView::Foreign | CredentialsView::Former => {
            return Some(row.fails(foreign_secret(&secret::name(view.object))));
        }
        CredentialsView::Absent | CredentialsView::Unseen { .. } | CredentialsView::Ours(_) => {}
    }
    let adoption = match view.journal.adoption.as_deref() {
        None => return Some(row.does(Effect::ReadAdoption)),
        Some(Err(failure)) => return Some(row.fails(failure.clone())),
        Some(Ok(adoption)) => adoption,
    };
    let Some(uri) = &adoption.uri else {
        return Some(row.fails(needs_uri()));
    };
    if view.endpoints.is_none() {
        return Some(row.does(Effect::Discover));
    }
    if !view.journal.proven {
        return Some(row.does(Effect::ProveWritable));
    }
    // No marker: nothing is registered, so that no doubt can arise.
    if !view.has_finalizer() {
        return Some(row.does(Effect::AddFinalizer));
    }
    Some(row.does(take(adoption, uri)))
}

fn take(adoption: &Adoption, uri: &str) -> Effect {
    Effect::Adopt(Box::new(Adoption {
        uri: Some(uri.to_owned()),
        ..adoption.clone()
    }))
}

fn needs_uri() -> Failure {
    let text = "spec.adopt.registrationClientURI has to be set: no record of this OAuthClient holds the address at which its client is managed";
    Failure::new(Class::Invalid, Reason::InvalidSpec, text)
}

fn of_no_use() -> Failure {
    let text = "spec.adopt is for clients that are managed by registration access tokens, and those of this provider are not (management.mode of the provider \
                object); remove spec.adopt";
    Failure::new(Class::Invalid, Reason::InvalidSpec, text)
}
