//! What a JWT says, without its signature: for tokens that the operator holds and sends.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

/// The claims of a JWT; none for any other token.
#[must_use]
pub(crate) fn claims(token: &SecretString) -> Option<Value> {
    let mut parts = token.expose_secret().split('.');
    let (_, claims, _) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&claims).ok()
}

/// The audiences of a JWT (RFC 7519 section 4.1.3); none for any other token.
#[must_use]
pub(crate) fn audiences(token: &SecretString) -> Vec<String> {
    let claims = claims(token).unwrap_or_default();
    match &claims["aud"] {
        Value::String(one) => vec![one.clone()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// Whether a ServiceAccount token of this audience may be accepted by the API server that issued it. `own` are the audiences of the token
/// that the operator itself calls the API server with. Without them, the default counts: an API server accepts its own issuer.
#[must_use]
pub(crate) fn is_of_api_server(token: &SecretString, audience: &str, own: &[String]) -> bool {
    let host = audience.split_once("://").map_or(audience, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or_default();
    let is_service = host == "kubernetes" || host == "kubernetes.default" || host.starts_with("kubernetes.default.svc");
    let claims = claims(token).unwrap_or_default();
    is_service || claims["iss"] == audience || own.iter().any(|own| own == audience)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(claims: &str) -> SecretString {
        let claims = URL_SAFE_NO_PAD.encode(claims);
        format!("eyJhbGciOiJub25lIn0.{claims}.c2ln").into()
    }

    #[test]
    fn t268_the_audiences_of_a_token_are_all_that_it_lists() {
        let all = |claims: &str| audiences(&jwt(claims));
        assert_eq!(all(r#"{"aud":"https://id"}"#), ["https://id"]);
        assert_eq!(all(r#"{"aud":["https://id","b"]}"#), ["https://id", "b"]);
        assert!(all(r#"{"aud":[]}"#).is_empty() && all("{}").is_empty() && all("[]").is_empty());
        assert!(audiences(&"opaque".into()).is_empty());
    }

    #[test]
    fn t268_a_token_that_the_api_server_accepts_is_recognized() {
        let token = jwt(r#"{"iss":"https://cluster.example","aud":"https://id"}"#);
        let listed = ["https://also.example".to_owned()];
        let own = [
            "https://cluster.example",
            "https://kubernetes.default.svc",
            "https://kubernetes.default.svc.cluster.local/",
            "kubernetes",
            "https://also.example",
        ];
        for audience in own {
            assert!(is_of_api_server(&token, audience, &listed), "{audience}");
        }
        let others = [
            "https://id",
            "https://cluster.example/a",
            "https://kubernetes.id.example",
        ];
        for audience in others {
            assert!(!is_of_api_server(&token, audience, &listed), "{audience}");
        }
    }
}
