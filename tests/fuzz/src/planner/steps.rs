//! What becomes of a step of the planner's.

use k8s_openapi::api::core::v1::Secret;
use oauth_client_operator::api::{AttemptOutcome, Profile, names};
use oauth_client_operator::domain::marker::Marker;
use oauth_client_operator::domain::pass::{Compensation, Deregistration, Effect, LookUp};
use oauth_client_operator::domain::probe::{Control, ProbeKind, Probed};
use oauth_client_operator::domain::profile::knobs;
use oauth_client_operator::domain::secret::SecretRevision;
use oauth_client_operator::domain::uri_template::Shown;
use oauth_client_operator::domain::{metadata, secret, suspect};

use super::parts::{DEREGISTRATIONS, answer, stored};
use super::{Bytes, RecordSeen, SecretSeen, World, drawn};

impl World {
    fn fail(&mut self, bytes: &mut Bytes<'_>) {
        self.journal.failure = Some(drawn::failure(bytes));
    }

    /// Takes a step, or lets it fail.
    #[allow(clippy::too_many_lines, reason = "one arm for each effect")]
    pub(super) fn take(&mut self, effect: Effect, bytes: &mut Bytes<'_>) {
        let fails = bytes.rarely(6);
        match effect {
            Effect::StoreRecord(_) if fails => self.journal.unrecordable = Some(drawn::failure(bytes)),
            Effect::Register { .. } => self.registered(fails, bytes),
            Effect::ReadRecord if self.journal.unrecordable.is_some() => {
                self.journal.compensation = Compensation::Unrecorded;
            }
            Effect::Claim { compensates: true, .. } => {
                let ends = [Compensation::Claimed, Compensation::Failed];
                (self.journal.compensation, self.journal.shown) = (bytes.one_of(&ends), None);
            }
            Effect::ReadUnrecorded => {
                self.journal.shown = Some(Shown::Client);
                if bytes.rarely(2) {
                    self.journal.compensation = Compensation::Failed;
                }
            }
            Effect::Compensate => self.compensated(),
            Effect::KeepSuspect(_) if self.journal.compensation == Compensation::Failed => self.compensated(),
            Effect::ResolveProvider | Effect::ResolveForDeletion => self.resolved = true,
            // What a provider has issued is kept until it is stored.
            Effect::SaveRecord(_) | Effect::MarkUpdate(_) if fails && self.journal.answer.is_some() => {}
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
            Effect::ReadObject => self.journal.object_read = true,
            Effect::Discover => self.endpoints = Some(stored().endpoints),
            Effect::ProveWritable => self.journal.proven = true,
            Effect::EnterSuspect(suspect) => self.suspects.push(suspect),
            Effect::KeepSuspect(record) => {
                self.journal.kept = true;
                self.suspects.retain(|suspect| suspect.attempt != record.attempt);
                self.suspects.push(suspect::of(&record));
            }
            Effect::RemoveSuspect(attempt) => {
                (self.journal.confirmed, self.journal.touched) = (None, false);
                self.suspects.retain(|suspect| suspect.attempt != attempt);
            }
            Effect::OpenAttempt(marker) => {
                self.attempts += 1;
                let annotations = self.object.metadata.annotations.get_or_insert_default();
                annotations.insert(names::CREATE_PENDING.into(), marker.to_string());
                self.object.metadata.finalizers = Some(vec![names::FINALIZER.into()]);
                self.journal.attempt = Some(marker.attempt.into_owned());
                self.journal.replaces = self.record.as_ref().map(|record| record.attempt.clone());
            }
            Effect::StoreRecord(_) => {
                self.journal.registration = None;
                let mut record = stored();
                record.attempt = self.journal.attempt.clone().unwrap_or_default();
                record.request = metadata::request(&self.object.spec, "ns/app", &knobs(Profile::Rfc7592)).unwrap();
                self.record = Some(record);
                self.record_seen = RecordSeen::Present;
            }
            Effect::FindMarked(_) if bytes.flip() => self.journal.look_up = Some(LookUp::NotSeen),
            Effect::FindMarked(_) => self.journal.marked_client = Some("id".to_owned()),
            Effect::LookUp(_) => self.looked_up(bytes),
            Effect::Probe => {
                let kind = ProbeKind::Token;
                let answers = [Probed::Accepted(kind), Probed::Rejected(kind), Probed::Unclear];
                let answer = Some(bytes.one_of(&answers));
                if !self.journal.disowned {
                    self.journal.tried = answer;
                    return;
                }
                self.journal.probed = answer;
                self.journal.control = Some(bytes.one_of(&[Control::Accepted, Control::NotAccepted, Control::Missing]));
            }
            Effect::ReplaceRecord(_) => {
                self.journal.registration = None;
                self.journal.disowned = false;
                self.journal.replaces = None;
                let mut record = stored();
                record.attempt = self.journal.attempt.clone().unwrap_or_default();
                record.request = metadata::request(&self.object.spec, "ns/app", &knobs(Profile::Rfc7592)).unwrap();
                self.record = Some(record);
            }
            Effect::Mark(marker) => {
                let annotations = self.object.metadata.annotations.get_or_insert_default();
                annotations.insert(names::CREATE_PENDING.into(), marker.to_string());
                self.object.metadata.finalizers = Some(vec![names::FINALIZER.into()]);
            }
            Effect::AddFinalizer => self.object.metadata.finalizers = Some(vec![names::FINALIZER.into()]),
            Effect::CreateCredentials(secret) => self.write(*secret),
            Effect::DeleteCredentials => {
                self.secret = None;
                self.secret_seen = SecretSeen::Absent;
            }
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
            Effect::SaveRecord(record) | Effect::MarkUpdate(record) => {
                self.journal.touched |= record.touched.is_some() && self.journal.confirmed.is_some();
                self.journal.marked = record.in_flight.as_ref().map(|update| update.attempt.clone());
                self.journal.answer = None;
                self.record = Some(*record);
            }
            Effect::Update { request, .. } => match bytes.below(4) {
                0 => self.journal.answer = Some(Box::new((request, answer()))),
                1 => {
                    self.journal.refused = true;
                    self.fail(bytes);
                }
                2 => (self.journal.refused, self.journal.disowned) = (true, true),
                _ => self.fail(bytes),
            },
            Effect::Claim { compensates: false, .. } => {
                (self.journal.claimed, self.journal.shown) = (true, None);
            }
            Effect::ReadClient => match bytes.below(3) {
                0 => self.journal.shown = Some(Shown::Client),
                1 => self.journal.shown = Some(Shown::Nothing),
                _ => self.journal.deregistration = Some(Deregistration::Misdirected),
            },
            Effect::ConfirmRecord(_) => {
                self.journal.confirmed = Some(SecretRevision {
                    uid: "s".into(),
                    resource_version: "1".into(),
                });
            }
            Effect::Deregister => match DEREGISTRATIONS[bytes.below(DEREGISTRATIONS.len())] {
                None => self.fail(bytes),
                ended => self.journal.deregistration = ended,
            },
            Effect::RemoveFinalizer => self.object.metadata.finalizers = None,
            Effect::RemoveRecord => {
                self.record = None;
                self.record_seen = RecordSeen::Absent(true);
            }
            // No object that is drawn adopts.
            Effect::ReadAdoption
            | Effect::Adopt(_)
            | Effect::RemoveSuperseded(_)
            | Effect::Wait(_)
            | Effect::StartOver
            | Effect::ReadOwner
            | Effect::RestoreRecord(_)
            | Effect::ClaimAnswer
            | Effect::FindEarlier
            | Effect::MarkEarlier(_)
            | Effect::TakeOver(_)
            | Effect::RemoveEarlier(_) => {}
        }
    }

