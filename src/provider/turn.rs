//! A request that is sent with the tokens of a list, one after the other, until one of them is not refused.

use std::time::Instant;

use secrecy::SecretString;

use crate::api::Reason;
use crate::clock::Clock;
use crate::domain::failure::{Class, Failure};
use crate::domain::outcome::{CallError, Effect};
use crate::domain::target::{AuthScheme, Credentials, Deadlines};

use super::asked::Asked;
use super::exchange::{Answer, Exchange};
use super::token::Site;
use super::transport::{Transport, not_sent};
use super::verdict::{Proof, refusal_of_token};

impl Transport {
    /// Sends a request with its credentials. If these are tokens of a list, the next one is used where one may not be sent, or the
    /// provider refuses it, which proves that it did nothing. All tokens share the time of one request: the next one is sent only while
    /// nearly all of it is left, because a request that is cut short has an unknown outcome. What was sent is added to `spoken`.
    ///
    /// # Errors
    /// There is no answer, or no token may be sent.
    pub(super) async fn send_in_turn(
        &self,
        exchange: Exchange<'_>,
        site: &Site<'_>,
        asked: Asked,
        spoken: &mut Vec<SecretString>,
    ) -> Result<Answer, CallError> {
        let (begun, time) = (Instant::now(), exchange.deadlines.request);
        let is_listed = !exchange.credentials.tokens.is_empty();
        let turn = exchange.credentials.in_turn(Clock::default().now());
        let (mut refused, mut unsent) = (None, None);
        // Tokens whose refusal may be about the client, until another token tells.
        let mut doubtful: Vec<(&SecretString, String)> = Vec::new();
        for credentials in &turn {
            let left = time.saturating_sub(begun.elapsed());
            if refused.is_some() && left < time * 9 / 10 {
                // The next request begins with the next token.
                self.note_refused(exchange.uid, doubtful);
                break;
            }
            let request = if refused.is_some() { left } else { time };
            let sent = Exchange {
                credentials,
                deadlines: Deadlines {
                    request,
                    ..exchange.deadlines
                },
                ..exchange.clone()
            };
            let answered = match self.send_as(sent, site).await {
                Err(error) if is_unfit(&error) => {
                    unsent.get_or_insert(error);
                    continue;
                }
                answered => answered?,
            };
            spoken.extend(answered.spoken);
            let answer = answered.answer;
            let token = listed_token(credentials, is_listed);
            let Some((token, (words, proof))) = token.zip(refusal_of_token(&answer, asked, spoken)) else {
                // A server that fails has not looked at the token.
                if answer.status < 500 {
                    self.note_refused(exchange.uid, doubtful);
                }
                if let Some(token) = token
                    && asked == Asked::Registration
                    && (200..300).contains(&answer.status)
                {
                    self.refusals.forget(exchange.uid, token);
                }
                return Ok(answer);
            };
            match proof {
                Proof::OfToken => self.refusals.note(exchange.uid, token, words),
                Proof::ByComparison => doubtful.push((token, words)),
                Proof::None => {}
            }
            refused = Some(answer);
        }
        if let Some(answer) = refused {
            return Ok(answer);
        }
        Err(unsent.unwrap_or_else(|| not_sent(Failure::new(Class::Bug, Reason::InternalError, "no credentials"))))
    }

    fn note_refused(&self, uid: &str, tokens: Vec<(&SecretString, String)>) {
        for (token, words) in tokens {
            self.refusals.note(uid, token, words);
        }
    }
}

/// The token of a list.
const fn listed_token(credentials: &Credentials, is_listed: bool) -> Option<&SecretString> {
    match &credentials.scheme {
        AuthScheme::Bearer(token) if is_listed => Some(token),
        _ => None,
    }
}

/// Whether nothing was sent because of the credentials themselves: their owner does not allow the origin, or no header can hold them.
fn is_unfit(error: &CallError) -> bool {
    let reasons = [
        Reason::ConsentMissing,
        Reason::OriginNotAllowed,
        Reason::CredentialsMissing,
    ];
    error.effect == Effect::NotApplied && error.status.is_none() && reasons.contains(&error.failure.reason)
}

#[cfg(test)]
mod tests;
