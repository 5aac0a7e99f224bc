//! Deviations from RFC 7591 and RFC 7592 as data: what [`super::dialects`] lists of the quirks in [`super::quirk`] is carried out here.

use serde_json::{Value, json};

use super::exchange::decoded;
use super::quirk::{Dialect, OPERATOR, Operation, Quirk};
use super::{Reply, Seen, State, error, plain};

/// Answers as the dialect does.
pub(super) fn answer(state: &mut State, seen: &Seen, dialect: &Dialect) -> Reply {
    let Some((operation, id)) = operation(seen, dialect) else {
        return elsewhere(state, seen, dialect);
    };
    if let Some(reply) = dialect
        .quirks
        .iter()
        .find_map(|quirk| unadmitted(state, quirk, operation, seen))
    {
        return reply;
    }
    if let Some(reply) = dialect
        .quirks
        .iter()
        .find_map(|quirk| refused(state, quirk, operation, seen))
    {
        return labelled(reply, dialect);
    }
    if let (Operation::Register, Some(known)) = (operation, repeated(state, dialect)) {
        return labelled(Reply::json(201, &known), dialect);
    }
    let mut request = seen.clone();
    if let Some(id) = &id {
        request.path = format!("/register/{id}");
        own_token(state, dialect, id, &mut request);
    } else {
        "/register".clone_into(&mut request.path);
    }
    if matches!(operation, Operation::Register | Operation::Update) {
        request.body = asked(state, seen, dialect, id.as_deref()).to_string().into_bytes();
    }
    let mut reply = plain::answer(state, &request);
    if !(200..300).contains(&reply.status) {
        for quirk in dialect.quirks {
            if matches!(quirk, Quirk::DeletesAnything) && operation == Operation::Delete {
                return Reply::empty(204);
            }
            if let (Quirk::Unauthorized(status, body), 401) = (quirk, reply.status) {
                reply = said(*status, body);
            }
        }
        return labelled(reply, dialect);
    }
    let mut body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    for quirk in dialect.quirks {
        match *quirk {
            Quirk::Success(of, status) if of == operation => reply.status = status,
            _ if body.is_null() => {}
            _ => answered(state, quirk, operation, &mut body),
        }
    }
    if !body.is_null() {
        reply.body = body.to_string().into_bytes();
    }
    labelled(reply, dialect)
}

/// The client that every registration is answered with, once there is one.
fn repeated(state: &State, dialect: &Dialect) -> Option<Value> {
    let issued = dialect.quirks.iter().find_map(|quirk| match quirk {
        Quirk::Repeats(issued) => Some(*issued),
        _ => None,
    })?;
    let (id, client) = state.clients.iter().next()?;
    let mut known = plain::with_management(state, id, client.clone());
    if let Some(at) = issued {
        known["client_id_issued_at"] = json!(at);
    }
    Some(known)
}

/// What is asked for, and of which client.
fn operation(seen: &Seen, dialect: &Dialect) -> Option<(Operation, Option<String>)> {
    let hidden = dialect.quirks.iter().find_map(|quirk| match quirk {
        Quirk::Hidden(path) => Some(*path),
        _ => None,
    });
    if seen.method == "POST" && seen.path == hidden.unwrap_or("/register") {
        return Some((Operation::Register, None));
    }
    let at = dialect.quirks.iter().find_map(|quirk| match quirk {
        Quirk::At(at) => Some(*at),
        _ => None,
    });
    let (path, query) = at.unwrap_or("/register/{id}").split_once('?').map_or_else(
        || (at.unwrap_or("/register/{id}"), None),
        |(path, query)| (path, query.split_once('=').map(|(name, _)| name)),
    );
    let id = if let Some(name) = query {
        seen.query.get(name).filter(|_| seen.path == path)?.clone()
    } else {
        let (before, after) = path.split_once("{id}")?;
        let id = seen.path.strip_prefix(before)?.strip_suffix(after)?;
        (!id.contains('/')).then(|| id.to_owned())?
    };
    let operation = match seen.method.as_str() {
        "GET" => Operation::Read,
        "PUT" => Operation::Update,
        "DELETE" => Operation::Delete,
        _ => return None,
    };
    Some((operation, Some(id)))
}

/// What is not about clients.
fn elsewhere(state: &mut State, seen: &Seen, dialect: &Dialect) -> Reply {
    let scope = decoded(&String::from_utf8_lossy(&seen.body))
        .remove("scope")
        .unwrap_or_default();
    for quirk in dialect.quirks {
        match *quirk {
            Quirk::Bought(wanted) if seen.path == "/token" => {
                state.administrator = Some((OPERATOR.0.to_owned(), OPERATOR.1.to_owned()));
                let buys = seen.basic().is_some_and(|(id, _)| id == OPERATOR.0);
                if buys && scope != wanted {
                    return error(400, "invalid_scope", "the scope is another one");
                }
            }
            Quirk::Hidden(_) if seen.path.contains("/.well-known/") => {
                let mut reply = plain::answer(state, seen);
                let mut document: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
                document
                    .as_object_mut()
                    .map(|document| document.remove("registration_endpoint"));
                reply.body = document.to_string().into_bytes();
                return reply;
            }
            _ => {}
        }
    }
    plain::answer(state, seen)
}

/// Whether whoever sends the request may do so.
fn unadmitted(state: &mut State, quirk: &Quirk, operation: Operation, seen: &Seen) -> Option<Reply> {
    let admitted = match *quirk {
        Quirk::Administered(value) => seen.headers.get("authorization").is_some_and(|sent| sent == value),
        Quirk::Bought(_) if operation == Operation::Register => {
            seen.bearer().is_some_and(|token| state.bought.remove(token))
        }
        _ => true,
    };
    (!admitted).then(|| error(401, "invalid_token", "no such token"))
}

