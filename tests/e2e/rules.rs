//! Every rule and pattern of the definitions, with a manifest that it refuses and one that it accepts, on the real API server.

use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use oauth_client_operator::api::{crds, rules};
use serde_json::{Map, Value, json};

use crate::stage::plane;

/// What the API server says where a pattern of the schema does not match.
const PATTERN: &str = "should match";

/// A rule or pattern, a spec that it refuses and one that it accepts; both are laid over one that is right.
struct Case {
    /// Field that carries the rule.
    path: String,
    /// Words of the refusal, which tell the rules of one field apart.
    said: String,
    refused: Value,
    accepted: Value,
}

fn case(path: &str, said: &str, refused: Value, accepted: Value) -> Case {
    Case {
        path: path.to_owned(),
        said: said.to_owned(),
        refused,
        accepted,
    }
}

/// One member of a spec.
fn one(name: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), value)]))
}

/// Rules between fields: the refusal, what is refused, what is accepted.
fn between_fields() -> Vec<Case> {
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

fn members() -> Vec<Case> {
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
        let mut accepted = one(name, json!("RS256"));
        if let Some(alg) = name.strip_suffix("Enc") {
            accepted[format!("{alg}Alg")] = json!("RSA-OAEP");
        }
        let said = format!("{name}: must be one word of visible ASCII");
        cases.push(case(
            &format!(".spec.{name}"),
            &said,
            one(name, json!("RS256\n")),
            accepted,
        ));
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
            json!({"responseTypes": ["code\n"]}),
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
            ".spec.providerRef.name",
            PATTERN,
            json!({"providerRef": {"name": "a..b"}}),
            json!({"providerRef": {"name": "a.b"}}),
        ),
    ]);
    cases
}

