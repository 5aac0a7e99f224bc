//! A provider's answer to a registration, read or update, normalised.

use secrecy::SecretString;
use serde_json::{Map, Value};

/// A client information response (RFC 7591 section 3.2.1, RFC 7592 section 3).
#[derive(Clone, Debug)]
pub struct Registration {
    /// Client identifier, never empty.
    pub client_id: String,
    /// Client secret, if this answer holds one.
    pub client_secret: Option<SecretString>,
    /// When the secret expires, in seconds since the epoch; 0: never (RFC 7591 section 3.2.1); `None`: not stated.
    pub client_secret_expires_at: Option<i64>,
    /// When the identifier was issued, in seconds since the epoch.
    pub client_id_issued_at: Option<i64>,
    /// When the answer was made, by the provider's own clock, in seconds since the epoch.
    pub answered_at: Option<i64>,
    /// Registration access token, if this answer holds one.
    pub registration_access_token: Option<SecretString>,
    /// Client configuration endpoint, if this answer holds one, verbatim.
    pub registration_client_uri: Option<String>,
    /// Every other member, as the provider states it.
    pub metadata: Map<String, Value>,
}
