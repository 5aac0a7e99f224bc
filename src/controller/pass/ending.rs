//! How a pass ends: the verdict becomes status and events.

use crate::api::{OAuthClientStatus, Reason, SecretVersion};
use crate::cluster::ApiError;
use crate::controller::world::World;
use crate::domain::asked;
use crate::domain::plan::Verdict;
use crate::domain::probe::Probed;
use crate::domain::secret;
use crate::domain::status::{self, Facts, Verified};

use super::{End, Held, Pass, Stored};

impl<W: World> Pass<'_, W> {
    /// Writes the verdict if it says something new. `None`: the world changed, go on.
    pub(super) async fn finish(&mut self, verdict: Verdict) -> Option<End> {
        self.permit = None;
        let previous = self.object.status.clone().unwrap_or_default();
        let facts = self.facts();
        let next = status::after(&previous, &verdict, &facts);
        let first_ready = verdict == Verdict::Ready && !self.former_names.is_empty();
        if next != previous {
            match self.world.write_status(&self.object, &next).await {
                Ok(object) => {
                    self.announce(&previous, &next);
                    self.adopt(object);
                    if first_ready {
                        return None;
                    }
                }
                Err(ApiError::NotFound) => {
                    self.gone = true;
                    return None;
                }
                Err(ApiError::Conflict | ApiError::Invalid { uid_changed: true, .. }) => {
                    return self.start_over().await.err().map(End::Retry);
                }
                Err(error) => return Some(End::Retry(error.failure(&format!("OAuthClient {}", self.key)))),
            }
        }
        match verdict {
            Verdict::Failed(failure) => Some(End::Retry(failure)),
            Verdict::Gone => {
                self.gone = true;
                None
            }
            Verdict::Nothing | Verdict::Suspended | Verdict::Ready => Some(End::Rest),
        }
    }

    fn facts(&self) -> Facts<'_> {
        // What was read and differs, is somebody else's, or is not there.
        let unsynced = !matches!(self.credentials, Held::Unseen { .. });
        let secret = match (&self.credentials, &self.record) {
            (Held::Ours { secret, revision }, Stored::Present { record, .. }) => {
                let equal = secret::repair(secret, &self.object, record) == secret::Repair::None;
                equal.then(|| SecretVersion {
                    uid: revision.uid.clone(),
                    resource_version: revision.resource_version.clone(),
                })
            }
            (
                Held::Unseen {
                    version,
                    as_written: true,
                },
                _,
            ) => Some(version.clone()),
            _ => None,
        };
        Facts {
            generation: self.object.metadata.generation,
            spec: Some(&self.object.spec),
            record: match &self.record {
                Stored::Present { record, .. } => Some(record),
                _ => None,
            },
            unrecorded: matches!(self.record, Stored::Absent { .. }),
            secret: secret.map(|version| (secret::name(&self.object), version)),
            unsynced,
            asked: asked::value(&self.object),
            attempt: self.closed.clone(),
            verified: self.verified(),
            suspects: &self.suspects,
            now: self.world.now(),
        }
    }

    /// What is known of the credentials of a client that this pass registered.
    fn verified(&self) -> Verified {
        let Stored::Present { record, .. } = &self.record else {
            return Verified::Unchanged;
        };
        match self.memory.probed {
            _ if self.recorded_attempt.as_ref() != Some(&record.attempt) => Verified::Unchanged,
            Some(Probed::Accepted(_)) => Verified::Accepted,
            _ => Verified::Untold,
        }
    }

    fn announce(&mut self, previous: &OAuthClientStatus, next: &OAuthClientStatus) {
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
        let (before, after) = (ready(previous), ready(next));
        if let Some((status, reason, message)) = &after {
            let changed = before.as_ref().is_none_or(|(s, r, _)| s != status || r != reason);
            let reason = Reason::parse(reason).unwrap_or(Reason::InternalError);
            match status.as_str() {
                "False" if changed => self.world.warn(&self.object, reason, message),
                "True" if changed => self.world.tell(&self.object, reason, message),
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
            self.world.warn(&self.object, Reason::RegisteredAnew, &text);
        }
        for (reason, text) in std::mem::take(&mut self.news) {
            self.world.warn(&self.object, reason, &text);
        }
    }
}