fn secret() -> Vec<Case> {
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

fn providers() -> Vec<Case> {
    let named = json!({"secretRef": {"name": "a.b"}});
    let mut cases = vec![
        case(
            ".spec",
            "set exactly one of issuer, webFinger and metadataURL",
            json!({"metadataURL": "https://p.example/m"}),
            json!({"issuer": null, "metadataURL": "https://p.example/m?x=y"}),
        ),
        case(
            ".spec",
            "webFinger.resource names no host",
            json!({"issuer": null, "webFinger": {"resource": "admin"}}),
            json!({"issuer": null, "webFinger": {"resource": "acct:admin@p.example"}}),
        ),
        case(
            ".spec",
            "clientIDMember needs management.mode Credentials",
            json!({"clientIDMember": "id"}),
            json!({"clientIDMember": "id", "management": {"mode": "Credentials"}}),
        ),
        case(
            ".spec.issuer",
            "issuer: must be an http or https URL",
            json!({"issuer": "https://p.example?x"}),
            json!({"issuer": "https://p.example:8443/realms/a"}),
        ),
        case(
            ".spec.issuer",
            "issuer: must be an http or https URL",
            json!({"issuer": "https://p.example\n"}),
            json!({"issuer": "http://p.example"}),
        ),
        case(
            ".spec.expectedIssuer",
            "expectedIssuer: must not contain whitespace",
            json!({"expectedIssuer": "https://p.example\n"}),
            json!({"expectedIssuer": "p.example"}),
        ),
        case(
            ".spec.metadataURL",
            "metadataURL: must be",
            json!({"issuer": null, "metadataURL": "https:///m"}),
            json!({"issuer": null, "metadataURL": "https://p.example/m"}),
        ),
        case(
            ".spec.webFinger.resource",
            "webFinger.resource: must not contain whitespace",
            json!({"issuer": null, "webFinger": {"resource": "acct:a@p.example\n"}}),
            json!({"issuer": null, "webFinger": {"resource": "a@p.example"}}),
        ),
        case(
            ".spec.webFinger.host",
            PATTERN,
            json!({"issuer": null, "webFinger": {"resource": "admin", "host": "p.example/x"}}),
            json!({"issuer": null, "webFinger": {"resource": "admin", "host": "p.example:443"}}),
        ),
        case(
            ".spec.endpoints.registration",
            "endpoints.registration: must be",
            json!({"endpoints": {"registration": "https://p.example:99999/r"}}),
            json!({"endpoints": {"registration": "https://p.example/r?tenant=a"}}),
        ),
        case(
            ".spec.endpoints.allowedOrigins[]",
            "endpoints.allowedOrigins: must be an origin",
            json!({"endpoints": {"allowedOrigins": ["https://p.example/"]}}),
            json!({"endpoints": {"allowedOrigins": ["https://p.example:8443"]}}),
        ),
        case(
            ".spec.management",
            "uriTemplate is used only with mode Credentials",
            json!({"management": {"mode": "None", "uriTemplate": "{client_id}"}}),
            json!({"management": {"mode": "Credentials", "uriTemplate": "{client_id}"}}),
        ),
        case(
            ".spec.management.uriTemplate",
            PATTERN,
            json!({"management": {"mode": "Credentials", "uriTemplate": "https://p.example"}}),
            json!({"management": {"mode": "Credentials", "uriTemplate": "https://p.example/{client_id}"}}),
        ),
        case(
            ".spec.discoveryAuth",
            "discoveryAuth cannot be clientCredentials",
            json!({"discoveryAuth": {"clientCredentials": named}}),
            json!({"discoveryAuth": {"basic": named}}),
        ),
        case(
            ".spec.tls.caBundle",
            PATTERN,
            json!({"tls": {"caBundle": "none"}}),
            json!({"tls": {"caBundle": "-----BEGIN CERTIFICATE-----"}}),
        ),
    ];
    for name in ["connect", "request"] {
        let timeout = |value: &str| json!({"timeouts": {name: value}});
        let said = format!("timeouts.{name} is more than 0s");
        cases.push(case(
            &format!(".spec.timeouts.{name}"),
            &said,
            timeout("0s"),
            timeout("500ms"),
        ));
        cases.push(case(
            &format!(".spec.timeouts.{name}"),
            &said,
            timeout("6m"),
            timeout("5m"),
        ));
        cases.push(case(
            &format!(".spec.timeouts.{name}"),
            PATTERN,
            timeout("5"),
            timeout("5s"),
        ));
    }
    for auth in ["discoveryAuth", "registrationAuth", "managementAuth"] {
        let path = |end: &str| format!(".spec.{auth}{end}");
        cases.push(case(
            &path(""),
            "set exactly one of basic, bearer",
            one(auth, json!({"basic": named, "bearer": named})),
            one(auth, json!({"basic": named})),
        ));
        let header =
            |name: &str, secret: &str| one(auth, json!({"header": {"name": name, "secretRef": {"name": secret}}}));
        cases.push(case(
            &path(".header"),
            "this header frames the request",
            header("Content-Length", "a"),
            header("X-Api-Key", "a"),
        ));
        cases.push(case(
            &path(".header.name"),
            PATTERN,
            header("X Api", "a"),
            header("Authorization", "a"),
        ));
        cases.push(case(
            &path(".header.secretRef.name"),
            PATTERN,
            header("X-Api-Key", "a..b"),
            header("X-Api-Key", "a.b"),
        ));
        for way in ["basic", "bearer", "clientCredentials"] {
            let by = |secret: &str| one(auth, one(way, json!({"secretRef": {"name": secret}})));
            let accepted = if way == "clientCredentials" && auth == "discoveryAuth" {
                json!({})
            } else {
                by("a.b")
            };
            cases.push(case(
                &path(&format!(".{way}.secretRef.name")),
                PATTERN,
                by("a..b"),
                accepted,
            ));
        }
    }
    cases
}

fn cluster_providers() -> Vec<Case> {
    let allowed = |path: &str, said: &str, refused: Value, accepted: Value| {
        case(
            &format!(".spec.allowedNamespaces{path}"),
            said,
            one("allowedNamespaces", refused),
            one("allowedNamespaces", accepted),
        )
    };
    let mut cases = providers();
    cases.extend([
        allowed(
            "",
            "set allowedNamespaces.names, allowedNamespaces.matchLabels or both",
            json!({}),
            json!({"matchLabels": {"team": "a"}}),
        ),
        allowed(
            ".names",
            "allowedNamespaces.names: '*' allows every namespace",
            json!({"names": ["*", "shop"]}),
            json!({"names": ["shop", "blog"]}),
        ),
        allowed(
            ".names[]",
            PATTERN,
            json!({"names": ["shop*"]}),
            json!({"names": ["*"]}),
        ),
    ]);
    cases
}

/// What a definition can refuse, by field: the words of a rule, or that a pattern does not match.
fn refusals(path: &str, schema: &Value, found: &mut Vec<(String, String)>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let told = rule
            .get("message")
            .or(rule.get("messageExpression"))
            .and_then(Value::as_str);
        found.push((path.to_owned(), told.unwrap().to_owned()));
    }
    if schema.get("pattern").is_some() {
        found.push((path.to_owned(), PATTERN.to_owned()));
    }
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        refusals(&format!("{path}.{name}"), child, found);
    }
    for (key, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if schema.get(key).is_some_and(Value::is_object) {
            refusals(&format!("{path}{mark}"), &schema[key], found);
        }
    }
}

fn cases_of(kind: &str) -> (Value, Vec<Case>) {
    match kind {
        "OAuthClient" => {
            let cases = between_fields().into_iter().chain(members()).chain(secret());
            (
                json!({"providerRef": {"name": "p"}, "redirectURIs": ["https://a.example/cb"]}),
                cases.collect(),
            )
        }
        "OAuthProvider" => (json!({"issuer": "https://p.example"}), providers()),
        _ => (
            json!({"issuer": "https://p.example", "allowedNamespaces": {"names": ["*"]}}),
            cluster_providers(),
        ),
    }
}

