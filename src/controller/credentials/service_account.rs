//! ServiceAccount tokens that the kubelet projects into the operator's pod, one for each audience that the installer lists.
//!
//! A token is read from its file each time, because the kubelet replaces it. Its audience is the issuer of the provider object, so that no
//! provider can use it anywhere else.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::api::{Reason, ServiceAccountAuth, ServiceAccountUsage, TokenReuse};
use crate::cluster::{ApiToken, ProviderKey};
use crate::domain::failure::{Class, Failure};
use crate::domain::target::{AuthScheme, ClientGrant, ClientProof, Credentials};
use crate::domain::time::rfc3339;
use crate::domain::{bearer, jwt};

use super::Source;
use super::cached::{LONGEST, Value};

/// Where the tokens are.
pub(in crate::controller) struct ServiceTokens {
    /// Files with tokens, by their audience.
    files: BTreeMap<String, PathBuf>,
    /// The token that the operator calls the API server with.
    own: ApiToken,
    /// Its audiences, as they were read last.
    of_api_server: Mutex<Vec<String>>,
}

impl ServiceTokens {
    /// The tokens in these files.
    pub(in crate::controller) async fn of(files: BTreeMap<String, PathBuf>) -> Self {
        Self::beside(files, ApiToken::infer().await)
    }

    fn beside(files: BTreeMap<String, PathBuf>, own: ApiToken) -> Self {
        Self {
            files,
            own,
            of_api_server: Mutex::default(),
        }
    }

    /// The audiences that the API server accepts, by the token that the operator calls it with now: whoever configures the API server anew
    /// gives the next token other ones. A token that cannot be read leaves what is known.
    fn of_api_server(&self) -> Vec<String> {
        let mut known = self.of_api_server.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.own.read().as_ref().map(jwt::audiences).unwrap_or_default();
        if !now.is_empty() {
            *known = now;
        }
        known.clone()
    }
}

/// The operator's token for the issuer of a provider object.
///
/// # Errors
/// There is none, or it is not for this issuer, or it has expired.
pub(super) fn credentials(
    key: &ProviderKey,
    field: &str,
    auth: &ServiceAccountAuth,
    source: &Source<'_>,
) -> Result<Credentials, Failure> {
    of_issuer(key, field, auth, source.issuer, source.service_tokens, source.now)
}

fn of_issuer(
    key: &ProviderKey,
    field: &str,
    auth: &ServiceAccountAuth,
    issuer: Option<&str>,
    tokens: &ServiceTokens,
    now: i64,
) -> Result<Credentials, Failure> {
    let invalid = |why: &str| {
        let text = format!("{key}: spec.{field}.serviceAccountToken {why}");
        Err(Failure::new(Class::Invalid, Reason::InvalidSpec, text))
    };
    if !key.namespace.is_empty() {
        return invalid("is available for a ClusterOAuthProvider only; use another kind of credentials");
    }
    let Some(issuer) = issuer else {
        return invalid("needs spec.issuer or spec.expectedIssuer: the issuer is the audience of the token");
    };
    let missing = |class, why: String| {
        let text = format!("{key}: spec.{field}.serviceAccountToken: {why}");
        Err(Failure::new(class, Reason::CredentialsMissing, text))
    };
    let Some(path) = tokens.files.get(issuer) else {
        let why = format!(
            "the operator has no ServiceAccount token with the audience {issuer}; whoever installs the operator lists it: chart value \
             serviceAccountTokens, flag --service-account-token"
        );
        return missing(Class::Denied, why);
    };
    let mut bytes = Vec::new();
    let limit = u64::try_from(LONGEST).unwrap_or(u64::MAX).saturating_add(1);
    let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
    if let Err(error) = read {
        let why = format!("the file {} cannot be read: {}", path.display(), error.kind());
        return missing(Class::Transient, why);
    }
    let Value::Usable(token) = Value::of(&bytes) else {
        let why = format!("the file {} contains no token", path.display());
        return missing(Class::Transient, why);
    };
    if jwt::is_of_api_server(&token, issuer, &tokens.of_api_server()) {
        let why = format!(
            "the API server of the cluster accepts tokens with the audience {issuer}, so they are never sent to a provider"
        );
        return missing(Class::Denied, why);
    }
    if jwt::audiences(&token) != [issuer] {
        let why = format!(
            "the token in {} does not have the one audience {issuer}; correct the projected volume of the operator",
            path.display()
        );
        return missing(Class::Transient, why);
    }
    if let Some(at) = bearer::expires_at(&token, None).filter(|at| *at <= now) {
        let why = format!(
            "the token in {} expired at {} and is not sent. The kubelet usually replaces it long before; check the kubelet and the clock of the node that \
             runs the operator",
            path.display(),
            rfc3339(at)
        );
        // Another one comes without a change here, so a client that is to be deregistered waits for it.
        return missing(Class::Transient, why);
    }
    let scheme = match auth.usage.unwrap_or_default() {
        ServiceAccountUsage::Bearer => AuthScheme::Bearer(token),
        ServiceAccountUsage::AuthorizationGrant => grant(auth, ClientProof::AuthorizationGrant(token)),
        ServiceAccountUsage::ClientAssertion => grant(auth, ClientProof::ClientAssertion(token)),
    };
    Ok(Credentials {
        scheme,
        origins: Some(vec![issuer.to_owned()]),
        issuer_only: true,
        ..Credentials::default()
    })
}

