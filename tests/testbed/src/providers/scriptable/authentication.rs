//! Endpoints at which clients authenticate.

use serde_json::json;

use super::exchange::{decoded, unescaped};
use super::{Quirk, Reply, Seen, State};

/// The token endpoint: client credentials and password grants of clients that it holds.
pub(super) fn access_token(state: &mut State, seen: &Seen) -> Reply {
    let form = decoded(&String::from_utf8_lossy(&seen.body));
    let known = is_authenticated(state, seen);
    let pair = seen.basic().map(|(id, secret)| (unescaped(&id), unescaped(&secret)));
    let administrator = pair.is_some() && pair == state.administrator;
    if !known && !administrator {
        return Reply::json(401, &json!({"error": "invalid_client"}));
    }
    match form.get("grant_type").map(String::as_str) {
        Some("client_credentials" | "password") => {
            let token = super::fresh("access");
            if administrator {
                state.bought.insert(token.clone());
            }
            Reply::json(
                200,
                &json!({"access_token": token, "token_type": "Bearer", "expires_in": 3600}),
            )
        }
        _ => Reply::json(400, &json!({"error": "unsupported_grant_type"})),
    }
}

/// Whether a request carries the identifier and the secret of a client, by Basic or in the form (RFC 6749 section 2.3.1).
pub(super) fn is_authenticated(state: &State, seen: &Seen) -> bool {
    let habit = |habit: fn(&Quirk) -> bool| state.dialect.is_some_and(|dialect| dialect.quirks.iter().any(habit));
    if habit(|quirk| matches!(quirk, Quirk::AcceptsAnybody)) {
        return true;
    }
    if habit(|quirk| matches!(quirk, Quirk::FormOnly)) && seen.basic().is_some() {
        return false;
    }
    if habit(|quirk| matches!(quirk, Quirk::HeaderOnly)) && seen.basic().is_none() {
        return false;
    }
    let form = decoded(&String::from_utf8_lossy(&seen.body));
    let posted = || Some((form.get("client_id")?.clone(), form.get("client_secret")?.clone()));
    let basic = seen.basic().map(|(id, secret)| (unescaped(&id), unescaped(&secret)));
    basic.or_else(posted).is_some_and(|(id, secret)| {
        let client = state.clients.get(&id).filter(|_| !state.is_expired(&id));
        client.is_some_and(|client| client["client_secret"] == secret.as_str())
    })
}
