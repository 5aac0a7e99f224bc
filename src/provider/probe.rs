//! Whether a provider knows a client: by that client's own credentials, at an endpoint that authenticates the client before it
//! looks at anything else.
//!
//! No request here can succeed: each names a token or a code that was never issued. What matters is whether the provider objects
//! to the client or to the token.

use http::Method;
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::ExposeSecret;
use url::form_urlencoded::Serializer;

use crate::domain::metadata::hex;
use crate::domain::outcome::CallError;
use crate::domain::probe::{ProbeKind, Probed};

use super::calls::ClientAuth;
use super::calls::ProbeCall;
use super::exchange::{Body, Exchange, JSON};
use super::transport::{Transport, not_sent};
use super::{error_body, limits, token};

impl Transport {
    /// Asks at one endpoint after the other whether the provider accepts the client, until one tells.
    ///
    /// # Errors
    /// There is no answer, or an endpoint may not be called.
    pub async fn probe(&self, call: &ProbeCall) -> Result<Probed, CallError> {
        let mut last = Probed::Unclear;
        for (kind, endpoint) in call.endpoints() {
            match self.probe_at(call, kind, endpoint).await? {
                // The next one may tell more.
                Probed::Rejected(ProbeKind::Introspection) => last = Probed::Rejected(kind),
                Probed::NoAnswer if last == Probed::Unclear => last = Probed::NoAnswer,
                Probed::Unclear | Probed::NoAnswer => {}
                answer => return Ok(answer),
            }
        }
        Ok(last)
    }

    async fn probe_at(&self, call: &ProbeCall, kind: ProbeKind, endpoint: &str) -> Result<Probed, CallError> {
        let (route, site) = (call.route(), call.route().site());
        let url = token::endpoint(endpoint, &site, route.credentials(), &self.policy).map_err(not_sent)?;
        let exchange = Exchange {
            method: Method::POST,
            url,
            body: Some(Body::Form(form(call, kind))),
            credentials: route.credentials(),
            origins: route.origins(),
            uid: route.uid(),
            namespaced: route.namespaced(),
            ca_bundle: route.ca_bundle(),
            certificate: route.certificate(),
            deadlines: route.deadlines(),
            accept: JSON,
            limit: limits::REGISTRATION,
        };
        let answer = self.send(exchange).await?;
        Ok(meaning(kind, answer.status, &answer.body.unwrap_or_default()))
    }
}

/// Only the error code that RFC 6749 has for it says that the client is unknown: a provider in trouble answers 401 to
/// everything. `unauthorized_client` and `unsupported_grant_type` may come before the client is authenticated.
pub(super) fn meaning(kind: ProbeKind, status: u16, body: &[u8]) -> Probed {
    let code = error_body::parse(body).code;
    match (kind, status, code.as_deref()) {
        (ProbeKind::Revocation | ProbeKind::Token, 400 | 401, Some("invalid_client"))
        | (ProbeKind::Introspection, 401 | 403, _)
        | (ProbeKind::Introspection, 400, Some("invalid_client")) => Probed::Rejected(kind),
        (ProbeKind::Revocation | ProbeKind::Introspection, 200, None)
        | (ProbeKind::Token, 400 | 401, Some("invalid_grant")) => Probed::Accepted(kind),
        // A gateway before the provider, or one that has too much to do.
        (_, 429 | 502..=504, _) => Probed::NoAnswer,
        _ => Probed::Unclear,
    }
}

