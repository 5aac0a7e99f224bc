//! Bearer tokens of which the next is used when one is refused or has expired: their order, their expiry, and what the status tells.
//!
//! Invariant: of a list of which at least one token is usable, at least one is used. A clock may be wrong, and a provider may have
//! refused a token by mistake.

use std::cmp::Reverse;

use k8s_openapi::jiff::Timestamp;
use secrecy::SecretString;

use crate::api::{TokenState, TokenStatus};

use super::time::rfc3339;

/// Longest message of a status, in bytes.
const LONGEST_MESSAGE: usize = 512;

/// A token of a list.
#[derive(Clone, Debug)]
pub struct ListedToken {
    /// Name of its Secret.
    pub secret: String,
    /// Resource version of its Secret; empty if there is none.
    pub version: String,
    /// The token, or why there is none.
    pub value: Result<SecretString, String>,
    /// Origins that it may be sent to, as the Secret's owner listed them; `None`: those of the provider.
    pub origins: Option<Vec<String>>,
    /// When it expires, in seconds since the epoch.
    pub expires_at: Option<i64>,
    /// What is wrong with the statement of its expiry.
    pub remark: Option<String>,
    /// How the provider refused it last.
    pub refusal: Option<Refusal>,
}

/// How a provider refused a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Grows with each refusal.
    pub number: u64,
    /// What the provider answered, in words that may be shown.
    pub words: String,
}

impl ListedToken {
    fn has_expired(&self, now: i64) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// Whether nothing is known against it.
    fn is_fresh(&self, now: i64) -> bool {
        !self.has_expired(now) && self.refusal.is_none()
    }

    /// What a status says of it, if it says that the provider refused it.
    #[must_use]
    pub fn refused_in<'a>(&self, statuses: &'a [TokenStatus]) -> Option<&'a TokenStatus> {
        let refused = statuses.iter().filter(|status| status.state == TokenState::Refused);
        let mut refused = refused.filter(|status| status.secret_name == self.secret);
        refused.find(|status| status.resource_version.as_ref() == Some(&self.version))
    }
}

/// The tokens that are tried at `now`, in this order, with the origins that each may be sent to.
pub(crate) fn candidates(
    tokens: &[ListedToken],
    now: i64,
) -> impl Iterator<Item = (&SecretString, Option<&Vec<String>>)> {
    in_turn(tokens, now).into_iter().filter_map(|at| {
        let token = &tokens[at];
        Some((token.value.as_ref().ok()?, token.origins.as_ref()))
    })
}

/// Numbers of the tokens that are tried at `now`, in this order. Without one that is neither refused nor expired, all others are tried:
/// those that were refused, the one refused longest ago first, then those that have expired, the one that expired last first.
fn in_turn(tokens: &[ListedToken], now: i64) -> Vec<usize> {
    let usable = (0..tokens.len()).filter(|at| tokens[*at].value.is_ok());
    let (fresh, mut others): (Vec<usize>, Vec<usize>) = usable.partition(|at| tokens[*at].is_fresh(now));
    if !fresh.is_empty() {
        return fresh;
    }
    others.sort_by_key(|at| {
        let token = &tokens[*at];
        let refused = token.refusal.as_ref().map(|refusal| refusal.number);
        if token.has_expired(now) {
            (true, refused, Reverse(token.expires_at))
        } else {
            (false, refused, Reverse(None))
        }
    });
    others
}

/// What a status tells of tokens. Of a refusal that the `former` status tells already, its message stays: the words of some providers
/// differ from one answer to the next.
#[must_use]
pub(crate) fn statuses(tokens: &[ListedToken], former: &[TokenStatus], now: i64) -> Vec<TokenStatus> {
    let next = in_turn(tokens, now).first().copied();
    let status = |(at, token): (usize, &ListedToken)| {
        let (state, message) = match (&token.value, &token.refusal) {
            (Err(why), _) => (TokenState::Unusable, Some(why.clone())),
            (Ok(_), _) if token.has_expired(now) => (TokenState::Expired, None),
            (Ok(_), Some(refusal)) => {
                let told = token.refused_in(former).and_then(|status| status.message.clone());
                (TokenState::Refused, Some(told.unwrap_or_else(|| refusal.words.clone())))
            }
            (Ok(_), None) if next == Some(at) => (TokenState::InUse, None),
            (Ok(_), None) => (TokenState::Spare, None),
        };
        TokenStatus {
            secret_name: token.secret.clone(),
            // A refusal is recalled by it. In any other state each change of the Secret would cost a write that tells nothing.
            resource_version: (state == TokenState::Refused).then(|| token.version.clone()),
            state,
            expires_at: token.expires_at.map(rfc3339),
            message: message.or_else(|| token.remark.clone()).map(bounded),
        }
    };
    tokens.iter().enumerate().map(status).collect()
}

