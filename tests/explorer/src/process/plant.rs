//! Planted mistakes. They are made between the operator and the world.

use std::sync::{Arc, PoisonError};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use oauth_client_operator::api::{OnClientLost, names};
use oauth_client_operator::cluster::{Role, SecretRevision};
use oauth_client_operator::domain::pass::Provider;
use oauth_client_operator::domain::record::{DATA_KEY, Record};
use oauth_client_operator::domain::target::Location;
use serde_json::Value;

use super::super::cluster::{Name, secret_name};
use super::Process;

/// A mistake that the explorer has to find. It is made here, between the executor and the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plant {
    /// The record is written after the credentials Secret.
    RecordAfterSecret,
    /// Finalizer and marker are written after the registration.
    FinalizerAfterPost,
    /// The management token is shown to the URI of another client.
    TokenAtAnotherUri,
    /// A refused deregistration is taken for one that took place.
    RefusalCountsAsGone,
    /// The client that another one is registered in the place of is forgotten.
    OldClientForgotten,
    /// Nobody looks whether another object has the client already.
    OneClientForTwo,
    /// The credentials of the provider object as it is now go to the issuer of the record, whichever that is.
    CredentialsToYesterday,
    /// A start compares nothing: what changed while no process ran is not seen.
    EdgesOnly,
    /// The leadership is asked for once, before the permit is waited for.
    LeadershipBeforePermit,
    /// A status that could not be written loses the attempt.
    AttemptLostWithStatus,
    /// What an update was answered is not saved.
    AnswerNotSaved,
    /// The view does not hold the process's own writes until the watch shows them.
    OwnWritesUnseen,
    /// The attempts of other replicas are taken for this one's own.
    OthersAttemptsAreOwn,
    /// A Secret is taken over, whoever controls it.
    ForeignSecretTaken,
    /// The record goes before the client is deregistered.
    RecordGoesFirst,
    /// A URI that is made from a template is taken for one that leads to its client.
    TemplateBelieved,
    /// The record of an earlier object goes before that of the restored one is stored.
    EarlierGoesFirst,
    /// The record of an earlier object is not marked before that of the restored one is stored.
    NoMark,
    /// A lost client is replaced, whatever the provider object says.
    LostClientReplaced,
    /// A deletion that waits for its permit is not looked at when its timeout has passed.
    DeafToTheTimeout,
}

impl Process {
    /// Whether this mistake is planted.
    pub(super) fn plants(&self, plant: Plant) -> bool {
        self.state().plant == Some(plant)
    }

    /// The write of a record waits for that of the credentials.
    pub(super) fn holds_back(&self, secret: &Secret) -> bool {
        let held = self.plants(Plant::RecordAfterSecret) && role(secret) == Some("record");
        if held {
            *self.held_back.lock().unwrap_or_else(PoisonError::into_inner) = Some(secret.clone());
        }
        held
    }

    /// A suspect that holds a record is not written.
    pub(super) fn forgets(&self, secret: &Secret) -> bool {
        let keeps_a_record = secret.data.as_ref().is_some_and(|data| data.contains_key(DATA_KEY));
        self.plants(Plant::OldClientForgotten) && role(secret) == Some("suspect") && keeps_a_record
    }

    /// What a mark of an earlier record does instead; `None`: the patch is none, or is right.
    pub(super) fn marks_badly(&self, name: &Name, patch: &Value) -> Option<SecretRevision> {
        let stored = patch.get("data")?.get(DATA_KEY)?.clone();
        let stored: ByteString = serde_json::from_value(stored).ok()?;
        Record::from_json(&stored.0).ok()?.taken_by?;
        if self.plants(Plant::EarlierGoesFirst) {
            self.cluster(|cluster| cluster.secrets.remove(name));
        } else if !self.plants(Plant::NoMark) {
            return None;
        }
        Some(SecretRevision {
            uid: String::new(),
            resource_version: String::new(),
        })
    }

    /// A suspect whose attempt was lost.
    pub(super) fn without_attempt(&self, secret: &Secret) -> Option<Secret> {
        let untold = self.me(|replica| replica.work[self.what].untold);
        if !untold || !self.plants(Plant::AttemptLostWithStatus) || role(secret) != Some("suspect") {
            return None;
        }
        let mut entry = secret.clone();
        let name = entry.name_any();
        let kept = name.find("-attempt-").map_or(name.len(), |at| at - 1);
        entry.metadata.name = Some(name[..kept].to_owned());
        Some(entry)
    }

    /// Whatever has the name of credentials goes.
    pub(super) fn take_over(&self, secret: &Secret) {
        if role(secret) == Some("credentials") && self.plants(Plant::ForeignSecretTaken) {
            self.cluster(|cluster| cluster.secrets.remove(&secret_name(secret)));
        }
    }

    /// The provider object as it is now, as if it led to the issuer of this record.
    pub(super) fn of_yesterday(&self, provider: &Provider, record: &Record) -> Option<Arc<Provider>> {
        if !self.plants(Plant::CredentialsToYesterday) {
            return None;
        }
        let mut wrong = provider.clone();
        wrong.target.location = Location::Issuer(record.endpoints.issuer.clone());
        wrong.target.allowed_origins = vec!["https://provider.example".to_owned()];
        Some(Arc::new(wrong))
    }

    /// The provider object as if it let lost clients be replaced.
    pub(super) fn never_waits(&self, provider: Arc<Provider>) -> Arc<Provider> {
        if !self.plants(Plant::LostClientReplaced) {
            return provider;
        }
        let mut wrong = Provider::clone(&provider);
        wrong.target.on_client_lost = OnClientLost::Register;
        Arc::new(wrong)
    }

    /// Every record goes.
    pub(super) fn drop_record(&self) {
        if self.plants(Plant::RecordGoesFirst) {
            self.cluster(|cluster| cluster.secrets.retain(|_, kept| kept.meta.role != Role::Record));
        }
    }
}

fn role(secret: &Secret) -> Option<&str> {
    secret.labels().get(names::SECRET_ROLE).map(String::as_str)
}
