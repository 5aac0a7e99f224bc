//! Origins (RFC 6454): where calls may go and credentials may be sent.

use url::Url;

use crate::api::Reason;
use crate::domain::failure::{Class, Failure};

use super::egress::EgressPolicy;

/// The origin of a URL as text, `https://host` or `https://host:port`.
pub(super) fn of(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// A URL that may be called: absolute, over https (or http where that is allowed), without user info and fragment. `what`
/// names it in the error.
///
/// # Errors
/// It is anything else.
pub fn callable(what: &str, text: &str, policy: &EgressPolicy) -> Result<Url, Failure> {
    let invalid = |why: &str| {
        Failure::new(
            Class::Denied,
            Reason::DiscoveryFailed,
            format!("{what} ({}) {why}", shown(text)),
        )
    };
    let url = Url::parse(text).map_err(|_| invalid("is not an absolute URL"))?;
    if url.scheme() == "http" && !policy.allow_insecure_origins {
        let text = format!("{what} ({}) has to use https", shown(text));
        return Err(Failure::new(Class::Denied, Reason::OriginNotAllowed, text));
    }
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none_or(str::is_empty) {
        return Err(invalid("has to be an https URL"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("must not hold a user name or password"));
    }
    Ok(url)
}

/// Whether `url` has one of these origins, each a URL or an origin as a user wrote it.
pub(super) fn is_among<'a>(url: &Url, origins: impl IntoIterator<Item = &'a str>) -> bool {
    let wanted = of(url);
    origins
        .into_iter()
        .any(|origin| Url::parse(origin).is_ok_and(|origin| of(&origin) == wanted))
}

/// Text of somebody else for an error: printable, short, and without what might be a credential in a query.
pub(super) fn shown(text: &str) -> String {
    let bare = text.split(['?', '#']).next().unwrap_or_default();
    let bare = bare.rsplit_once('@').map_or(bare, |(_, host)| host);
    bare.chars().filter(char::is_ascii_graphic).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allow_insecure_origins: bool) -> EgressPolicy {
        EgressPolicy {
            allow_insecure_origins,
            ..EgressPolicy::default()
        }
    }

    #[test]
    fn only_https_is_called_unless_told_otherwise() {
        assert!(callable("issuer", "https://p.example/a", &policy(false)).is_ok());
        assert!(callable("issuer", "http://p.example/a", &policy(true)).is_ok());
        for text in [
            "http://p.example",
            "ftp://p.example",
            "p.example",
            "https://u:p@p.example",
            "",
        ] {
            assert!(callable("issuer", text, &policy(false)).is_err(), "{text}");
        }
    }

    #[test]
    fn w11_origins_are_compared_with_their_ports() {
        let url = Url::parse("https://p.example:8443/register").unwrap();
        assert!(is_among(&url, ["https://p.example:8443"]));
        assert!(is_among(&url, ["https://P.example:8443/other"]));
        assert!(!is_among(
            &url,
            ["https://p.example", "http://p.example:8443", "nonsense"]
        ));
        let default = Url::parse("https://p.example:443/").unwrap();
        assert!(is_among(&default, ["https://p.example"]));
    }

    #[test]
    fn what_is_shown_holds_neither_user_info_nor_query() {
        assert_eq!(shown("https://u:secret@p.example/a?token=x"), "p.example/a");
    }
}
