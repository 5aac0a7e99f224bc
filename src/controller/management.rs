//! From a record and the provider object as it is now to the call that manages the client. The checks are those of
//! [`ManagementCall`]; here the issuer of the provider object is found out where the object does not state it.

use crate::api::ManagementMode;
use crate::domain::failure::Failure;
use crate::domain::outcome::CallError;
use crate::domain::pass::Provider;
use crate::domain::record::Record;
use crate::domain::registration::Registration;
use crate::domain::target::{Endpoints, Location};
use crate::domain::uri_template::{self, Shown};
use crate::provider::{Located, ManagementCall};

use super::world::World;

/// The call that manages a recorded client. `endpoints`: those of the provider object, if this pass has discovered them.
///
/// # Errors
/// As [`ManagementCall::of`], or the provider's credentials are needed and discovery does not tell its issuer.
pub(super) async fn call<W: World>(
    world: &W,
    record: &Record,
    provider: Option<&Provider>,
    endpoints: Option<&Endpoints>,
) -> Result<Option<ManagementCall>, Failure> {
    let Some(provider) = provider else {
        return ManagementCall::of(record, None);
    };
    let located = async {
        let target = &provider.target;
        let found = match (endpoints, &target.location) {
            (Some(endpoints), _) => Some(endpoints.clone()),
            (None, Location::Issuer(_)) => None,
            (None, Location::WebFinger { .. } | Location::MetadataUrl(_)) => match world.discover(provider).await {
                Ok(found) => Some(found),
                // What discovery would find has to be of this issuer.
                Err(_) if target.stated_issuer().is_some() => None,
                Err(error) => return Err(error.failure),
            },
        };
        Ok(found)
    };
    // A registration access token goes to its own URI, wherever the provider object leads: what that adds is not needed.
    let without = record.management.mode == ManagementMode::RegistrationAccessToken;
    match located.await {
        Err(_) if without => ManagementCall::of(record, None),
        Err(failure) => Err(failure),
        Ok(found) => match located_by(provider, found.as_ref()) {
            Err(_) if without => ManagementCall::of(record, None),
            Err(failure) => Err(failure),
            Ok(located) => ManagementCall::of(record, located),
        },
    }
}

/// The provider object with its issuer, as far as that is known without a call.
pub(super) fn located_by<'a>(
    provider: &'a Provider,
    endpoints: Option<&'a Endpoints>,
) -> Result<Option<Located<'a>>, Failure> {
    match endpoints {
        Some(endpoints) => Located::discovered(&provider.target, endpoints).map(Some),
        None => Ok(Located::stated(&provider.target)),
    }
}

/// Reads a recorded client at its URI, and notes that the template of that URI leads to clients if the answer shows this one.
pub(super) async fn read<W: World>(
    world: &W,
    call: &ManagementCall,
    client_id: &str,
) -> Result<Registration, CallError> {
    let answer = world.read(call).await;
    if let (Some(Shown::Client), Some(template)) = (uri_template::shown(&answer, client_id), call.template()) {
        world.prove(template);
    }
    answer
}

/// What the URI of a recorded client shows, before the client is deregistered there. It is read only where a guess has to be proven.
///
/// # Errors
/// The read tells nothing and has to be made again.
pub(super) async fn shown<W: World>(world: &W, call: &ManagementCall, client_id: &str) -> Result<Shown, CallError> {
    if call.template().is_none_or(|template| world.is_proven(template)) {
        return Ok(Shown::Client);
    }
    let answer = read(world, call, client_id).await;
    match uri_template::shown(&answer, client_id) {
        Some(shown) => Ok(shown),
        None => answer.map(|_| Shown::Another),
    }
}
