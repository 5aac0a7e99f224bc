//! How a pass ends: the verdict as status and events.

use crate::api::{OAuthClient, OAuthClientStatus, Reason, SecretVersion};
use crate::domain::api_error::ApiError;
use crate::domain::asked;
use crate::domain::expiry;
use crate::domain::failure::Failure;
use crate::domain::secret;
use crate::domain::status::{self, Facts};

use super::effect::{End, Verdict};
use super::observed::{Note, Observed};
use super::state::{State, StoredCredentials, StoredRecord};
use super::verify;
use super::view::View;

/// What follows a write of the status.
#[derive(Clone, Debug, PartialEq)]
pub enum AfterStatus {
    /// The pass ends as its verdict says.
    Ends,
    /// The pass goes on.
    GoesOn,
    /// The status could not be written.
    Failed(Failure),
}

impl State {
    /// The status that a verdict makes.
    #[must_use]
    pub fn status(&self, verdict: &Verdict, seen: &Observed<'_>) -> OAuthClientStatus {
        let previous = self.object.status.clone().unwrap_or_default();
        status::after(&previous, verdict, &self.facts(seen))
    }

    /// The status was written.
    pub fn status_written(
        &mut self,
        verdict: &Verdict,
        next: &OAuthClientStatus,
        answer: Result<OAuthClient, ApiError>,
    ) -> AfterStatus {
        // The status names the Secret of the new name now, so that those of former names may go.
        let has_former = *verdict == Verdict::Ready && !self.former_names.is_empty();
        match answer {
            Ok(object) => {
                self.announce(next);
                self.adopt(object);
                if has_former {
                    AfterStatus::GoesOn
                } else {
                    AfterStatus::Ends
                }
            }
            Err(ApiError::NotFound) => {
                self.is_gone();
                AfterStatus::GoesOn
            }
            Err(ApiError::Conflict | ApiError::Invalid { uid_changed: true, .. }) => {
                self.start_over(true);
                AfterStatus::GoesOn
            }
            Err(error) => AfterStatus::Failed(error.failure(&self.object_text())),
        }
    }

    /// The end that a verdict is; `None`: the object is gone, which is not the end.
    pub fn ends(&mut self, verdict: Verdict, seen: &Observed<'_>) -> Option<End> {
        match verdict {
            // The permit calls for the next pass, and the end of the time that a deletion has.
            Verdict::Failed(failure) if self.only_waits(&failure) => Some(End::Rest),
            Verdict::Failed(failure) => Some(End::Retry(failure)),
            Verdict::Gone => {
                self.is_gone();
                None
            }
            // The client is Ready, and its credentials are to be tried again.
            Verdict::Ready => Some(verify::again(&View::of(seen, self)).map_or(End::Rest, End::Retry)),
            Verdict::Nothing | Verdict::Suspended => Some(End::Rest),
        }
    }

    /// Whether nothing but the permit calls for another pass.
    const fn only_waits(&self, failure: &Failure) -> bool {
        self.journal.queued.is_some() && self.journal.failure.is_none() && failure.look_within_seconds.is_none()
    }

    fn facts(&self, seen: &Observed<'_>) -> Facts<'_> {
        // What was read and differs, is somebody else's, or is not there.
        let unsynced = !matches!(self.credentials, StoredCredentials::Unseen { .. });
        let secret = match (&self.credentials, &self.record) {
            (StoredCredentials::Ours { secret, revision }, StoredRecord::Present { record, .. }) => {
                let equal = secret::repair(secret, &self.object, record) == secret::Repair::None;
                equal.then(|| SecretVersion {
                    uid: revision.uid.clone(),
                    resource_version: revision.resource_version.clone(),
                })
            }
            (
                StoredCredentials::Unseen {
                    version,
                    as_written: true,
                    ..
                },
                _,
            ) => Some(version.clone()),
            _ => None,
        };
        Facts {
            generation: self.object.metadata.generation,
            spec: Some(&self.object.spec),
            record: self.record().map(|(record, _)| record),
            unrecorded: matches!(self.record, StoredRecord::Absent { .. }),
            secret: secret.map(|version| (secret::name(&self.object), version)),
            unsynced,
            asked: asked::value(&self.object),
            attempt: self.closed.clone(),
            tried: verify::tried(&View::of(seen, self)),
            expired: expiry::failure(
                self.record().map(|(record, _)| record),
                self.object.status.as_ref(),
                seen.now,
            ),
            suspects: &self.suspects,
            now: seen.now,
        }
    }

    fn announce(&mut self, next: &OAuthClientStatus) {
        let previous = self.object.status.clone().unwrap_or_default();
        let ready = |status: &OAuthClientStatus| {
            let condition = status.conditions.iter().find(|condition| condition.type_ == "Ready");
            condition.map(|condition| {
                (
                    condition.status.clone(),
                    condition.reason.clone(),
                    condition.message.clone(),
                )
            })
        };
        let (before, after) = (ready(&previous), ready(next));
        if let Some((status, reason, message)) = after {
            let changed = before.as_ref().is_none_or(|(s, r, _)| *s != status || *r != reason);
            let reason = Reason::parse(&reason).unwrap_or(Reason::InternalError);
            match status.as_str() {
                // Nothing has failed.
                "False" if reason == Reason::Progressing => {}
                "False" if changed => self.note(Note::Warn(reason, message)),
                "True" if changed => self.note(Note::Tell(reason, message)),
                _ => {}
            }
        }
        if let (Some(old), Some(new)) = (&previous.client_id, &next.client_id)
            && old != new
        {
            let text = format!(
                "client {old} was replaced by client {new}, which was registered anew because the provider no longer accepted the first one; applications that \
                 do not reload the Secret have to be restarted"
            );
            self.note(Note::Warn(Reason::RegisteredAnew, text));
        }
        self.tell_deferred();
    }

    /// Tells what waited for the write that makes it true.
    pub(super) fn tell_deferred(&mut self) {
        for (reason, text) in std::mem::take(&mut self.deferred) {
            self.note(Note::Warn(reason, text));
        }
    }
}
