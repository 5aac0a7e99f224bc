use ring::signature::{self, KeyPair as _, UnparsedPublicKey, VerificationAlgorithm};
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::Value;

use super::*;

macro_rules! key {
    ($name:literal) => {
        SecretString::from(include_str!(concat!("keys/", $name, ".pem")))
    };
}

const CLAIMS: Claims<'static> = Claims {
    client_id: "operator",
    audience: "https://p.example/token",
    now: 1_700_000_000,
    key_id: Some("key-1"),
};

fn decoded(part: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(part).unwrap()
}

/// Header and claims of an assertion, whose signature is verified.
fn verified(assertion: &SecretString, algorithm: &'static dyn VerificationAlgorithm, public: &[u8]) -> (Value, Value) {
    let (signed, signature) = assertion.expose_secret().rsplit_once('.').unwrap();
    let key = UnparsedPublicKey::new(algorithm, public);
    key.verify(signed.as_bytes(), &decoded(signature)).unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let json = |part| serde_json::from_slice(&decoded(part)).unwrap();
    (json(header), json(claims))
}

#[test]
fn t171_an_assertion_is_signed_by_what_the_key_is() {
    let der = PrivatePkcs8KeyDer::from_pem_slice(include_bytes!("keys/rsa_pkcs8.pem")).unwrap();
    let rsa = signature::RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
    let der = PrivatePkcs8KeyDer::from_pem_slice(include_bytes!("keys/p256_pkcs8.pem")).unwrap();
    let p256 = signature::EcdsaKeyPair::from_pkcs8(
        &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        der.secret_pkcs8_der(),
        &SystemRandom::new(),
    )
    .unwrap();
    let mut ids = Vec::new();
    for (pem, name) in [
        (key!("rsa_pkcs1"), "RS256"),
        (key!("rsa_pkcs8"), "RS256"),
        (key!("p256_sec1"), "ES256"),
        (key!("p256_pkcs8"), "ES256"),
    ] {
        assert_eq!(check_signing_key(&pem), Ok(()));
        let assertion = sign(&pem, &CLAIMS).unwrap();
        let (header, claims) = if name == "RS256" {
            let public = rsa.public_key().as_ref();
            verified(&assertion, &signature::RSA_PKCS1_2048_8192_SHA256, public)
        } else {
            verified(
                &assertion,
                &signature::ECDSA_P256_SHA256_FIXED,
                p256.public_key().as_ref(),
            )
        };
        assert_eq!(header, json!({"alg": name, "typ": "JWT", "kid": "key-1"}));
        assert_eq!(
            (&claims["iss"], &claims["sub"]),
            (&json!("operator"), &json!("operator"))
        );
        assert_eq!(claims["aud"], "https://p.example/token");
        assert_eq!(
            (&claims["iat"], &claims["exp"]),
            (&json!(1_700_000_000), &json!(1_700_000_120))
        );
        ids.push(claims["jti"].as_str().unwrap().to_owned());
    }
    ids.dedup();
    assert_eq!(ids.len(), 4, "each assertion is another");
}

#[test]
fn t171_a_signature_whose_numbers_are_short_or_padded_keeps_its_length() {
    let der = |r: &[u8], s: &[u8]| {
        let number = |n: &[u8]| [&[2, u8::try_from(n.len()).unwrap()], n].concat();
        let both = [number(r), number(s)].concat();
        [vec![0x30, u8::try_from(both.len()).unwrap()], both].concat()
    };
    let padded = [&[0][..], &[0xff; 32]].concat();
    let found = numbers(&der(&padded, &[7])).unwrap();
    assert_eq!(found, [&[0xff; 32][..], &[0; 31], &[7]].concat());
    let too_long = [1; 33];
    for broken in [&der(&too_long, &[1])[..], &[0x30, 1, 2], &[], &der(&[1], &[1])[..7]] {
        assert_eq!(numbers(broken), None, "{broken:?}");
    }
    let mut more = der(&[1], &[1]);
    more.push(0);
    assert_eq!(numbers(&more), None);
}

#[test]
fn t171_what_cannot_sign_is_refused_with_what_it_is() {
    for (pem, why) in [
        (key!("p384"), "another kind than RSA and P-256"),
        (key!("encrypted"), "no unencrypted private key"),
        (key!("public"), "no unencrypted private key"),
        (key!("rsa_1024"), "less than 2048 bits"),
        ("".into(), "no unencrypted private key"),
        ("s3cret".into(), "no unencrypted private key"),
        ("-----BEGIN PRIVATE KEY-----\ns3cret\n".into(), "no valid PEM"),
        (
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".into(),
            "damaged",
        ),
    ] {
        let said = check_signing_key(&pem).unwrap_err();
        assert!(
            said.contains(why) && !said.contains("s3cret"),
            "{said} where {why} was expected"
        );
    }
}
