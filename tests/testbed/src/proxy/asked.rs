//! What a request asks for.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method};
use serde_json::Value;

/// A request. The API server's vocabulary is empty or without meaning before a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Method of HTTP.
    pub method: Method,
    /// Path without query.
    pub path: String,
    /// Query as it was sent.
    pub query: String,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
    /// Verb of RBAC.
    pub verb: &'static str,
    /// Plural resource.
    pub resource: String,
    /// Subresource, or empty.
    pub subresource: String,
    /// Namespace, or empty.
    pub namespace: String,
    /// Name, or empty.
    pub name: String,
    /// Whether nothing is to be stored.
    pub dry_run: bool,
}

impl Asked {
    pub(super) fn of(request: &Parts, body: Bytes) -> Self {
        let query = request.uri.query().unwrap_or_default();
        let (resource, subresource, namespace, name) = path(request.uri.path());
        let verb = match request.method.as_str() {
            "GET" if query.split('&').any(|part| matches!(part, "watch=true" | "watch=1")) => "watch",
            "GET" if name.is_empty() => "list",
            "GET" => "get",
            "POST" => "create",
            "PUT" => "update",
            "PATCH" => "patch",
            "DELETE" => "delete",
            _ => "other",
        };
        Self {
            method: request.method.clone(),
            path: request.uri.path().to_owned(),
            query: query.to_owned(),
            headers: request.headers.clone(),
            body,
            verb,
            resource,
            subresource,
            namespace,
            name,
            dry_run: query.contains("dryRun="),
        }
    }

    /// Whether it is to change something at the API server, dry runs apart.
    #[must_use]
    pub fn is_write(&self) -> bool {
        matches!(self.verb, "create" | "update" | "patch" | "delete") && !self.dry_run
    }

    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A header as text; empty if it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// Resource, subresource, namespace and name.
fn path(path: &str) -> (String, String, String, String) {
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    // `/api/VERSION/…` and `/apis/GROUP/VERSION/…`
    let prefix = if parts.first() == Some(&"apis") { 3 } else { 2 };
    parts.drain(..prefix.min(parts.len()));
    let mut namespace = String::new();
    if parts.first() == Some(&"namespaces") && parts.len() > 2 {
        parts[1].clone_into(&mut namespace);
        parts.drain(..2);
    }
    let part = |at: usize| parts.get(at).copied().unwrap_or_default().to_owned();
    (part(0), part(2), namespace, part(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_understood() {
        let found = |text: &str| {
            let (resource, subresource, namespace, name) = path(text);
            [resource, subresource, namespace, name].join(" ")
        };
        assert_eq!(found("/api/v1/namespaces/shop/secrets/app"), "secrets  shop app");
        assert_eq!(found("/api/v1/namespaces/shop/secrets"), "secrets  shop ");
        assert_eq!(found("/api/v1/namespaces/shop"), "namespaces   shop");
        assert_eq!(found("/api/v1/secrets"), "secrets   ");
        assert_eq!(
            found("/apis/oauth-client-operator.dev/v1alpha1/namespaces/shop/oauthclients/app/status"),
            "oauthclients status shop app"
        );
    }
}
