//! A request to a token endpoint, and what its refusal means.

use http::Method;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;
use url::form_urlencoded::Serializer;

use crate::api::{AssertionAudience, Reason};
use crate::clock::Clock;
use crate::domain::failure::{Class, Failure};
use crate::domain::target::{AuthScheme, ClientGrant, ClientProof, Credentials};
use crate::provider::assertion::{self, Claims};
use crate::provider::exchange::{Answer, Body, Exchange, JSON};
use crate::provider::{auth, error_body, limits, wait};

use super::Site;

/// Type of an assertion that is a JWT (RFC 7523 section 2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Type of the grant that is a JWT (RFC 7523 section 2.1).
const JWT_GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// What a token is asked for with.
pub(super) struct TokenRequest {
    /// Credentials of its header.
    credentials: Credentials,
    form: SecretString,
    /// What was made for it, which the answer may not repeat.
    pub spoken: Vec<SecretString>,
}

impl TokenRequest {
    /// A request for a token of this grant at `url`, which the metadata calls `endpoint`.
    ///
    /// # Errors
    /// The owner of the credentials does not allow the origin, or the private key cannot sign.
    pub(super) fn new(
        grant: &ClientGrant,
        exchange: &Exchange<'_>,
        url: &Url,
        site: &Site<'_>,
    ) -> Result<Self, Failure> {
        // The header is not the only place in which they are sent.
        auth::check_consent(exchange.credentials, url, exchange.origins)?;
        let client_id = grant.client_id.expose_secret();
        let (mut scheme, mut spoken) = (AuthScheme::None, Vec::new());
        let mut form = Serializer::new(String::new());
        let grant_type = match grant.proof {
            ClientProof::AuthorizationGrant(_) => JWT_GRANT,
            _ => "client_credentials",
        };
        form.append_pair("grant_type", grant_type);
        if !grant.scopes.is_empty() {
            form.append_pair("scope", &grant.scopes.join(" "));
        }
        for (name, value) in [("audience", &grant.audience), ("resource", &grant.resource)] {
            if let Some(value) = value {
                form.append_pair(name, value);
            }
        }
        match &grant.proof {
            ClientProof::AuthorizationGrant(token) => {
                form.append_pair("assertion", token.expose_secret());
            }
            ClientProof::ClientAssertion(token) => {
                if !client_id.is_empty() {
                    form.append_pair("client_id", client_id);
                }
                form.append_pair("client_assertion_type", JWT_BEARER);
                form.append_pair("client_assertion", token.expose_secret());
            }
            ClientProof::Basic(secret) => scheme = auth::client_basic(client_id, secret),
            ClientProof::Post(secret) => {
                form.append_pair("client_id", client_id);
                form.append_pair("client_secret", secret.expose_secret());
            }
            ClientProof::PrivateKeyJwt { key, key_id, audience } => {
                let claims = Claims {
                    client_id,
                    audience: match audience {
                        AssertionAudience::TokenEndpoint => site.token_endpoint.unwrap_or_default(),
                        AssertionAudience::Issuer => site.issuer,
                    },
                    now: Clock::default().now(),
                    key_id: key_id.as_deref(),
                };
                let assertion = assertion::sign(key, &claims).map_err(|why| {
                    let text = format!("the key private_key in the Secret of clientCredentials is {why}; replace it");
                    Failure::new(Class::Denied, Reason::CredentialsMissing, text)
                })?;
                // Some servers look for the client before they look at the assertion.
                form.append_pair("client_id", client_id);
                form.append_pair("client_assertion_type", JWT_BEARER);
                form.append_pair("client_assertion", assertion.expose_secret());
                spoken.push(assertion);
            }
        }
        Ok(Self {
            credentials: Credentials {
                scheme,
                origins: exchange.credentials.origins.clone(),
                issuer_only: exchange.credentials.issuer_only,
                ..Credentials::default()
            },
            form: form.finish().into(),
            spoken,
        })
    }

    /// The request for a call that needs a token.
    pub(super) fn exchange<'a>(&'a self, needed: &Exchange<'a>, url: Url) -> Exchange<'a> {
        Exchange {
            method: Method::POST,
            url,
            body: Some(Body::Form(self.form.expose_secret().as_bytes().to_vec())),
            credentials: &self.credentials,
            origins: needed.origins,
            uid: needed.uid,
            namespaced: needed.namespaced,
            ca_bundle: needed.ca_bundle,
            certificate: needed.certificate,
            deadlines: needed.deadlines,
            accept: JSON,
            limit: limits::REGISTRATION,
        }
    }
}

/// What a refusal of a token means.
pub(super) fn refused(grant: &ClientGrant, answer: &Answer, at: &str, spoken: &[SecretString]) -> Failure {
    let code = answer
        .body
        .as_deref()
        .ok()
        .and_then(|body| error_body::read(body, spoken).code);
    let said = code.as_ref().map(|code| format!(" with {code}")).unwrap_or_default();
    let status = answer.status;
    let (class, reason, text) = match status {
        429 => (
            Class::Transient,
            Reason::RateLimited,
            format!("{at} returned 429{said}; the operator retries later"),
        ),
        408 | 425 | 500.. => (
            Class::Transient,
            Reason::ProviderUnavailable,
            format!("{at} is unavailable (status {status}){said}; the operator retries"),
        ),
        400..=499 => (
            Class::Denied,
            Reason::CredentialsRejected,
            format!(
                "{at} refused it (status {status}){said}; {}",
                remedy(grant, code.as_deref())
            ),
        ),
        _ => (
            Class::Denied,
            Reason::InvalidResponse,
            format!(
                "{at} answered with status {status}; see that the token endpoint in the provider's metadata is the final address"
            ),
        ),
    };
    // Gateways send the headers of their rate limits with every answer.
    let asks = matches!(status, 429 | 503);
    Failure::new(class, reason, text).after(wait::asked_for(&answer.headers).filter(|_| asks))
}

/// What to do about a refusal.
fn remedy(grant: &ClientGrant, code: Option<&str>) -> String {
    match code {
        _ if matches!(grant.proof, ClientProof::AuthorizationGrant(_)) => {
            "let the provider trust the issuer of the cluster's ServiceAccount tokens and accept them as a grant (RFC 7523), and see that serviceAccountToken.scopes \
             are allowed there"
                .to_owned()
        }
        _ if matches!(grant.proof, ClientProof::ClientAssertion(_)) => {
            "let the provider trust the issuer of the cluster's ServiceAccount tokens and accept them as assertions of the client (RFC 7523), and see that \
             serviceAccountToken.clientID and serviceAccountToken.scopes are those of that client"
                .to_owned()
        }
        Some("invalid_scope") => {
            "correct clientCredentials.scopes, or allow that client these scopes at the provider".to_owned()
        }
        Some("invalid_target") => {
            "correct clientCredentials.audience and clientCredentials.resource, or allow that client this API at the provider"
                .to_owned()
        }
        _ => {
            let key = match &grant.proof {
                ClientProof::PrivateKeyJwt { .. } => ", and register its public key at the provider",
                _ => "",
            };
            format!(
                "correct client_id and {} in their Secret{key}, see that clientCredentials.authMethod is that of the client, and let the client use the \
                 client credentials grant at the provider",
                grant.proof.member()
            )
        }
    }
}
