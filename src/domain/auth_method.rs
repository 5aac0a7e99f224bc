//! How a client authenticates at the token endpoint, where its manifest does not say: the first method of a fixed order that the
//! provider's metadata lists. It is chosen once per client, so that an application can authenticate as before.

use serde_json::Value;

use crate::api::{OAuthClientSpec, Reason};

use super::failure::{Class, Failure};
use super::metadata::Request;
use super::target::{Endpoints, Knobs};

/// Name of the member on the wire.
pub(crate) use super::metadata::AUTH_METHOD as MEMBER;

/// Methods that need nothing but the secret that the provider issues, in the order of preference.
const WITH_SECRET: [&str; 3] = ["client_secret_basic", "client_secret_post", "client_secret_jwt"];
/// The method of a client that does not authenticate.
const NONE: &str = "none";
/// The method of a client that has keys of its own.
const WITH_KEYS: &str = "private_key_jwt";

/// Whether a client that was registered for one of two methods may use the other: some servers take both from any client, and state the
/// same one for each.
#[must_use]
pub(crate) fn are_alike(one: &str, other: &str) -> bool {
    let in_request = |method: &str| WITH_SECRET[..2].contains(&method);
    one == other || in_request(one) && in_request(other)
}

/// Methods that the provider supports, if that is known. The provider object overrides the metadata.
#[must_use]
pub(crate) fn supported<'a>(knobs: &'a Knobs, endpoints: Option<&'a Endpoints>) -> Option<&'a [String]> {
    let stated = || endpoints.and_then(|endpoints| endpoints.auth_methods.as_deref());
    let methods = match &knobs.auth_methods {
        Some(own) => Some(own.as_slice()),
        None => stated(),
    };
    methods.filter(|methods| !methods.is_empty())
}

/// What is known of the method of a registered client.
#[derive(Clone, Copy, Debug, Default)]
pub struct Former<'a> {
    /// The one of the request that was accepted last; `None`: nothing was requested, because the client was taken over.
    pub requested: Option<&'a Value>,
    /// The one that the operator chose.
    pub chosen: Option<&'a str>,
    /// The one that the provider states.
    pub stated: Option<&'a str>,
}

impl<'a> Former<'a> {
    /// The method of a client whose manifest sets none.
    fn kept(self) -> Option<&'a str> {
        let kept = match self.requested {
            // A version that chose no method always asked for this one.
            Some(method) => method.as_str().filter(|method| *method == WITH_SECRET[0]),
            // The client was taken over.
            None => self.stated,
        };
        self.chosen.or(kept)
    }
}

/// Puts the chosen method into the request of a client whose manifest sets none. What the provider object omits stays omitted.
///
/// # Errors
/// [`Reason::AuthMethodUnsupported`]: the provider supports none that can be chosen, or not the one that the manifest sets.
pub(crate) fn settle(
    mut request: Request,
    spec: &OAuthClientSpec,
    knobs: &Knobs,
    endpoints: Option<&Endpoints>,
) -> Result<Request, Failure> {
    let (Some(supported), true) = (supported(knobs, endpoints), request.contains_key(MEMBER)) else {
        return Ok(request);
    };
    let lists = |method: &str| supported.iter().any(|known| known == method);
    match &spec.metadata.token_endpoint_auth_method {
        Some(method) if lists(method) => {}
        // Lists of methods in metadata are about clients that authenticate, and some leave out the method of those that do not.
        Some(method) if method == NONE && knobs.auth_methods.is_none() => {}
        Some(method) => return Err(unsupported(method, supported)),
        None => {
            let chosen = candidates(spec)
                .find(|method| lists(method))
                .ok_or_else(|| none_of(supported))?;
            request.insert(MEMBER.to_owned(), Value::from(chosen));
        }
    }
    Ok(request)
}

