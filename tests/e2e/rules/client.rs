//! Cases of the rules of an `OAuthClient`.

use serde_json::{Value, json};

use super::{Case, PATTERN, case, one};

/// Rules between fields: the refusal, what is refused, what is accepted.
pub(super) fn between_fields() -> Vec<Case> {
    let root = |said: &str, refused: Value, accepted: Value| case(".spec", said, refused, accepted);
    let mut cases = vec![
        root(
            "redirectURIs: at least one is required",
            json!({"redirectURIs": null}),
            json!({"redirectURIs": null, "grantTypes": ["client_credentials"]}),
        ),
        root(
            "redirectURIs: at least one is required",
            json!({"redirectURIs": [], "grantTypes": ["authorization_code"], "scopes": ["openid"]}),
            json!({"redirectURIs": [], "grantTypes": ["client_credentials"]}),
        ),
        root(
            "responseTypes: the implicit grant needs",
            json!({"grantTypes": ["implicit"]}),
            json!({"grantTypes": ["implicit"], "responseTypes": ["id_token token"]}),
        ),
        root(
            "responseTypes: code needs the grant type",
            json!({"grantTypes": ["client_credentials"], "responseTypes": ["code"]}),
            json!({"responseTypes": ["code"]}),
        ),
        root(
            "responseTypes: token and id_token need",
            json!({"responseTypes": ["code", "id_token"]}),
            json!({"grantTypes": ["authorization_code", "implicit"], "responseTypes": ["code id_token"]}),
        ),
        root(
            "responseTypes: the grant type authorization_code (the default) needs",
            json!({"responseTypes": ["none"]}),
            json!({"responseTypes": ["none", "code"]}),
        ),
        root(
            "tokenEndpointAuthMethod: none cannot be used",
            json!({"grantTypes": ["client_credentials"], "tokenEndpointAuthMethod": "none"}),
            json!({"tokenEndpointAuthMethod": "none"}),
        ),
        root(
            "jwksURI: set either jwks or jwksURI, not both",
            json!({"jwks": {"keys": [{"kty": "RSA", "n": "a", "e": "b"}]}, "jwksURI": "https://a.example/jwks"}),
            json!({"jwksURI": "https://a.example/jwks"}),
        ),
        root(
            "tokenEndpointAuthMethod: private_key_jwt and self_signed_tls_client_auth need",
            json!({"tokenEndpointAuthMethod": "private_key_jwt"}),
            json!({"tokenEndpointAuthMethod": "private_key_jwt", "jwksURI": "https://a.example/jwks"}),
        ),
        root(
            "tokenEndpointAuthMethod: tls_client_auth needs exactly one",
            json!({"tokenEndpointAuthMethod": "tls_client_auth", "tlsClientAuthSANIP": "::1", "tlsClientAuthSANDNS": "a"}),
            json!({"tokenEndpointAuthMethod": "tls_client_auth", "tlsClientAuthSANIP": "::1"}),
        ),
        root(
            "backchannelTokenDeliveryMode: ping and push need",
            json!({"backchannelTokenDeliveryMode": "ping"}),
            json!({"backchannelTokenDeliveryMode": "poll"}),
        ),
        root(
            "dpopBoundAccessTokens: set either",
            json!({"dpopBoundAccessTokens": true, "tlsClientCertificateBoundAccessTokens": true}),
            json!({"dpopBoundAccessTokens": true, "tlsClientCertificateBoundAccessTokens": false}),
        ),
    ];
    for (enc, alg) in [
        ("idTokenEncryptedResponseEnc", "idTokenEncryptedResponseAlg"),
        ("userinfoEncryptedResponseEnc", "userinfoEncryptedResponseAlg"),
        ("requestObjectEncryptionEnc", "requestObjectEncryptionAlg"),
        ("introspectionEncryptedResponseEnc", "introspectionEncryptedResponseAlg"),
        ("authorizationEncryptedResponseEnc", "authorizationEncryptedResponseAlg"),
    ] {
        cases.push(root(
            &format!("{enc}: set {alg} as well"),
            one(enc, json!("A256GCM")),
            json!({enc: "A256GCM", alg: "ECDH-ES"}),
        ));
    }
    cases
}

