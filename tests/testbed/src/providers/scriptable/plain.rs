//! RFC 8414, RFC 7591 and RFC 7592, and nothing else.

use serde_json::{Value, json};

use super::{Reply, Seen, State, access_token, document, error, is_authenticated};

pub(super) fn answer(state: &mut State, seen: &Seen) -> Reply {
    match (seen.method.as_str(), seen.path.as_str()) {
        ("GET", "/.well-known/openid-configuration") if !state.only_oauth => metadata(state),
        ("GET", "/.well-known/oauth-authorization-server") => metadata(state),
        ("POST", "/register") => register(state, seen),
        ("POST", "/token") => access_token(state, seen),
        ("POST", "/revoke") => revoke(state, seen),
        (method, path) => match path.strip_prefix("/register/") {
            Some(id) => manage(state, seen, method, &id.to_owned()),
            None => Reply::empty(404),
        },
    }
}

fn metadata(state: &State) -> Reply {
    let url = &state.url;
    document(
        state,
        json!({
            "issuer": url,
            "registration_endpoint": format!("{url}/register"),
            "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{url}/token"),
            "revocation_endpoint": format!("{url}/revoke"),
        }),
    )
}

fn register(state: &mut State, seen: &Seen) -> Reply {
    let Value::Object(metadata) = seen.json() else {
        return error(400, "invalid_client_metadata", "the body is no JSON object");
    };
    let uris = metadata
        .get("redirect_uris")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    if uris
        .iter()
        .any(|uri| uri.as_str().is_some_and(|uri| uri.contains("refused")))
    {
        return error(400, "invalid_redirect_uri", "this redirect URI is refused");
    }
    let id = super::fresh("client");
    let (secret, token) = (super::fresh("secret"), super::fresh("token"));
    let public = metadata.get("token_endpoint_auth_method").and_then(Value::as_str) == Some("none");
    let mut client = Value::Object(metadata);
    client["client_id"] = json!(id);
    if !public {
        client["client_secret"] = json!(secret);
        client["client_secret_expires_at"] = json!(state.expires(&id));
    }
    state.clients.insert(id.clone(), client.clone());
    state.tokens.insert(id.clone(), token);
    Reply::json(201, &with_management(state, &id, client))
}

fn manage(state: &mut State, seen: &Seen, method: &str, id: &String) -> Reply {
    let own = seen.bearer().is_some() && seen.bearer() == state.tokens.get(id).map(String::as_str);
    if !state.clients.contains_key(id) || !own && !state.is_administrator(seen) {
        return error(401, "invalid_token", "no such client, or not its token");
    }
    match method {
        "GET" => {
            if state.rotate_on_read {
                rotate(state, id);
            }
            let client = state.clients[id].clone();
            Reply::json(200, &with_management(state, id, client))
        }
        "PUT" => {
            let mut client = seen.json();
            if client["client_id"] != id.as_str() {
                return error(400, "invalid_client_metadata", "client_id differs");
            }
            for kept in ["client_secret", "client_secret_expires_at"] {
                if let Some(value) = state.clients[id].get(kept) {
                    client[kept] = value.clone();
                }
            }
            if state.rotate_secret && client.get("client_secret").is_some() {
                client["client_secret"] = json!(super::fresh("secret"));
                client["client_secret_expires_at"] = json!(state.expires(id));
            }
            state.clients.insert(id.clone(), client.clone());
            if state.rotate {
                rotate(state, id);
            }
            Reply::json(200, &with_management(state, id, client))
        }
        "DELETE" => {
            state.clients.remove(id);
            state.tokens.remove(id);
            Reply::empty(204)
        }
        _ => Reply::empty(405),
    }
}

/// RFC 7009: the client is authenticated first; then nothing is an error, not even a token that was never issued.
fn revoke(state: &State, seen: &Seen) -> Reply {
    if is_authenticated(state, seen) {
        Reply::empty(200)
    } else {
        Reply::json(401, &json!({"error": "invalid_client"}))
    }
}

fn rotate(state: &mut State, id: &str) {
    let token = super::fresh("token");
    state.tokens.insert(id.to_owned(), token);
}

pub(super) fn with_management(state: &State, id: &str, mut client: Value) -> Value {
    client["registration_access_token"] = json!(state.tokens[id]);
    client["registration_client_uri"] = json!(format!("{}/register/{id}", state.url));
    client
}
