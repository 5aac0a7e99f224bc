//! Validation rules of the definitions that the types cannot carry, and the rules between fields of an `OAuthClient`.
//!
//! The API server evaluates every rule of a node at each write of an object, status included. An access to a member of the
//! wide `spec` copies the schemas of all its members, whether the member is set or not, so a rule costs as much as it has
//! such accesses. Hence: a rule about one member stands at that member, where it costs nothing while the member is unset; the
//! rules between members are one rule that ends after few accesses for what most clients set.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::profile::{ManagementMode, Profile};

/// A URI with the schemes http or https: host, a port of at most five digits, no white space, fragment or braces. Short,
/// because the API server estimates what a rule may cost from the length of its expressions.
const WEB: &str = r"^https?://(\[[^]]+]|[^\s/?#:{}]+)(:[1-6]?\d{1,4})?([/?][^\s#{}]*)?$";
/// An absolute URI of any other scheme.
const NATIVE: &str = r"^[a-zA-Z][\w+.-]*:[^\s#{}]+$";
/// Whether a browser executes or opens the URI itself.
const REFUSED_SCHEME: &str = "[self.lowerAscii()].exists(uri, ['javascript:', 'data:', 'vbscript:', 'blob:', 'file:', 'about:'].exists(scheme, uri.startsWith(scheme)))";

/// Members that most clients set beside `redirectURIs`, `providerRef` and the defaulted `deletionPolicy`; see [`between_fields`].
const COMMON: [&str; 2] = ["grantTypes", "scopes"];

/// Members without which no rule between fields is broken by a client that has redirect URIs and no implicit grant.
pub const TRIGGERS: [&str; 10] = [
    "responseTypes",
    "tokenEndpointAuthMethod",
    "jwksURI",
    "idTokenEncryptedResponseEnc",
    "userinfoEncryptedResponseEnc",
    "requestObjectEncryptionEnc",
    "introspectionEncryptedResponseEnc",
    "authorizationEncryptedResponseEnc",
    "backchannelTokenDeliveryMode",
    "dpopBoundAccessTokens",
];

