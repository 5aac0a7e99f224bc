//! ServiceAccount tokens that the kubelet projects into the operator's pod, one for each audience that the installer lists.
//!
//! A token is read from its file each time, because the kubelet replaces it. Its audience is the issuer of the provider object, so that no
//! provider can use it anywhere else.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use crate::api::{Reason, ServiceAccountAuth, ServiceAccountUsage, TokenReuse};
use crate::cluster::{self, ProviderKey};
use crate::domain::failure::{Class, Failure};
use crate::domain::jwt;
use crate::domain::target::{AuthScheme, ClientGrant, ClientProof, Credentials};

use super::Source;
use super::cached::{LONGEST, Value};

/// Where the tokens are.
pub(in crate::controller) struct ServiceTokens {
    /// Files with tokens, by their audience.
    files: BTreeMap<String, PathBuf>,
    /// Audiences of the token that the operator calls the API server with.
    of_api_server: Vec<String>,
}

impl ServiceTokens {
    /// The tokens in these files.
    pub(in crate::controller) async fn of(files: BTreeMap<String, PathBuf>) -> Self {
        let own = cluster::api_token().await;
        Self {
            files,
            of_api_server: own.as_ref().map(jwt::audiences).unwrap_or_default(),
        }
    }
}

/// The operator's token for the issuer of a provider object.
///
/// # Errors
/// There is none, or it is not for this issuer.
pub(super) fn credentials(
    key: &ProviderKey,
    field: &str,
    auth: &ServiceAccountAuth,
    source: &Source<'_>,
) -> Result<Credentials, Failure> {
    let invalid = |why: &str| {
        let text = format!("{key}: spec.{field}.serviceAccountToken {why}");
        Err(Failure::new(Class::Invalid, Reason::InvalidSpec, text))
    };
    if !key.namespace.is_empty() {
        return invalid("is available for a ClusterOAuthProvider only; use another kind of credentials");
    }
    let Some(issuer) = source.issuer else {
        return invalid("needs spec.issuer or spec.expectedIssuer: the issuer is the audience of the token");
    };
    let missing = |class, why: String| {
        let text = format!("{key}: spec.{field}.serviceAccountToken: {why}");
        Err(Failure::new(class, Reason::CredentialsMissing, text))
    };
    let Some(path) = source.service_tokens.files.get(issuer) else {
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
    if jwt::is_of_api_server(&token, issuer, &source.service_tokens.of_api_server) {
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
