//! The status: what users, `kubectl wait`, Argo CD, Flux and Helm read (kstatus semantics).

use k8s_openapi::jiff::Timestamp;

use crate::api::{
    Attempt, AttemptOutcome, Binding, Condition, OAuthClient, OAuthClientSpec, OAuthClientStatus, ProviderStatus,
    Reason, SecretVersion, Suspect,
};

use super::failure::{Class, Failure};
use super::record::Record;
use super::target::Endpoints;
pub use super::time::rfc3339;
use super::verdict::Verdict;
use super::verification::Tried;

pub use verified::{rejected_since, unanswered_since};

mod as_requested;
mod suspended;
mod verified;

/// Longest message of a condition, in bytes.
const LONGEST_MESSAGE: usize = 1024;
/// Most suspects that a status lists; the entries themselves are all kept.
const MOST_SUSPECTS: usize = 16;

/// What a pass found, for the status.
#[derive(Clone, Debug, Default)]
pub struct Facts<'a> {
    /// Generation that the verdict is about.
    pub generation: Option<i64>,
    /// The spec of that generation.
    pub spec: Option<&'a OAuthClientSpec>,
    /// The record, if there is one.
    pub record: Option<&'a Record>,
    /// Whether it is known that there is none.
    pub unrecorded: bool,
    /// Name and version of the credentials Secret, if it holds the recorded credentials.
    pub secret: Option<(String, SecretVersion)>,
    /// Whether it is known that it does not hold them, unless `secret` says that it does.
    pub unsynced: bool,
    /// Value of the `reconcile` annotation that the verdict takes into account.
    pub asked: Option<String>,
    /// The attempt that this pass closed, if it did.
    pub attempt: Option<Attempt>,
    /// The credentials that were tried, if they were.
    pub tried: Option<Tried>,
    /// That the client secret has expired, if it has.
    pub expired: Option<Failure>,
    /// Suspects of the object.
    pub suspects: &'a [Suspect],
    /// Seconds since the epoch.
    pub now: i64,
}

/// When the credentials of the client were accepted, in seconds since the epoch.
#[must_use]
pub fn verified_at(status: Option<&OAuthClientStatus>) -> Option<i64> {
    let told = status?.verified_at.as_deref()?;
    Some(told.parse::<Timestamp>().ok()?.as_second())
}

/// The status after a verdict.
#[must_use]
pub fn after(previous: &OAuthClientStatus, verdict: &Verdict, facts: &Facts<'_>) -> OAuthClientStatus {
    let mut status = previous.clone();
    if matches!(verdict, Verdict::Nothing | Verdict::Gone) {
        return status;
    }
    facts_into(&mut status, facts);
    if *verdict == Verdict::Suspended {
        suspended::suspend(&mut status, facts);
        return status;
    }
    let mut conditions = Conditions {
        status: &mut status.conditions,
        generation: facts.generation,
        now: facts.now,
    };
    conditions.remove("Suspended");
    match verdict {
        Verdict::Nothing | Verdict::Gone | Verdict::Suspended => {}
        Verdict::Ready => {
            conditions.set(
                "Ready",
                "True",
                Reason::Registered,
                "the client is registered and its Secret is written",
            );
            conditions.settle();
        }
        Verdict::Failed(failure) => conditions.fail(failure),
    }
    // Whatever else may pass: applications cannot authenticate.
    if let Some(expired) = facts.expired.as_ref().filter(|_| conditions.is_true("Ready")) {
        conditions.set("Ready", "False", expired.reason, &expired.message);
    }
    let registered = facts.record.is_some();
    let failure = match verdict {
        Verdict::Failed(failure) => Some(failure),
        _ => None,
    };
    let judged = !failure.is_some_and(|failure| is_passing(failure.class));
    // A failure that may pass says nothing about what is there.
    let known = failure.filter(|_| judged);
    if registered {
        conditions.set(
            "Registered",
            "True",
            Reason::Registered,
            "the client is registered and recorded",
        );
    } else if let Some(failure) = known
        && facts.unrecorded
    {
        conditions.set("Registered", "False", failure.reason, &failure.message);
    }
    if facts.secret.is_some() {
        conditions.set(
            "SecretSynced",
            "True",
            Reason::SecretWritten,
            "the Secret holds the recorded credentials",
        );
    } else if let Some(failure) = known
        && facts.unsynced
        && failure.reason != Reason::RecordLost
    {
        conditions.set("SecretSynced", "False", failure.reason, &failure.message);
    }
    as_requested::tell(&mut status, verdict, facts);
    if judged {
        status.observed_generation = facts.generation;
        status.observed_spec = facts.spec.map(suspended::spec_digest);
        if let Some(asked) = &facts.asked {
            status.handled.get_or_insert_default().reconcile = Some(asked.clone());
        }
    }
    status
}