/// Rules between fields of an `OAuthClient`'s spec, each with what the user is told when it is broken.
pub const BETWEEN_FIELDS: [(&str, &str); 16] = [
    (
        "has(self.redirectURIs) && size(self.redirectURIs) > 0 || !(!has(self.grantTypes) || size(self.grantTypes) == 0 || self.grantTypes.exists(g, g == 'authorization_code' || g == 'implicit'))",
        "redirectURIs: at least one is required with the grant types authorization_code (the default) and implicit",
    ),
    (
        "!has(self.grantTypes) || !('implicit' in self.grantTypes) || has(self.responseTypes) && self.responseTypes.exists(r, r.split(' ').exists(t, t == 'token' || t == 'id_token'))",
        "responseTypes: the implicit grant needs id_token, token or both in one of its values",
    ),
    (
        "!has(self.responseTypes) || !self.responseTypes.exists(r, 'code' in r.split(' ')) || !has(self.grantTypes) || size(self.grantTypes) == 0 || 'authorization_code' in self.grantTypes",
        "responseTypes: code needs the grant type authorization_code (RFC 7591 section 2.1)",
    ),
    (
        "!has(self.responseTypes) || !self.responseTypes.exists(r, r.split(' ').exists(t, t == 'token' || t == 'id_token')) || has(self.grantTypes) && 'implicit' in self.grantTypes",
        "responseTypes: token and id_token need the grant type implicit (RFC 7591 section 2.1)",
    ),
    (
        "!has(self.responseTypes) || has(self.grantTypes) && size(self.grantTypes) > 0 && !('authorization_code' in self.grantTypes) || self.responseTypes.exists(r, 'code' in r.split(' '))",
        "responseTypes: the grant type authorization_code (the default) needs a value with code",
    ),
    (
        "!has(self.tokenEndpointAuthMethod) || self.tokenEndpointAuthMethod != 'none' || !has(self.grantTypes) || !('client_credentials' in self.grantTypes)",
        "tokenEndpointAuthMethod: none cannot be used with the grant type client_credentials (RFC 6749 section 4.4)",
    ),
    (
        "!(has(self.jwks) && has(self.jwksURI))",
        "jwksURI: set either jwks or jwksURI, not both (RFC 7591 section 2)",
    ),
    (
        "!has(self.tokenEndpointAuthMethod) || !(self.tokenEndpointAuthMethod in ['private_key_jwt', 'self_signed_tls_client_auth']) || has(self.jwks) || has(self.jwksURI)",
        "tokenEndpointAuthMethod: private_key_jwt and self_signed_tls_client_auth need jwks or jwksURI",
    ),
    (
        "!has(self.tokenEndpointAuthMethod) || self.tokenEndpointAuthMethod != 'tls_client_auth' || [has(self.tlsClientAuthSubjectDN), has(self.tlsClientAuthSANDNS), has(self.tlsClientAuthSANURI), has(self.tlsClientAuthSANIP), has(self.tlsClientAuthSANEmail)].filter(x, x).size() == 1",
        "tokenEndpointAuthMethod: tls_client_auth needs exactly one of tlsClientAuthSubjectDN, tlsClientAuthSANDNS, tlsClientAuthSANURI, tlsClientAuthSANIP and tlsClientAuthSANEmail (RFC 8705 section 2.1.2)",
    ),
    (
        "!has(self.idTokenEncryptedResponseEnc) || has(self.idTokenEncryptedResponseAlg)",
        "idTokenEncryptedResponseEnc: set idTokenEncryptedResponseAlg as well",
    ),
    (
        "!has(self.userinfoEncryptedResponseEnc) || has(self.userinfoEncryptedResponseAlg)",
        "userinfoEncryptedResponseEnc: set userinfoEncryptedResponseAlg as well",
    ),
    (
        "!has(self.requestObjectEncryptionEnc) || has(self.requestObjectEncryptionAlg)",
        "requestObjectEncryptionEnc: set requestObjectEncryptionAlg as well",
    ),
    (
        "!has(self.introspectionEncryptedResponseEnc) || has(self.introspectionEncryptedResponseAlg)",
        "introspectionEncryptedResponseEnc: set introspectionEncryptedResponseAlg as well",
    ),
    (
        "!has(self.authorizationEncryptedResponseEnc) || has(self.authorizationEncryptedResponseAlg)",
        "authorizationEncryptedResponseEnc: set authorizationEncryptedResponseAlg as well",
    ),
    (
        "!has(self.backchannelTokenDeliveryMode) || !(self.backchannelTokenDeliveryMode in ['ping', 'push']) || has(self.backchannelClientNotificationEndpoint)",
        "backchannelTokenDeliveryMode: ping and push need backchannelClientNotificationEndpoint",
    ),
    (
        "!(has(self.dpopBoundAccessTokens) && self.dpopBoundAccessTokens && has(self.tlsClientCertificateBoundAccessTokens) && self.tlsClientCertificateBoundAccessTokens)",
        "dpopBoundAccessTokens: set either dpopBoundAccessTokens or tlsClientCertificateBoundAccessTokens to true, not both",
    ),
];

/// The one rule at the root of an `OAuthClient`'s spec.
///
/// Its first part is true for a client with redirect URIs that does not use the implicit grant and sets no trigger, and needs
/// no look at the triggers if the number of members shows that none of them can be set.
fn between_fields() -> Value {
    let [grants, scopes] = COMMON;
    let none = |count: usize| {
        format!(
            "(size(dyn(self)) == {count} || size(dyn(self)) == {} && has(self.{scopes}) || !dyn(self).exists(k, k in {}))",
            count + 1,
            list(&TRIGGERS)
        )
    };
    let usual = format!(
        "self.?redirectURIs[?0].hasValue() && (has(self.{grants}) ? !('implicit' in self.{grants}) && {} : {})",
        none(4),
        none(3)
    );
    let all: Vec<_> = BETWEEN_FIELDS.iter().map(|(rule, _)| format!("({rule})")).collect();
    json!([{"rule": format!("{usual} || {}", all.join(" && ")), "messageExpression": first_broken()}])
}

