//! A provider that verifies ServiceAccount tokens by the public keys of the API server.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::{Value, json};

use super::Pod;

/// The public keys of the API server, as a provider reads them.
pub(super) struct Keys(Vec<Value>);

impl Keys {
    pub(super) async fn of(pod: &Pod) -> Self {
        let keys: Value = serde_json::from_str(&pod.kubectl(&["get", "--raw", "/openid/v1/jwks"], "").await).unwrap();
        Self(keys["keys"].as_array().unwrap().clone())
    }

    /// Whether a token is one of the operator's ServiceAccount for this audience: signature, audience, subject and expiry.
    pub(super) fn accept(&self, token: &str, audience: &str) -> bool {
        let Some((signed, signature)) = token.rsplit_once('.') else {
            return false;
        };
        let Some((header, claims)) = signed.split_once('.') else {
            return false;
        };
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
        let json = |part: &str| serde_json::from_slice::<Value>(&decoded(part)).unwrap();
        let (header, claims) = (json(header), json(claims));
        let key = self
            .0
            .iter()
            .find(|key| key["kid"] == header["kid"] && header["alg"] == "ES256");
        let is_signed = key.is_some_and(|key| {
            let part = |name: &str| decoded(key[name].as_str().unwrap());
            let point = [vec![4], part("x"), part("y")].concat();
            let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
            key.verify(signed.as_bytes(), &decoded(signature)).is_ok()
        });
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        is_signed
            && claims["aud"] == json!([audience])
            && claims["sub"] == "system:serviceaccount:system:oauth-client-operator"
            && claims["exp"].as_u64().unwrap() > now
    }
}
