//! WebFinger (RFC 7033) as OpenID Connect Discovery section 2 uses it: from an identifier to an issuer.

use serde_json::Value;
use url::Url;

use crate::api::Reason;
use crate::domain::failure::{Class, Failure};

use super::wire::Object;

/// Link relation of issuers.
const REL: &str = "http://openid.net/specs/connect/1.0/issuer";

/// A normalised identifier and the host to ask about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The identifier, as `resource` states it.
    pub identifier: String,
    /// `host` or `host:port`.
    pub host: String,
}

impl Resource {
    /// Normalises an identifier (OpenID Connect Discovery section 2.1.2).
    ///
    /// # Errors
    /// It is an XRI, uses plain http, or names no host.
    pub fn parse(input: &str) -> Result<Self, Failure> {
        let invalid = |why: &str| {
            Failure::new(
                Class::Denied,
                Reason::DiscoveryFailed,
                format!("webFinger.resource {why}; give acct:user@host or an https URL"),
            )
        };
        let input = input.split('#').next().unwrap_or_default();
        if input.is_empty() || input.starts_with(['=', '@', '!']) {
            return Err(invalid("is no identifier that can be looked up"));
        }
        let identifier = match scheme(input) {
            Some("http") => return Err(invalid("uses plain http")),
            Some(_) => input.to_owned(),
            None if is_account(input) => format!("acct:{input}"),
            None => format!("https://{input}"),
        };
        let host = match scheme(&identifier) {
            Some("https") => Url::parse(&identifier).ok().and_then(|url| {
                let host = url.host_str()?.to_owned();
                Some(url.port().map_or(host.clone(), |port| format!("{host}:{port}")))
            }),
            _ => identifier.rsplit_once('@').map(|(_, host)| host.to_owned()),
        };
        match host.filter(|host| !host.is_empty() && !host.contains(['/', '?', ' '])) {
            Some(host) => Ok(Self { identifier, host }),
            None => Err(invalid("names no host")),
        }
    }

    /// Where to ask: exactly the parameters `resource` and `rel`, as some providers insist.
    ///
    /// # Errors
    /// `host` is none.
    pub(super) fn url(&self, scheme: &str, host: Option<&str>) -> Result<Url, Failure> {
        let host = host.unwrap_or(&self.host);
        let encoded = |text: &str| {
            url::form_urlencoded::byte_serialize(text.as_bytes())
                .collect::<String>()
                .replace('+', "%20")
        };
        let text = format!(
            "{scheme}://{host}/.well-known/webfinger?resource={}&rel={}",
            encoded(&self.identifier),
            encoded(REL)
        );
        Url::parse(&text).map_err(|_| {
            Failure::new(
                Class::Denied,
                Reason::DiscoveryFailed,
                "webFinger.host is no host name with an optional port",
            )
        })
    }
}

/// The first issuer that a JSON Resource Descriptor links to (RFC 7033 section 4.4).
///
/// # Errors
/// `None` if it is no descriptor or links to no issuer.
#[must_use]
pub fn issuer(body: &[u8]) -> Option<String> {
    let object = Object::parse(body)?;
    let links = object.get("links")?.as_array()?;
    let hrefs = links
        .iter()
        .filter(|link| link.get("rel").and_then(Value::as_str) == Some(REL));
    hrefs
        .filter_map(|link| link.get("href")?.as_str())
        .find(|href| !href.is_empty())
        .map(str::to_owned)
}

/// The scheme of an identifier. What stands before a port is none: `example.com:8080`.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once(':')?;
    let named = scheme
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"+-".contains(&byte));
    let known = rest.starts_with("//") || matches!(scheme, "acct" | "mailto" | "tel" | "device");
    (named && known).then_some(scheme)
}

/// Whether an identifier without scheme is user and host and nothing else.
fn is_account(text: &str) -> bool {
    text.rsplit_once('@')
        .is_some_and(|(user, host)| !user.is_empty() && !host.contains(['/', ':', '?']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w01_identifiers_are_normalised_as_the_specification_says() {
        for (input, identifier, host) in [
            ("example.com", "https://example.com", "example.com"),
            ("example.com:8080", "https://example.com:8080", "example.com:8080"),
            (
                "example.com/path?query#f",
                "https://example.com/path?query",
                "example.com",
            ),
            ("nov@example.com", "acct:nov@example.com", "example.com"),
            ("nov@example.com#f", "acct:nov@example.com", "example.com"),
            (
                "nov@example.com:8080",
                "https://nov@example.com:8080",
                "example.com:8080",
            ),
            ("nov@example.com/path", "https://nov@example.com/path", "example.com"),
            ("nov@example.com?q", "https://nov@example.com?q", "example.com"),
            (
                "acct:nov@example.com:8080",
                "acct:nov@example.com:8080",
                "example.com:8080",
            ),
            ("acct:admin@localhost", "acct:admin@localhost", "localhost"),
            ("mailto:nov@matake.jp", "mailto:nov@matake.jp", "matake.jp"),
            ("localhost/path", "https://localhost/path", "localhost"),
            ("https://[::1]:8443/x", "https://[::1]:8443/x", "[::1]:8443"),
            (
                "acct:juliet%40capulet.example@shopping.example",
                "acct:juliet%40capulet.example@shopping.example",
                "shopping.example",
            ),
        ] {
            let found = Resource::parse(input).unwrap();
            assert_eq!(
                (found.identifier.as_str(), found.host.as_str()),
                (identifier, host),
                "{input}"
            );
        }
        for input in ["", "=x", "@x", "!x", "http://example.com", "acct:nobody", "#f"] {
            assert!(Resource::parse(input).is_err(), "{input}");
        }
    }

    #[test]
    fn w02_the_question_has_two_parameters_each_encoded_once() {
        let resource = Resource::parse("acct:juliet%40capulet.example@shopping.example").unwrap();
        assert_eq!(
            resource.url("https", None).unwrap().as_str(),
            "https://shopping.example/.well-known/webfinger?resource=acct%3Ajuliet%2540capulet.example%40shopping.example\
             &rel=http%3A%2F%2Fopenid.net%2Fspecs%2Fconnect%2F1.0%2Fissuer"
        );
        let elsewhere = resource.url("https", Some("idp.example:9443")).unwrap();
        assert!(
            elsewhere
                .as_str()
                .starts_with("https://idp.example:9443/.well-known/webfinger?")
        );
    }

    #[test]
    fn w03_the_first_issuer_link_counts() {
        let body = br#"{"subject":"x","links":[{"rel":"other","href":"https://no"},{"rel":"http://openid.net/specs/connect/1.0/issuer"},
            {"rel":"http://openid.net/specs/connect/1.0/issuer","href":"https://first"},
            {"rel":"http://openid.net/specs/connect/1.0/issuer","href":"https://second"}]}"#;
        assert_eq!(issuer(body).as_deref(), Some("https://first"));
        for body in ["", "[]", "{}", r#"{"links":{}}"#, r#"{"links":[7,{"rel":7}]}"#] {
            assert_eq!(issuer(body.as_bytes()), None, "{body}");
        }
    }
}
