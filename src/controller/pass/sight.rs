//! What a pass sees: the watches' views, and all of it as the planner's input.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;

use crate::api::{SecretVersion, Suspect, names};
use crate::cluster::SecretMeta;
use crate::controller::world::World;
use crate::domain::asked;
use crate::domain::breaker::Counted;
use crate::domain::marker::{self, Marker};
use crate::domain::plan::{Credentials, ProviderView, Sight, View};
use crate::domain::secret;

use super::{Held, Pass, Stored};

impl<W: World> Pass<'_, W> {
    /// Takes over what the watches know.
    pub(in crate::controller) fn look(&mut self) {
        let uid = self.object.uid().unwrap_or_default();
        let status = self.object.status.clone().unwrap_or_default();
        let record = self.world.record(&uid);
        if !matches!(self.record, Stored::Present { .. }) {
            self.record = if record.is_some() {
                Stored::Unseen
            } else {
                Stored::Absent { live: false }
            };
        }
        let name = secret::name(&self.object);
        self.credentials = match self.world.secret_at(&self.key.namespace, &name) {
            None => Held::Absent,
            Some(meta) if meta.owner_uid() == Some(uid.as_str()) => {
                let version = SecretVersion {
                    uid: meta.uid.to_string(),
                    resource_version: meta.resource_version.to_string(),
                };
                let same_generation = meta.generation.is_some() && meta.generation == record.and_then(|r| r.generation);
                Held::Unseen {
                    as_written: same_generation && status.secret.as_ref() == Some(&version),
                    version,
                }
            }
            Some(meta) if meta.owner_uid().is_some_and(|owner| !self.world.is_alive(owner)) => Held::Former,
            Some(_) => Held::Foreign,
        };
        self.former_names = self
            .world
            .credentials_of(&uid)
            .into_iter()
            .filter(|meta| *meta.namespace == *self.key.namespace && *meta.name != *name && !meta.deleting)
            .map(|meta| meta.name.to_string())
            .collect();
        self.suspects = known_suspects(&uid, &self.world.suspects_of(&uid), &status.suspects);
    }

    pub(super) fn view<'v>(&'v self, fresh_attempt: &'v str) -> View<'v> {
        let pause = match &self.provider {
            Some(Ok(provider)) => self.world.pause_of(provider),
            _ => None,
        };
        View {
            object: &self.object,
            here: self.world.here(),
            namespace_terminating: self.world.is_terminating(&self.key.namespace),
            deep: self.deep || asked::is_open(&self.object),
            record: match &self.record {
                Stored::Unseen => Sight::Unseen,
                Stored::Absent { live } => Sight::Absent { live: *live },
                Stored::Unreadable => Sight::Unreadable,
                Stored::Present { record, .. } => Sight::Present(record),
            },
            credentials: match &self.credentials {
                Held::Absent => Credentials::Absent,
                Held::Unseen { as_written, .. } => Credentials::Unseen {
                    as_written: *as_written,
                },
                Held::Ours { secret, .. } => Credentials::Ours(secret),
                Held::Former => Credentials::Former,
                Held::Foreign => Credentials::Foreign,
            },
            former_names: &self.former_names,
            provider: match &self.provider {
                None => ProviderView::Unresolved,
                Some(Err(failure)) => ProviderView::Refused(failure),
                Some(Ok(provider)) => ProviderView::Resolved(provider),
            },
            endpoints: self.endpoints.as_ref(),
            suspects: &self.suspects,
            memory: &self.memory,
            registrations_barred: self.barred(Counted::UnknownOutcome),
            recreations_barred: self.barred(Counted::Recreation).or(pause.map(|pause| pause.rest)),
            pause,
            foreign_attempt_age: self.foreign_attempt_age(),
            foreign_update_age: self.foreign_update_age(),
            deleting_for: self.deleting_for(),
            missing_for: self.missing_for(),
            fresh_attempt,
            now: self.world.now(),
        }
    }

    fn barred(&self, what: Counted) -> Option<Duration> {
        match &self.provider {
            Some(Ok(provider)) => self.world.barred(provider, &self.key.namespace, what),
            _ => None,
        }
    }

    fn foreign_attempt_age(&self) -> Option<Duration> {
        let marker = Marker::parse(self.object.annotations().get(names::CREATE_PENDING)?)?;
        self.world.foreign_attempt_age(&marker.attempt)
    }

    fn deleting_for(&self) -> Duration {
        let since = self.object.metadata.deletion_timestamp.as_ref();
        since.map_or(Duration::ZERO, |since| self.world.age(since.0.as_second()))
    }

    fn missing_for(&self) -> Option<Duration> {
        match &self.record {
            Stored::Present { record, .. } => Some(self.world.age(record.missing_since?)),
            _ => None,
        }
    }

    fn foreign_update_age(&self) -> Option<Duration> {
        let Stored::Present { record, .. } = &self.record else {
            return None;
        };
        let attempt = &record.in_flight.as_ref()?.attempt;
        // Without one, an earlier version of the operator marked it, which ended before this one began.
        if attempt.is_empty() {
            return None;
        }
        self.world.foreign_attempt_age(attempt)
    }
}

/// Suspects of an object: every entry that is still there, with the identifiers that the status knows.
fn known_suspects(uid: &str, entries: &[Arc<SecretMeta>], told: &[Suspect]) -> Vec<Suspect> {
    let prefix = marker::suspect_name(uid, "");
    let attempts = entries
        .iter()
        .filter_map(|entry| Some((entry, entry.name.strip_prefix(&prefix)?)));
    attempts
        .map(|(entry, attempt)| {
            // The status knows what entries of an earlier version do not say in their metadata.
            let known = || {
                told.iter()
                    .find(|suspect| suspect.attempt == attempt)?
                    .client_id
                    .clone()
            };
            Suspect {
                attempt: attempt.to_owned(),
                client_id: entry.client_id.as_deref().map(str::to_owned).or_else(known),
            }
        })
        .collect()
}