#[test]
fn t111_every_rule_and_pattern_of_the_definitions_has_a_case() {
    for crd in crds() {
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap();
        let (_, cases) = cases_of(kind);
        let mut found = Vec::new();
        refusals("", &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"], &mut found);
        if kind == "OAuthClient" {
            // The rules between fields are one rule of the definition; each is tried.
            found.extend(rules::BETWEEN_FIELDS.map(|(_, told)| (".spec".to_owned(), told.to_owned())));
        }
        for (path, told) in found {
            // Needs two versions of an object; see the test of its own.
            if path == ".spec.providerRef" {
                continue;
            }
            let named = cases.iter().any(|case| case.path == path && told.contains(&case.said));
            assert!(named, "no case of {kind} for the rule at {path}: {told}");
        }
    }
}

/// What the API server says to an object of this spec; nothing is stored.
async fn tried(api: &Api<DynamicObject>, resource: &ApiResource, base: &Value, over: &Value) -> Result<(), String> {
    let mut spec = base.as_object().unwrap().clone();
    for (name, value) in over.as_object().unwrap() {
        if value.is_null() {
            spec.remove(name);
        } else {
            spec.insert(name.clone(), value.clone());
        }
    }
    let object = DynamicObject::new("tried", resource).data(json!({"spec": spec}));
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    api.create(&dry, &object)
        .await
        .map(drop)
        .map_err(|error| error.to_string())
}

#[tokio::test]
async fn t111_every_rule_refuses_what_it_is_for_and_accepts_what_it_is_not() {
    let plane = plane().await;
    let namespace = plane.namespace("rules").await.unwrap();
    let client = plane.client().unwrap();
    for kind in ["OAuthClient", "OAuthProvider", "ClusterOAuthProvider"] {
        let resource = ApiResource {
            group: "oauth-client-operator.dev".to_owned(),
            version: "v1alpha1".to_owned(),
            api_version: "oauth-client-operator.dev/v1alpha1".to_owned(),
            kind: kind.to_owned(),
            plural: format!("{}s", kind.to_lowercase()),
        };
        let api = if kind.starts_with("Cluster") {
            Api::all_with(client.clone(), &resource)
        } else {
            Api::namespaced_with(client.clone(), namespace.name(), &resource)
        };
        let (base, cases) = cases_of(kind);
        for case in cases {
            let said = tried(&api, &resource, &base, &case.refused).await.err();
            let said = said.unwrap_or_else(|| panic!("{kind}: accepted {}", case.refused));
            assert!(
                said.contains(&case.said),
                "{kind} {}: {}\nwas refused with\n{said}",
                case.path,
                case.refused
            );
            let field = case.path.split(['[', '{']).next().unwrap().trim_start_matches('.');
            assert!(said.contains(field), "{field} is not named: {said}");
            let accepted = tried(&api, &resource, &base, &case.accepted).await;
            accepted.unwrap_or_else(|said| panic!("{kind}: refused {}\nwith\n{said}", case.accepted));
        }
    }
}

#[tokio::test]
async fn t111_extra_metadata_refuses_members_that_have_a_field_or_belong_to_answers() {
    let plane = plane().await;
    let namespace = plane.namespace("extra").await.unwrap();
    let spec = |extra: &str| {
        testbed::site::oauth_client(
            "app",
            &format!("redirectURIs: ['https://a.example/cb']\nextraMetadata: {{{extra}: x}}"),
        )
    };
    for (extra, said) in [
        (
            "client_name",
            "spec.extraMetadata.client_name: Unsupported value: \"x\": supported values: \"(none: use spec.clientName)\"",
        ),
        ("jwks_uri", "(none: use spec.jwksURI)"),
        ("client_id", "(none: client_id is set by the provider)"),
        (
            "registration_access_token",
            "(none: registration_access_token is set by the provider)",
        ),
    ] {
        let apply = ["-n", namespace.name(), "apply", "--dry-run=server", "-f", "-"];
        let output = plane.kubectl_with(&apply, &spec(extra)).await.unwrap();
        assert!(
            !output.success() && output.stderr.contains(said),
            "{extra}: {}",
            output.stderr
        );
    }
}

#[tokio::test]
async fn t111_a_client_stays_at_its_provider_and_may_have_512_redirect_uris() {
    let plane = plane().await;
    let namespace = plane.namespace("immutable").await.unwrap();
    let uris: Vec<_> = (0..512)
        .map(|number| format!("'https://pr-{number}.preview.example.com/callback'"))
        .collect();
    let client = testbed::site::oauth_client("app", &format!("redirectURIs: [{}]", uris.join(", ")));
    namespace.apply(&client).await.unwrap();
    let api: Api<oauth_client_operator::api::OAuthClient> = Api::namespaced(plane.client().unwrap(), namespace.name());
    let patch = |spec: Value| Patch::Merge(json!({"spec": spec}));
    let moved = patch(json!({"providerRef": {"name": "other"}}));
    let said = api
        .patch("app", &PatchParams::default(), &moved)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("providerRef is immutable: create another OAuthClient"),
        "{said}"
    );
    let same = patch(json!({"providerRef": {"name": "provider"}, "suspend": true}));
    api.patch("app", &PatchParams::default(), &same).await.unwrap();
}
