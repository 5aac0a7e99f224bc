//! WSO2 Identity Server, as its source says that it behaves: it comes as no package that a test could fetch.

use serde_json::{Map, Value, json};

use super::{Reply, Seen, State, access_token, document, error, unescaped};

/// Which registration it offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Release {
    /// `/identity/connect/register`: registration and nothing else.
    Legacy,
    /// `/api/identity/oauth2/dcr/v1.1/register`: clients are managed with the administrator's credentials.
    V1_1,
}

const ISSUER_RELATION: &str = "http://openid.net/specs/connect/1.0/issuer";
const LEGACY: &str = "/identity/connect/register";
/// The tenants that there are beside the one without a name.
const TENANTS: [&str; 2] = ["carbon.super", "tenant.example"];
/// Switches of DCR v1.1; an update that leaves one out turns it off.
const SWITCHES: [&str; 5] = [
    "ext_public_client",
    "ext_pkce_mandatory",
    "ext_pkce_support_plain",
    "require_pushed_authorization_requests",
    "require_signed_request_object",
];
const DCR: &str = "/api/identity/oauth2/dcr/v1.1/register";

pub(super) fn answer(state: &mut State, seen: &Seen, release: Release) -> Reply {
    let Some((tenant, path)) = tenant(&seen.path) else {
        return Reply::empty(404);
    };
    if path == "/oauth2/token" {
        return access_token(state, seen);
    }
    if !seen.is_admin() {
        return Reply::empty(401).header("www-authenticate", "Basic realm=\"WSO2\"");
    }
    match (seen.method.as_str(), path, release) {
        ("GET", "/.well-known/webfinger", _) => webfinger(state, seen),
        (
            "GET",
            "/oauth2/oidcdiscovery/.well-known/openid-configuration" | "/oauth2/token/.well-known/openid-configuration",
            _,
        ) => metadata(state, release, tenant),
        ("POST", LEGACY, Release::Legacy) => legacy(state, seen),
        ("POST", LEGACY, Release::V1_1) => gone(),
        ("POST", DCR, Release::V1_1) => register(state, seen),
        ("GET", DCR, Release::V1_1) => by_name(state, seen),
        (method, path, Release::V1_1) => match path.strip_prefix(DCR).and_then(|rest| rest.strip_prefix('/')) {
            Some(id) => manage(state, seen, method, &id.to_owned()),
            None => Reply::empty(404),
        },
        _ => Reply::empty(404),
    }
}

/// What a path begins with for its tenant (nothing, or `/t/` and its name), and the rest. None if there is no such tenant.
fn tenant(path: &str) -> Option<(&str, &str)> {
    let Some(rest) = path.strip_prefix("/t/") else {
        return Some(("", path));
    };
    let name = rest.split('/').next().unwrap_or_default();
    TENANTS.contains(&name).then(|| path.split_at("/t/".len() + name.len()))
}

/// Newer releases, with the old registration turned off; they forget the content type.
fn gone() -> Reply {
    let body = json!({"error": "gone", "error_description": "/identity/connect/register API was deprecated."});
    let mut reply = Reply::json(410, &body);
    reply.headers.clear();
    reply
}

/// Exactly two parameters, and an identifier with a scheme. Its user part may name a tenant, as `admin@tenant.example`.
fn webfinger(state: &State, seen: &Seen) -> Reply {
    let resource = seen.query.get("resource").filter(|resource| resource.contains(':'));
    let (Some(resource), true, 2) = (resource, seen.query.contains_key("rel"), seen.query.len()) else {
        return Reply::empty(400);
    };
    let user = resource.rsplit_once('@').map_or("", |(user, _)| user);
    let prefix = match unescaped(user).rsplit_once('@') {
        None => String::new(),
        Some((_, tenant)) if TENANTS.contains(&tenant) => format!("/t/{tenant}"),
        Some(_) => return Reply::empty(404),
    };
    let href = format!("{}{prefix}/oauth2/oidcdiscovery", state.url);
    let descriptor = json!({"subject": resource, "links": [{"rel": ISSUER_RELATION, "href": href}]});
    Reply::text(200, "application/jrd+json", descriptor.to_string())
}

