//! Bodies of refusals: the code and the description that may be shown.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::auth;
use super::wire::Object;

/// Longest description that is shown, in characters.
const LONGEST: usize = 200;
/// Longest code.
const LONGEST_CODE: usize = 64;
/// Values shorter than this occur in ordinary text and give nothing away.
const SHORTEST_SECRET: usize = 4;
/// Members that describe an error, the most precise first.
const DESCRIPTIONS: [&str; 8] = [
    "error_description",
    "errorSummary",
    "description",
    "message",
    "msg",
    "detail",
    "reason",
    "title",
];
/// Members that list several errors, or say more of one.
const DETAILS: [&str; 5] = ["errors", "details", "errorCauses", "invalid_params", "issues"];
/// Members that say which member an error is about.
const PLACES: [&str; 8] = [
    "loc",
    "field",
    "property",
    "pointer",
    "source",
    "error",
    "errors",
    "constraints",
];
/// Members of an error that tell a reader nothing, or repeat what was sent.
const UNTOLD: [&str; 14] = [
    "code",
    "ctx",
    "input",
    "instance",
    "path",
    "request",
    "requestId",
    "stack",
    "status",
    "timestamp",
    "trace",
    "traceId",
    "type",
    "url",
];
/// Members that an answer issues.
const ISSUED: [&str; 7] = [
    "client_id",
    "client_secret",
    "registration_access_token",
    "registration_client_uri",
    "access_token",
    "refresh_token",
    "id_token",
];

/// What a refusal says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorBody {
    /// Error code (RFC 7591 section 3.2.2, RFC 6750 section 3.1), if it looks like one.
    pub code: Option<String>,
    /// Description: printable ASCII, at most 200 characters.
    pub description: Option<String>,
}

/// Reads the body of a refusal, in any of the forms that providers use.
#[must_use]
pub fn parse(body: &[u8]) -> ErrorBody {
    read(body, &[])
}

/// The same without what repeats one of these credentials, or a value that the answer issues. The words are judged whole, before
/// they are cut: a cut could leave a part of a credential.
pub(super) fn read(body: &[u8], spoken: &[SecretString]) -> ErrorBody {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if let Some(object) = Object::parse(body).map(Value::Object) {
        let (code, words) = object.as_object().map(of_object).unwrap_or_default();
        return shown(code, words, spoken.iter().chain(&issued(&object)));
    }
    match serde_json::from_slice::<Value>(body) {
        // A member stands twice: nobody could say which of them counts.
        Ok(Value::Object(_)) => ErrorBody::default(),
        Ok(value) => shown(None, nested(&value), spoken.iter().chain(&issued(&value))),
        Err(_) => shown(None, prose(body), spoken),
    }
}

fn shown<'a>(
    code: Option<String>,
    words: Option<String>,
    secrets: impl IntoIterator<Item = &'a SecretString>,
) -> ErrorBody {
    let secrets: Vec<String> = secrets
        .into_iter()
        .map(|secret| secret.expose_secret().to_ascii_lowercase())
        .filter(|secret| secret.len() >= SHORTEST_SECRET)
        .collect();
    let tells = |text: &str| {
        let texts = [text.to_ascii_lowercase(), auth::plain(text).to_ascii_lowercase()];
        texts
            .iter()
            .any(|text| secrets.iter().any(|secret| text.contains(secret)))
    };
    let words = words.filter(|words| !is_markup(words) && !tells(words));
    ErrorBody {
        code: code.filter(|code| !tells(code)),
        description: words.and_then(|words| printable(&words)),
    }
}

/// Text that is neither markup nor JSON that broke off, whose members nobody can tell apart.
fn prose(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let broken = text.trim_start().starts_with(['{', '[', '"']);
    (!broken).then(|| text.into_owned())
}

/// Whether a text is HTML or XML, or holds some.
fn is_markup(text: &str) -> bool {
    let opens = |rest: &str| rest.starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c));
    text.split('<').skip(1).any(opens)
}

