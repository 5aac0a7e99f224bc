//! One log line for each thing that is done at a provider or to a Secret: what, to which object, where, how long it took.

use std::sync::Mutex;
use std::time::Instant;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;

use crate::api::{OAuthClient, names};
use crate::cluster::{Key, ProviderKey, Role};
use crate::controller::context::lock;
use crate::domain::marker::Marker;
use crate::domain::outcome::CallError;
use crate::domain::record::Record;
use crate::domain::registration::Registration;
use crate::metrics::Change;

use super::Live;

/// What the lines of a pass are about.
#[derive(Default)]
pub(super) struct Subject {
    /// The object.
    object: Option<Key>,
    /// The client, once it is known.
    client_id: Option<Box<str>>,
    /// The registration that is under way.
    registration: Option<Box<str>>,
}

/// What was done to a Secret.
#[derive(Clone, Copy)]
pub(super) enum Done {
    Created,
    Changed,
    Deleted,
}

impl Live<'_> {
    /// The lines are about this object, at this try.
    pub(in crate::controller) fn for_object(mut self, key: &Key, object: &OAuthClient, attempt: u32) -> Self {
        self.attempt = attempt;
        let client_id = object.status.as_ref().and_then(|status| status.client_id.as_deref());
        self.subject = Mutex::new(Subject {
            object: Some(key.clone()),
            client_id: client_id.map(Into::into),
            registration: None,
        });
        self
    }

    /// The lines are about the client of this record.
    pub(super) fn about(&self, record: &Record) {
        let mut subject = lock(&self.subject);
        let owner = &record.owner;
        let object = subject.object.take();
        subject.object = object.or_else(|| Some(Key::new(&owner.namespace, &owner.name)));
        subject.client_id = Some(record.client_id.as_str().into());
    }

    /// A registration begins.
    pub(super) fn about_registration(&self, marker: &str) {
        let attempt = Marker::parse(marker).map(|marker| marker.attempt.into());
        lock(&self.subject).registration = attempt;
    }

    /// Counts and logs a registration or an update that the provider confirmed. Its answer names the client.
    pub(super) fn audited(
        &self,
        change: Change,
        begun: Instant,
        answer: Result<Registration, CallError>,
    ) -> Result<Registration, CallError> {
        let known = lock(&self.subject).client_id.clone();
        // Of an answer about another client nothing is taken over.
        let is_of = |id: &str| change != Change::Updated || known.as_deref().is_none_or(|known| known == id);
        if let Ok(registration) = &answer
            && is_of(&registration.client_id)
        {
            lock(&self.subject).client_id = Some(registration.client_id.as_str().into());
            self.audit(change, begun);
        }
        answer
    }

    /// Counts and logs what a provider confirmed.
    pub(super) fn audit(&self, change: Change, begun: Instant) {
        self.metrics.changed(change);
        let subject = lock(&self.subject);
        let client_id = subject.client_id.as_deref();
        let object = subject.object.as_ref().map(tracing::field::display);
        let provider = self.provider_name();
        let (attempt, duration_ms) = (self.attempt, milliseconds(begun));
        match change {
            Change::Registered => {
                let registration = subject.registration.as_deref();
                tracing::info!(
                    object,
                    provider,
                    client_id,
                    registration,
                    attempt,
                    duration_ms,
                    "client registered"
                );
            }
            Change::Updated => {
                tracing::info!(object, provider, client_id, attempt, duration_ms, "client updated");
            }
            Change::Deregistered => {
                tracing::info!(object, provider, client_id, attempt, duration_ms, "client deregistered");
            }
        }
    }

    /// Logs what was done to a Secret.
    pub(super) fn audit_secret(&self, done: Done, namespace: &str, name: &str, role: Role, begun: Instant) {
        let subject = lock(&self.subject);
        let object = subject.object.as_ref().map(tracing::field::display);
        let secret = format_args!("{namespace}/{name}");
        let (attempt, duration_ms, role) = (self.attempt, milliseconds(begun), role.as_str());
        match done {
            Done::Created => tracing::info!(object, %secret, role, attempt, duration_ms, "Secret created"),
            Done::Changed => tracing::info!(object, %secret, role, attempt, duration_ms, "Secret changed"),
            Done::Deleted => tracing::info!(object, %secret, role, attempt, duration_ms, "Secret deleted"),
        }
    }

    /// What a Secret is, by what the watch shows.
    pub(super) fn role_at(&self, namespace: &str, name: &str) -> Role {
        self.index.at(namespace, name).map_or(Role::Other, |meta| meta.role)
    }

    /// The provider object that is called, by its name while it exists.
    fn provider_name(&self) -> Option<String> {
        let provider = lock(&self.provider);
        let (uid, key) = provider.as_ref()?;
        let named = |key: &ProviderKey| self.provider_object(key).is_ok_and(|(found, _, _)| found == *uid);
        let key = key.clone().or_else(|| self.providers.keys().into_iter().find(named));
        Some(key.map_or_else(|| uid.clone(), |key| key.to_string()))
    }
}

/// What a Secret is, by its label.
pub(super) fn role_of(secret: &Secret) -> Role {
    Role::parse(secret.labels().get(names::SECRET_ROLE).map(String::as_str))
}

fn milliseconds(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}
