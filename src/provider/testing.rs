//! What tests need that model a provider, or that try what it may answer. The operator uses none of it.

use std::time::Duration;

use http::HeaderMap;
use secrecy::SecretString;
use serde_json::{Map, Value};
use url::Url;

use crate::domain::outcome::{CallError, Deletion};
use crate::domain::probe::{ProbeKind, Probed};
use crate::domain::registration::Registration;

use super::asked::Asked;
use super::assertion::{self, Claims};
use super::exchange::Answer;
use super::transport::unanswered;
use super::verdict::{accepted, accepted_request, incomprehensible, refusal_of_token};
use super::{auth, discovery, effect, probe, token, wait, wire};

/// What was asked for: a registration, a management call with either kind of credentials, a list.
const ASKED: [Asked; 4] = [
    Asked::Registration,
    Asked::Management,
    Asked::OwnManagement,
    Asked::Listing,
];

/// An answer of `https://provider.example/register` to a request that held a secret.
pub struct Told<'a> {
    /// What was asked for, by its number.
    pub asked: u8,
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body.
    pub body: &'a [u8],
    /// The secret that was sent.
    pub secret: &'a SecretString,
}

impl Told<'_> {
    fn asked(&self) -> Asked {
        ASKED[usize::from(self.asked) % ASKED.len()]
    }

    fn answer(&self) -> Option<Answer> {
        Some(Answer {
            url: Url::parse("https://provider.example/register").ok()?,
            status: self.status,
            headers: self.headers.clone(),
            body: Ok(self.body.to_vec()),
        })
    }

    /// The error that it is, if it is one; `sent` is the metadata of the request.
    #[must_use]
    pub fn error(&self, sent: &Map<String, Value>) -> Option<CallError> {
        let spoken = auth::forms(self.secret);
        let answer = self.answer()?;
        let error = accepted_request(answer, self.asked(), "https://provider.example", &spoken, Some(sent)).err()?;
        Some(auth::discreet(error, &spoken))
    }

    /// What it says of the token, if it refuses that.
    #[must_use]
    pub fn refusal_of_token(&self) -> Option<String> {
        let refusal = refusal_of_token(&self.answer()?, self.asked(), &auth::forms(self.secret));
        refusal.map(|(words, _)| words)
    }

    /// What it proves of a deletion.
    #[must_use]
    pub fn deletion(&self) -> Option<Deletion> {
        Some(effect::of_deletion(&self.answer()?))
    }
}

/// The wait that headers ask for, when they were written, and how long a document with them is used.
#[must_use]
pub fn times(headers: &HeaderMap) -> (Option<Duration>, Option<i64>, Duration) {
    (wait::asked_for(headers), wait::date(headers), discovery::life(headers))
}

/// Token and lifetime of an answer of a token endpoint.
#[must_use]
pub fn bought(body: &[u8]) -> Option<(SecretString, Duration)> {
    token::read(body)
}

/// What an endpoint that authenticates clients tells of one.
#[must_use]
pub fn probed(kind: ProbeKind, status: u16, body: &[u8]) -> Probed {
    probe::meaning(kind, status, body)
}

/// Makes the address of a client absolute.
pub fn resolve(registration: &mut Registration, endpoint: &str) {
    wire::resolve_uri(registration, endpoint);
}

/// An assertion that is signed by a key.
///
/// # Errors
/// What is wrong with the key.
pub fn signed(pem: &SecretString) -> Result<SecretString, &'static str> {
    let claims = Claims {
        client_id: "client",
        audience: "https://provider.example/token",
        now: 1_700_000_000,
        key_id: None,
    };
    assertion::sign(pem, &claims)
}

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