/// Code and words.
fn of_object(object: &Map<String, Value>) -> (Option<String>, Option<String>) {
    let inner = object.get("error").and_then(Value::as_object);
    let text = |object: &Map<String, Value>, names: &[&str]| {
        let mut found = names.iter().filter_map(|name| object.get(*name)?.as_str());
        found.find(|text| !text.trim().is_empty()).map(str::to_owned)
    };
    let stated = text(object, &["error", "errorCode", "error_code", "code"])
        .or_else(|| text(inner?, &["code", "status", "error", "type"]));
    let (code, prose) = match stated {
        Some(stated) if is_code(&stated) => (Some(stated), None),
        prose => (None, prose),
    };
    let described = text(object, &DESCRIPTIONS).or_else(|| text(inner?, &DESCRIPTIONS));
    let details = |object: &Map<String, Value>| {
        let mut found = DESCRIPTIONS.iter().chain(&DETAILS).filter_map(|name| object.get(*name));
        found.find(|value| !value.is_string()).and_then(nested)
    };
    let details = details(object).or_else(|| details(inner?));
    let parts: Vec<String> = [described, details].into_iter().flatten().collect();
    let said = (!parts.is_empty()).then(|| parts.join(": "));
    let said = said.or(prose);
    // A form that nobody has seen: all of its texts.
    let said = said.or_else(|| code.is_none().then(|| nested(&Value::Object(object.clone())))?);
    (code, said)
}

/// Every text in a value, with the names of the members that say what it is about.
fn nested(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Array(list) => list.iter().filter_map(nested).collect::<Vec<_>>().join(", "),
        Value::Object(object) => {
            let said = object.iter().filter(|(name, _)| !is_untold(name));
            let said = said.filter_map(|(name, value)| {
                let text = nested(value)?;
                let bare = PLACES.contains(&name.as_str()) || DESCRIPTIONS.contains(&name.as_str());
                Some(if bare { text } else { format!("{name}: {text}") })
            });
            said.collect::<Vec<_>>().join(" ")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => String::new(),
    };
    (!text.is_empty()).then_some(text)
}

fn is_untold(name: &str) -> bool {
    UNTOLD.contains(&name) || ISSUED.contains(&name)
}

/// What the answer issues, wherever it stands, in every form in which the words might repeat it.
fn issued(value: &Value) -> Vec<SecretString> {
    match value {
        Value::Array(list) => list.iter().flat_map(issued).collect(),
        Value::Object(object) => object.iter().flat_map(|(name, value)| issued_as(name, value)).collect(),
        _ => Vec::new(),
    }
}

fn issued_as(name: &str, value: &Value) -> Vec<SecretString> {
    match value {
        Value::String(text) if ISSUED.contains(&name) => auth::forms(&text.as_str().into()).into(),
        Value::Number(number) if ISSUED.contains(&name) => vec![number.to_string().into()],
        _ => issued(value),
    }
}

/// A word without spaces, as codes are; anything else is prose.
fn is_code(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:/".contains(&byte);
    !text.is_empty() && text.len() <= LONGEST_CODE && text.bytes().all(word)
}

