//! A request to a provider, and its answer.

use std::sync::Arc;

use http::{HeaderMap, Method};
use url::Url;

use crate::domain::target::{ClientCertificate, Credentials, Deadlines};

use super::limits::BodyError;

/// A request.
#[derive(Clone)]
pub(super) struct Exchange<'a> {
    pub method: Method,
    pub url: Url,
    pub body: Option<Body>,
    pub credentials: &'a Credentials,
    /// Origins that these may be sent to, unless their owner allows fewer.
    pub origins: &'a [String],
    /// UID of the provider object: providers share no connection.
    pub uid: &'a str,
    /// Whether that object is namespaced.
    pub namespaced: bool,
    pub ca_bundle: Option<&'a str>,
    /// The client certificate that is shown.
    pub certificate: Option<&'a Arc<ClientCertificate>>,
    pub deadlines: Deadlines,
    /// Largest body of the answer, in bytes.
    pub limit: usize,
    /// Media types that are asked for.
    pub accept: &'static str,
}

/// What is asked for unless a call says something else.
pub(super) const JSON: &str = "application/json";
/// What is asked for where that is not served.
pub(super) const ANYTHING: &str = "*/*";

/// What a request carries.
#[derive(Clone)]
pub(super) enum Body {
    /// JSON.
    Json(Vec<u8>),
    /// `application/x-www-form-urlencoded`.
    Form(Vec<u8>),
}

/// An answer.
pub(super) struct Answer {
    /// The address that was asked.
    pub url: Url,
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Result<Vec<u8>, BodyError>,
}
