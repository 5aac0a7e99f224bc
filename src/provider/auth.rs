//! Credentials on the wire, and only at origins that they are meant for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::api::Reason;
use crate::domain::failure::{Class, Failure};
use crate::domain::target::{AuthScheme, Credentials};

use super::origin;

/// The header that carries `credentials` to `url`, if they are any.
///
/// # Errors
/// The Secret's owner did not list the origin of `url`, or the credentials cannot stand in a header.
pub(super) fn header(credentials: &Credentials, url: &Url) -> Result<Option<(HeaderName, HeaderValue)>, Failure> {
    let (name, text) = match &credentials.scheme {
        AuthScheme::None => return Ok(None),
        AuthScheme::Basic { username, password } => {
            let pair = format!("{}:{}", username.expose_secret(), password.expose_secret());
            (
                AUTHORIZATION,
                SecretString::from(format!("Basic {}", STANDARD.encode(pair))),
            )
        }
        AuthScheme::Bearer(token) => (
            AUTHORIZATION,
            SecretString::from(format!("Bearer {}", token.expose_secret())),
        ),
        AuthScheme::Header { name, value } => {
            let name = HeaderName::try_from(name.as_str()).map_err(|_| {
                Failure::new(
                    Class::Invalid,
                    Reason::InvalidSpec,
                    "the name in header.name of the provider is no header name",
                )
            })?;
            (name, value.clone())
        }
    };
    if let Some(origins) = &credentials.origins
        && !origin::is_among(url, origins.iter().map(String::as_str))
    {
        let text = format!(
            "the provider's credentials may not be sent to {}: their Secret allows {}. If you own the Secret, add the origin to its annotation \
             oauth-client-operator.dev/allowed-origins",
            origin::of(url),
            origins.join(" ")
        );
        return Err(Failure::new(Class::Denied, Reason::ConsentMissing, text));
    }
    let mut value = HeaderValue::from_str(text.expose_secret()).map_err(|_| {
        let text =
            "the provider's credentials hold characters that no header may have, such as a line break at the end";
        Failure::new(Class::Denied, Reason::CredentialsMissing, text)
    })?;
    value.set_sensitive(true);
    Ok(Some((name, value)))
}

/// The credentials in every form in which a provider might repeat them.
pub(super) fn spoken(credentials: &Credentials) -> Vec<SecretString> {
    let parts: Vec<&SecretString> = match &credentials.scheme {
        AuthScheme::None => Vec::new(),
        AuthScheme::Basic { username: _, password } => vec![password],
        AuthScheme::Bearer(token) | AuthScheme::Header { value: token, .. } => vec![token],
    };
    let mut forms = Vec::new();
    for part in parts {
        let raw = part.expose_secret();
        forms.push(SecretString::from(STANDARD.encode(raw)));
        forms.push(SecretString::from(
            url::form_urlencoded::byte_serialize(raw.as_bytes()).collect::<String>(),
        ));
        forms.push(part.clone());
    }
    if let AuthScheme::Basic { username, password } = &credentials.scheme {
        let pair = format!("{}:{}", username.expose_secret(), password.expose_secret());
        forms.push(SecretString::from(STANDARD.encode(pair)));
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(origins: Option<&[&str]>) -> Credentials {
        Credentials {
            scheme: AuthScheme::Basic {
                username: "admin".into(),
                password: "pässword".into(),
            },
            origins: origins.map(|origins| origins.iter().map(|origin| (*origin).to_owned()).collect()),
        }
    }

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn basic_credentials_are_encoded_as_utf8() {
        let (name, value) = header(&basic(None), &url("https://p.example/")).unwrap().unwrap();
        assert_eq!(name, AUTHORIZATION);
        assert_eq!(value.to_str().unwrap(), "Basic YWRtaW46cMOkc3N3b3Jk");
        assert!(value.is_sensitive());
    }

    #[test]
    fn credentials_go_nowhere_but_to_the_origins_of_their_owner() {
        let credentials = basic(Some(&["https://p.example"]));
        assert!(header(&credentials, &url("https://p.example/register")).is_ok());
        let error = header(&credentials, &url("https://evil.example/register")).unwrap_err();
        assert_eq!(error.reason, Reason::ConsentMissing);
        assert!(error.message.contains("https://evil.example"));
        assert!(header(&basic(Some(&[])), &url("https://p.example/")).is_err());
    }

    #[test]
    fn a_token_with_a_line_break_is_refused_without_being_shown() {
        let credentials = Credentials {
            scheme: AuthScheme::Bearer("tok\nen".into()),
            origins: None,
        };
        let error = header(&credentials, &url("https://p.example/")).unwrap_err();
        assert!(!error.message.contains("tok"));
    }
}
