//! Cases of the rules of an `OAuthProvider` and a `ClusterOAuthProvider`.

use serde_json::{Value, json};

use super::trust::trust;
use super::{Case, NO_EXCHANGE, PATTERN, case, one};

#[allow(clippy::too_many_lines, reason = "a table")]
pub(super) fn providers() -> Vec<Case> {
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
            ".spec",
            "clientIDMember needs management.mode Credentials",
            json!({"clientIDMember": "id", "management": {"updateMembers": "All"}}),
            json!({"clientIDMember": "id", "profile": "okta", "management": {"updateMembers": "All"}}),
        ),
        case(
            ".spec.rateLimit",
            "set per or perMinute, not both",
            json!({"rateLimit": {"perMinute": 1, "per": {"count": 20, "period": "1h"}}}),
            json!({"rateLimit": {"per": {"count": 20, "period": "1h"}}}),
        ),
        case(
            ".spec.rateLimit.per.period",
            PATTERN,
            json!({"rateLimit": {"per": {"count": 1, "period": "25h"}}}),
            json!({"rateLimit": {"per": {"count": 1, "period": "24h"}}}),
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
            ".spec",
            "management.uriTemplate is used only with management.mode Credentials",
            json!({"management": {"mode": "None", "uriTemplate": "{client_id}"}}),
            json!({"management": {"mode": "Credentials", "uriTemplate": "{client_id}"}}),
        ),
        case(
            ".spec",
            "management.uriTemplate is used only with management.mode Credentials",
            json!({"management": {"uriTemplate": "{client_id}"}}),
            json!({"profile": "wso2", "management": {"uriTemplate": "{client_id}", "updateMembers": "All"}}),
        ),
        case(
            ".spec.management",
            "uriTemplate needs {client_id} or another member",
            json!({"management": {"mode": "Credentials", "uriTemplate": "{registration_endpoint}/client"}}),
            json!({"management": {"mode": "Credentials", "uriTemplate": "{registration_endpoint}/{app_id}"}}),
        ),
        case(
            ".spec.discoveryAuth",
            "discoveryAuth cannot be clientCredentials",
            json!({"discoveryAuth": {"clientCredentials": named}}),
            json!({"discoveryAuth": {"basic": named}}),
        ),
    ];
    cases.extend(trust());
    for field in ["tlsClientAuth", "softwareStatement"] {
        cases.push(case(
            &format!(".spec.{field}.secretRef.name"),
            PATTERN,
            one(field, json!({"secretRef": {"name": "a..b"}})),
            one(field, named.clone()),
        ));
    }
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
            timeout("31s"),
            timeout("30s"),
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
        cases.extend(client_credentials(auth));
        cases.extend(service_account(auth));
        let listed = |names: &[&str]| {
            let further: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
            let bearer = json!({"secretRef": {"name": "a"}, "additionalSecretRefs": further});
            one(auth, one("bearer", bearer))
        };
        let is_listed = auth == "registrationAuth";
        cases.push(case(
            &path(".bearer.additionalSecretRefs[].name"),
            PATTERN,
            listed(&["a..b"]),
            // Elsewhere no list is accepted.
            if is_listed { listed(&["a.b", "c"]) } else { json!({}) },
        ));
        if !is_listed {
            cases.push(case(
                &path(""),
                "additionalSecretRefs is used only in registrationAuth",
                listed(&["a"]),
                one(auth, json!({"bearer": named})),
            ));
        }
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

/// Cases of `serviceAccountToken` of these credentials.
fn service_account(auth: &str) -> Vec<Case> {
    let own = |members: Value| one(auth, one("serviceAccountToken", members));
    // No access token is used for discovery.
    let accepted = |members: Value| {
        if auth == "discoveryAuth" {
            own(json!({"usage": "Bearer"}))
        } else {
            own(members)
        }
    };
    let table = [
        (
            "",
            "scopes is used only with usage AuthorizationGrant or ClientAssertion",
            json!({"scopes": ["a"]}),
            json!({"scopes": ["a"], "usage": "AuthorizationGrant"}),
        ),
        (
            "",
            "clientID is used only with usage ClientAssertion",
            json!({"clientID": "a", "usage": "AuthorizationGrant"}),
            json!({"clientID": "a", "usage": "ClientAssertion"}),
        ),
        (
            ".clientID",
            PATTERN,
            json!({"usage": "ClientAssertion", "clientID": "a b"}),
            json!({"usage": "ClientAssertion", "clientID": "urn:a/b"}),
        ),
        (
            ".scopes[]",
            PATTERN,
            json!({"usage": "ClientAssertion", "scopes": ["a b"]}),
            json!({"usage": "ClientAssertion", "scopes": ["client.create"]}),
        ),
    ];
    let laid = |(end, said, refused, members): (&str, &str, Value, Value)| {
        let path = format!(".spec.{auth}.serviceAccountToken{end}");
        case(&path, said, own(refused), accepted(members))
    };
    let mut cases: Vec<_> = table.into_iter().map(laid).collect();
    if auth == "discoveryAuth" {
        cases.push(case(
            ".spec.discoveryAuth",
            NO_EXCHANGE,
            own(json!({"usage": "ClientAssertion"})),
            own(json!({})),
        ));
    }
    cases
}

/// Cases of `clientCredentials` of these credentials.
fn client_credentials(auth: &str) -> Vec<Case> {
    let with = |members: Value| {
        let mut grant = json!({"secretRef": {"name": "a"}});
        grant
            .as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        one(auth, json!({"clientCredentials": grant}))
    };
    // No form of it is accepted for discovery.
    let accepted = |members: Value| {
        if auth == "discoveryAuth" {
            json!({})
        } else {
            with(members)
        }
    };
    let key = json!({"authMethod": "private_key_jwt", "keyID": "a key", "assertionAudience": "Issuer", "tokenReuse": "Never"});
    let table = [
        (
            "",
            "keyID and assertionAudience are used only",
            json!({"keyID": "a"}),
            key.clone(),
        ),
        (
            "",
            "keyID and assertionAudience are used only",
            json!({"authMethod": "client_secret_post", "assertionAudience": "Issuer"}),
            json!({"authMethod": "client_secret_post"}),
        ),
        (
            ".scopes[]",
            PATTERN,
            json!({"scopes": ["a b"]}),
            json!({"scopes": ["client.create", "https://x/y"]}),
        ),
        (
            ".audience",
            PATTERN,
            json!({"audience": "a b"}),
            json!({"audience": "https://api.example/"}),
        ),
        (
            ".resource",
            PATTERN,
            json!({"resource": "api#x"}),
            json!({"resource": "urn:x:y?z=1"}),
        ),
        (
            ".keyID",
            PATTERN,
            json!({"authMethod": "private_key_jwt", "keyID": "a\n"}),
            key,
        ),
    ];
    let case = |(end, said, refused, members): (&str, &str, Value, Value)| {
        let path = format!(".spec.{auth}.clientCredentials{end}");
        case(&path, said, with(refused), accepted(members))
    };
    table.into_iter().map(case).collect()
}

pub(super) fn cluster_providers() -> Vec<Case> {
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