/// When a provider object is left without a token that can be used, in seconds since the epoch; `None`: it is not known, or not because
/// of a token's expiry.
#[must_use]
pub(crate) fn runs_out(tokens: &[TokenStatus]) -> Option<i64> {
    let of = |states: &[TokenState]| {
        let found = tokens.iter().filter(|token| states.contains(&token.state));
        found.map(expiry).collect::<Vec<_>>()
    };
    let usable = of(&[TokenState::InUse, TokenState::Spare]);
    if usable.is_empty() {
        return of(&[TokenState::Expired]).into_iter().flatten().max();
    }
    let all: Option<Vec<i64>> = usable.into_iter().collect();
    all?.into_iter().max()
}

/// Whether a status calls a token usable or refused that has expired at `now`.
#[must_use]
pub(crate) fn is_outdated(token: &TokenStatus, now: i64) -> bool {
    let states = [TokenState::InUse, TokenState::Spare, TokenState::Refused];
    states.contains(&token.state) && expiry(token).is_some_and(|at| at <= now)
}

/// When a token expires, as a status tells it.
fn expiry(token: &TokenStatus) -> Option<i64> {
    let at = token.expires_at.as_ref()?.parse::<Timestamp>().ok()?;
    Some(at.as_second())
}

fn bounded(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(LONGEST_MESSAGE));
    text
}

/// When a token expires: what it says itself or what the owner of its Secret states, whichever is earlier.
#[must_use]
pub fn expires_at(token: &SecretString, stated: Option<i64>) -> Option<i64> {
    expiry_of(token).into_iter().chain(stated).min()
}

