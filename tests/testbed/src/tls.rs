//! Private certificate authorities for the servers of the tests.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// Why a certificate could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Making a key or certificate failed.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// A key or certificate is not acceptable to rustls.
    #[error("cannot use a certificate: {0}")]
    Use(#[from] rustls::Error),
    /// A PEM text is not one.
    #[error("cannot read a PEM text: {0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
}

/// Makes *ring* this process's TLS implementation; without effect when one is chosen already.
///
/// Everything in this crate that opens TLS connections calls it.
pub fn install() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A certificate authority that nobody else trusts.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    /// A new authority with a new P-256 key.
    pub fn new(name: &str) -> Result<Self, TlsError> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            pem,
        })
    }

    /// Its certificate, for clients to trust.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A server certificate for host names and IP addresses.
    pub fn issue(&self, names: &[&str]) -> Result<Identity, TlsError> {
        self.issue_in(names, ExtendedKeyUsagePurpose::ServerAuth, None)
    }

    /// A server certificate whose time is over.
    pub fn issue_expired(&self, names: &[&str]) -> Result<Identity, TlsError> {
        self.issue_in(names, ExtendedKeyUsagePurpose::ServerAuth, Some((2001, 2002)))
    }

    /// A client certificate.
    pub fn issue_client(&self, name: &str) -> Result<Identity, TlsError> {
        self.issue_in(&[name], ExtendedKeyUsagePurpose::ClientAuth, None)
    }

    /// A certificate that is good from the beginning of one year to that of another.
    fn issue_in(
        &self,
        names: &[&str],
        usage: ExtendedKeyUsagePurpose,
        years: Option<(i32, i32)>,
    ) -> Result<Identity, TlsError> {
        let mut params = CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())?;
        params
            .distinguished_name
            .push(DnType::CommonName, names.first().copied().unwrap_or("server"));
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        if let Some((from, to)) = years {
            params.not_before = rcgen::date_time_ymd(from, 1, 1);
            params.not_after = rcgen::date_time_ymd(to, 1, 1);
        }
        let key = KeyPair::generate()?;
        let certificate_pem = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Identity {
            certificate_pem,
            key_pem: key.serialize_pem(),
        })
    }
}

/// A server's certificate and private key.
#[derive(Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate_pem: String,
    /// The private key, PKCS #8.
    pub key_pem: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

impl Identity {
    /// A server certificate that no authority issued.
    pub fn self_signed(names: &[&str]) -> Result<Self, TlsError> {
        let params = CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())?;
        let key = KeyPair::generate()?;
        Ok(Self {
            certificate_pem: params.self_signed(&key)?.pem(),
            key_pem: key.serialize_pem(),
        })
    }

    /// The same, marked as the certificate of an authority (CA:TRUE), as `openssl req -x509` makes it.
    pub fn self_signed_authority(names: &[&str]) -> Result<Self, TlsError> {
        let mut params = CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        Ok(Self {
            certificate_pem: params.self_signed(&key)?.pem(),
            key_pem: key.serialize_pem(),
        })
    }

    /// Settings of an HTTP/1.1 server that shows this certificate and serves nobody without one of `clients`.
    pub fn server_config_for(&self, clients: &Authority) -> Result<Arc<ServerConfig>, TlsError> {
        install();
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(clients.pem().as_bytes()) {
            roots.add(certificate?)?;
        }
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots))
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let (chain, key) = self.parts()?;
        let mut config = ServerConfig::builder()
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// The certificate as it goes over the wire.
    pub fn der(&self) -> Result<Vec<u8>, TlsError> {
        let (chain, _) = self.parts()?;
        Ok(chain
            .first()
            .map(|certificate| certificate.to_vec())
            .unwrap_or_default())
    }

    fn parts(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
        let chain = CertificateDer::pem_slice_iter(self.certificate_pem.as_bytes()).collect::<Result<Vec<_>, _>>()?;
        Ok((chain, PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes())?))
    }

    /// Settings of an HTTP/1.1 server that shows this certificate.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, TlsError> {
        install();
        let (chain, key) = self.parts()?;
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// Settings of an HTTP/1.1 client that trusts the certificates of a PEM text and no other.
pub fn client_config(trusted_pem: &str) -> Result<Arc<ClientConfig>, TlsError> {
    install();
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(trusted_pem.as_bytes()) {
        roots.add(certificate?)?;
    }
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issued_certificate_makes_a_server_and_its_authority_a_client() {
        let authority = Authority::new("testbed").unwrap();
        let identity = authority.issue(&["127.0.0.1", "localhost"]).unwrap();
        identity.server_config().unwrap();
        client_config(authority.pem()).unwrap();
        assert!(!format!("{identity:?}").contains("PRIVATE"));
    }
}