/// Whoever administers the clients need not know the token of each.
fn own_token(state: &State, dialect: &Dialect, id: &str, request: &mut Seen) {
    let administered = dialect
        .quirks
        .iter()
        .any(|quirk| matches!(quirk, Quirk::Administered(_)));
    if let (true, Some(token)) = (administered, state.tokens.get(id)) {
        request
            .headers
            .insert("authorization".to_owned(), format!("Bearer {token}"));
    }
}

fn refused(state: &State, quirk: &Quirk, operation: Operation, seen: &Seen) -> Option<Reply> {
    let has = |member: &str| seen.json().get(member).is_some();
    match *quirk {
        Quirk::Absent(of, status, body) if of == operation => Some(said(status, body)),
        Quirk::Refuses(of, member, status, body) if of == operation && has(member) => Some(said(status, body)),
        Quirk::Needs(of, member, status, body) if of == operation && !has(member) => Some(said(status, body)),
        Quirk::RefusesEmpty(of, member, status, body) if of == operation && seen.json()[member] == json!([]) => {
            Some(said(status, body))
        }
        Quirk::UniqueNames(status, body) if operation == Operation::Register => {
            let name = seen.json()["client_name"].clone();
            let taken = !name.is_null() && state.clients.values().any(|client| client["client_name"] == name);
            taken.then(|| said(status, body))
        }
        Quirk::RefusesValue(of, value, status, body) if of == operation && holds(seen, value) => {
            Some(said(status, body))
        }
        _ => None,
    }
}

fn holds(seen: &Seen, value: &str) -> bool {
    let (asked, value) = (seen.json(), parsed(value));
    asked
        .as_object()
        .is_some_and(|asked| asked.values().any(|asked| *asked == value))
}

/// The request as this server takes it.
fn asked(state: &State, seen: &Seen, dialect: &Dialect, id: Option<&str>) -> Value {
    let mut asked = seen.json();
    if !asked.is_object() {
        return asked;
    }
    for quirk in dialect.quirks {
        match *quirk {
            Quirk::Stores(member, value) if asked.get(member).is_some() => asked[member] = parsed(value),
            Quirk::Ignores(members) => {
                for member in members {
                    asked.as_object_mut().map(|asked| asked.remove(*member));
                }
            }
            Quirk::Overlooks(values) if id.is_some() => {
                let overlooked: Vec<Value> = values.iter().map(|value| parsed(value)).collect();
                if let Some(asked) = asked.as_object_mut() {
                    asked.retain(|_, value| !overlooked.contains(value));
                }
            }
            Quirk::Merges => {
                let stored = id.and_then(|id| state.clients.get(id)).and_then(Value::as_object);
                for (member, value) in stored.into_iter().flatten() {
                    if asked.get(member).is_none() {
                        asked[member] = value.clone();
                    }
                }
            }
            _ => {}
        }
    }
    asked
}

/// Changes the answer of a success.
fn answered(state: &mut State, quirk: &Quirk, operation: Operation, body: &mut Value) {
    let id = body["client_id"].as_str().unwrap_or_default().to_owned();
    match *quirk {
        Quirk::Omits(of, members) if of == operation => {
            for member in members {
                body.as_object_mut().map(|body| body.remove(*member));
            }
        }
        Quirk::States(of, member, value) if of == operation => body[member] = parsed(value),
        Quirk::Dates if operation == Operation::Register => body["client_id_issued_at"] = json!(super::now()),
        Quirk::Lists(of, members) if of == operation => {
            for member in members {
                if let Some(text) = body[*member].as_str() {
                    body[*member] = json!([text]);
                }
            }
        }
        Quirk::Unlists(of, members) if of == operation => {
            for member in members {
                if let Some([only]) = body[*member].as_array().map(Vec::as_slice) {
                    body[*member] = only.clone();
                }
            }
        }
        Quirk::IssuesSecret(of) if of == operation => {
            let secret = json!(super::fresh("secret"));
            if let Some(client) = state.clients.get_mut(&id) {
                client["client_secret"] = secret.clone();
            }
            body["client_secret"] = secret;
        }
        Quirk::IssuesToken(of) if of == operation => {
            let token = super::fresh("token");
            body["registration_access_token"] = json!(token);
            state.tokens.insert(id, token);
        }
        Quirk::At(at) if body.get("registration_client_uri").is_some() => {
            body["registration_client_uri"] = json!(format!("{}{}", state.url, at.replace("{id}", &id)));
        }
        Quirk::Administered(_) => {
            for member in ["registration_access_token", "registration_client_uri"] {
                body.as_object_mut().map(|body| body.remove(member));
            }
        }
        Quirk::Relative => {
            let whole = body["registration_client_uri"].as_str().unwrap_or_default();
            body["registration_client_uri"] = json!(whole.trim_start_matches(&state.url));
        }
        _ => {}
    }
}

fn labelled(mut reply: Reply, dialect: &Dialect) -> Reply {
    for quirk in dialect.quirks {
        if let Quirk::Labelled(kind) = quirk {
            reply.headers.retain(|(name, _)| name != "content-type");
            reply.headers.push(("content-type".to_owned(), (*kind).to_owned()));
        }
    }
    reply
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| json!(text))
}

/// An answer with a body of JSON, of text, or without one.
fn said(status: u16, body: &str) -> Reply {
    let kind = match body.as_bytes().first() {
        None => return Reply::empty(status),
        Some(b'{') => "application/json",
        Some(b'<') => "text/html",
        Some(_) => "text/plain",
    };
    Reply {
        status,
        headers: vec![("content-type".to_owned(), kind.to_owned())],
        body: body.as_bytes().to_vec(),
    }
}
