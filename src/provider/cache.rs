//! What discovery found, per provider object: one question at a time, and no question twice in a short while.
//!
//! What was found is asked for again once its life is over. A failure that may pass takes nothing away from what was found before: the
//! endpoints stay in use until the provider answers again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::bounded::Bounded;
use crate::clock::Clock;
use crate::domain::failure::Class;
use crate::domain::outcome::CallError;
use crate::domain::target::Target;

use super::discovery::Discovered;
use super::transport::Transport;

/// How long a failure that may pass stands in for another try: a fleet of clients asks as one.
const FAILED: Duration = Duration::from_secs(2);
/// The same for a failure that something has to change for.
const REFUSED: Duration = Duration::from_secs(20);

/// Most provider objects of which anything is kept.
const MOST: usize = 4096;

type Outcome = (Instant, Result<Arc<Discovered>, CallError>);

/// What discovery found, by the UID of the provider object.
pub struct DiscoveryCache {
    questions: Mutex<Bounded<String, Question>>,
    clock: Clock,
}

struct Question {
    fingerprint: String,
    answer: Arc<OnceCell<Outcome>>,
    /// What was found before, for this very object.
    before: Option<Arc<Discovered>>,
}

impl DiscoveryCache {
    /// A cache that ages by this clock.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            questions: Mutex::new(Bounded::new(MOST)),
        }
    }

    /// What discovery of `target` finds, now or a while ago. Whoever asks at the same time shares one discovery.
    ///
    /// # Errors
    /// As [`Transport::discover`].
    pub async fn look(
        &self,
        transport: &Transport,
        uid: &str,
        fingerprint: &str,
        target: &Target,
    ) -> Result<Arc<Discovered>, CallError> {
        let (answer, before) = self.question(uid, fingerprint);
        // If the asker that discovers is dropped, the next one takes over.
        let found = answer.get_or_init(|| async {
            let result = transport.discover_again(target, before.as_deref()).await;
            (Instant::now(), result.map(Arc::new))
        });
        found.await.1.clone()
    }

    /// What discovery of this provider object found last, and how much longer it is used before the provider is asked again.
    #[must_use]
    pub fn known(&self, uid: &str, fingerprint: &str) -> Option<(Arc<Discovered>, Duration)> {
        let mut questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        let question = questions
            .get(uid)
            .filter(|question| question.fingerprint == fingerprint)?;
        match question.answer.get() {
            Some((at, Ok(found))) => {
                let rest = found.life().saturating_sub(self.clock.since(*at));
                Some((Arc::clone(found), rest))
            }
            Some((_, Err(_))) | None => Some((question.before.clone()?, Duration::ZERO)),
        }
    }

    /// Forgets the provider objects that do not exist any more.
    pub fn retain(&self, exists: impl Fn(&str) -> bool) {
        let mut questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        questions.retain(|uid| exists(uid));
    }

    fn question(&self, uid: &str, fingerprint: &str) -> (Arc<OnceCell<Outcome>>, Option<Arc<Discovered>>) {
        let mut questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = None;
        if let Some(question) = questions.get(uid)
            && question.fingerprint == fingerprint
        {
            let outcome = question.answer.get();
            if outcome.is_none_or(|outcome| is_fresh(self.clock, outcome)) {
                return (Arc::clone(&question.answer), question.before.clone());
            }
            let found = outcome.and_then(|(_, result)| result.as_ref().ok());
            before = found.or(question.before.as_ref()).cloned();
        }
        let answer = Arc::default();
        let question = Question {
            fingerprint: fingerprint.to_owned(),
            answer: Arc::clone(&answer),
            before: before.clone(),
        };
        questions.insert(uid.to_owned(), question);
        (answer, before)
    }
}

/// Whether a failed discovery may succeed by itself: what it found before counts until then.
#[must_use]
pub fn may_pass(error: &CallError) -> bool {
    matches!(error.failure.class, Class::Transient | Class::Ambiguous)
}

fn is_fresh(clock: Clock, (at, result): &Outcome) -> bool {
    let life = match result {
        Ok(found) => found.life(),
        Err(error) if may_pass(error) => FAILED,
        Err(_) => REFUSED,
    };
    clock.since(*at) < life
}

#[cfg(test)]
mod tests;