/// What is told about the first rule between fields that is broken.
fn first_broken() -> String {
    let (last, others) = BETWEEN_FIELDS.split_last().unwrap_or((&("true", ""), &[]));
    let mut expression = String::new();
    for (rule, message) in others {
        let _ = write!(expression, "!({rule}) ? '{message}' : ");
    }
    let _ = write!(expression, "'{}'", last.1);
    expression
}

fn list(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("'{name}'")).collect();
    format!("[{}]", quoted.join(", "))
}

/// Members that are URIs, or lists of URIs.
const URIS: [&str; 16] = [
    "clientURI",
    "logoURI",
    "tosURI",
    "policyURI",
    "jwksURI",
    "sectorIdentifierURI",
    "initiateLoginURI",
    "requestURIs",
    "claimsRedirectURIs",
    "frontchannelLogoutURI",
    "backchannelLogoutURI",
    "backchannelClientNotificationEndpoint",
    "signedJWKSURI",
    "informationURI",
    "organizationURI",
    "postLogoutRedirectURIs",
];

/// Adds the rules of an `OAuthClient` to the schema of its spec.
pub(super) fn of_client(spec: &mut Value) {
    spec["x-kubernetes-validations"] = between_fields();
    let properties = &mut spec["properties"];
    let absolute = format!("self.startsWith('http') ? self.matches(r'{WEB}') : self.matches(r'{NATIVE}')");
    let uri = "must be an absolute URI without fragment, whitespace or braces and with a valid host and port, such as https://app.example.com/callback";
    properties["redirectURIs"]["items"]["x-kubernetes-validations"] = json!([{
        "rule": format!("{absolute} && !{REFUSED_SCHEME}"),
        "messageExpression": format!(
            "'redirectURIs: ' + ({REFUSED_SCHEME} ? 'the schemes javascript, data, vbscript, blob, file and about are refused' : '{uri} (RFC 6749 section 3.1.2)')"
        ),
    }]);
    for name in URIS {
        let schema = &mut properties[name];
        let place = if schema["type"] == "array" {
            &mut schema["items"]
        } else {
            schema
        };
        // Other than a redirect URI, these may have a fragment.
        place["x-kubernetes-validations"] = json!([{
            "rule": absolute.replace("[^\\s#{}]", "[^\\s{}]"),
            "message": format!("{name}: {}", uri.replace("fragment, ", "")),
        }]);
    }
    let word = "must be one word of visible ASCII characters, without whitespace or a trailing newline";
    for name in words(properties) {
        properties[&name]["x-kubernetes-validations"] =
            json!([{"rule": "self.matches('^[!-~]+$')", "message": format!("{name}: {word}")}]);
    }
    properties["tokenEndpointAuthSigningAlg"]["x-kubernetes-validations"] = json!([
        {"rule": "self.matches('^[!-~]+$')", "message": format!("tokenEndpointAuthSigningAlg: {word}")},
        {"rule": "self != 'none'", "message": "tokenEndpointAuthSigningAlg: none is refused (OpenID Connect Registration section 2)"},
    ]);
    of_secret(&mut properties["secret"]);
    for (name, pattern, message) in LISTS {
        properties[name]["x-kubernetes-validations"] = json!([{
            "rule": format!("self.all(x, x.matches(r'{pattern}'))"),
            // Told where the value itself cannot be, as one with a line break.
            "message": format!("{name}: {message}"),
            "messageExpression": format!("'{name}: {message}, not \"' + self.filter(x, !x.matches(r'{pattern}'))[0] + '\"'"),
        }]);
    }
}

/// Lists whose items have a form: name, form, and what the user is told.
const LISTS: [(&str, &str, &str); 3] = [
    (
        "grantTypes",
        r"^([a-z0-9_-]+|[A-Za-z][A-Za-z0-9+.-]*:[!-~]+)$",
        "list grant types by their registered names, such as authorization_code, or as URIs",
    ),
    (
        "responseTypes",
        "^[!-~]+( [!-~]+)*$",
        "each value is one or more response types separated by single spaces, such as code",
    ),
    (
        "scopes",
        r"^[\x21\x23-\x5B\x5D-\x7E]+$",
        "list each scope separately: [openid, profile]",
    ),
];

