//! Answers on the way from a registration to its record: the order of these is what keeps clients from being lost.

use std::time::Duration;

use crate::api::{AttemptOutcome, Reason, names};
use crate::domain::api_error::ApiError;
use crate::domain::breaker::BreakerKind;
use crate::domain::claim::{self, Named, Provenance};
use crate::domain::correction;
use crate::domain::failure::{Class, Failure};
use crate::domain::identity::{self, Finds};
use crate::domain::metadata::{self, Request};
use crate::domain::outcome::{CallError, Effect as Applied, Remark};
use crate::domain::pass::Provider;
use crate::domain::pass::journal::{Answered, Disputed, FollowUp};
use crate::domain::pass::observed::{Note, Observed};
use crate::domain::pass::state::{State, StoredCredentials, StoredRecord};
use crate::domain::record::Record;
use crate::domain::registration::Registration;
use crate::domain::secret::SecretRevision;
use crate::domain::substitution;

use super::{STORE_AGAIN, unstorable};

/// What names the client of a registration's answer.
#[derive(Clone, Debug)]
pub struct AnswerClaim {
    /// Whether this pass has claimed the client; else another one has.
    pub claimed: bool,
    /// All records and suspects that name it.
    pub named: Vec<Named>,
    /// How long ago the first attempt began that may have registered a client of this object.
    pub first_attempt_ago: Duration,
}

impl State {
    /// The registration was answered, or not. `begun`: when it was sent, in seconds since the epoch.
    pub fn registered(&mut self, request: Request, body: Request, begun: i64, answer: Result<Registration, CallError>) {
        let (Some(provider), Some(attempt)) = (self.provider().cloned(), self.journal.attempt.clone()) else {
            return;
        };
        let hash = metadata::fingerprint(&request, &[&provider.fingerprint]);
        self.journal.adopts = None;
        self.journal.sent = request;
        let error = match answer {
            Ok(registration) => {
                self.journal.answered = Some(Box::new(Answered {
                    registration,
                    sent: body,
                    begun,
                    hash,
                }));
                return;
            }
            Err(error) => error,
        };
        let (spec, knobs) = (&self.object.spec, &provider.target.knobs);
        let failure = match self.about_an_own_doubt(&error) {
            Some(failure) => failure,
            None => correction::advised(error.clone(), spec, knobs).failure,
        };
        let outcome = match error.effect {
            Applied::NotApplied => AttemptOutcome::NotApplied,
            Applied::Unknown => AttemptOutcome::Unknown,
        };
        // One with a chosen identifier is looked up first, and counts if it becomes a suspect.
        if error.effect == Applied::Unknown && provider.target.knobs.client_id_member.is_none() {
            self.note(Note::Count(attempt.clone(), BreakerKind::UnknownOutcome));
        }
        // Only what the manifest has to change for is remembered as refused; everything else is tried again.
        let refused = error.failure.class == Class::Invalid;
        self.close(&attempt, outcome, if refused { hash } else { String::new() });
        self.journal.attempt = None;
        // What was absent before may be what the provider refuses this one for.
        self.journal.look_up = None;
        self.journal.failure = Some(failure);
    }

    /// Where a provider says that the client exists, and an earlier registration of this object may have made it, the manifest is not to
    /// blame.
    fn about_an_own_doubt(&self, error: &CallError) -> Option<Failure> {
        let doubt = self.suspects.iter().find(|suspect| suspect.client_id.is_none());
        let (Some(Remark::Exists), Some(doubt)) = (error.remark, doubt) else {
            return None;
        };
        let message = format!(
            "{}. The response to an earlier registration of this OAuthClient was lost (attempt {}); that client may hold the name. Delete it at the provider and \
             retry: kubectl annotate --overwrite oauthclient NAME {}=VALUE, or set a different spec.clientName",
            error.failure.message,
            doubt.attempt,
            names::RECONCILE
        );
        Some(Failure {
            message,
            ..error.failure.clone()
        })
    }