/// The request of a client that is registered: the method that was chosen for it stays.
///
/// # Errors
/// As [`settle`], if the manifest sets another method than the provider registered.
pub(crate) fn keep(
    request: Request,
    spec: &OAuthClientSpec,
    former: Former<'_>,
    knobs: &Knobs,
    endpoints: Option<&Endpoints>,
) -> Result<Request, Failure> {
    if spec.metadata.token_endpoint_auth_method.is_some() {
        let same = request.get(MEMBER) == former.requested;
        return if same {
            Ok(request)
        } else {
            settle(request, spec, knobs, endpoints)
        };
    }
    match former.kept() {
        None => settle(request, spec, knobs, endpoints),
        Some(kept) => Ok(with(request, kept)),
    }
}

/// The request of another client that is registered in the place of one. The method of that one stays, so that its application can
/// authenticate as before, unless the provider no longer supports it.
///
/// # Errors
/// As [`settle`].
pub(crate) fn anew(
    request: Request,
    spec: &OAuthClientSpec,
    former: Former<'_>,
    knobs: &Knobs,
    endpoints: Option<&Endpoints>,
) -> Result<Request, Failure> {
    let is_supported =
        |method: &&str| supported(knobs, endpoints).is_none_or(|methods| methods.iter().any(|known| known == method));
    let is_unset = spec.metadata.token_endpoint_auth_method.is_none();
    match former.kept().filter(is_supported).filter(|_| is_unset) {
        None => settle(request, spec, knobs, endpoints),
        Some(kept) => Ok(with(request, kept)),
    }
}

/// The request with this method. What the provider object omits stays omitted.
fn with(mut request: Request, method: &str) -> Request {
    if let Some(member) = request.get_mut(MEMBER) {
        *member = Value::from(method);
    }
    request
}

/// The method that the operator chose for a request.
#[must_use]
pub(crate) fn chosen(request: &Request, spec: &OAuthClientSpec) -> Option<String> {
    let method = request.get(MEMBER)?.as_str()?;
    spec.metadata
        .token_endpoint_auth_method
        .is_none()
        .then(|| method.to_owned())
}

/// The same request with every method that may be chosen for it, as long as the provider's metadata is not known.
pub(crate) fn possible<'a>(request: &'a Request, spec: &'a OAuthClientSpec) -> impl Iterator<Item = Request> + 'a {
    let chooses = spec.metadata.token_endpoint_auth_method.is_none() && request.contains_key(MEMBER);
    let with = |method: &str| {
        let mut request = request.clone();
        request.insert(MEMBER.to_owned(), Value::from(method));
        request
    };
    let own = (!chooses).then(|| request.clone());
    own.into_iter()
        .chain(candidates(spec).filter(move |_| chooses).map(with))
}

fn candidates(spec: &OAuthClientSpec) -> impl Iterator<Item = &'static str> {
    let has_keys = spec
        .rare
        .as_ref()
        .is_some_and(|rare| rare.jwks.is_some() || rare.jwks_uri.is_some());
    WITH_SECRET.into_iter().chain(has_keys.then_some(WITH_KEYS))
}

fn unsupported(method: &str, supported: &[String]) -> Failure {
    let text = format!(
        "spec.tokenEndpointAuthMethod: the metadata of the provider does not list {method} in token_endpoint_auth_methods_supported; use one of {}. If the \
         metadata is wrong, list the methods in spec.tokenEndpointAuthMethods of the provider",
        shown(supported)
    );
    Failure::new(Class::Denied, Reason::AuthMethodUnsupported, text)
}

fn none_of(supported: &[String]) -> Failure {
    let text = format!(
        "spec.tokenEndpointAuthMethod is not set, and the provider supports no method that needs only a client_secret; set it to one of {}. If the metadata \
         of the provider is wrong, list the methods in spec.tokenEndpointAuthMethods of the provider",
        shown(supported)
    );
    Failure::new(Class::Denied, Reason::AuthMethodUnsupported, text)
}

fn shown(methods: &[String]) -> String {
    methods.join(", ")
}

#[cfg(test)]
mod tests;
