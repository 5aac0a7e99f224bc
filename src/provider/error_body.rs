//! Bodies of refusals: the code and the description that may be shown.

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::wire::Object;

/// Longest description that is shown, in characters.
const LONGEST: usize = 200;
/// Longest code.
const LONGEST_CODE: usize = 64;
/// Values shorter than this occur in ordinary text and give nothing away.
const SHORTEST_SECRET: usize = 4;

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
    match Object::parse(body) {
        Some(object) => of_object(&object),
        None => ErrorBody {
            code: None,
            description: printable(&without_tags(&String::from_utf8_lossy(body))),
        },
    }
}

impl ErrorBody {
    /// The same without a description that repeats a credential or something that the answer issued.
    #[must_use]
    pub(super) fn without(mut self, secrets: &[SecretString]) -> Self {
        let repeats = |text: &str| {
            let secrets = secrets.iter().map(ExposeSecret::expose_secret);
            secrets
                .filter(|secret| secret.len() >= SHORTEST_SECRET)
                .any(|secret| text.contains(secret))
        };
        if self.description.as_deref().is_some_and(repeats) {
            self.description = None;
        }
        if self.code.as_deref().is_some_and(repeats) {
            self.code = None;
        }
        self
    }
}

fn of_object(object: &Map<String, Value>) -> ErrorBody {
    // What a refusal issues (an identifier, for example) is not repeated.
    let issued: Vec<SecretString> = ["client_id", "client_secret", "registration_access_token"]
        .iter()
        .filter_map(|name| object.get(*name)?.as_str().map(SecretString::from))
        .collect();
    let nested = object.get("error").and_then(Value::as_object);
    let text = |object: &Map<String, Value>, names: &[&str]| {
        names
            .iter()
            .find_map(|name| object.get(*name)?.as_str().map(str::to_owned))
    };
    let descriptions = [
        "error_description",
        "errorSummary",
        "description",
        "message",
        "msg",
        "detail",
        "title",
    ];
    let stated = text(object, &["error", "errorCode", "error_code", "code"])
        .or_else(|| text(nested?, &["code", "status", "error", "type"]));
    let described = text(object, &descriptions).or_else(|| text(nested?, &descriptions));
    let (code, prose) = match stated {
        Some(stated) if is_code(&stated) => (Some(stated), None),
        prose => (None, prose),
    };
    let description = described.or(prose).and_then(|text| printable(&text));
    ErrorBody { code, description }.without(&issued)
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

fn without_tags(text: &str) -> String {
    let mut inside = false;
    text.chars()
        .filter_map(|c| match c {
            '<' => {
                inside = true;
                Some(' ')
            }
            '>' if inside => {
                inside = false;
                None
            }
            _ => (!inside).then_some(c),
        })
        .collect()
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
        assert_eq!(
            parse(b"<html><body><h1>Not here</h1></body>"),
            body(None, Some("Not here"))
        );
        assert_eq!(parse(b""), body(None, None));
        assert_eq!(parse(b"\xff\xfe"), body(None, None));
    }

    #[test]
    fn a_description_that_repeats_a_credential_is_dropped_whole() {
        let text = parse(br#"{"error":"invalid_token","error_description":"token t0ken is bad"}"#);
        assert_eq!(text.without(&["t0ken".into()]), body(Some("invalid_token"), None));
        let issued = parse(br#"{"error":"bad","error_description":"client abcdef exists","client_id":"abcdef"}"#);
        assert_eq!(issued, body(Some("bad"), None));
    }

    #[test]
    fn descriptions_are_cut() {
        let long = format!(r#"{{"error":"e","error_description":"{}"}}"#, "word ".repeat(100));
        assert_eq!(parse(long.as_bytes()).description.unwrap().len(), LONGEST);
    }
}