/// Members that are one word: methods, algorithms and types.
fn words(properties: &Value) -> Vec<String> {
    let named = [
        "tokenEndpointAuthMethod",
        "applicationType",
        "subjectType",
        "backchannelTokenDeliveryMode",
    ];
    let members = properties.as_object().into_iter().flatten();
    let is_word = |name: &str| named.contains(&name) || name.ends_with("Alg") || name.ends_with("Enc");
    members
        .filter(|(name, _)| is_word(name))
        .map(|(name, _)| name.clone())
        .collect()
}

/// The message about a member that `extraMetadata` refuses: the only value that the schema lists.
pub(super) fn refused_extra(schema: &mut Value, members: impl Iterator<Item = (&'static str, Option<&'static str>)>) {
    let properties: Map<_, _> = members
        .map(|(wire, field)| {
            let told = field.map_or_else(
                || format!("(none: {wire} is set by the provider)"),
                |field| format!("(none: use spec.{field})"),
            );
            (wire.to_owned(), json!({"enum": [told]}))
        })
        .collect();
    schema["allOf"] = json!([{"properties": properties}]);
}

/// A DNS subdomain, the form of a Secret's name.
const SUBDOMAIN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// A qualified name, the form of a label's or an annotation's key.
const QUALIFIED: &str = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$";
/// Keys of labels and annotations that other controllers or this one act on.
const REFUSED_KEY: &str = "^app[.]kubernetes[.]io/managed-by$|(^|[.])(k8s[.]io|helm[.]sh|argocd[.]argoproj[.]io|fluxcd[.]io|oauth-client-operator[.]dev)/|(^|[.])kubernetes[.]io/";
/// Keys of the kubernetes.io domain that describe an application, and nothing acts on.
const RECOMMENDED_KEY: &str = "^app[.]kubernetes[.]io/(name|instance|version|component|part-of)$";

/// Values of the credentials Secret: member of `keyNames`, default key.
const KEYS: [(&str, &str); 8] = [
    ("clientID", "client_id"),
    ("clientSecret", "client_secret"),
    ("issuer", "issuer"),
    ("authorizationEndpoint", "authorization_endpoint"),
    ("tokenEndpoint", "token_endpoint"),
    ("jwksURI", "jwks_uri"),
    ("userinfoEndpoint", "userinfo_endpoint"),
    ("endSessionEndpoint", "end_session_endpoint"),
];

/// Adds the rules of `spec.secret`.
fn of_secret(secret: &mut Value) {
    let key = |(member, default): &(&str, &str)| {
        let default = match *default {
            "client_id" => "(has(self.template) && has(self.template.type) && self.template.type == 'kubernetes.io/basic-auth' ? 'username' : 'client_id')".to_owned(),
            "client_secret" => "(has(self.template) && has(self.template.type) && self.template.type == 'kubernetes.io/basic-auth' ? 'password' : 'client_secret')".to_owned(),
            other => format!("'{other}'"),
        };
        format!("has(self.keyNames.{member}) ? self.keyNames.{member} : {default}")
    };
    let keys: Vec<_> = KEYS.iter().map(key).collect();
    let (credentials, _) = keys.split_at(2);
    let keys = format!(
        "(has(self.includeProvider) && !self.includeProvider ? [{}] : [{}])",
        credentials.join(", "),
        keys.join(", ")
    );
    secret["x-kubernetes-validations"] = json!([{
        "rule": format!("!has(self.keyNames) || [{keys}].all(keys, keys.all(k, keys.exists_one(other, other == k)))"),
        "message": "keyNames: two values would be written under one key; give each value a key of its own, and none the default key of another value",
        "fieldPath": ".keyNames",
    }]);
    secret["properties"]["name"]["x-kubernetes-validations"] = json!([{
        "rule": format!("self.matches('{SUBDOMAIN}')"),
        "message": "secret.name: must be a DNS subdomain: lower-case letters, digits and '-' in parts separated by single dots, each part beginning and ending with a letter or digit",
    }]);
    for kind in ["labels", "annotations"] {
        let refused = format!("(k.matches('{REFUSED_KEY}') && !k.matches('{RECOMMENDED_KEY}'))");
        secret["properties"]["template"]["properties"][kind]["x-kubernetes-validations"] = json!([
            {
                "rule": format!("self.all(k, !{refused})"),
                "message": format!("{kind} of the domains kubernetes.io (but app.kubernetes.io/name, instance, version, component and part-of), k8s.io, helm.sh, argocd.argoproj.io, fluxcd.io and oauth-client-operator.dev are refused: other controllers or this operator act on them"),
            },
            {
                "rule": format!("self.all(k, k.matches('{QUALIFIED}'))"),
                "message": format!("{kind}: each key must be a qualified name such as team or example.com/team: an optional DNS subdomain and '/', then at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"),
            },
        ]);
    }
}

