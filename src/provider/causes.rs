//! Why a connection failed, found along the chain of an error's sources.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError};

use super::egress::Refused;

/// What is found along the chain of an error's sources.
pub(super) struct Causes {
    /// Every address is one that must not be contacted.
    pub refused: bool,
    /// What went wrong with TLS.
    pub tls: Option<Tls>,
    /// Whether the name of the host cannot be resolved.
    pub unresolved: bool,
    /// Everything else, in a few words.
    pub words: &'static str,
}

/// What goes wrong with TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    /// The provider's certificate is not accepted.
    Certificate(&'static str),
    /// The provider does not accept the operator's certificate, or that it shows none.
    ClientCertificate,
    /// The two have no version of TLS, or no cipher suite, in common.
    Protocol(&'static str),
    /// What listens there speaks another protocol.
    Other(&'static str),
}

impl Causes {
    /// Looks through the sources of an error of the HTTP client.
    pub(super) fn of(error: &reqwest::Error) -> Self {
        let mut causes = Self {
            refused: false,
            tls: None,
            unresolved: false,
            words: "no connection",
        };
        let mut cause = error.source();
        while let Some(inner) = cause {
            causes.note(inner);
            cause = inner.source();
        }
        causes
    }

    fn note(&mut self, cause: &(dyn Error + 'static)) {
        if cause.is::<Refused>() {
            self.refused = true;
        }
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            // What another error was wrapped into hides it from the chain.
            if let Some(inner) = error.get_ref() {
                self.note(inner);
            }
            self.words = match error.kind() {
                io::ErrorKind::ConnectionRefused => "connection refused",
                io::ErrorKind::ConnectionReset => "connection reset",
                io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "no route",
                _ => self.words,
            };
        }
        if let Some(error) = cause.downcast_ref::<rustls::Error>() {
            self.tls = self.tls.or(tls(error));
        }
        if cause.to_string().contains("dns error") {
            self.unresolved = true;
            self.words = "its name cannot be resolved";
        }
    }

    /// Whether they tell what listens at an address. Whoever may write an `OAuthProvider` chooses the address, and must not learn that of
    /// every port that the operator can reach.
    pub(super) fn tell_of_ports(&self) -> bool {
        !self.refused && !self.unresolved && matches!(self.tls, None | Some(Tls::Other(_)))
    }
}

fn tls(error: &rustls::Error) -> Option<Tls> {
    Some(match error {
        rustls::Error::InvalidCertificate(why) => Tls::Certificate(match why {
            CertificateError::UnknownIssuer => "unknown issuer",
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => "expired",
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "not valid yet",
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "issued for another name"
            }
            CertificateError::Revoked => "revoked",
            CertificateError::BadSignature => "bad signature",
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                "not issued for servers"
            }
            // webpki's error is of another version of that crate, for all that can be known here.
            CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
                "an authority's own certificate, with CA:TRUE; give the server one that the authority issued, with CA:FALSE"
            }
            CertificateError::Other(_) => "self-signed, or not fit for a server",
            _ => "invalid",
        }),
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied,
        ) => Tls::ClientCertificate,
        rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) | rustls::Error::PeerIncompatible(_) => {
            Tls::Protocol("it offers no TLS 1.2 or 1.3 with a cipher suite that the operator knows")
        }
        rustls::Error::AlertReceived(AlertDescription::HandshakeFailure) => {
            Tls::Protocol("the server aborted the handshake; it may demand a client certificate or old cipher suites")
        }
        rustls::Error::InvalidMessage(_) => {
            Tls::Other("the server does not speak TLS on this port; it may serve plain http")
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w88_an_authority_shown_by_a_server_is_told_as_such() {
        #[derive(Debug, thiserror::Error)]
        #[error("x")]
        struct CaUsedAsEndEntity;
        let told = |error: CertificateError| match tls(&rustls::Error::InvalidCertificate(error)) {
            Some(Tls::Certificate(why)) => why,
            other => panic!("{other:?}"),
        };
        let other = rustls::OtherError(std::sync::Arc::new(CaUsedAsEndEntity));
        assert!(told(CertificateError::Other(other)).contains("CA:TRUE"));
    }
}
