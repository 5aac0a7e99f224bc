//! Client certificates (mutual TLS): what is one, and where it may be shown.

use std::sync::Arc;

use reqwest::Identity;
use ring::digest::{self, SHA256};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::api::Reason;
use crate::domain::failure::{Class, Failure};
use crate::domain::target::ClientCertificate;

use super::assertion::private_key;
use super::auth;

/// Whether a text holds certificates.
///
/// # Errors
/// What it is instead.
pub fn check_certificates(pem: &SecretString) -> Result<(), &'static str> {
    certificates(pem).map(|_| ())
}

/// Whether a text is a private key that TLS can use.
///
/// # Errors
/// What it is instead.
pub fn check_tls_key(pem: &SecretString) -> Result<(), &'static str> {
    private_key(pem).map(|_| ())
}

/// Whether a private key belongs to the first certificate of a chain.
#[must_use]
pub fn is_key_of(key: &SecretString, chain: &SecretString) -> bool {
    let (Ok(chain), Ok(key)) = (certificates(chain), private_key(key)) else {
        return false;
    };
    let pair = CertifiedKey::new(chain, key);
    !matches!(
        pair.keys_match(),
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch) | Error::InvalidCertificate(_))
    )
}

fn certificates(pem: &SecretString) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let found = CertificateDer::pem_slice_iter(pem.expose_secret().as_bytes()).collect::<Result<Vec<_>, _>>();
    match found {
        Ok(found) if found.is_empty() => Err("no certificate in PEM"),
        Ok(found) => Ok(found),
        Err(_) => Err("no valid PEM"),
    }
}

impl ClientCertificate {
    /// Tells certificate and key from any other: connections of two must not be shared.
    pub(super) fn digest(&self) -> Vec<u8> {
        let mut digest = digest::Context::new(&SHA256);
        for part in [&self.chain, &self.key] {
            let part = part.expose_secret();
            digest.update(&part.len().to_be_bytes());
            digest.update(part.as_bytes());
        }
        digest.finish().as_ref().to_vec()
    }

    /// For the HTTP client.
    pub(super) fn identity(&self) -> Result<Identity, Failure> {
        let pem = SecretString::from(format!("{}\n{}", self.chain.expose_secret(), self.key.expose_secret()));
        Identity::from_pem(pem.expose_secret().as_bytes()).map_err(|_| unusable())
    }

    /// Whether it may be shown to `url`: to what the owner of its Secret lists, and where the owner lists nothing, to `origins`,
    /// which are those of the provider.
    pub(super) fn check_consent(&self, url: &Url, origins: &[String]) -> Result<(), Failure> {
        auth::check_origin(
            "the client certificate of spec.tlsClientAuth of the provider may not be shown to",
            self.origins.as_deref(),
            url,
            origins,
        )
    }
}

/// The pair was checked when it was read.
fn unusable() -> Failure {
    let text =
        "the certificate and key of spec.tlsClientAuth of the provider cannot be used; replace them in their Secret";
    Failure::new(Class::Denied, Reason::CredentialsMissing, text)
}

/// The certificate of a call, by its parts.
pub(super) fn digest_of(certificate: Option<&Arc<ClientCertificate>>) -> Option<Vec<u8>> {
    certificate.map(|certificate| certificate.digest())
}
