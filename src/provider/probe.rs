//! Whether a provider knows a client: by that client's own credentials at the token endpoint (RFC 6749 section 5.2).
//!
//! The request cannot succeed: it asks for a token with an authorization code that was never issued. What matters is whether
//! the provider objects to the client or to the code.

use http::Method;
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::ExposeSecret;
use url::form_urlencoded::Serializer;

use crate::domain::metadata::hex;
use crate::domain::outcome::CallError;
use crate::domain::plan::Known;

use super::calls::ProbeCall;
use super::transport::{Body, Exchange, JSON, Transport, not_sent};
use super::{error_body, limits, token};

/// How a client authenticates at the token endpoint, of the ways that can be tried with what a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// `client_secret_basic`.
    Basic,
    /// `client_secret_post`.
    Post,
    /// `none`: a public client names itself.
    Public,
}

impl ClientAuth {
    /// The method of this name (RFC 7591 section 2), if it can be tried.
    #[must_use]
    pub fn parse(method: &str) -> Option<Self> {
        match method {
            "client_secret_basic" => Some(Self::Basic),
            "client_secret_post" => Some(Self::Post),
            "none" => Some(Self::Public),
            _ => None,
        }
    }
}

impl Transport {
    /// Asks whether the provider knows the client: one POST that gets no token.
    ///
    /// # Errors
    /// There is no answer, or the endpoint may not be called.
    pub async fn probe(&self, call: &ProbeCall) -> Result<Known, CallError> {
        let (route, site) = (call.route(), call.route().site());
        let url = token::endpoint(call.token_endpoint(), site.issuer, site.allowed_origins, &self.policy)
            .map_err(not_sent)?;
        let exchange = Exchange {
            method: Method::POST,
            url,
            body: Some(Body::Form(form(call))),
            credentials: route.credentials(),
            origins: route.origins(),
            ca_bundle: route.ca_bundle(),
            deadlines: route.deadlines(),
            accept: JSON,
            limit: limits::REGISTRATION,
        };
        let answer = self.send(exchange).await?;
        Ok(meaning(answer.status, &answer.body.unwrap_or_default()))
    }
}

/// Only the error code that RFC 6749 has for it says that the client is unknown: a provider in trouble answers 401 to
/// everything.
fn meaning(status: u16, body: &[u8]) -> Known {
    let code = error_body::parse(body).code;
    match (status, code.as_deref()) {
        (400 | 401, Some("invalid_client")) => Known::No,
        (400 | 401, Some("invalid_grant" | "unauthorized_client" | "unsupported_grant_type")) => Known::Yes,
        _ => Known::Unclear,
    }
}

fn form(call: &ProbeCall) -> Vec<u8> {
    let mut code = [0; 24];
    // Not even a code of zeros was ever issued.
    let _ = SystemRandom::new().fill(&mut code);
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "authorization_code")
        .append_pair("code", &hex(&code));
    if call.method() != ClientAuth::Basic {
        form.append_pair("client_id", call.client_id());
    }
    if let (ClientAuth::Post, Some(secret)) = (call.method(), call.client_secret()) {
        form.append_pair("client_secret", secret.expose_secret());
    }
    form.finish().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::calls::tests::record;
    use super::*;
    use crate::api::ManagementMode;
    use crate::domain::target::AuthScheme;

    fn call(method: &str) -> ProbeCall {
        let mut record = record("https://p", ManagementMode::None);
        record.client_id = "a:b".to_owned();
        record.client_secret = Some("s3cret&".into());
        let stated = serde_json::json!({"token_endpoint_auth_method": method});
        record.metadata = stated.as_object().unwrap().clone();
        ProbeCall::of(&record, None).unwrap()
    }

    #[test]
    fn only_an_error_about_the_client_says_that_it_is_unknown() {
        let said = |status, code: &str| meaning(status, format!(r#"{{"error":"{code}"}}"#).as_bytes());
        assert_eq!(said(401, "invalid_client"), Known::No);
        assert_eq!(said(400, "invalid_client"), Known::No);
        for code in ["invalid_grant", "unauthorized_client", "unsupported_grant_type"] {
            assert_eq!(said(400, code), Known::Yes, "{code}");
        }
        for (status, code) in [
            (401, "invalid_token"),
            (400, "invalid_request"),
            (500, "invalid_client"),
            (200, ""),
        ] {
            assert_eq!(said(status, code), Known::Unclear, "{status} {code}");
        }
        for body in ["", "<html>", "[]"] {
            assert_eq!(meaning(401, body.as_bytes()), Known::Unclear, "{body}");
        }
    }

    #[test]
    fn the_secret_goes_where_the_method_says_and_is_encoded() {
        let text = |method| String::from_utf8(form(&call(method))).unwrap();
        assert!(text("client_secret_post").ends_with("&client_id=a%3Ab&client_secret=s3cret%26"));
        assert!(text("none").ends_with("&client_id=a%3Ab"));
        assert!(!text("client_secret_basic").contains("client_id"));
        let basic = call("client_secret_basic");
        let AuthScheme::Basic { username, password } = &basic.route().credentials().scheme else {
            panic!("no Basic")
        };
        assert_eq!(
            (username.expose_secret(), password.expose_secret()),
            ("a%3Ab", "s3cret%26")
        );
        let post = call("client_secret_post");
        assert!(matches!(post.route().credentials().scheme, AuthScheme::None));
        assert_eq!(ClientAuth::parse("private_key_jwt"), None);
    }
}
