//! What a provider object shows to its provider beside credentials, from Secrets like these.

use std::sync::Arc;

use secrecy::ExposeSecret as _;

use crate::api::{ProviderSettings, SecretBacked};
use crate::cluster::ProviderKey;
use crate::domain::failure::Failure;
use crate::domain::target::{ClientCertificate, Presented, SoftwareStatement};

use super::{AUTHORITIES, STATEMENT, Source, TLS, read};

/// Field that holds the client certificate.
pub(super) const CERTIFICATE: &str = "tlsClientAuth";
/// Field that holds the authorities.
pub(super) const CA_BUNDLE: &str = "tls.caBundleFrom";
/// Field that holds the software statement.
pub(super) const SOFTWARE_STATEMENT: &str = "softwareStatement";

/// PEM certificates of the authorities to trust instead of the system's. The version of a Secret that was read is added to `versions`.
pub(in crate::controller) async fn authorities(
    key: &ProviderKey,
    settings: &ProviderSettings,
    source: &Source<'_>,
    versions: &mut Vec<String>,
) -> Result<Option<String>, Failure> {
    let Some(tls) = &settings.tls else {
        return Ok(None);
    };
    let Some(SecretBacked { secret_ref }) = &tls.ca_bundle_from else {
        return Ok(tls.ca_bundle.clone());
    };
    let name = secret_ref.name.as_str();
    let held = read(key, CA_BUNDLE, name, AUTHORITIES, source).await?;
    versions.push(format!("{name}@{}", held.resource_version));
    let secret = format!("{}/{name}", source.namespace);
    let pem = held.value(key, CA_BUNDLE, &secret, (0, AUTHORITIES[0]))?;
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
        let held = read(key, CERTIFICATE, name, TLS, source).await?;
        versions.push(format!("{name}@{}", held.resource_version));
        let secret = format!("{}/{name}", source.namespace);
        let value = |index: usize| held.value(key, CERTIFICATE, &secret, (index, TLS[index]));
        presented.certificate = Some(Arc::new(ClientCertificate {
            chain: value(0)?,
            key: value(1)?,
            origins: held.allowed_origins.clone(),
        }));
    }
    if let Some(SecretBacked { secret_ref }) = &settings.software_statement {
        let name = secret_ref.name.as_str();
        let held = read(key, SOFTWARE_STATEMENT, name, STATEMENT, source).await?;
        versions.push(format!("{name}@{}", held.resource_version));
        let secret = format!("{}/{name}", source.namespace);
        presented.software_statement = Some(Arc::new(SoftwareStatement {
            jwt: held.value(key, SOFTWARE_STATEMENT, &secret, (0, STATEMENT[0]))?,
            origins: held.allowed_origins.clone(),
        }));
    }
    Ok(presented)
}
