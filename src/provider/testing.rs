//! What tests need that model a provider. The operator uses none of it.

use http::HeaderMap;

use crate::domain::outcome::CallError;

use super::asked::Asked;
use super::exchange::Answer;
use super::transport::unanswered;
use super::verdict::{accepted, incomprehensible};

/// What the operator makes of an answer, for a model of a provider. `None`: no answer.
#[must_use]
pub fn made_of(status: Option<u16>, body: &str) -> CallError {
    let Some(status) = status else {
        return unanswered("the provider sent no complete answer".to_owned());
    };
    let Ok(url) = url::Url::parse("https://provider.example/register") else {
        return unanswered(String::new());
    };
    let answer = Answer {
        url,
        status,
        headers: HeaderMap::new(),
        body: Ok(body.as_bytes().to_vec()),
    };
    match accepted(answer, Asked::Management, "the provider", &[]) {
        Err(error) => error,
        Ok(_) => incomprehensible(status, Asked::Management, "the provider", "cannot be decoded"),
    }
}