/// Members that are one word.
const WORDS: [&str; 21] = [
    "applicationType",
    "authorizationEncryptedResponseAlg",
    "authorizationEncryptedResponseEnc",
    "authorizationSignedResponseAlg",
    "backchannelAuthenticationRequestSigningAlg",
    "backchannelTokenDeliveryMode",
    "idTokenEncryptedResponseAlg",
    "idTokenEncryptedResponseEnc",
    "idTokenSignedResponseAlg",
    "introspectionEncryptedResponseAlg",
    "introspectionEncryptedResponseEnc",
    "introspectionSignedResponseAlg",
    "requestObjectEncryptionAlg",
    "requestObjectEncryptionEnc",
    "requestObjectSigningAlg",
    "subjectType",
    "tokenEndpointAuthMethod",
    "tokenEndpointAuthSigningAlg",
    "userinfoEncryptedResponseAlg",
    "userinfoEncryptedResponseEnc",
    "userinfoSignedResponseAlg",
];

/// Members that are URIs; those that are lists end in `[]`.
const URIS: [&str; 16] = [
    "backchannelClientNotificationEndpoint",
    "backchannelLogoutURI",
    "claimsRedirectURIs[]",
    "clientURI",
    "frontchannelLogoutURI",
    "informationURI",
    "initiateLoginURI",
    "jwksURI",
    "logoURI",
    "organizationURI",
    "policyURI",
    "postLogoutRedirectURIs[]",
    "requestURIs[]",
    "sectorIdentifierURI",
    "signedJWKSURI",
    "tosURI",
];

/// What never is a URI that works.
const NO_URIS: [&str; 8] = [
    "/relative",
    "https:foo",
    "https:///cb",
    "https://a.example:99999/cb",
    "https://${HOST}/cb",
    "https://a.example/cb\n",
    "https://a.example/c b",
    "${HOST}/cb",
];

#[allow(clippy::too_many_lines, reason = "a table")]
pub(super) fn members() -> Vec<Case> {
    let mut cases = Vec::new();
    let redirect = |refused: &str, accepted: &str| {
        case(
            ".spec.redirectURIs[]",
            "must be an absolute URI without fragment",
            json!({"redirectURIs": ["https://a.example/cb", refused]}),
            json!({"redirectURIs": [accepted]}),
        )
    };
    let right = [
        "https://a.example/cb",
        "http://[::1]:8080/cb",
        "com.example.app:/cb",
        "urn:ietf:wg:oauth:2.0:oob",
        "https://a.example:65535/cb?x=1",
        "http://localhost/*",
        "myapp://cb",
        "https://a_b.example/cb",
    ];
    cases.extend(
        NO_URIS
            .iter()
            .zip(right)
            .map(|(refused, accepted)| redirect(refused, accepted)),
    );
    cases.push(redirect("https://a.example/cb#fragment", "https://a.example"));
    for scheme in ["javascript", "DATA", "vbscript", "blob", "file", "about"] {
        cases.push(case(
            ".spec.redirectURIs[]",
            "the schemes javascript, data, vbscript, blob, file and about are refused",
            json!({"redirectURIs": [format!("{scheme}:x")]}),
            json!({"redirectURIs": [format!("x{scheme}:x")]}),
        ));
    }
    for name in URIS {
        let (field, list) = name.strip_suffix("[]").map_or((name, false), |field| (field, true));
        let value = |uri: &str| one(field, if list { json!([uri]) } else { json!(uri) });
        for uri in NO_URIS {
            let said = format!("{field}: must be an absolute URI");
            cases.push(case(
                &format!(".spec.{name}"),
                &said,
                value(uri),
                value("https://a.example/x?y=z#f"),
            ));
        }
    }
    for name in WORDS {
        let (mut accepted, mut refused) = (one(name, json!("RS256")), one(name, json!("RS256\n")));
        if let Some(alg) = name.strip_suffix("Enc") {
            for spec in [&mut accepted, &mut refused] {
                spec[format!("{alg}Alg")] = json!("RSA-OAEP");
            }
        }
        let said = format!("{name}: must be one word of visible ASCII");
        cases.push(case(&format!(".spec.{name}"), &said, refused, accepted));
    }
    cases.extend([
        case(
            ".spec.tokenEndpointAuthSigningAlg",
            "tokenEndpointAuthSigningAlg: none is refused",
            json!({"tokenEndpointAuthSigningAlg": "none"}),
            json!({"tokenEndpointAuthSigningAlg": "ES256"}),
        ),
        case(
            ".spec.grantTypes",
            "grantTypes: list grant types by their registered names",
            json!({"grantTypes": ["refresh_token", "authorizationCode"]}),
            json!({"grantTypes": ["authorization_code", "urn:ietf:params:oauth:grant-type:device_code"]}),
        ),
        case(
            ".spec.responseTypes",
            "responseTypes: each value is one or more response types",
            json!({"responseTypes": ["code", "code\n"]}),
            json!({"responseTypes": ["code"]}),
        ),
        case(
            ".spec.scopes",
            "scopes: list each scope separately: [openid, profile]",
            json!({"scopes": ["openid profile"]}),
            json!({"scopes": ["openid", "profile"]}),
        ),
        case(
            ".spec.jwks.keys[].kty",
            PATTERN,
            json!({"jwks": {"keys": [{"kty": "oct"}]}}),
            json!({"jwks": {"keys": [{"kty": "EC"}]}}),
        ),
        case(
            ".spec.deletionTimeout",
            PATTERN,
            json!({"deletionTimeout": "4"}),
            json!({"deletionTimeout": "4m"}),
        ),
        case(
            ".spec.adopt.registrationAccessTokenRef.name",
            PATTERN,
            json!({"adopt": {"registrationAccessTokenRef": {"name": "a..b"}}}),
            json!({"adopt": {"registrationAccessTokenRef": {"name": "a.b"}}}),
        ),
        case(
            ".spec.adopt.registrationAccessTokenRef.key",
            PATTERN,
            json!({"adopt": {"registrationAccessTokenRef": {"name": "a", "key": "a b"}}}),
            json!({"adopt": {"registrationAccessTokenRef": {"name": "a", "key": "a_b"}}}),
        ),
        case(
            ".spec.adopt.registrationClientURI",
            PATTERN,
            json!({"adopt": {"registrationClientURI": "p/c", "registrationAccessTokenRef": {"name": "a"}}}),
            json!({"adopt": {"registrationClientURI": "https://p/c", "registrationAccessTokenRef": {"name": "a"}}}),
        ),
        case(
            ".spec.providerRef.name",
            PATTERN,
            json!({"providerRef": {"name": "a..b"}}),
            json!({"providerRef": {"name": "a.b"}}),
        ),
    ]);
    cases
}