fn form(call: &ProbeCall, kind: ProbeKind) -> Vec<u8> {
    let mut token = [0; 24];
    // Not even a token of zeros was ever issued.
    let _ = SystemRandom::new().fill(&mut token);
    let token = hex(&token);
    let mut form = Serializer::new(String::new());
    match kind {
        ProbeKind::Revocation | ProbeKind::Introspection => {
            form.append_pair("token", &token)
                .append_pair("token_type_hint", "refresh_token");
        }
        ProbeKind::Token => {
            form.append_pair("grant_type", "authorization_code")
                .append_pair("code", &token);
        }
    }
    if call.method() == ClientAuth::Post {
        form.append_pair("client_id", call.client_id());
        form.append_pair("client_secret", call.client_secret().expose_secret());
    }
    form.finish().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::calls::tests::record;
    use super::*;
    use crate::api::ManagementMode;
    use crate::domain::target::AuthScheme;

    fn call(method: &str) -> Option<ProbeCall> {
        let mut record = record("https://p", ManagementMode::None);
        record.client_id = "a:b".to_owned();
        record.client_secret = Some("s3cret&".into());
        record.endpoints.revocation = Some("https://p/revoke".to_owned());
        let stated = serde_json::json!({"token_endpoint_auth_method": method});
        record.metadata = stated.as_object().unwrap().clone();
        ProbeCall::of(&record, record.auth_method(), None)
    }

    #[test]
    fn only_an_answer_that_authenticated_the_client_tells_anything() {
        use ProbeKind::{Introspection, Revocation, Token};
        let said = |kind, status, code: &str| meaning(kind, status, format!(r#"{{"error":"{code}"}}"#).as_bytes());
        for kind in [Revocation, Token] {
            assert_eq!(said(kind, 401, "invalid_client"), Probed::Rejected(kind));
            assert_eq!(said(kind, 400, "invalid_client"), Probed::Rejected(kind));
        }
        for status in [400, 401, 403] {
            let answer = said(Introspection, status, "invalid_client");
            assert_eq!(answer, Probed::Rejected(Introspection), "by the caller's credentials");
        }
        assert_eq!(said(Introspection, 400, "invalid_request"), Probed::Unclear);
        assert_eq!(said(Token, 400, "invalid_grant"), Probed::Accepted(Token));
        assert_eq!(said(Revocation, 400, "invalid_grant"), Probed::Unclear);
        assert_eq!(meaning(Revocation, 200, b""), Probed::Accepted(Revocation));
        assert_eq!(
            meaning(Introspection, 200, br#"{"active":false}"#),
            Probed::Accepted(Introspection)
        );
        assert_eq!(meaning(Token, 200, b""), Probed::Unclear);
        for code in [
            "unauthorized_client",
            "unsupported_grant_type",
            "invalid_token",
            "invalid_request",
        ] {
            assert_eq!(said(Token, 400, code), Probed::Unclear, "{code}");
            assert_eq!(said(Revocation, 401, code), Probed::Unclear, "{code}");
        }
        for body in ["", "<html>", "[]"] {
            assert_eq!(meaning(Token, 401, body.as_bytes()), Probed::Unclear, "{body}");
        }
        assert_eq!(said(Revocation, 500, "invalid_client"), Probed::Unclear);
        for status in [429, 502, 503, 504] {
            assert_eq!(said(Revocation, status, "invalid_client"), Probed::NoAnswer, "{status}");
        }
    }

    #[test]
    fn the_secret_goes_where_the_method_says_and_is_encoded() {
        let text = |method| String::from_utf8(form(&call(method).unwrap(), ProbeKind::Token)).unwrap();
        assert!(text("client_secret_post").ends_with("&client_id=a%3Ab&client_secret=s3cret%26"));
        assert!(!text("client_secret_basic").contains("client_id"));
        let basic = call("client_secret_basic").unwrap();
        let AuthScheme::Basic { username, password } = &basic.route().credentials().scheme else {
            panic!("no Basic")
        };
        assert_eq!(
            (username.expose_secret(), password.expose_secret()),
            ("a%3Ab", "s3cret%26")
        );
        let post = call("client_secret_post").unwrap();
        assert!(matches!(post.route().credentials().scheme, AuthScheme::None));
        for method in ["none", "private_key_jwt", "tls_client_auth"] {
            assert!(call(method).is_none(), "{method}");
        }
    }

    #[test]
    fn t302_a_wrong_secret_is_one_of_the_same_client_and_nothing_of_the_right_one_is_in_it() {
        for method in ["client_secret_basic", "client_secret_post"] {
            let wrong = call(method).unwrap().with_wrong_secret();
            assert_eq!(wrong.client_id(), "a:b");
            assert_ne!(wrong.client_secret().expose_secret(), "s3cret&");
            let form = String::from_utf8(form(&wrong, ProbeKind::Token)).unwrap();
            assert!(!form.contains("s3cret"), "{form}");
            if let AuthScheme::Basic { password, .. } = &wrong.route().credentials().scheme {
                assert!(!password.expose_secret().contains("s3cret"));
            }
        }
    }

    #[test]
    fn a_made_up_client_is_asked_for_at_the_same_places() {
        let real = call("client_secret_basic").unwrap();
        let made_up = real.made_up();
        assert_ne!(made_up.client_id(), real.client_id());
        let places = |call: &ProbeCall| {
            call.endpoints()
                .map(|(kind, at)| (kind, at.to_owned()))
                .collect::<Vec<_>>()
        };
        assert_eq!(places(&made_up), places(&real));
        let AuthScheme::Basic { password, .. } = &made_up.route().credentials().scheme else {
            panic!("no Basic")
        };
        assert!(
            !password.expose_secret().contains("s3cret"),
            "the real secret is sent for nobody else"
        );
    }
}
