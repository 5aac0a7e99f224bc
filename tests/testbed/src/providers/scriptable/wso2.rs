//! WSO2 Identity Server, as its source says that it behaves: it comes as no package that a test could fetch.

use serde_json::{Map, Value, json};

use super::{Reply, Seen, State, access_token, error};

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
const DCR: &str = "/api/identity/oauth2/dcr/v1.1/register";

pub(super) fn answer(state: &mut State, seen: &Seen, release: Release) -> Reply {
    let path = seen.path.as_str();
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
        ) => metadata(state, release),
        ("POST", LEGACY, Release::Legacy) => legacy(state, seen),
        ("POST", LEGACY, Release::V1_1) => error(410, "gone", "/identity/connect/register API was deprecated."),
        ("POST", DCR, Release::V1_1) => register(state, seen),
        ("GET", DCR, Release::V1_1) => by_name(state, seen),
        (method, path, Release::V1_1) => match path.strip_prefix(DCR).and_then(|rest| rest.strip_prefix('/')) {
            Some(id) => manage(state, seen, method, &id.to_owned()),
            None => Reply::empty(404),
        },
        _ => Reply::empty(404),
    }
}

/// Exactly two parameters, and an identifier with a scheme.
fn webfinger(state: &State, seen: &Seen) -> Reply {
    let resource = seen.query.get("resource").filter(|resource| resource.contains(':'));
    match (resource, seen.query.contains_key("rel"), seen.query.len()) {
        (Some(resource), true, 2) => {
            let href = format!("{}/oauth2/oidcdiscovery", state.url);
            let descriptor = json!({"subject": resource, "links": [{"rel": ISSUER_RELATION, "href": href}]});
            Reply::text(200, "application/jrd+json", descriptor.to_string())
        }
        _ => Reply::empty(400),
    }
}

/// The document states another issuer than the one that leads to it.
fn metadata(state: &State, release: Release) -> Reply {
    let url = &state.url;
    let path = match release {
        Release::Legacy => LEGACY,
        Release::V1_1 => DCR,
    };
    Reply::json(
        200,
        &json!({
            "issuer": format!("{url}/oauth2/token"),
            "authorization_endpoint": format!("{url}/oauth2/authorize"),
            "token_endpoint": format!("{url}/oauth2/token"),
            "userinfo_endpoint": format!("{url}/oauth2/userinfo"),
            "jwks_uri": format!("{url}/oauth2/jwks"),
            "registration_endpoint": format!("{url}{path}"),
            "grant_types_supported": ["authorization_code", "implicit", "password", "client_credentials", "refresh_token"],
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
    let name = body.get("client_name").and_then(Value::as_str).unwrap_or("unnamed");
    if !is_name(name) {
        return error(400, "invalid_client_metadata", "The client name is not valid.");
    }
    let uris = uris(&body);
    if uris.iter().any(|uri| !uri.contains("://")) || uris.iter().any(|uri| uri.contains("refused")) {
        return error(400, "invalid_redirect_uri", "Redirect URI is invalid");
    }
    let (id, secret) = (state.fresh("wso2"), state.fresh("secret"));
    let client = json!({
        "client_id": id,
        "client_name": format!("{owner}_{name}"),
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
    let id = chosen.unwrap_or_else(|| state.fresh("wso2"));
    let secret = state.fresh("secret");
    let client = shown(&body, &name, &uris, &id, &secret);
    state.clients.insert(id, client.clone());
    Reply::json(201, &client)
}

fn shown(body: &Map<String, Value>, name: &str, uris: &[String], id: &str, secret: &str) -> Value {
    json!({
        "client_id": id,
        "client_secret": secret,
        "client_secret_expires_at": 0,
        "redirect_uris": uris,
        "grant_types": body.get("grant_types").cloned().unwrap_or_default(),
        "client_name": name,
        "token_endpoint_auth_method": body.get("token_endpoint_auth_method").cloned().unwrap_or(json!("client_secret_basic")),
    })
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
            // What is absent keeps its value.
            let Value::Object(body) = seen.json() else {
                return Reply::empty(400);
            };
            let mut merged = client;
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
