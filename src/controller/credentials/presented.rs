//! What a provider object shows to its provider beside credentials, from Secrets like these.

use std::sync::Arc;

use crate::api::{ProviderSettings, SecretBacked};
use crate::cluster::ProviderKey;
use crate::domain::failure::Failure;
use crate::domain::target::{ClientCertificate, Presented, SoftwareStatement};

use super::{STATEMENT, Source, TLS, read};

/// Field that holds the client certificate.
pub(super) const CERTIFICATE: &str = "tlsClientAuth";
/// Field that holds the software statement.
pub(super) const SOFTWARE_STATEMENT: &str = "softwareStatement";

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
