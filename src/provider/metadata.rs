//! The metadata document (OpenID Connect Discovery section 3, RFC 8414 section 2), as far as it is needed.

use serde_json::{Map, Value};

use super::wire::Object;

/// Longest identifier or URL that is taken over: longer ones fit into no status.
const LONGEST: usize = 2048;

/// What is read from a metadata document. Unknown members are ignored, and so is `signed_metadata`, which nothing here
/// verifies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Issuer identifier, verbatim.
    pub issuer: String,
    /// Registration endpoint.
    pub registration: Option<String>,
    /// Authorization endpoint.
    pub authorization: Option<String>,
    /// Token endpoint.
    pub token: Option<String>,
    /// Revocation endpoint (RFC 8414 section 2).
    pub revocation: Option<String>,
    /// Introspection endpoint (RFC 8414 section 2).
    pub introspection: Option<String>,
    /// JWK Set document.
    pub jwks: Option<String>,
    /// `UserInfo` endpoint.
    pub userinfo: Option<String>,
    /// End session endpoint.
    pub end_session: Option<String>,
}

impl Metadata {
    /// Takes over what only the other document of the same issuer states.
    pub(super) fn complete(&mut self, other: Self) {
        let Self {
            issuer: _,
            registration,
            authorization,
            token,
            revocation,
            introspection,
            jwks,
            userinfo,
            end_session,
        } = other;
        for (own, theirs) in [
            (&mut self.registration, registration),
            (&mut self.authorization, authorization),
            (&mut self.token, token),
            (&mut self.revocation, revocation),
            (&mut self.introspection, introspection),
            (&mut self.jwks, jwks),
            (&mut self.userinfo, userinfo),
            (&mut self.end_session, end_session),
        ] {
            *own = own.take().or(theirs);
        }
    }
}

/// Reads a document; `None` if it is no JSON object or states no issuer.
#[must_use]
pub fn parse(body: &[u8]) -> Option<Metadata> {
    let object = Object::parse(body)?;
    Some(Metadata {
        issuer: text(&object, "issuer")?,
        registration: text(&object, "registration_endpoint"),
        authorization: text(&object, "authorization_endpoint"),
        token: text(&object, "token_endpoint"),
        revocation: text(&object, "revocation_endpoint"),
        introspection: text(&object, "introspection_endpoint"),
        jwks: text(&object, "jwks_uri"),
        userinfo: text(&object, "userinfo_endpoint"),
        end_session: text(&object, "end_session_endpoint"),
    })
}

fn text(object: &Map<String, Value>, name: &str) -> Option<String> {
    object
        .get(name)?
        .as_str()
        .filter(|text| !text.is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w10_what_is_no_metadata_is_refused() {
        for body in [
            "",
            "[]",
            "<html>",
            "{}",
            r#"{"issuer":7}"#,
            r#"{"issuer":"a","issuer":"b"}"#,
        ] {
            assert_eq!(parse(body.as_bytes()), None, "{body}");
        }
    }

    #[test]
    fn t54_what_no_status_and_no_secret_should_hold_is_left_out() {
        let long = "a".repeat(LONGEST);
        let text = format!(r#"{{"issuer":"https://p","token_endpoint":"https://p/{long}","jwks_uri":"https://p/\n"}}"#);
        let found = parse(text.as_bytes()).unwrap();
        assert_eq!((found.token, found.jwks), (None, None));
        assert_eq!(parse(format!(r#"{{"issuer":"https://p/{long}"}}"#).as_bytes()), None);
        assert_eq!(parse(b"{\"issuer\":\"https://p\xff\"}"), None);
        assert!(parse(b"\xef\xbb\xbf{\"issuer\":\"https://p\"}").is_some());
        assert_eq!(parse("[".repeat(200_000).as_bytes()), None);
    }

    #[test]
    fn endpoints_are_read_and_the_rest_is_ignored() {
        let found = parse(br#"{"issuer":"https://p","registration_endpoint":"https://p/r","jwks_uri":"","x":[{}]}"#);
        let found = found.unwrap();
        assert_eq!(
            (found.issuer.as_str(), found.registration.as_deref(), found.jwks),
            ("https://p", Some("https://p/r"), None)
        );
    }
}