    /// When the first attempt began that may have registered a client of this object, in seconds since the epoch. `doubts`: whether
    /// there are suspects of it. A doubt is entered later than its attempt began, and no attempt began before the object did.
    #[must_use]
    pub fn first_attempt(&self, begun: i64, doubts: bool) -> i64 {
        let created = self.object.metadata.creation_timestamp.as_ref();
        let created = created.filter(|_| doubts).map(|time| time.0.as_second());
        created.into_iter().chain([begun]).min().unwrap_or(begun)
    }

    /// A registration's answer is taken in hand, unless its client is somebody else's: then nothing is changed or deregistered, and
    /// the client stays named. `name_of`: the object of this UID.
    pub fn answer_claimed(
        &mut self,
        claim: &AnswerClaim,
        seen: &Observed<'_>,
        name_of: impl Fn(&str) -> Option<String>,
    ) {
        let (Some(answered), Some(provider)) = (self.journal.answered.take(), self.provider().cloned()) else {
            return;
        };
        let Answered {
            registration,
            sent,
            begun,
            hash,
        } = *answered;
        let client_id = registration.client_id.clone();
        let dispute = |class, text: String, suspect: bool| {
            Box::new(Disputed {
                failure: Failure::new(class, Reason::AlreadyManaged, text),
                suspect: suspect.then(|| Box::new(registration.clone())),
                hash: hash.clone(),
            })
        };
        if !claim.claimed {
            let text = "the provider answered with a client that another object is about to record or deregister; the operator looks again";
            // What is to be taken over was registered by others, so there is no doubt to enter.
            if self.journal.adopts.is_some() {
                self.concluded(*dispute(Class::Transient, text.to_owned(), false));
            } else {
                self.journal.disputed = Some(dispute(Class::Transient, text.to_owned(), true));
            }
            return;
        }
        let whose = claim::provenance(&claim::Answer {
            uid: self.uid(),
            named: &claim.named,
            issued_ago: issued_ago(&registration, seen.now),
            first_attempt_ago: claim.first_attempt_ago,
            echoed: identity::is_echoed(&registration, &sent, &provider.target.knobs),
            adopts: self.journal.adopts.is_some(),
        });
        let adopts = self.journal.adopts.is_some();
        let belongs = |whose: &str| {
            if adopts {
                return format!(
                    "client {client_id}, which spec.adopt names, belongs to {whose}; nothing was changed. Remove spec.adopt, or delete the other OAuthClient first"
                );
            }
            format!(
                "the provider answered the registration with client {client_id}, which exists already and belongs to {whose}; nothing was changed. Change \
                 spec.clientName or another member by which the provider tells clients apart, or delete this OAuthClient"
            )
        };
        match whose {
            Provenance::Ours => {
                if self.journal.adopts.is_some() {
                    let given_up = claim.named.iter().filter(|named| claim::is_given_up(named));
                    self.journal.superseded = given_up.map(|named| named.secret.clone()).collect();
                }
                if let Some(disputed) = self.judge_substitutions(&registration, &sent, &provider, (begun, seen.now)) {
                    self.journal.disputed = Some(disputed);
                    return;
                }
                self.journal.registration = Some(registration);
                if let Some(attempt) = self.journal.attempt.clone() {
                    self.close(&attempt, AttemptOutcome::Registered, hash);
                }
            }
            Provenance::Another(uid) => {
                let name = name_of(&uid).map_or_else(
                    || "another OAuthClient".to_owned(),
                    |name| format!("the OAuthClient {name}"),
                );
                self.concluded(*dispute(Class::Denied, belongs(&name), false));
            }
            Provenance::Leaving => {
                let text = format!(
                    "the provider answered the registration with client {client_id}, which another OAuthClient is about to deregister; the operator tries \
                     again when that is done"
                );
                self.concluded(*dispute(Class::Transient, text, false));
            }
            Provenance::Earlier => {
                let text = belongs("nobody here; it was registered before this OAuthClient asked for one");
                self.journal.disputed = Some(dispute(Class::Denied, text, true));
            }
        }
    }

