//! The metadata document (OpenID Connect Discovery section 3, RFC 8414 section 2), as far as it is needed.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::wire::Object;

/// Longest identifier or URL that is taken over: longer ones fit into no status.
const LONGEST: usize = 2048;
/// Longest name of an authentication method: that of the manifest's field.
const LONGEST_METHOD: usize = 128;
/// Most authentication methods that are taken over.
const MOST_METHODS: usize = 32;

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
    /// Authentication methods of the token endpoint.
    pub auth_methods: Option<Vec<String>>,
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
            auth_methods,
        } = other;
        self.auth_methods = self.auth_methods.take().or(auth_methods);
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
        auth_methods: methods(&object),
    })
}

fn text(object: &Map<String, Value>, name: &str) -> Option<String> {
    object
        .get(name)?
        .as_str()
        .filter(|text| !text.is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control))
        .map(str::to_owned)
}

/// A list with an entry that is no method says nothing reliable, so none of it is taken over. The order says nothing, and it may be
/// another in each answer.
fn methods(object: &Map<String, Value>) -> Option<Vec<String>> {
    let list = object.get("token_endpoint_auth_methods_supported")?.as_array()?;
    let method = |value: &Value| {
        let method = value.as_str()?;
        let plain =
            !method.is_empty() && method.len() <= LONGEST_METHOD && method.bytes().all(|byte| byte.is_ascii_graphic());
        plain.then(|| method.to_owned())
    };
    let read = || list.iter().map(method).collect::<Option<BTreeSet<String>>>();
    let methods = (list.len() <= MOST_METHODS).then(read)??;
    Some(methods.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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

    #[test]
    fn w112_a_list_of_authentication_methods_is_read_whole_or_not_at_all() {
        let read = |list: Value| {
            let text = json!({"issuer": "https://p", "token_endpoint_auth_methods_supported": list}).to_string();
            parse(text.as_bytes()).unwrap().auth_methods
        };
        assert_eq!(
            read(json!(["none", "client_secret_post", "none"])).unwrap(),
            ["client_secret_post", "none"],
            "the order is not news"
        );
        assert_eq!(read(json!([])).unwrap(), [""; 0]);
        for broken in [
            json!("none"),
            json!(["none", 7]),
            json!(["a b"]),
            json!([""]),
            json!(vec!["x"; 33]),
            json!(null),
        ] {
            assert_eq!(read(broken.clone()), None, "{broken}");
        }
    }
}
