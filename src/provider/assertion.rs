//! Assertions by which a client authenticates at a token endpoint (RFC 7523 section 2.2), and the keys that sign them.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::SignatureScheme;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::sign::{Signer, SigningKey};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::domain::metadata::hex;

/// How long an assertion is valid, in seconds: the time of one request, and what the clocks of the two may differ by.
const VALID: i64 = 120;
/// Length of each number of a signature by a key of the curve P-256, in bytes (RFC 7518 section 3.4).
const NUMBER: usize = 32;

/// Algorithms, with the scheme by which rustls knows each.
const ALGORITHMS: [(SignatureScheme, &str); 2] = [
    (SignatureScheme::RSA_PKCS1_SHA256, "RS256"),
    (SignatureScheme::ECDSA_NISTP256_SHA256, "ES256"),
];

/// What an assertion says.
pub(super) struct Claims<'a> {
    /// The client: issuer and subject.
    pub client_id: &'a str,
    /// Whom it is for.
    pub audience: &'a str,
    /// When it is made, in seconds since the epoch.
    pub now: i64,
    /// Key identifier in its header.
    pub key_id: Option<&'a str>,
}

/// Whether a text is a private key that can sign assertions.
///
/// # Errors
/// What it is instead.
pub fn check_signing_key(pem: &SecretString) -> Result<(), &'static str> {
    signer(pem).map(|_| ())
}

/// An assertion, signed by this key.
///
/// # Errors
/// What is wrong with the key.
pub(super) fn sign(pem: &SecretString, claims: &Claims<'_>) -> Result<SecretString, &'static str> {
    let (signer, algorithm) = signer(pem)?;
    let mut header = json!({"alg": algorithm, "typ": "JWT"});
    if let Some(key_id) = claims.key_id {
        header["kid"] = json!(key_id);
    }
    let mut id = [0; 16];
    SystemRandom::new()
        .fill(&mut id)
        .map_err(|_| "of no use: the system has no random numbers")?;
    let claims = json!({
        "iss": claims.client_id,
        "sub": claims.client_id,
        "aud": claims.audience,
        "jti": hex(&id),
        "iat": claims.now,
        "exp": claims.now.saturating_add(VALID),
    });
    let encoded = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", encoded(&header), encoded(&claims));
    let signature = signer.sign(text.as_bytes()).map_err(|_| "unable to sign")?;
    let signature = match algorithm {
        "ES256" => numbers(&signature).ok_or("unable to sign")?,
        _ => signature,
    };
    Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
}

fn signer(pem: &SecretString) -> Result<(Box<dyn Signer>, &'static str), &'static str> {
    let key = private_key(pem)?;
    let signer = |(scheme, name)| Some((key.choose_scheme(&[scheme])?, name));
    ALGORITHMS
        .into_iter()
        .find_map(signer)
        .ok_or("a key of another kind than RSA and P-256")
}

/// A private key of any kind that TLS knows.
///
/// # Errors
/// What the text is instead.
pub(super) fn private_key(pem: &SecretString) -> Result<Arc<dyn SigningKey>, &'static str> {
    let key = PrivateKeyDer::from_pem_slice(pem.expose_secret().as_bytes()).map_err(|error| match error {
        pem::Error::NoItemsFound => "no unencrypted private key in PEM",
        _ => "no valid PEM",
    })?;
    any_supported_type(&key)
        .map_err(|_| "a private key that cannot be used: damaged, of an unknown kind, or RSA with less than 2048 bits")
}

/// The two numbers of an ECDSA signature side by side, as JWS has them, from the DER that TLS has.
fn numbers(der: &[u8]) -> Option<Vec<u8>> {
    let (numbers, rest) = element(0x30, der)?;
    let (r, numbers) = element(0x02, numbers)?;
    let (s, none) = element(0x02, numbers)?;
    let mut signature = Vec::with_capacity(2 * NUMBER);
    for number in [r, s] {
        let number = number.strip_prefix(&[0]).unwrap_or(number);
        signature.resize(signature.len() + NUMBER.checked_sub(number.len())?, 0);
        signature.extend(number);
    }
    (rest.is_empty() && none.is_empty()).then_some(signature)
}

/// A DER element of this tag with a short length, and what follows it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    match der {
        [found, length @ 0..=127, rest @ ..] if *found == tag => rest.split_at_checked(usize::from(*length)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
