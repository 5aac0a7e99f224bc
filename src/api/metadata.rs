//! Client metadata: every settable member of the IANA registry "OAuth Dynamic Client Registration Metadata".
//!
//! A field's Rust name is the member's name on the wire; its name in the manifest is camelCase with Kubernetes capitals.

#![allow(
    clippy::doc_markdown,
    reason = "these texts are shown by kubectl explain, which knows no markup"
)]

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Declares a struct of optional members, with the table that leads from manifest names to wire names.
macro_rules! members {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$attr:meta])* $field:ident: $ty:ty = $manifest:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
        pub struct $name {
            $(
                $(#[$attr])*
                #[serde(default, rename = $manifest, skip_serializing_if = "Option::is_none")]
                pub $field: Option<$ty>,
            )+
        }

        impl $name {
            /// (name in the manifest, name on the wire) of every member.
            pub const MEMBERS: &'static [(&'static str, &'static str)] = &[$(($manifest, stringify!($field)),)+];

            /// Adds every member that is set, under its wire name.
            pub fn write_to(&self, map: &mut Map<String, Value>) {
                $(
                    if let Some(Ok(value)) = self.$field.as_ref().map(serde_json::to_value) {
                        map.insert(stringify!($field).to_owned(), value);
                    }
                )+
            }
        }
    };
}

members! {
    /// Members that most clients set.
    pub struct ClientMetadata {
        /// Redirection URIs (`redirect_uris`, RFC 7591 section 2), compared byte by byte by the provider. Required with
        /// the grant types authorization_code and implicit. Example: `https://app.example.com/callback`.
        #[schemars(length(max = 512), inner(length(min = 1, max = 2048)), extend("x-kubernetes-list-type" = "set"))]
        redirect_uris: Vec<String> = "redirectURIs",
        /// How the client authenticates at the token endpoint (`token_endpoint_auth_method`): `client_secret_basic`,
        /// `client_secret_post`, `none` for a public client, `private_key_jwt`, `tls_client_auth` or another that the
        /// provider supports. Unset: the first of `client_secret_basic`, `client_secret_post` and `client_secret_jwt` that
        /// the metadata of the provider lists when the client is registered; `status.tokenEndpointAuthMethod` shows it.
        #[schemars(length(min = 1, max = 128))]
        token_endpoint_auth_method: String = "tokenEndpointAuthMethod",
        /// Grant types (`grant_types`, RFC 7591 section 2). Default: `[authorization_code]`.
        #[schemars(length(max = 16), inner(length(min = 1, max = 128)), extend("x-kubernetes-list-type" = "set"))]
        grant_types: Vec<String> = "grantTypes",
        /// Response types (`response_types`). Default: `[code]` with the authorization_code grant, else none. Required
        /// with the implicit grant.
        #[schemars(length(max = 16), inner(length(min = 1, max = 64)), extend("x-kubernetes-list-type" = "set"))]
        response_types: Vec<String> = "responseTypes",
        /// Name shown to end users (`client_name`). Default: namespace and name of the object, joined by a dot.
        #[schemars(length(min = 1, max = 256))]
        client_name: String = "clientName",
        /// Scopes that the client may ask for (`scope`); sent as one space-separated string.
        #[schemars(length(max = 128), inner(length(min = 1, max = 256)), extend("x-kubernetes-list-type" = "set"))]
        scope: Vec<String> = "scopes",
        /// Kind of application (`application_type`, OpenID Connect Registration section 2): `web` (the default), `native`
        /// or another that the provider knows.
        #[schemars(length(min = 1, max = 64))]
        application_type: String = "applicationType",
        /// Ways to reach the people responsible for the client (`contacts`), usually e-mail addresses.
        #[schemars(length(max = 16), inner(length(min = 1, max = 256)))]
        contacts: Vec<String> = "contacts",
        /// Where end users may be sent after logout (`post_logout_redirect_uris`, RP-Initiated Logout).
        #[schemars(length(max = 64), inner(length(min = 1, max = 2048)), extend("x-kubernetes-list-type" = "set"))]
        post_logout_redirect_uris: Vec<String> = "postLogoutRedirectURIs",
    }
}