fn facts_into(status: &mut OAuthClientStatus, facts: &Facts<'_>) {
    if let Some(record) = facts.record {
        status.client_id = Some(record.client_id.clone());
        status.issuer = Some(record.endpoints.issuer.clone());
        status.token_endpoint_auth_method = record.auth_method().map(as_requested::method);
        status.registered_at = Some(rfc3339(record.registered_at));
        status.secret_expires_at = record.client_secret_expires_at.map(rfc3339);
    }
    verified::note(status, facts);
    if let Some((name, version)) = &facts.secret {
        status.binding = Some(Binding { name: name.clone() });
        status.secret = Some(version.clone());
    }
    // The status that closed the attempt may never have been written; the record knows which one it was.
    let recorded = || {
        facts.record.map(|record| Attempt {
            id: record.attempt.clone(),
            outcome: AttemptOutcome::Registered,
            request_hash: String::new(),
        })
    };
    status.attempt = facts
        .attempt
        .clone()
        .or_else(|| status.attempt.take())
        .or_else(recorded);
    let skipped = facts.suspects.len().saturating_sub(MOST_SUSPECTS);
    status.suspects = facts.suspects[skipped..].to_vec();
}

/// The status of a provider after discovery.
#[must_use]
pub fn of_provider(
    previous: &ProviderStatus,
    found: Result<&Endpoints, &Failure>,
    generation: Option<i64>,
    now: i64,
) -> ProviderStatus {
    let mut status = previous.clone();
    let mut conditions = Conditions {
        status: &mut status.conditions,
        generation,
        now,
    };
    match found {
        Ok(endpoints) => {
            conditions.set(
                "Ready",
                "True",
                Reason::Discovered,
                "the provider's endpoints are known",
            );
            conditions.settle();
            status.issuer = Some(endpoints.issuer.clone());
            status.registration_endpoint = Some(endpoints.registration.clone());
            status.token_endpoint.clone_from(&endpoints.token);
            status.observed_generation = generation;
        }
        Err(failure) => {
            conditions.fail(failure);
            if !matches!(failure.class, Class::Transient | Class::Conflict) {
                status.observed_generation = generation;
            }
        }
    }
    status
}

/// Whether only a person can help, so that waiting tools should stop waiting. What another object's creation cures is not
/// among them: manifests of one delivery arrive in any order.
#[must_use]
pub fn is_stalled(failure: &Failure) -> bool {
    let awaited = matches!(
        failure.reason,
        Reason::ProviderNotFound | Reason::CredentialsMissing | Reason::ConsentMissing | Reason::SecretWriteDenied
    );
    matches!(failure.class, Class::Invalid | Class::Denied | Class::Bug) && !awaited
}

/// Whether there is a verdict for the newest generation of an object.
#[must_use]
pub fn is_judged(object: &OAuthClient) -> bool {
    let observed = object.status.as_ref().and_then(|status| status.observed_generation);
    observed.is_some() && observed == object.metadata.generation
}

/// Whether a status names as many suspects as it would of so many.
pub(crate) fn names_suspects(status: Option<&OAuthClientStatus>, suspects: usize) -> bool {
    status.map_or(0, |status| status.suspects.len()) == suspects.min(MOST_SUSPECTS)
}

/// Whether an object says that it is Ready.
#[must_use]
pub fn is_ready(object: &OAuthClient) -> bool {
    is_true(object, "Ready")
}

/// Whether a condition of an object is True.
#[must_use]
pub fn is_true(object: &OAuthClient, type_: &str) -> bool {
    let mut conditions = object.status.iter().flat_map(|status| &status.conditions);
    conditions.any(|condition| condition.type_ == type_ && condition.status == "True")
}