/// The document states another issuer than the one that leads to it.
fn metadata(state: &State, release: Release, tenant: &str) -> Reply {
    let url = format!("{}{tenant}", state.url);
    let registration = match release {
        Release::Legacy => format!("{}{LEGACY}", state.url),
        Release::V1_1 => format!("{url}{DCR}"),
    };
    let grants = [
        "authorization_code",
        "implicit",
        "password",
        "client_credentials",
        "refresh_token",
    ];
    document(
        state,
        json!({
            "issuer": format!("{url}/oauth2/token"),
            "authorization_endpoint": format!("{url}/oauth2/authorize"),
            "token_endpoint": format!("{url}/oauth2/token"),
            "userinfo_endpoint": format!("{url}/oauth2/userinfo"),
            "jwks_uri": format!("{url}/oauth2/jwks"),
            "registration_endpoint": registration,
            "grant_types_supported": grants,
        }),
    )
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn uris(body: &Map<String, Value>) -> Vec<String> {
    let list = body
        .get("redirect_uris")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    list.iter().filter_map(|uri| uri.as_str().map(str::to_owned)).collect()
}

/// Several redirect URIs are stored, and shown, as one expression.
fn stored_uris(uris: &[String]) -> Value {
    match uris {
        [one] => json!([one]),
        many => json!([format!("regexp=({})", many.join("|"))]),
    }
}

fn legacy(state: &mut State, seen: &Seen) -> Reply {
    let Value::Object(body) = seen.json() else {
        return Reply::empty(400);
    };
    // Members that it does not model are refused.
    let known = [
        "redirect_uris",
        "client_name",
        "ext_param_owner",
        "grant_types",
        "token_endpoint_auth_method",
        "jwks_uri",
    ];
    if let Some(unknown) = body.keys().find(|key| !known.contains(&key.as_str())) {
        return error(
            400,
            "invalid_client_metadata",
            &format!("Unrecognized field : {unknown}"),
        );
    }
    let owner = body.get("ext_param_owner").and_then(Value::as_str).unwrap_or("admin");
    if owner != "admin" {
        return error(400, "invalid_client_metadata", "Invalid application owner.");
    }
    let name = body.get("client_name").and_then(Value::as_str).map(str::to_owned);
    let name = name.unwrap_or_else(|| super::fresh("unnamed"));
    if !is_name(&name) {
        return error(400, "invalid_client_metadata", "The client name is not valid.");
    }
    // The trap: the application is made before its redirect URIs are looked at, and stays if they are refused.
    let application = format!("{owner}_{name}");
    if !state.applications.insert(application.clone()) {
        let text = format!("Service Provider with name: {application} already registered");
        return error(400, "invalid_client_metadata", &text);
    }
    let uris = uris(&body);
    if uris.iter().any(|uri| !uri.contains("://")) || uris.iter().any(|uri| uri.contains("refused")) {
        return error(400, "invalid_redirect_uri", "Redirect URI is invalid");
    }
    let (id, secret) = (super::fresh("wso2"), super::fresh("secret"));
    let client = json!({
        "client_id": id,
        "client_name": application,
        "redirect_uris": stored_uris(&uris),
        "grant_types": body.get("grant_types").cloned().unwrap_or_default(),
        "client_secret": secret,
        "client_secret_expires_at": "0",
    });
    state.clients.insert(id, client.clone());
    Reply::json(201, &client)
}

fn register(state: &mut State, seen: &Seen) -> Reply {
    let Value::Object(body) = seen.json() else {
        return Reply::empty(400);
    };
    let name = body
        .get("client_name")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    if !is_name(&name) {
        return error(
            400,
            "invalid_client_metadata",
            "The application name does not match the pattern.",
        );
    }
    if state
        .clients
        .values()
        .any(|client| client["client_name"] == name.as_str())
    {
        let text = format!("Application with the name {name} already exist in the system");
        return error(400, "invalid_client_metadata", &text);
    }
    let uris = uris(&body);
    if uris.iter().any(|uri| uri.contains("refused")) {
        return error(400, "invalid_redirect_uri", "Redirect URI is invalid");
    }
    let chosen = body
        .get("ext_param_client_id")
        .and_then(Value::as_str)
        .map(str::to_owned);
    if chosen.as_ref().is_some_and(|id| state.clients.contains_key(id)) {
        return error(400, "invalid_client_metadata", "The client id is in use.");
    }
    let id = chosen.unwrap_or_else(|| super::fresh("wso2"));
    let secret = body
        .get("ext_param_client_secret")
        .and_then(Value::as_str)
        .map(str::to_owned);
    let secret = secret.unwrap_or_else(|| super::fresh("secret"));
    let client = shown(&body, &name, &uris, &id, &secret);
    state.clients.insert(id, client.clone());
    Reply::json(201, &client)
}

fn shown(body: &Map<String, Value>, name: &str, uris: &[String], id: &str, secret: &str) -> Value {
    let sent = |member: &str, otherwise: Value| body.get(member).cloned().unwrap_or(otherwise);
    let mut client = json!({
        "client_id": id,
        "client_secret": secret,
        "client_secret_expires_at": sent("ext_param_client_secret_expires_at", json!(0)),
        "redirect_uris": uris,
        "grant_types": sent("grant_types", Value::Null),
        "client_name": name,
        "token_endpoint_auth_method": sent("token_endpoint_auth_method", json!("client_secret_basic")),
    });
    for switch in SWITCHES {
        client[switch] = sent(switch, json!(false));
    }
    client
}

fn by_name(state: &State, seen: &Seen) -> Reply {
    let name = seen.query.get("client_name").map(String::as_str).unwrap_or_default();
    match state.clients.values().find(|client| client["client_name"] == name) {
        Some(client) => Reply::json(200, client),
        None => Reply::empty(401),
    }
}

fn manage(state: &mut State, seen: &Seen, method: &str, id: &String) -> Reply {
    let Some(client) = state.clients.get(id).cloned() else {
        return Reply::empty(401);
    };
    match method {
        "GET" => Reply::json(200, &client),
        "PUT" => {
            // What is absent keeps its value, but for the switches.
            let Value::Object(body) = seen.json() else {
                return Reply::empty(400);
            };
            let mut merged = client;
            for switch in SWITCHES {
                merged[switch] = json!(false);
            }
            for (key, value) in body {
                let fixed = ["client_id", "client_secret"].contains(&key.as_str());
                if !fixed && merged.get(&key).is_some() && !value.is_null() && value != json!([]) && value != json!("")
                {
                    merged[&key] = value;
                }
            }
            state.clients.insert(id.clone(), merged.clone());
            Reply::json(200, &merged)
        }
        "DELETE" => {
            state.clients.remove(id);
            Reply::empty(204)
        }
        _ => Reply::empty(405),
    }
}