    /// Only what a first registration has just made is given up, and only before an application can have it. What is not shown to be
    /// new may be in use: it is neither used here nor deregistered.
    fn judge_substitutions(
        &mut self,
        registration: &Registration,
        sent: &Request,
        provider: &Provider,
        (begun, now): (i64, i64),
    ) -> Option<Box<Disputed>> {
        let first = self.journal.adopts.is_none()
            && self.journal.replaces.is_none()
            && matches!(self.record, StoredRecord::Absent { .. })
            && matches!(self.credentials, StoredCredentials::Absent);
        if !first {
            return None;
        }
        let (spec, request) = (&self.object.spec, &self.journal.sent);
        let is_new =
            claim::is_new(registration, begun, now) || identity::is_echoed(registration, sent, &provider.target.knobs);
        let failure = substitution::of_registration(spec, request, registration, provider, is_new)?;
        let hash = substitution::hash(spec, request, provider);
        if !is_new {
            return Some(Box::new(Disputed {
                failure,
                suspect: Some(Box::new(registration.clone())),
                hash,
            }));
        }
        self.journal.rejects = Some(hash);
        self.journal.unrecordable = Some(failure);
        None
    }

    /// The client of an answer is not this object's, and something names it.
    pub(super) fn concluded(&mut self, disputed: Disputed) {
        self.journal.disputed = None;
        self.journal.adopts = None;
        if let Some(attempt) = self.journal.attempt.take() {
            let refused = disputed.failure.class != Class::Transient;
            let hash = if refused { disputed.hash } else { String::new() };
            self.close(&attempt, AttemptOutcome::NotApplied, hash);
        }
        self.journal.failure = Some(disputed.failure);
    }

    /// The record of the registration in hand was created.
    pub fn record_created(
        &mut self,
        record: Box<Record>,
        answer: Result<SecretRevision, ApiError>,
        seen: &Observed<'_>,
    ) {
        match answer {
            Ok(revision) => self.recorded(record, revision),
            Err(ApiError::AlreadyExists) => self.journal.follow_up = Some(FollowUp::Collided),
            // What is taken over is not ours to deregister: it is stored as soon as that is allowed again.
            Err(
                ApiError::Forbidden { .. } | ApiError::Invalid { .. } | ApiError::NotFound | ApiError::Other { .. },
            ) if self.journal.adopts.is_some() => {
                self.hold(&record.client_id);
            }
            Err(
                error @ (ApiError::Forbidden { .. }
                | ApiError::Invalid { .. }
                | ApiError::NotFound
                | ApiError::Other { .. }),
            ) => self.journal.unrecordable = Some(error.failure(&self.record_text(seen))),
            // The provider has issued a client and nothing else knows of it: try until it is stored.
            Err(_) => self.journal.follow_up = Some(FollowUp::Wait(STORE_AGAIN, None)),
        }
    }

    /// The registration in hand was put in the place of the record of the client that the provider has lost.
    pub fn record_replaced(
        &mut self,
        record: Box<Record>,
        answer: Result<SecretRevision, ApiError>,
        seen: &Observed<'_>,
    ) {
        match answer {
            Ok(revision) => {
                self.journal.disowned = false;
                self.journal.replaces = None;
                self.note(Note::Count(record.attempt.clone(), BreakerKind::Recreation));
                self.recorded(record, revision);
            }
            Err(ApiError::Conflict | ApiError::NotFound | ApiError::Invalid { uid_changed: true, .. }) => {
                self.journal.follow_up = Some(FollowUp::Collided);
            }
            Err(ApiError::Forbidden { .. } | ApiError::Invalid { .. } | ApiError::Other { .. })
                if self.is_chosen(&record.client_id, seen) =>
            {
                self.hold(&record.client_id);
            }
            Err(error @ (ApiError::Forbidden { .. } | ApiError::Invalid { .. } | ApiError::Other { .. })) => {
                self.journal.unrecordable = Some(error.failure(&self.record_text(seen)));
            }
            Err(_) => self.journal.follow_up = Some(FollowUp::Wait(STORE_AGAIN, None)),
        }
    }