members! {
    /// Members that few clients set.
    pub struct RareMetadata {
        /// Web page about the client (`client_uri`).
        #[schemars(length(min = 1, max = 2048))]
        client_uri: String = "clientURI",
        /// Logo of the client (`logo_uri`).
        #[schemars(length(min = 1, max = 2048))]
        logo_uri: String = "logoURI",
        /// Terms of service (`tos_uri`).
        #[schemars(length(min = 1, max = 2048))]
        tos_uri: String = "tosURI",
        /// Privacy policy (`policy_uri`).
        #[schemars(length(min = 1, max = 2048))]
        policy_uri: String = "policyURI",
        /// Where the provider fetches the client's public keys (`jwks_uri`). Excludes `jwks`.
        #[schemars(length(min = 1, max = 2048))]
        jwks_uri: String = "jwksURI",
        /// The client's public keys (`jwks`, RFC 7517). Excludes `jwksURI`. Must not contain private keys.
        jwks: JwkSet = "jwks",
        /// Identifier of the client software (`software_id`), the same for all its installations, usually a UUID.
        #[schemars(length(min = 1, max = 256))]
        software_id: String = "softwareID",
        /// Version of the client software (`software_version`).
        #[schemars(length(min = 1, max = 128))]
        software_version: String = "softwareVersion",
        /// Signed statement about the client software (`software_statement`, RFC 7591 section 2.3), a JWT.
        #[schemars(length(min = 1, max = 16384))]
        software_statement: String = "softwareStatement",
        /// Document that lists redirection URIs of clients that share pairwise subjects (`sector_identifier_uri`).
        #[schemars(length(min = 1, max = 2048))]
        sector_identifier_uri: String = "sectorIdentifierURI",
        /// How subjects are identified to the client (`subject_type`): `pairwise` or `public`.
        #[schemars(length(min = 1, max = 64))]
        subject_type: String = "subjectType",
        /// JWS algorithm of ID tokens (`id_token_signed_response_alg`).
        #[schemars(length(min = 1, max = 64))]
        id_token_signed_response_alg: String = "idTokenSignedResponseAlg",
        /// JWE algorithm of ID tokens (`id_token_encrypted_response_alg`).
        #[schemars(length(min = 1, max = 64))]
        id_token_encrypted_response_alg: String = "idTokenEncryptedResponseAlg",
        /// JWE content encryption of ID tokens (`id_token_encrypted_response_enc`); needs the alg.
        #[schemars(length(min = 1, max = 64))]
        id_token_encrypted_response_enc: String = "idTokenEncryptedResponseEnc",
        /// JWS algorithm of UserInfo answers (`userinfo_signed_response_alg`).
        #[schemars(length(min = 1, max = 64))]
        userinfo_signed_response_alg: String = "userinfoSignedResponseAlg",
        /// JWE algorithm of UserInfo answers (`userinfo_encrypted_response_alg`).
        #[schemars(length(min = 1, max = 64))]
        userinfo_encrypted_response_alg: String = "userinfoEncryptedResponseAlg",
        /// JWE content encryption of UserInfo answers (`userinfo_encrypted_response_enc`); needs the alg.
        #[schemars(length(min = 1, max = 64))]
        userinfo_encrypted_response_enc: String = "userinfoEncryptedResponseEnc",
        /// JWS algorithm of request objects (`request_object_signing_alg`).
        #[schemars(length(min = 1, max = 64))]
        request_object_signing_alg: String = "requestObjectSigningAlg",
        /// JWE algorithm of request objects (`request_object_encryption_alg`).
        #[schemars(length(min = 1, max = 64))]
        request_object_encryption_alg: String = "requestObjectEncryptionAlg",
        /// JWE content encryption of request objects (`request_object_encryption_enc`); needs the alg.
        #[schemars(length(min = 1, max = 64))]
        request_object_encryption_enc: String = "requestObjectEncryptionEnc",
        /// JWS algorithm of the client's assertion at the token endpoint (`token_endpoint_auth_signing_alg`); not `none`.
        #[schemars(length(min = 1, max = 64))]
        token_endpoint_auth_signing_alg: String = "tokenEndpointAuthSigningAlg",
        /// Longest age of an authentication in seconds (`default_max_age`).
        #[schemars(range(min = 0, max = 2_147_483_647_i64), extend("format" = "int64"))]
        default_max_age: i64 = "defaultMaxAge",
        /// Whether ID tokens must state the time of authentication (`require_auth_time`).
        require_auth_time: bool = "requireAuthTime",
        /// Authentication context classes asked for, in order of preference (`default_acr_values`).
        #[schemars(length(max = 32), inner(length(min = 1, max = 256)))]
        default_acr_values: Vec<String> = "defaultACRValues",
        /// URI that a third party may use to start a login (`initiate_login_uri`).
        #[schemars(length(min = 1, max = 2048))]
        initiate_login_uri: String = "initiateLoginURI",
        /// Request URIs that the provider may fetch in advance (`request_uris`).
        #[schemars(length(max = 32), inner(length(min = 1, max = 2048)), extend("x-kubernetes-list-type" = "set"))]
        request_uris: Vec<String> = "requestURIs",
        /// Claims redirection URIs (`claims_redirect_uris`, UMA 2.0).
        #[schemars(length(max = 32), inner(length(min = 1, max = 2048)), extend("x-kubernetes-list-type" = "set"))]
        claims_redirect_uris: Vec<String> = "claimsRedirectURIs",
        /// Whether access tokens are bound to the client's certificate (`tls_client_certificate_bound_access_tokens`, RFC
        /// 8705).
        tls_client_certificate_bound_access_tokens: bool = "tlsClientCertificateBoundAccessTokens",
        /// Subject of the client's certificate (`tls_client_auth_subject_dn`, RFC 4514 form).
        #[schemars(length(min = 1, max = 1024))]
        tls_client_auth_subject_dn: String = "tlsClientAuthSubjectDN",
        /// DNS name in the client's certificate (`tls_client_auth_san_dns`).
        #[schemars(length(min = 1, max = 253))]
        tls_client_auth_san_dns: String = "tlsClientAuthSANDNS",
        /// URI in the client's certificate (`tls_client_auth_san_uri`).
        #[schemars(length(min = 1, max = 2048))]
        tls_client_auth_san_uri: String = "tlsClientAuthSANURI",
        /// IP address in the client's certificate (`tls_client_auth_san_ip`).
        #[schemars(length(min = 1, max = 64))]
        tls_client_auth_san_ip: String = "tlsClientAuthSANIP",
        /// E-mail address in the client's certificate (`tls_client_auth_san_email`).
        #[schemars(length(min = 1, max = 256))]
        tls_client_auth_san_email: String = "tlsClientAuthSANEmail",
        /// Whether requests must be signed request objects (`require_signed_request_object`, RFC 9101).
        require_signed_request_object: bool = "requireSignedRequestObject",
        /// Whether requests must be pushed (`require_pushed_authorization_requests`, RFC 9126).
        require_pushed_authorization_requests: bool = "requirePushedAuthorizationRequests",
        /// JWS algorithm of introspection answers (`introspection_signed_response_alg`, RFC 9701).
        #[schemars(length(min = 1, max = 64))]
        introspection_signed_response_alg: String = "introspectionSignedResponseAlg",
        /// JWE algorithm of introspection answers (`introspection_encrypted_response_alg`).
        #[schemars(length(min = 1, max = 64))]
        introspection_encrypted_response_alg: String = "introspectionEncryptedResponseAlg",
        /// JWE content encryption of introspection answers (`introspection_encrypted_response_enc`); needs the alg.
        #[schemars(length(min = 1, max = 64))]
        introspection_encrypted_response_enc: String = "introspectionEncryptedResponseEnc",
        /// JWS algorithm of authorization responses (`authorization_signed_response_alg`, JARM).
        #[schemars(length(min = 1, max = 64))]
        authorization_signed_response_alg: String = "authorizationSignedResponseAlg",
        /// JWE algorithm of authorization responses (`authorization_encrypted_response_alg`, JARM).
        #[schemars(length(min = 1, max = 64))]
        authorization_encrypted_response_alg: String = "authorizationEncryptedResponseAlg",
        /// JWE content encryption of authorization responses (`authorization_encrypted_response_enc`); needs the alg.
        #[schemars(length(min = 1, max = 64))]
        authorization_encrypted_response_enc: String = "authorizationEncryptedResponseEnc",
        /// Logout URI that the provider loads in the user's browser (`frontchannel_logout_uri`).
        #[schemars(length(min = 1, max = 2048))]
        frontchannel_logout_uri: String = "frontchannelLogoutURI",
        /// Whether issuer and session are added to it (`frontchannel_logout_session_required`).
        frontchannel_logout_session_required: bool = "frontchannelLogoutSessionRequired",
        /// Logout URI that the provider calls itself (`backchannel_logout_uri`).
        #[schemars(length(min = 1, max = 2048))]
        backchannel_logout_uri: String = "backchannelLogoutURI",
        /// Whether logout tokens must name the session (`backchannel_logout_session_required`).
        backchannel_logout_session_required: bool = "backchannelLogoutSessionRequired",
        /// Types of authorization details used (`authorization_details_types`, RFC 9396).
        #[schemars(length(max = 32), inner(length(min = 1, max = 256)), extend("x-kubernetes-list-type" = "set"))]
        authorization_details_types: Vec<String> = "authorizationDetailsTypes",
        /// Whether access tokens are always DPoP-bound (`dpop_bound_access_tokens`, RFC 9449).
        dpop_bound_access_tokens: bool = "dpopBoundAccessTokens",
        /// How CIBA results reach the client (`backchannel_token_delivery_mode`): `poll`, `ping` or `push`.
        #[schemars(length(min = 1, max = 16))]
        backchannel_token_delivery_mode: String = "backchannelTokenDeliveryMode",
        /// Endpoint notified by CIBA (`backchannel_client_notification_endpoint`); required with ping and push.
        #[schemars(length(min = 1, max = 2048))]
        backchannel_client_notification_endpoint: String = "backchannelClientNotificationEndpoint",
        /// JWS algorithm of CIBA requests (`backchannel_authentication_request_signing_alg`).
        #[schemars(length(min = 1, max = 64))]
        backchannel_authentication_request_signing_alg: String = "backchannelAuthenticationRequestSigningAlg",
        /// Whether CIBA requests carry a user code (`backchannel_user_code_parameter`).
        backchannel_user_code_parameter: bool = "backchannelUserCodeParameter",
        /// Client registration types (`client_registration_types`, OpenID Federation).
        #[schemars(length(max = 8), inner(length(min = 1, max = 64)), extend("x-kubernetes-list-type" = "set"))]
        client_registration_types: Vec<String> = "clientRegistrationTypes",
        /// Where the provider fetches the signed key set (`signed_jwks_uri`, OpenID Federation).
        #[schemars(length(min = 1, max = 2048))]
        signed_jwks_uri: String = "signedJWKSURI",
        /// Name of the organisation that owns the client (`organization_name`).
        #[schemars(length(min = 1, max = 256))]
        organization_name: String = "organizationName",
        /// Description of the client for end users (`description`).
        #[schemars(length(min = 1, max = 1024))]
        description: String = "description",
        /// Keywords that describe the client (`keywords`).
        #[schemars(length(max = 32), inner(length(min = 1, max = 64)), extend("x-kubernetes-list-type" = "set"))]
        keywords: Vec<String> = "keywords",
        /// Further information about the client (`information_uri`).
        #[schemars(length(min = 1, max = 2048))]
        information_uri: String = "informationURI",
        /// Web page of the organisation (`organization_uri`).
        #[schemars(length(min = 1, max = 2048))]
        organization_uri: String = "organizationURI",
        /// Whether the client prefers the mutual-TLS endpoints (`use_mtls_endpoint_aliases`, FAPI 2.0).
        use_mtls_endpoint_aliases: bool = "useMTLSEndpointAliases",
        /// Content encryptions that the client's response encryption supports (`encrypted_response_enc_values_supported`,
        /// OpenID4VP).
        #[schemars(length(max = 16), inner(length(min = 1, max = 64)), extend("x-kubernetes-list-type" = "set"))]
        encrypted_response_enc_values_supported: Vec<String> = "encryptedResponseEncValuesSupported",
        /// Translations of members for end users, sent as `member#tag` (RFC 7591 section 2.2).
        localized: Localized = "localized",
    }
}

