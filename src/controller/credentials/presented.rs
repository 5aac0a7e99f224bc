//! What a provider object shows to its provider beside credentials, and whom it trusts, from Secrets like these and ConfigMaps.

use std::sync::Arc;

use secrecy::ExposeSecret as _;

use crate::api::{AuthoritiesFrom, ProviderSettings, Reason, SecretBacked};
use crate::cluster::ProviderKey;
use crate::domain::failure::{Class, Failure};
use crate::domain::target::{ClientCertificate, Presented, SoftwareStatement};

use super::{AUTHORITIES, AUTHORITY, STATEMENT, Source, TLS, Wanted, read};

/// Field that holds the client certificate.
pub(super) const CERTIFICATE: &str = "tlsClientAuth";
/// Field that holds the authorities.
pub(super) const CA_BUNDLE: &str = "tls.caBundleFrom";
/// Field that holds the software statement.
pub(super) const SOFTWARE_STATEMENT: &str = "softwareStatement";

/// The object that holds authorities, what is of use of it, and the name of that key. `None`: there is not exactly one.
pub(super) fn holder(from: &AuthoritiesFrom) -> Option<(&str, Wanted, &str)> {
    match (&from.secret_ref, &from.config_map_ref) {
        (Some(secret_ref), None) => Some((&secret_ref.name, Wanted::Secret(AUTHORITIES), AUTHORITY)),
        (None, Some(config_map_ref)) => {
            let member = config_map_ref.key.as_deref().unwrap_or(AUTHORITY);
            Some((&config_map_ref.name, Wanted::ConfigMap(member.to_owned()), member))
        }
        _ => None,
    }
}

/// PEM certificates of the authorities to trust instead of the system's. The version of the object that was read is added to `versions`.
pub(in crate::controller) async fn authorities(
    key: &ProviderKey,
    settings: &ProviderSettings,
    source: &Source<'_>,
    versions: &mut Vec<String>,
) -> Result<Option<String>, Failure> {
    let Some(from) = settings.authorities() else {
        return Ok(settings.tls.as_ref().and_then(|tls| tls.ca_bundle.clone()));
    };
    let (name, wanted, member) = holder(from).ok_or_else(|| {
        let text = format!("{key}: spec.{CA_BUNDLE} has to set exactly one of secretRef and configMapRef");
        Failure::new(Class::Invalid, Reason::InvalidSpec, text)
    })?;
    let object = format!("{} {}/{name}", wanted.kind(), source.namespace);
    let held = read(key, CA_BUNDLE, name, wanted, source).await?;
    versions.push(format!("{name}@{}", held.resource_version));
    let pem = held.value(key, CA_BUNDLE, &object, (0, member))?;
    Ok(Some(pem.expose_secret().to_owned()))
}

/// What is shown to the provider of this object. The versions of the Secrets that were read are added to `versions`.
pub(in crate::controller) async fn presented(
    key: &ProviderKey,
    settings: &ProviderSettings,
    source: &Source<'_>,
    versions: &mut Vec<String>,
) -> Result<Presented, Failure> {
    let mut presented = Presented::default();
    if let Some(SecretBacked { secret_ref }) = &settings.tls_client_auth {
        let name = secret_ref.name.as_str();
        let held = read(key, CERTIFICATE, name, Wanted::Secret(TLS), source).await?;
        versions.push(format!("{name}@{}", held.resource_version));
        let secret = format!("Secret {}/{name}", source.namespace);
        let value = |index: usize| held.value(key, CERTIFICATE, &secret, (index, TLS[index]));
        presented.certificate = Some(Arc::new(ClientCertificate {
            chain: value(0)?,
            key: value(1)?,
            origins: held.allowed_origins.clone(),
        }));
    }
    if let Some(SecretBacked { secret_ref }) = &settings.software_statement {
        let name = secret_ref.name.as_str();
        let held = read(key, SOFTWARE_STATEMENT, name, Wanted::Secret(STATEMENT), source).await?;
        versions.push(format!("{name}@{}", held.resource_version));
        let secret = format!("Secret {}/{name}", source.namespace);
        presented.software_statement = Some(Arc::new(SoftwareStatement {
            jwt: held.value(key, SOFTWARE_STATEMENT, &secret, (0, STATEMENT[0]))?,
            origins: held.allowed_origins.clone(),
        }));
    }
    Ok(presented)
}