pub(super) fn secret() -> Vec<Case> {
    let secret = |path: &str, said: &str, refused: Value, accepted: Value| {
        case(
            &format!(".spec.secret{path}"),
            said,
            one("secret", refused),
            one("secret", accepted),
        )
    };
    let mut cases = vec![
        secret(
            "",
            "keyNames: two values",
            json!({"keyNames": {"clientID": "same", "clientSecret": "same"}}),
            json!({"keyNames": {"clientID": "one", "clientSecret": "two"}}),
        ),
        secret(
            "",
            "keyNames: two values",
            json!({"keyNames": {"clientID": "issuer"}}),
            json!({"keyNames": {"clientID": "issuer"}, "includeProvider": false}),
        ),
        secret(
            "",
            "keyNames: two values",
            json!({"keyNames": {"clientID": "password"}, "template": {"type": "kubernetes.io/basic-auth"}}),
            json!({"keyNames": {"clientID": "password"}}),
        ),
        secret(
            ".name",
            "secret.name: must be a DNS subdomain",
            json!({"name": "a..b"}),
            json!({"name": "a.b"}),
        ),
        secret(
            ".template.type",
            PATTERN,
            json!({"template": {"type": "kubernetes.io/tls"}}),
            json!({"template": {"type": "servicebinding.io/oauth2"}}),
        ),
        secret(
            ".template.labels{}",
            PATTERN,
            json!({"template": {"labels": {"team": "a b"}}}),
            json!({"template": {"labels": {"team": "a-b"}}}),
        ),
    ];
    for kind in ["labels", "annotations"] {
        let path = format!(".template.{kind}");
        let under = |key: &str| json!({"template": {kind: {key: "x"}}});
        cases.push(secret(
            &path,
            "each key must be a qualified name",
            under("bad key"),
            under("example.com/good"),
        ));
        for refused in [
            "kubernetes.io/x",
            "node.kubernetes.io/x",
            "app.kubernetes.io/managed-by",
            "k8s.io/x",
            "helm.sh/x",
            "argocd.argoproj.io/x",
            "fluxcd.io/x",
            "oauth-client-operator.dev/role",
        ] {
            let said = format!("{kind} of the domains kubernetes.io");
            cases.push(secret(&path, &said, under(refused), under("app.kubernetes.io/part-of")));
        }
    }
    for name in [
        "clientID",
        "clientSecret",
        "issuer",
        "authorizationEndpoint",
        "tokenEndpoint",
        "jwksURI",
        "userinfoEndpoint",
        "endSessionEndpoint",
        "tokenEndpointAuthMethod",
    ] {
        let keys = |key: &str| json!({"keyNames": {name: key}});
        cases.push(secret(
            &format!(".keyNames.{name}"),
            PATTERN,
            keys("a b"),
            keys("A_b.c-d"),
        ));
    }
    cases
}