/// Reads the rare members of a flattened spec and keeps them only if there are any: most objects set none of them.
pub fn boxed_rare<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RareMetadata>>, D::Error> {
    let rare = RareMetadata::deserialize(deserializer)?;
    Ok((rare != RareMetadata::default()).then(|| Box::new(rare)))
}

/// A set of public keys (RFC 7517 section 5).
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
pub struct JwkSet {
    /// The public keys of the set.
    #[schemars(length(min = 1, max = 16))]
    pub keys: Vec<Jwk>,
}

/// A public key (RFC 7517 section 4, RFC 7518 section 6). It must not contain private key members.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
pub struct Jwk {
    /// Key type: `RSA`, `EC` or `OKP`.
    #[schemars(regex(pattern = r"^(RSA|EC|OKP|AKP)$"), length(max = 8))]
    pub kty: String,
    /// Use of the key: `sig` or `enc`.
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub use_: Option<String>,
    /// Operations that the key is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8), inner(length(max = 32)))]
    pub key_ops: Option<Vec<String>>,
    /// Algorithm that the key is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub alg: Option<String>,
    /// Identifier of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub kid: Option<String>,
    /// RSA modulus, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub n: Option<String>,
    /// RSA exponent, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub e: Option<String>,
    /// Curve, for example `P-256` or `Ed25519`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub crv: Option<String>,
    /// X coordinate or public key, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub x: Option<String>,
    /// Y coordinate, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub y: Option<String>,
    /// Certificate chain, base64 DER.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8), inner(length(max = 8192)))]
    pub x5c: Option<Vec<String>>,
    /// URL of the certificate chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub x5u: Option<String>,
    /// SHA-1 thumbprint of the certificate, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub x5t: Option<String>,
    /// SHA-256 thumbprint of the certificate, base64url.
    #[serde(default, rename = "x5t#S256", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub x5t_s256: Option<String>,
}