/// Printable ASCII with single spaces, cut to length; `None` if nothing is left.
fn printable(text: &str) -> Option<String> {
    let clean: String = text
        .chars()
        .map(|c| if c.is_ascii_graphic() { c } else { ' ' })
        .collect();
    let words: Vec<&str> = clean.split_whitespace().collect();
    let short: String = words.join(" ").chars().take(LONGEST).collect();
    (!short.is_empty()).then_some(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(code: Option<&str>, description: Option<&str>) -> ErrorBody {
        ErrorBody {
            code: code.map(Into::into),
            description: description.map(Into::into),
        }
    }

    #[test]
    fn w20_the_form_of_the_specification() {
        let text =
            br#"{"error":"invalid_redirect_uri","error_description":"One or more\n redirect_uris \u0007 are bad"}"#;
        assert_eq!(
            parse(text),
            body(Some("invalid_redirect_uri"), Some("One or more redirect_uris are bad"))
        );
    }

    #[test]
    fn w21_every_other_form_that_was_seen() {
        assert_eq!(
            parse(br#"{"error":"Something went wrong"}"#),
            body(None, Some("Something went wrong"))
        );
        assert_eq!(
            parse(br#"{"error":{"code":"E1","message":"no"}}"#),
            body(Some("E1"), Some("no"))
        );
        assert_eq!(
            parse(br#"{"errorCode":"E0000022","errorSummary":"no"}"#),
            body(Some("E0000022"), Some("no"))
        );
        assert_eq!(
            parse(br#"{"title":"Bad","detail":"worse","status":400}"#),
            body(None, Some("worse"))
        );
        assert_eq!(parse(b"<html><body><h1>Not here</h1></body>"), body(None, None));
        assert_eq!(parse(b"No such thing here\n"), body(None, Some("No such thing here")));
        assert_eq!(parse(b""), body(None, None));
        assert_eq!(parse(b"\xff\xfe"), body(None, None));
    }

    #[test]
    fn w74_nested_words_are_shown_with_the_member_that_they_are_about() {
        for (text, shown) in [
            (
                r#"{"message":"The given data was invalid.","errors":{"redirect_uris":["must be https"]}}"#,
                "The given data was invalid.: redirect_uris: must be https",
            ),
            (
                r#"{"statusCode":400,"message":["redirect_uris must be an array"],"error":"Bad Request"}"#,
                "redirect_uris must be an array",
            ),
            (
                r#"{"detail":[{"type":"missing","loc":["body","redirect_uris"],"msg":"Field required","input":{"x":"y"}}]}"#,
                "body, redirect_uris Field required",
            ),
            (
                r#"{"redirect_uris":["Enter a valid URL."]}"#,
                "redirect_uris: Enter a valid URL.",
            ),
            (r#"["first","second"]"#, "first, second"),
            (r#""no such scope""#, "no such scope"),
            (r#"{"error":{"message":{"text":"deep"}}}"#, "text: deep"),
        ] {
            assert_eq!(parse(text.as_bytes()), body(None, Some(shown)), "{text}");
        }
        for silent in [
            "{}",
            "[]",
            "7",
            "null",
            r#"{"status":400}"#,
            r#"{"a":"b","a":"c"}"#,
            r#"{"message":"cut"#,
        ] {
            assert_eq!(parse(silent.as_bytes()), body(None, None), "{silent}");
        }
    }

    #[test]
    fn w75_markup_is_never_shown() {
        for text in [
            "<html>no</html>",
            "Error<br/>at line 1",
            "<?xml version=\"1.0\"?><a/>",
            r#"{"message":"<p>stack trace</p>"}"#,
            r#""<!doctype html>""#,
        ] {
            assert_eq!(parse(text.as_bytes()), body(None, None), "{text}");
        }
        assert_eq!(parse(b"1 < 2 and 3 <4"), body(None, Some("1 < 2 and 3 <4")));
    }

    #[test]
    fn a_description_that_repeats_a_credential_is_dropped_whole() {
        let text = br#"{"error":"invalid_token","error_description":"token t0ken is bad"}"#;
        assert_eq!(read(text, &["t0ken".into()]), body(Some("invalid_token"), None));
        assert_eq!(read(text, &["T0KEN".into()]), body(Some("invalid_token"), None));
        assert_eq!(read(b"t0ken is bad", &["t0ken".into()]), body(None, None));
        assert_eq!(read(text, &["invalid_token".into()]).code, None);
        let encoded = br#"{"error":"bad","message":"no such token it%27s-t0ken~%2B"}"#;
        assert_eq!(read(encoded, &["it's-t0ken~+".into()]), body(Some("bad"), None));
        let issued = parse(br#"{"error":"bad","error_description":"client abcdef exists","client_id":"abcdef"}"#);
        assert_eq!(issued, body(Some("bad"), None));
        let deep = parse(br#"{"message":"use YWJjZGVm","data":[{"client_secret":"abcdef"}]}"#);
        assert_eq!(deep, body(None, None));
        let listed =
            parse(br#"[{"client_secret":["abcdef"],"message":"no"},{"client_id":7654321,"message":"7654321 exists"}]"#);
        assert_eq!(listed, body(None, None));
        let other = parse(br#"{"client_id":"abcdef","redirect_uris":["no"]}"#);
        assert_eq!(other, body(None, Some("redirect_uris: no")));
    }

    #[test]
    fn w76_a_credential_that_lies_across_the_cut_is_not_shown_in_part() {
        let text = format!(r#"{{"error":"e","message":"{}s3cret-token"}}"#, "x".repeat(LONGEST - 5));
        assert_eq!(read(text.as_bytes(), &["s3cret-token".into()]).description, None);
    }

    #[test]
    fn descriptions_are_cut() {
        let long = format!(r#"{{"error":"e","error_description":"{}"}}"#, "word ".repeat(100));
        assert_eq!(parse(long.as_bytes()).description.unwrap().len(), LONGEST);
    }
}