    fn compensated(&mut self) {
        self.journal.compensation = Compensation::Begin;
        self.journal.registration = None;
        self.journal.attempt = None;
        self.journal.failure = self.journal.unrecordable.take();
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
            self.journal.look_up = Some(LookUp::NotSeen);
            return;
        }
        self.journal.outcome = attempt.clone().map(|attempt| (attempt, AttemptOutcome::Registered));
        self.journal.attempt = attempt;
        self.journal.marked_client = None;
        self.journal.look_up = Some(LookUp::Found);
        self.journal.adopted = true;
        self.journal.registration = Some(answer());
    }

    fn registered(&mut self, fails: bool, bytes: &mut Bytes<'_>) {
        let attempt = self.journal.attempt.clone().unwrap_or_default();
        if fails {
            let outcome = bytes.one_of(&[AttemptOutcome::NotApplied, AttemptOutcome::Unknown]);
            self.journal.outcome = Some((attempt, outcome));
            self.journal.attempt = None;
            return self.fail(bytes);
        }
        self.posts += 1;
        assert!(
            self.record.is_none() || self.journal.disowned || matches!(self.record_seen, RecordSeen::Absent(false))
        );
        self.journal.outcome = Some((attempt, AttemptOutcome::Registered));
        self.journal.registration = Some(answer());
    }

    fn write(&mut self, secret: Secret) {
        self.secret = Some(secret);
        self.secret_seen = SecretSeen::Ours;
    }
}