/// Translations by BCP 47 language tag.
pub type Translations = BTreeMap<String, Text>;

/// A translated text or URI.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct Text(#[schemars(length(min = 1, max = 2048))] pub String);

members! {
    /// Members that may be translated, each a map from BCP 47 language tag to value, for example
    /// `clientName: {ja: クライアント}`.
    pub struct Localized {
        /// Translations of `clientName`.
        #[schemars(extend("maxProperties" = 32))]
        client_name: Translations = "clientName",
        /// Translations of `clientURI`.
        #[schemars(extend("maxProperties" = 32))]
        client_uri: Translations = "clientURI",
        /// Translations of `logoURI`.
        #[schemars(extend("maxProperties" = 32))]
        logo_uri: Translations = "logoURI",
        /// Translations of `tosURI`.
        #[schemars(extend("maxProperties" = 32))]
        tos_uri: Translations = "tosURI",
        /// Translations of `policyURI`.
        #[schemars(extend("maxProperties" = 32))]
        policy_uri: Translations = "policyURI",
        /// Translations of `organizationName`.
        #[schemars(extend("maxProperties" = 32))]
        organization_name: Translations = "organizationName",
        /// Translations of `description`.
        #[schemars(extend("maxProperties" = 32))]
        description: Translations = "description",
        /// Translations of `informationURI`.
        #[schemars(extend("maxProperties" = 32))]
        information_uri: Translations = "informationURI",
        /// Translations of `organizationURI`.
        #[schemars(extend("maxProperties" = 32))]
        organization_uri: Translations = "organizationURI",
    }
}

/// Wire names that an answer sets and no request may.
pub const RESPONSE_ONLY: [&str; 6] = [
    "client_id",
    "client_secret",
    "client_id_issued_at",
    "client_secret_expires_at",
    "registration_access_token",
    "registration_client_uri",
];