/// The access token that the operator's token is exchanged for.
fn grant(auth: &ServiceAccountAuth, proof: ClientProof) -> AuthScheme {
    AuthScheme::ClientCredentials(Box::new(ClientGrant {
        client_id: auth.client_id.clone().unwrap_or_default().into(),
        proof,
        scopes: auth.scopes.clone().unwrap_or_default(),
        audience: None,
        resource: None,
        reuse: TokenReuse::UntilExpiry,
    }))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    use super::*;
    use crate::api::ProviderKind;
    use crate::domain::pass::lacks_credentials;

    const ISSUER: &str = "https://id.example";
    const NOW: i64 = 1_800_000_000;

    /// Files of the operator's pod.
    struct Pod(PathBuf);

    impl Pod {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("service-tokens-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn write(&self, file: &str, claims: &Value) -> PathBuf {
            let path = self.0.join(file);
            let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
            std::fs::write(&path, format!("eyJhbGciOiJub25lIn0.{claims}.c2ln")).unwrap();
            path
        }

        /// With a token for the issuer that expires then.
        fn tokens(&self, expires_at: i64) -> ServiceTokens {
            let token = self.write(
                "0",
                &json!({"iss": "https://cluster", "aud": [ISSUER], "exp": expires_at}),
            );
            ServiceTokens::beside(
                [(ISSUER.to_owned(), token)].into(),
                ApiToken::in_file(self.0.join("own")),
            )
        }
    }

    impl Drop for Pod {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn read(tokens: &ServiceTokens) -> Result<Credentials, Failure> {
        let key = ProviderKey {
            kind: ProviderKind::ClusterOAuthProvider,
            namespace: "".into(),
            name: "id".into(),
        };
        let auth = ServiceAccountAuth::default();
        of_issuer(&key, "registrationAuth", &auth, Some(ISSUER), tokens, NOW)
    }

    #[test]
    fn t357_an_audience_that_the_api_server_accepts_later_is_not_sent_to_a_provider_any_more() {
        let pod = Pod::new("audiences");
        let tokens = pod.tokens(NOW + 3600);
        pod.write("own", &json!({"aud": ["https://cluster"]}));
        assert!(read(&tokens).is_ok());
        let own = pod.write("own", &json!({"aud": ["https://cluster", ISSUER]}));
        let refused = read(&tokens).unwrap_err();
        assert!(
            refused.message.contains("the API server of the cluster accepts"),
            "{}",
            refused.message
        );
        std::fs::remove_file(own).unwrap();
        assert!(
            read(&tokens).is_err(),
            "what is known counts until another token is read"
        );
        pod.write("own", &json!({"aud": ["https://cluster"]}));
        assert!(read(&tokens).is_ok());
    }

    #[test]
    fn t358_an_expired_token_is_not_sent_and_does_not_count_as_gone() {
        let pod = Pod::new("expiry");
        assert!(read(&pod.tokens(NOW + 1)).is_ok());
        let expired = read(&pod.tokens(NOW)).unwrap_err();
        assert_eq!(
            (expired.class, expired.reason),
            (Class::Transient, Reason::CredentialsMissing)
        );
        assert!(
            expired.message.contains("expired at 2027-01-15T08:00:00Z"),
            "{}",
            expired.message
        );
        assert!(
            !lacks_credentials(&expired),
            "its client would stay at the provider when its object is deleted"
        );
    }
}