    /// The record could not be made at all.
    pub fn unstorable(&mut self) {
        if self.journal.registration.is_some() {
            self.journal.unrecordable = Some(unstorable());
        } else {
            self.journal.follow_up = None;
            self.journal.failure = Some(unstorable());
        }
    }

    fn recorded(&mut self, record: Box<Record>, revision: SecretRevision) {
        self.journal.registration = None;
        self.recorded_attempt = Some(record.attempt.clone());
        self.holds(record, revision);
    }

    /// The name of the record is taken: by an earlier try of this very attempt, or by another one.
    pub(super) fn collision_read(&mut self, failed: bool) {
        if failed || self.journal.failure.take().is_some() {
            self.journal.follow_up = Some(FollowUp::Wait(STORE_AGAIN, None));
            return;
        }
        if self.yields_to_record() {
            return;
        }
        match &self.record {
            // Only its version is another one. Its client is kept again, for its copy may be about to be removed.
            StoredRecord::Present { record, .. } if self.journal.replaces.as_ref() == Some(&record.attempt) => {
                self.journal.kept = false;
            }
            // A client that was to be taken over is not ours to deregister.
            StoredRecord::Present { .. } | StoredRecord::Unreadable if self.journal.adopts.is_some() => {
                self.journal.registration = None;
                self.journal.adopts = None;
                self.journal.attempt = None;
                self.journal.failure = Some(unstorable());
            }
            StoredRecord::Present { .. } | StoredRecord::Unreadable => {
                self.journal.unrecordable = Some(unstorable());
            }
            StoredRecord::Unseen | StoredRecord::Absent { .. } => {}
        }
    }

    /// Whether the record that was found is that of the registration in hand, or of the same client: then it counts, and the
    /// client is not deregistered. An identifier that the operator chose is that of an earlier registration too; what
    /// became of the credentials is then asked of the provider. The record that the registration in hand replaces does not
    /// count: its credentials are void.
    pub(super) fn yields_to_record(&mut self) -> bool {
        let (Some(registration), Some((found, _))) = (&self.journal.registration, self.record()) else {
            return false;
        };
        if self.journal.replaces.as_ref() == Some(&found.attempt) {
            return false;
        }
        let (same, other) = (
            found.client_id == registration.client_id,
            Some(&found.attempt) != self.journal.attempt.as_ref(),
        );
        if other && !same {
            return false;
        }
        if other {
            self.journal.attempt = None;
        } else {
            self.recorded_attempt.clone_from(&self.journal.attempt);
        }
        self.journal.registration = None;
        self.journal.unrecordable = None;
        self.journal.rejects = None;
        self.journal.refused = false;
        self.forget_looks();
        true
    }

    /// Whether a client has the identifier that the operator chooses, and can be found again by it.
    pub(super) fn is_chosen(&self, client_id: &str, seen: &Observed<'_>) -> bool {
        let Some(provider) = self.provider() else {
            return false;
        };
        identity::finds(&provider.target.knobs) == Some(Finds::ByIdentifier)
            && client_id == identity::client_id(&seen.operator.cluster_id, self.uid())
    }
}

/// How long before its answer a client was issued, by the provider's own clock.
fn issued_ago(registration: &Registration, now: i64) -> Option<Duration> {
    // Some providers write 0 where they know no time.
    let issued = registration.client_id_issued_at.filter(|issued| *issued > 0)?;
    let answered = registration.answered_at.unwrap_or(now);
    Some(Duration::from_secs(
        u64::try_from(answered.saturating_sub(issued)).unwrap_or_default(),
    ))
}
