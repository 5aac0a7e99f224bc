//! Credentials on the wire, and only at origins that they are meant for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use url::Url;
use url::form_urlencoded::byte_serialize;

use crate::api::Reason;
use crate::clock::Clock;
use crate::domain::failure::{Class, Failure};
use crate::domain::outcome::CallError;
use crate::domain::registration::Registration;
use crate::domain::target::{AuthScheme, ClientProof, Credentials};

use super::origin;

/// How a refusal of an origin begins, see [`check_origin`].
pub(super) const PROVIDER_CREDENTIALS: &str = "the provider's credentials may not be sent to";
/// Credentials shorter than this occur in ordinary text: a text that holds one need not repeat it.
const SHORTEST_SECRET: usize = 8;

/// The header that carries `credentials` to `url`, if they are any.
///
/// # Errors
/// The credentials may not be sent to the origin of `url`, see [`check_consent`], or they cannot stand in a header.
pub(super) fn header(
    credentials: &Credentials,
    url: &Url,
    origins: &[String],
) -> Result<Option<(HeaderName, HeaderValue)>, Failure> {
    let (name, text) = match &credentials.scheme {
        AuthScheme::None => return Ok(None),
        AuthScheme::ClientCredentials(_) => {
            let text = "clientCredentials and serviceAccountToken with an access token cannot be used for this call of the provider; use basic, bearer or header";
            return Err(Failure::new(Class::Denied, Reason::InvalidSpec, text));
        }
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
    check_consent(credentials, url, origins)?;
    let mut value = HeaderValue::from_str(text.expose_secret()).map_err(|_| {
        let text =
            "the provider's credentials hold characters that no header may have, such as a line break at the end";
        Failure::new(Class::Denied, Reason::CredentialsMissing, text)
    })?;
    value.set_sensitive(true);
    Ok(Some((name, value)))
}

/// Whether credentials may be sent to `url`: to what the owner of their Secret lists, and where the owner lists nothing, to
/// `origins`, which are those of the provider.
///
/// # Errors
/// They may not.
pub(super) fn check_consent(credentials: &Credentials, url: &Url, origins: &[String]) -> Result<(), Failure> {
    if credentials.issuer_only {
        let issuer = credentials.origins.iter().flatten().map(String::as_str);
        if origin::is_among(url, issuer) {
            return Ok(());
        }
        let text = format!(
            "the operator's ServiceAccount token is sent only to the origin of the issuer, not to {}; spec.endpoints.allowedOrigins of the provider does \
             not change this. For this endpoint, use credentials from a Secret: basic, bearer, header or clientCredentials",
            origin::of(url)
        );
        return Err(Failure::new(Class::Denied, Reason::OriginNotAllowed, text));
    }
    check_origin(PROVIDER_CREDENTIALS, credentials.origins.as_deref(), url, origins)
}

/// Whether one of the credentials that are used in turn may be sent to `url`, see [`check_consent`].
///
/// # Errors
/// None of them may; why the first may not.
pub(super) fn check_turn(credentials: &Credentials, url: &Url, origins: &[String]) -> Result<(), Failure> {
    let turn = credentials.in_turn(Clock::default().now());
    let mut checks: Vec<_> = turn.iter().map(|used| check_consent(used, url, origins)).collect();
    if checks.is_empty() || checks.iter().any(Result::is_ok) {
        return Ok(());
    }
    checks.swap_remove(0)
}

/// The same for anything that comes from a Secret whose owner lists origins. `what`: the beginning of the refusal.
///
/// # Errors
/// It may not be sent there.
pub(super) fn check_origin(
    what: &str,
    listed: Option<&[String]>,
    url: &Url,
    origins: &[String],
) -> Result<(), Failure> {
    if origin::is_among(url, listed.unwrap_or(origins).iter().map(String::as_str)) {
        return Ok(());
    }
    let at = origin::of(url);
    let (reason, text) = match listed {
        Some(listed) => (
            Reason::ConsentMissing,
            format!(
                "{what} {at}: its Secret allows {}. If you own the Secret, add the origin to its annotation oauth-client-operator.dev/allowed-origins",
                listed.join(" ")
            ),
        ),
        None => (
            Reason::OriginNotAllowed,
            format!(
                "{what} {at}, which is neither an origin of the issuer and its registration endpoint nor one of spec.endpoints.allowedOrigins of the \
                 provider"
            ),
        ),
    };
    Err(Failure::new(Class::Denied, reason, text))
}

/// The credentials in every form in which a provider might repeat them.
pub(super) fn spoken(credentials: &Credentials) -> Vec<SecretString> {
    let parts: Vec<&SecretString> = match &credentials.scheme {
        AuthScheme::None => Vec::new(),
        AuthScheme::Basic { username: _, password } => vec![password],
        AuthScheme::Bearer(token) | AuthScheme::Header { value: token, .. } => vec![token],
        AuthScheme::ClientCredentials(grant) => vec![grant.proof.secret()],
    };
    let mut spoken: Vec<SecretString> = parts.into_iter().flat_map(forms).collect();
    if let AuthScheme::Basic { username, password } = &credentials.scheme {
        let pair = format!("{}:{}", username.expose_secret(), password.expose_secret());
        spoken.push(SecretString::from(STANDARD.encode(pair)));
    }
    if let AuthScheme::ClientCredentials(grant) = &credentials.scheme
        && let ClientProof::Basic(secret) = &grant.proof
    {
        spoken.extend(self::spoken(&Credentials {
            scheme: client_basic(grant.client_id.expose_secret(), secret),
            ..Credentials::default()
        }));
    }
    let listed = credentials.tokens.iter().filter_map(|token| token.value.as_ref().ok());
    spoken.extend(listed.flat_map(forms));
    spoken
}

/// How a client authenticates at a token endpoint by HTTP Basic: both parts are form-encoded first (RFC 6749 section 2.3.1).
pub(super) fn client_basic(client_id: &str, client_secret: &SecretString) -> AuthScheme {
    let encoded = |text: &str| SecretString::from(byte_serialize(text.as_bytes()).collect::<String>());
    AuthScheme::Basic {
        username: encoded(client_id),
        password: encoded(client_secret.expose_secret()),
    }
}

/// A credential as it is, in base64, and percent-encoded.
pub(super) fn forms(secret: &SecretString) -> [SecretString; 3] {
    let raw = secret.expose_secret();
    let percent = byte_serialize(raw.as_bytes()).collect::<String>();
    [secret.clone(), STANDARD.encode(raw).into(), percent.into()]
}

/// A text without percent-encoding: which characters are encoded differs from one server to the next.
pub(super) fn plain(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let code = part
            .get(..2)
            .filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let byte = code.and_then(|code| u8::from_str_radix(code, 16).ok());
        let (byte, rest) = byte.map_or((b'%', part), |byte| (byte, &part[2..]));
        bytes.push(byte);
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Credentials that a request body holds, in every form in which a provider might repeat them.
pub(super) fn written(request: &Map<String, Value>) -> Vec<SecretString> {
    let members = ["client_secret", "software_statement", "ext_param_client_secret"];
    let values = members.iter().filter_map(|name| request.get(*name)?.as_str());
    values.flat_map(|value| forms(&value.into())).collect()
}

/// The same error, unless its text repeats a credential: whoever runs a provider may put what was sent to it into any part of
/// its answer, and the text is read by others than the Secret's owner.
pub(super) fn discreet(mut error: CallError, spoken: &[SecretString]) -> CallError {
    let text = plain(&error.failure.message);
    let repeats = spoken.iter().map(ExposeSecret::expose_secret).any(|secret| {
        secret.len() >= SHORTEST_SECRET && (error.failure.message.contains(secret) || text.contains(secret))
    });
    if repeats {
        let text = "the provider's answer repeats the operator's credentials and is not shown; replace them if others can read it";
        text.clone_into(&mut error.failure.message);
    }
    error
}

/// Takes members out of an answer that repeat a credential of the operator: what is left is shown in a status.
pub(super) fn discreet_answer(registration: &mut Registration, spoken: &[SecretString]) {
    let secrets = spoken.iter().map(ExposeSecret::expose_secret);
    let secrets: Vec<&str> = secrets.filter(|secret| secret.len() >= SHORTEST_SECRET).collect();
    registration.metadata.retain(|name, value| {
        // It is returned as it was sent (RFC 7591 section 3.2.1).
        name == "software_statement" || {
            let text = value.to_string();
            !secrets.iter().any(|secret| text.contains(secret))
        }
    });
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
            ..Credentials::default()
        }
    }

    /// Origins of the provider.
    fn home() -> Vec<String> {
        vec!["https://p.example/issuer".to_owned()]
    }

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn basic_credentials_are_encoded_as_utf8() {
        let (name, value) = header(&basic(None), &url("https://p.example/"), &home())
            .unwrap()
            .unwrap();
        assert_eq!(name, AUTHORIZATION);
        assert_eq!(value.to_str().unwrap(), "Basic YWRtaW46cMOkc3N3b3Jk");
        assert!(value.is_sensitive());
    }

    #[test]
    fn credentials_go_nowhere_but_to_the_origins_of_their_owner() {
        let credentials = basic(Some(&["https://p.example"]));
        assert!(header(&credentials, &url("https://p.example/register"), &home()).is_ok());
        let error = header(&credentials, &url("https://evil.example/register"), &home()).unwrap_err();
        assert_eq!(error.reason, Reason::ConsentMissing);
        assert!(error.message.contains("https://evil.example"));
        assert!(header(&basic(Some(&[])), &url("https://p.example/"), &home()).is_err());
    }

    #[test]
    fn t98_credentials_whose_owner_lists_no_origin_go_only_to_the_provider() {
        let error = header(&basic(None), &url("https://evil.example/"), &home()).unwrap_err();
        assert_eq!(error.reason, Reason::OriginNotAllowed);
        assert!(header(&basic(None), &url("https://p.example/"), &[]).is_err());
        // What their owner lists is all, even at the provider.
        let elsewhere = basic(Some(&["https://q.example"]));
        assert!(header(&elsewhere, &url("https://p.example/"), &home()).is_err());
    }

    /// A message with this text, as it is shown by whoever knows these forms of credentials.
    fn shown(text: &str, spoken: &[SecretString]) -> String {
        let failure = Failure::new(Class::Denied, Reason::IssuerMismatch, text);
        discreet(super::super::transport::not_sent(failure), spoken)
            .failure
            .message
    }

    #[test]
    fn w68_a_text_that_repeats_a_credential_is_not_shown() {
        let spoken = spoken(&basic(None));
        let shown = |text: &str| shown(text, &spoken);
        for text in [
            "issuer https://evil/pässword",
            "to /YWRtaW46cMOkc3N3b3Jk",
            "at p%C3%A4ssword",
        ] {
            assert!(shown(text).contains("is not shown"), "{text}");
        }
        assert_eq!(
            shown("acct:admin@p.example is unknown"),
            "acct:admin@p.example is unknown"
        );
    }

    #[test]
    fn t331_a_credential_that_is_percent_encoded_in_another_way_is_not_shown() {
        let spoken = forms(&"it's \"quoted\" ~%é".into());
        let shown = |text: &str| shown(text, &spoken);
        for text in [
            "to it's%20%22quoted%22%20~%25%C3%A9",
            "to it%27s \"quoted\" %7e%é",
            "to /%69t's%20%22quoted\" ~%25%c3%a9?",
        ] {
            assert!(shown(text).contains("is not shown"), "{text}");
        }
        for text in ["50% of it", "%", "%e", "%zz%+1", "%é"] {
            assert_eq!(shown(text), text);
            assert_eq!(plain(text), text);
        }
    }

    #[test]
    fn w68_what_a_body_holds_is_a_credential_too() {
        let body = serde_json::json!({"client_secret": "a+b", "client_name": "c", "software_statement": 7});
        let written = written(body.as_object().unwrap());
        let written: Vec<&str> = written.iter().map(ExposeSecret::expose_secret).collect();
        assert_eq!(written, ["a+b", "YSti", "a%2Bb"]);
    }

    #[test]
    fn a_token_with_a_line_break_is_refused_without_being_shown() {
        let credentials = Credentials {
            scheme: AuthScheme::Bearer("tok\nen".into()),
            ..Credentials::default()
        };
        let error = header(&credentials, &url("https://p.example/"), &home()).unwrap_err();
        assert!(!error.message.contains("tok"));
    }
}
