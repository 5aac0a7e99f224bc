//! The providers do what the tests of the operator count on: each is started, registered at by hand, and
//! looked at from behind.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod django_oauth_toolkit;
mod idpyoidc;
mod keycloak;
mod mitreid;
mod oidc_provider;
mod scriptable;
mod wso2;

use http::Method;
use serde_json::{Value, json};

/// Metadata of a machine client.
fn machine(name: &str) -> Value {
    json!({
        "client_name": name,
        "grant_types": ["client_credentials"],
        "response_types": [],
        "redirect_uris": [],
    })
}

/// A string member; empty if it is absent.
fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

/// One request by hand: status, headers and body, null if that is no JSON. An error if there is no answer.
async fn call(
    http: &reqwest::Client,
    method: Method,
    url: &str,
    authorization: impl Into<Option<String>>,
    body: Option<&Value>,
) -> Result<(u16, http::HeaderMap, Value), reqwest::Error> {
    let mut request = http.request(method, url);
    if let Some(authorization) = authorization.into() {
        request = request.header("authorization", authorization);
    }
    if let Some(body) = body {
        request = request
            .header("content-type", "application/json")
            .body(body.to_string());
    }
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.text().await?;
    Ok((status, headers, serde_json::from_str(&body).unwrap_or_default()))
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}
