//! What becomes of a step of the planner's.

use k8s_openapi::api::core::v1::Secret;
use oauth_client_operator::api::{AttemptOutcome, Profile, names};
use oauth_client_operator::domain::marker::Marker;
use oauth_client_operator::domain::plan::{Effect, LookUp};
use oauth_client_operator::domain::probe::{Control, ProbeKind, Probed};
use oauth_client_operator::domain::profile::knobs;
use oauth_client_operator::domain::{metadata, secret, suspect};

use super::parts::{DEREGISTRATIONS, answer, stored};
use super::{Bytes, RecordSeen, SecretSeen, World, drawn};

impl World {
    fn fail(&mut self, bytes: &mut Bytes<'_>) {
        self.memory.failure = Some(drawn::failure(bytes));
    }

    /// Takes a step, or lets it fail.
    pub(super) fn take(&mut self, effect: Effect, bytes: &mut Bytes<'_>) {
        let fails = bytes.rarely(6);
        match effect {
            Effect::StoreRecord if fails => self.memory.unrecordable = Some(drawn::failure(bytes)),
            Effect::Register(_) => self.registered(fails, bytes),
            Effect::Compensate => {
                self.memory.registration = None;
                self.memory.attempt = None;
                self.memory.failure = self.memory.unrecordable.take();
            }
            Effect::ResolveProvider | Effect::ResolveForDeletion => self.resolved = true,
            // What a provider has issued is kept until it is stored.
            Effect::SaveRecord(_) if fails && self.memory.answer.is_some() => {}
            _ if fails => self.fail(bytes),
            Effect::ReadRecord => {
                self.record_seen = self
                    .record
                    .as_ref()
                    .map_or(RecordSeen::Absent(true), |_| RecordSeen::Present);
            }
            Effect::ReadCredentials => {
                self.secret_seen = self.secret.as_ref().map_or(SecretSeen::Absent, |_| SecretSeen::Ours);
            }
            Effect::ReadObject => self.memory.object_read = true,
            Effect::Discover => self.endpoints = Some(stored().endpoints),
            Effect::ProveWritable => self.memory.proven = true,
            Effect::EnterSuspect(suspect) => self.suspects.push(suspect),
            Effect::KeepSuspect(record) => {
                self.memory.kept = true;
                self.suspects.retain(|suspect| suspect.attempt != record.attempt);
                self.suspects.push(suspect::of(&record));
            }
            Effect::RemoveSuspect(attempt) => self.suspects.retain(|suspect| suspect.attempt != attempt),
            Effect::OpenAttempt(marker) => {
                self.attempts += 1;
                let annotations = self.object.metadata.annotations.get_or_insert_default();
                annotations.insert(names::CREATE_PENDING.into(), marker.to_string());
                self.object.metadata.finalizers = Some(vec![names::FINALIZER.into()]);
                self.memory.attempt = Some(marker.attempt.into_owned());
                self.memory.replaces = self.record.as_ref().map(|record| record.attempt.clone());
            }
            Effect::StoreRecord => {
                self.memory.registration = None;
                let mut record = stored();
                record.attempt = self.memory.attempt.clone().unwrap_or_default();
                record.request = metadata::request(&self.object.spec, "ns/app", &knobs(Profile::Rfc7592)).unwrap();
                self.record = Some(record);
                self.record_seen = RecordSeen::Present;
            }
            Effect::LookUp => self.looked_up(bytes),
            Effect::Probe => {
                let kind = ProbeKind::Token;
                let answers = [Probed::Accepted(kind), Probed::Rejected(kind), Probed::Unclear];
                self.memory.probed = Some(bytes.one_of(&answers));
                self.memory.control = Some(bytes.one_of(&[Control::Accepted, Control::NotAccepted, Control::Missing]));
            }
            Effect::ReplaceRecord => {
                self.memory.registration = None;
                self.memory.disowned = false;
                self.memory.replaces = None;
                let mut record = stored();
                record.attempt = self.memory.attempt.clone().unwrap_or_default();
                record.request = metadata::request(&self.object.spec, "ns/app", &knobs(Profile::Rfc7592)).unwrap();
                self.record = Some(record);
            }
            Effect::AddFinalizer => self.object.metadata.finalizers = Some(vec![names::FINALIZER.into()]),
            Effect::CreateCredentials(secret) | Effect::ReplaceCredentials(secret) => self.write(*secret),
            Effect::PatchCredentials(_) => {
                if let Some(record) = &self.record {
                    self.write(secret::credentials(&self.object, record));
                }
            }
            Effect::DeleteFormer(name) => self.former.retain(|former| *former != name),
            Effect::ReleaseCredentials => {
                self.secret = None;
                self.secret_seen = SecretSeen::Foreign;
            }
            Effect::SaveRecord(record) => {
                self.memory.marked = record.in_flight.as_ref().map(|update| update.attempt.clone());
                self.memory.answer = None;
                self.record = Some(*record);
            }
            Effect::Update(request) => match bytes.below(4) {
                0 => self.memory.answer = Some((request, answer())),
                1 => {
                    self.memory.refused = true;
                    self.fail(bytes);
                }
                2 => (self.memory.refused, self.memory.disowned) = (true, true),
                _ => self.fail(bytes),
            },
            Effect::Deregister => match DEREGISTRATIONS[bytes.below(4)] {
                None => self.fail(bytes),
                ended => self.memory.deregistration = ended,
            },
            Effect::RemoveFinalizer => self.object.metadata.finalizers = None,
            Effect::RemoveRecord => {
                self.record = None;
                self.record_seen = RecordSeen::Absent(true);
            }
        }
    }

    /// The provider shows the client of the open attempt's mark, or does not.
    fn looked_up(&mut self, bytes: &mut Bytes<'_>) {
        let annotations = self.object.metadata.annotations.iter().flatten();
        let mut markers = annotations.filter(|(name, _)| *name == names::CREATE_PENDING);
        let attempt = markers
            .next()
            .and_then(|(_, text)| Some(Marker::parse(text)?.attempt.into_owned()));
        assert!(attempt.is_some(), "a look without an open attempt");
        if bytes.flip() {
            self.memory.look_up = Some(LookUp::NotSeen);
            return;
        }
        self.memory.outcome = attempt.clone().map(|attempt| (attempt, AttemptOutcome::Registered));
        self.memory.attempt = attempt;
        self.memory.look_up = Some(LookUp::Found);
        self.memory.adopted = true;
        self.memory.registration = Some(answer());
    }

    fn registered(&mut self, fails: bool, bytes: &mut Bytes<'_>) {
        let attempt = self.memory.attempt.clone().unwrap_or_default();
        if fails {
            let outcome = bytes.one_of(&[AttemptOutcome::NotApplied, AttemptOutcome::Unknown]);
            self.memory.outcome = Some((attempt, outcome));
            self.memory.attempt = None;
            return self.fail(bytes);
        }
        self.posts += 1;
        assert!(self.record.is_none() || self.memory.disowned || matches!(self.record_seen, RecordSeen::Absent(false)));
        self.memory.outcome = Some((attempt, AttemptOutcome::Registered));
        self.memory.registration = Some(answer());
    }

    fn write(&mut self, secret: Secret) {
        self.secret = Some(secret);
        self.secret_seen = SecretSeen::Ours;
    }
}
