//! What discovery found, per provider object: one question at a time, and no question twice in a short while.

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

/// How long what was found is used.
const FOUND: Duration = Duration::from_hours(1);
/// How long a failure that may pass stands in for another try: a fleet of clients asks as one.
const FAILED: Duration = Duration::from_secs(2);
/// The same for a failure that something has to change for.
const REFUSED: Duration = Duration::from_secs(20);

/// Most provider objects of which anything is kept.
const MOST: usize = 1024;

type Outcome = (Instant, Result<Arc<Discovered>, CallError>);

/// What discovery found, by the UID of the provider object.
pub struct DiscoveryCache {
    questions: Mutex<Bounded<String, Question>>,
    clock: Clock,
}

struct Question {
    fingerprint: String,
    answer: Arc<OnceCell<Outcome>>,
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

    /// What discovery of `target` found, now or a while ago. Whoever asks at the same time shares one discovery.
    ///
    /// # Errors
    /// As [`Transport::discover`].
    pub async fn get(
        &self,
        transport: &Transport,
        uid: &str,
        fingerprint: &str,
        target: &Target,
    ) -> Result<Arc<Discovered>, CallError> {
        let answer = self.question(uid, fingerprint);
        // If the asker that discovers is dropped, the next one takes over.
        let found = answer.get_or_init(|| async {
            let result = transport.discover(target).await.map(Arc::new);
            (Instant::now(), result)
        });
        found.await.1.clone()
    }

    /// Forgets the provider objects that do not exist any more.
    pub fn retain(&self, exists: impl Fn(&str) -> bool) {
        let mut questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        questions.retain(|uid| exists(uid));
    }

    fn question(&self, uid: &str, fingerprint: &str) -> Arc<OnceCell<Outcome>> {
        let mut questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(question) = questions.get(uid)
            && question.fingerprint == fingerprint
            && question
                .answer
                .get()
                .is_none_or(|outcome| is_fresh(self.clock, outcome))
        {
            return Arc::clone(&question.answer);
        }
        let answer = Arc::default();
        let question = Question {
            fingerprint: fingerprint.to_owned(),
            answer: Arc::clone(&answer),
        };
        questions.insert(uid.to_owned(), question);
        answer
    }
}

fn is_fresh(clock: Clock, (at, result): &Outcome) -> bool {
    let life = match result {
        Ok(_) => FOUND,
        Err(error) if matches!(error.failure.class, Class::Transient | Class::Ambiguous) => FAILED,
        Err(_) => REFUSED,
    };
    clock.since(*at) < life
}