/// The claim `exp` of a JWT, in seconds since the epoch. Keycloak writes 0 for a token that does not expire.
fn expiry_of(token: &SecretString) -> Option<i64> {
    let claims = super::jwt::claims(token)?;
    let exp = claims.get("exp")?;
    #[allow(clippy::cast_possible_truncation, reason = "a time that no calendar holds is none")]
    let exp = exp.as_i64().or_else(|| exp.as_f64().map(|exp| exp as i64))?;
    (exp > 0 && Timestamp::from_second(exp).is_ok()).then_some(exp)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use secrecy::ExposeSecret as _;

    use super::*;

    fn token(secret: &str, expires_at: Option<i64>, refused: Option<u64>) -> ListedToken {
        ListedToken {
            secret: secret.to_owned(),
            version: "7".to_owned(),
            value: Ok(format!("t0ken-{secret}").into()),
            origins: None,
            expires_at,
            remark: None,
            refusal: refused.map(|number| Refusal {
                number,
                words: "status 401".to_owned(),
            }),
        }
    }

    fn unusable(secret: &str) -> ListedToken {
        ListedToken {
            value: Err("it does not exist".to_owned()),
            ..token(secret, None, None)
        }
    }

    fn states(tokens: &[ListedToken]) -> Vec<TokenState> {
        statuses(tokens, &[], 100)
            .into_iter()
            .map(|status| status.state)
            .collect()
    }

    #[test]
    fn t261_tokens_are_used_in_order_without_those_that_expired_or_were_refused() {
        let tokens = [
            token("a", Some(100), None),
            token("b", None, Some(1)),
            unusable("c"),
            token("d", Some(101), None),
            token("e", None, None),
        ];
        assert_eq!(in_turn(&tokens, 100), [3, 4]);
        assert_eq!(in_turn(&tokens, 101), [4]);
        let found = states(&tokens);
        let expected = [
            TokenState::Expired,
            TokenState::Refused,
            TokenState::Unusable,
            TokenState::InUse,
            TokenState::Spare,
        ];
        assert_eq!(found, expected);
        let first = candidates(&tokens, 100).next().unwrap().0;
        assert_eq!(first.expose_secret(), "t0ken-d");
    }

    #[test]
    fn t261_with_no_token_left_the_one_refused_longest_ago_is_tried_first_and_then_the_last_that_expired() {
        let refused = [
            token("a", None, Some(7)),
            token("b", None, Some(3)),
            token("c", Some(9), None),
            token("d", Some(10), None),
            token("e", Some(11), Some(1)),
            unusable("f"),
        ];
        assert_eq!(in_turn(&refused, 100), [1, 0, 3, 2, 4]);
        assert_eq!(
            in_turn(&[token("a", Some(9), None), token("b", Some(10), None)], 100),
            [1, 0]
        );
        assert!(in_turn(&[unusable("a")], 100).is_empty());
    }

    #[test]
    fn t260_the_expiry_of_a_jwt_is_read_and_nothing_else_is_taken_for_one() {
        let jwt = |claims: &str| {
            let claims = URL_SAFE_NO_PAD.encode(claims);
            expiry_of(&format!("eyJhbGciOiJub25lIn0.{claims}.c2ln").into())
        };
        assert_eq!(jwt(r#"{"exp":1700000000}"#), Some(1_700_000_000));
        assert_eq!(jwt(r#"{"exp":1700000000.9}"#), Some(1_700_000_000));
        assert_eq!(jwt(r#"{"exp":253402207200}"#), Some(253_402_207_200));
        for none in [
            r#"{"exp":0}"#,
            r#"{"exp":-1}"#,
            r#"{"exp":"1700000000"}"#,
            r#"{"exp":1e300}"#,
            // Times that no calendar holds would be shown as 1970.
            r#"{"exp":253402300799}"#,
            r#"{"exp":253402207201}"#,
            "{}",
            "[]",
            "x",
        ] {
            assert_eq!(jwt(none), None, "{none}");
        }
        for opaque in [
            "",
            "a.b.c",
            "t0ken",
            "a.eyJleHAiOjE3MDAwMDAwMDB9",
            "a.eyJleHAiOjE3MDAwMDAwMDB9.b.c.d",
        ] {
            assert_eq!(expiry_of(&opaque.into()), None, "{opaque}");
        }
    }

    #[test]
    fn t262_a_provider_runs_out_of_tokens_when_the_last_usable_one_expires() {
        let at = |tokens: &[ListedToken]| runs_out(&statuses(tokens, &[], 100));
        let (soon, late) = (token("a", Some(200), None), token("b", Some(300), None));
        assert_eq!(at(&[soon.clone(), late.clone()]), Some(300));
        assert_eq!(at(&[soon.clone(), token("b", Some(300), Some(1))]), Some(200));
        assert_eq!(at(&[soon.clone(), token("b", None, None)]), None);
        assert_eq!(
            at(&[token("a", Some(50), None), token("b", Some(60), None), unusable("c")]),
            Some(60)
        );
        assert_eq!(at(&[token("a", Some(300), Some(1))]), None);
        assert_eq!(at(&[]), None);
    }

    #[test]
    fn t261_a_status_holds_no_token_and_a_bounded_message() {
        let mut refused = token("a", Some(200), Some(1));
        if let Some(refusal) = &mut refused.refusal {
            refusal.words = "é".repeat(600);
        }
        let status = &statuses(&[refused], &[], 100)[0];
        assert!(
            status
                .message
                .as_ref()
                .is_some_and(|text| text.len() <= LONGEST_MESSAGE)
        );
        assert_eq!(status.expires_at.as_deref(), Some("1970-01-01T00:03:20Z"));
        assert!(!serde_json::to_string(status).unwrap().contains("t0ken"));
    }

    #[test]
    fn t285_a_status_changes_with_the_state_of_a_token_and_not_with_its_secret_or_the_words_of_a_refusal() {
        let of = |state: &ListedToken, former: &[TokenStatus]| statuses(std::slice::from_ref(state), former, 100);
        let mut used = token("a", Some(200), None);
        let told = of(&used, &[]);
        assert_eq!(told[0].resource_version, None);
        used.version = "8".to_owned();
        assert_eq!(of(&used, &told), told, "the Secret was annotated");

        let mut refused = token("a", Some(200), Some(1));
        let told = of(&refused, &told);
        assert_eq!(told[0].resource_version.as_deref(), Some("7"));
        assert!(refused.refused_in(&told).is_some());
        refused.refusal = Some(Refusal {
            number: 2,
            words: "status 401, request 815".to_owned(),
        });
        assert_eq!(of(&refused, &told), told, "it was refused again");
        refused.version = "8".to_owned();
        assert!(refused.refused_in(&told).is_none());
        let anew = of(&refused, &told);
        assert_eq!(anew[0].message.as_deref(), Some("status 401, request 815"));
        assert!(!is_outdated(&anew[0], 199) && is_outdated(&anew[0], 200));
        assert!(!is_outdated(&statuses(&[refused], &[], 200)[0], 200));
    }
}