/// Whether the newest generation of an object was judged, and nothing but its expired secret keeps it from being Ready.
#[must_use]
pub fn is_judged_expired(object: &OAuthClient) -> bool {
    let mut conditions = object.status.iter().flat_map(|status| &status.conditions);
    is_judged(object)
        && conditions.any(|condition| {
            condition.type_ == "Ready"
                && condition.reason == Reason::SecretExpired.as_str()
                && condition.observed_generation == object.metadata.generation
        })
}

/// Whether the newest generation of an object was judged Ready, and nothing has failed since.
#[must_use]
pub fn is_judged_ready(object: &OAuthClient) -> bool {
    let conditions = || object.status.iter().flat_map(|status| &status.conditions);
    let ready = |condition: &Condition| {
        condition.type_ == "Ready"
            && condition.status == "True"
            && condition.observed_generation == object.metadata.generation
    };
    is_judged(object)
        && conditions().any(ready)
        && conditions().all(|condition| condition.type_ != "Reconciling" && condition.type_ != "Stalled")
}

/// Whether the newest generation of an object was judged Ready, or would be if the client secret had not expired: a start takes its verdict
/// as it is, so a change of the provider object has to reach it.
#[must_use]
pub fn stands(object: &OAuthClient) -> bool {
    is_judged_ready(object) || is_judged_expired(object)
}

/// Whether a look at a provider found something else than its status says.
#[must_use]
pub fn is_news(previous: &ProviderStatus, found: Result<&Endpoints, &Failure>, generation: Option<i64>) -> bool {
    of_provider(previous, found, generation, 0) != *previous
}

struct Conditions<'a> {
    status: &'a mut Vec<Condition>,
    generation: Option<i64>,
    now: i64,
}

impl Conditions<'_> {
    fn has(&self, type_: &str) -> bool {
        self.status.iter().any(|condition| condition.type_ == type_)
    }

    fn is_true(&self, type_: &str) -> bool {
        self.status
            .iter()
            .any(|condition| condition.type_ == type_ && condition.status == "True")
    }

    fn remove(&mut self, type_: &str) {
        self.status.retain(|condition| condition.type_ != type_);
    }

    fn settle(&mut self) {
        self.remove("Reconciling");
        self.remove("Stalled");
    }

    fn fail(&mut self, failure: &Failure) {
        let passing = is_passing(failure.class);
        let keeps_ready = passing && failure.reason != Reason::DeletionBlocked && self.is_true("Ready");
        if !keeps_ready {
            self.set("Ready", "False", failure.reason, &failure.message);
        }
        if is_stalled(failure) {
            self.remove("Reconciling");
            self.set("Stalled", "True", failure.reason, &failure.message);
        } else {
            self.remove("Stalled");
            let reason = match failure.reason {
                // Nothing has failed.
                Reason::Progressing => Reason::Progressing,
                _ => Reason::ProgressingWithRetry,
            };
            self.set("Reconciling", "True", reason, &failure.message);
        }
    }

    /// Sets a condition; its transition time moves only if its status does.
    fn set(&mut self, type_: &str, status: &str, reason: Reason, message: &str) {
        let message = truncated(message).to_owned();
        let reason = reason.as_str().to_owned();
        let observed_generation = self.generation;
        let now = rfc3339(self.now);
        match self.status.iter_mut().find(|condition| condition.type_ == type_) {
            Some(condition) => {
                if condition.status != status {
                    status.clone_into(&mut condition.status);
                    condition.last_transition_time = now;
                }
                condition.reason = reason;
                condition.message = message;
                condition.observed_generation = observed_generation;
            }
            None => self.status.push(Condition {
                type_: type_.to_owned(),
                status: status.to_owned(),
                reason,
                message,
                last_transition_time: now,
                observed_generation,
            }),
        }
    }
}

fn truncated(message: &str) -> &str {
    let mut end = message.len().min(LONGEST_MESSAGE);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    &message[..end]
}

/// Whether a failure of this class may pass by itself, so that it is no verdict on the generation.
const fn is_passing(class: Class) -> bool {
    matches!(class, Class::Transient | Class::Conflict | Class::Ambiguous)
}

#[cfg(test)]
mod tests;