/// Adds the rules of an `OAuthProvider` or a `ClusterOAuthProvider` to the schema of its spec.
pub(super) fn of_provider(spec: &mut Value) {
    let managing: Vec<String> = Profile::ALL
        .into_iter()
        .filter(|profile| profile.preset().management == ManagementMode::Credentials)
        .map(Profile::name)
        .collect();
    let managing = list(&managing.iter().map(String::as_str).collect::<Vec<_>>());
    let managed = format!(
        "(has(self.management) && has(self.management.mode) ? self.management.mode == 'Credentials' : self.profile in {managing})"
    );
    if let Some(rules) = spec["x-kubernetes-validations"].as_array_mut() {
        rules.push(json!({
            "rule": format!("!has(self.management) || !has(self.management.uriTemplate) || {managed}"),
            "message": "management.uriTemplate is used only with management.mode Credentials",
            "fieldPath": ".management.uriTemplate",
        }));
        rules.push(json!({
            "rule": format!("!has(self.clientIDMember) || self.clientIDMember == '' || {managed}"),
            "message": "clientIDMember needs management.mode Credentials: a client of a chosen identifier is found with the provider's credentials",
            "fieldPath": ".clientIDMember",
        }));
    }
    let properties = &mut spec["properties"];
    let web = format!("self.matches(r'{WEB}')");
    let told =
        |name: &str, form: &str| format!("{name}: must be {form}, with a valid host and port and without whitespace");
    let query = " && !self.contains('?')";
    let rule = |rule: String, message: String| json!([{"rule": rule, "message": message}]);
    properties["issuer"]["x-kubernetes-validations"] = rule(
        format!("{web}{query}"),
        told("issuer", "an http or https URL without query or fragment"),
    );
    for (parent, name, path) in [
        ("", "expectedIssuer", "expectedIssuer"),
        ("webFinger", "resource", "webFinger.resource"),
    ] {
        let parent = if parent.is_empty() {
            &mut *properties
        } else {
            &mut properties[parent]["properties"]
        };
        parent[name]["x-kubernetes-validations"] = rule(
            r"self.matches(r'^\S+$')".to_owned(),
            format!("{path}: must not contain whitespace, nor end in a newline"),
        );
    }
    properties["metadataURL"]["x-kubernetes-validations"] = rule(
        web.clone(),
        told("metadataURL", "an http or https URL without fragment"),
    );
    let endpoints = &mut properties["endpoints"]["properties"];
    endpoints["registration"]["x-kubernetes-validations"] = rule(
        web.clone(),
        told("endpoints.registration", "an http or https URL without fragment"),
    );
    endpoints["allowedOrigins"]["items"]["x-kubernetes-validations"] = rule(
        format!("{web} && !self.matches('^[^:]+://[^/?]*[/?@]')"),
        told(
            "endpoints.allowedOrigins",
            "an origin such as https://api.example.com, without path",
        ),
    );
    for name in ["connect", "request"] {
        properties["timeouts"]["properties"][name]["x-kubernetes-validations"] = rule(
            "duration(self) > duration('0s') && duration(self) <= duration('30s')".to_owned(),
            format!("timeouts.{name} is more than 0s and at most 30s"),
        );
    }
    if let Some(names) = properties
        .get_mut("allowedNamespaces")
        .map(|allowed| &mut allowed["properties"]["names"])
    {
        names["x-kubernetes-validations"] = rule(
            "!self.exists(n, n == '*') || self.size() == 1".to_owned(),
            "allowedNamespaces.names: '*' allows every namespace; list it alone, or remove it and list namespaces"
                .to_owned(),
        );
    }
}
