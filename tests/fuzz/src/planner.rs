//! The planner with arbitrary views, and with a world that answers as it likes.

mod drawn;
mod parts;
mod rules;
mod steps;

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use oauth_client_operator::api::{Attempt, ManagementMode, OAuthClient, Profile, SecretVersion, Suspect, names};
use oauth_client_operator::domain::failure::Failure;
use oauth_client_operator::domain::pass::{
    CredentialsView, Journal, Next, Observed, Operator, Provider, ProviderView, RecordView, Verdict, View, decide,
};
use oauth_client_operator::domain::profile::knobs;
use oauth_client_operator::domain::record::{InFlight, Phase, Record};
use oauth_client_operator::domain::status::{self, Facts};
use oauth_client_operator::domain::target::Endpoints;
use oauth_client_operator::domain::{metadata, secret};
use serde_json::json;

pub(crate) use self::parts::stored;
use self::parts::{marking, provider};
use super::bytes::Bytes;

const PHASES: [Phase; 4] = [Phase::Registered, Phase::Deleting, Phase::Deleted, Phase::Retained];
/// More steps than any pass takes, as in the operator.
const MOST_STEPS: usize = 64;

/// One arbitrary view: whatever is seen, some steps are never taken.
pub(crate) fn view(data: &[u8]) {
    let mut bytes = Bytes(data);
    let world = World::drawn(&mut bytes);
    world.judged(&mut bytes);
}

/// A life of passes: the planner's steps take effect or fail, as the bytes say.
pub(crate) fn passes(data: &[u8]) {
    let mut bytes = Bytes(data);
    let mut world = World::drawn(&mut bytes);
    while !bytes.is_empty() {
        world.pass(&mut bytes);
        world.life(&mut bytes);
    }
}

#[derive(Clone, Copy)]
enum RecordSeen {
    Unseen,
    Absent(bool),
    Unreadable,
    Present,
}

#[derive(Clone, Copy)]
enum SecretSeen {
    Absent,
    Unseen(bool),
    Ours,
    Former,
    Foreign,
}

/// What there is, and what a pass has seen of it.
#[allow(clippy::struct_excessive_bools, reason = "a world is a set of independent facts")]
struct World {
    object: OAuthClient,
    record: Option<Record>,
    secret: Option<Secret>,
    record_seen: RecordSeen,
    secret_seen: SecretSeen,
    former: Vec<String>,
    provider: Provider,
    refusal: Option<Failure>,
    resolved: bool,
    endpoints: Option<Endpoints>,
    suspects: Vec<Suspect>,
    journal: Journal,
    terminating: bool,
    deep: bool,
    deleting_for: Duration,
    foreign_attempt_age: Option<Duration>,
    foreign_update_age: Option<Duration>,
    barred: Option<Duration>,
    attempts: usize,
    /// Registrations that the provider carried out, and clients that live there.
    posts: usize,
}

impl World {
    fn drawn(bytes: &mut Bytes<'_>) -> Self {
        let object = drawn::object(bytes);
        let record = bytes.flip().then(|| {
            let mut record = stored();
            record.phase = bytes.one_of(&PHASES);
            record.management.mode = bytes.one_of(&[
                ManagementMode::RegistrationAccessToken,
                ManagementMode::Credentials,
                ManagementMode::None,
            ]);
            record.in_flight = bytes.rarely(4).then(|| InFlight {
                request_hash: "h".into(),
                attempt: bytes.one_of(&["", "fresh-0", "a2"]).into(),
                unanswered: bytes.flip(),
            });
            record.missing_since = bytes.rarely(4).then_some(1);
            if bytes.flip() {
                record.request = metadata::request(&object.spec, "ns/app", &knobs(Profile::Rfc7592)).unwrap();
            }
            record
        });
        let secret = bytes.flip().then(|| secret::credentials(&object, &stored()));
        let record_seen = match &record {
            Some(_) => bytes.one_of(&[RecordSeen::Present, RecordSeen::Unseen, RecordSeen::Unreadable]),
            None => bytes.one_of(&[RecordSeen::Absent(false), RecordSeen::Absent(true)]),
        };
        let secret_seen = match &secret {
            Some(_) => bytes.one_of(&[SecretSeen::Ours, SecretSeen::Unseen(true), SecretSeen::Unseen(false)]),
            None => bytes.one_of(&[
                SecretSeen::Absent,
                SecretSeen::Absent,
                SecretSeen::Former,
                SecretSeen::Foreign,
            ]),
        };
        let mut world = Self {
            object,
            record,
            secret,
            record_seen,
            secret_seen,
            former: if bytes.rarely(4) { vec!["former".into()] } else { vec![] },
            provider: provider(bytes.rarely(4)),
            refusal: bytes.rarely(8).then(|| drawn::failure(bytes)),
            resolved: bytes.flip(),
            endpoints: None,
            suspects: vec![],
            journal: Journal::default(),
            terminating: bytes.rarely(8),
            deep: bytes.rarely(4),
            deleting_for: Duration::from_secs(bytes.one_of(&[0, 59, 60, 239, 240, 100_000])),
            foreign_attempt_age: None,
            foreign_update_age: None,
            barred: None,
            attempts: 0,
            posts: 0,
        };
        world.endpoints = bytes.flip().then(|| stored().endpoints);
        world.foreign_attempt_age = bytes.rarely(4).then(|| Duration::from_secs(bytes.byte().into()));
        world.foreign_update_age = bytes.rarely(8).then(|| Duration::from_secs(bytes.byte().into()));
        world.barred = bytes.rarely(8).then(|| Duration::from_secs(bytes.byte().into()));
        while bytes.rarely(3) {
            world.suspects.push(drawn::suspect(bytes));
        }
        world.journal = drawn::journal(bytes);
        if !matches!(world.record_seen, RecordSeen::Present) {
            world.journal.answer = None;
        }
        if bytes.rarely(4) {
            world.provider.target.knobs = marking();
        }
        world
    }

    /// What the planner says, after a look at whether it may say that.
    fn judged(&self, bytes: &mut Bytes<'_>) -> Next {
        let fresh = format!("fresh-{}", self.attempts);
        let operator = Operator {
            namespace: "system".into(),
            cluster_id: "c".into(),
            held: bytes.rarely(8).then(|| "held".to_owned()),
            serves_own_namespace: bytes.rarely(4),
        };
        let missing_for = self.record.as_ref().and_then(|record| record.missing_since);
        let view = View {
            seen: Observed {
                leads: true,
                stopping: false,
                operator: &operator,
                namespace_terminating: self.terminating,
                registrations_denied: self.barred,
                recreations_denied: self.barred,
                pause: None,
                foreign_attempt_age: self.foreign_attempt_age,
                foreign_update_age: self.foreign_update_age,
                deleting_for: self.deleting_for,
                template_proven: bytes.rarely(2),
                rejected_for: None,
                missing_for: missing_for.map(|_| Duration::from_secs(bytes.byte().into())),
                fresh_attempt: &fresh,
                now: 1_000_000,
            },
            object: &self.object,
            deep: self.deep,
            record: match (self.record_seen, &self.record) {
                (RecordSeen::Unseen, _) => RecordView::Unseen,
                (RecordSeen::Unreadable, _) => RecordView::Unreadable,
                (RecordSeen::Present, Some(record)) => RecordView::Present(record),
                (RecordSeen::Absent(live), _) => RecordView::Absent { live },
                (RecordSeen::Present, None) => RecordView::Absent { live: true },
            },
            credentials: match (self.secret_seen, &self.secret) {
                (SecretSeen::Ours, Some(secret)) => CredentialsView::Ours(secret),
                (SecretSeen::Unseen(as_written), _) => CredentialsView::Unseen {
                    as_written,
                    generation: Some(1),
                },
                (SecretSeen::Former, _) => CredentialsView::Former,
                (SecretSeen::Foreign, _) => CredentialsView::Foreign,
                (SecretSeen::Absent, _) | (SecretSeen::Ours, None) => CredentialsView::Absent,
            },
            former_names: &self.former,
            provider: match &self.refusal {
                _ if !self.resolved => ProviderView::Unresolved,
                Some(failure) => ProviderView::Refused(failure),
                None => ProviderView::Resolved(&self.provider),
            },
            endpoints: self.endpoints.as_ref(),
            suspects: &self.suspects,
            has_earlier: false,
            namespace_uid: None,
            journal: &self.journal,
        };
        let next = decide(&view).next;
        rules::allowed(&view, &next);
        next
    }

    /// One pass, to its end.
    fn pass(&mut self, bytes: &mut Bytes<'_>) {
        self.journal = Journal {
            outcome: self.journal.outcome.take(),
            ..Journal::default()
        };
        self.resolved = false;
        self.endpoints = None;
        self.record_seen = match self.record {
            Some(_) => RecordSeen::Unseen,
            None => RecordSeen::Absent(false),
        };
        self.secret_seen = match (&self.secret, self.secret_seen) {
            (Some(_), _) => SecretSeen::Unseen(bytes.flip()),
            (None, seen @ (SecretSeen::Former | SecretSeen::Foreign)) => seen,
            (None, _) => SecretSeen::Absent,
        };
        for _ in 0..MOST_STEPS {
            match self.judged(bytes) {
                Next::Do(effect) => self.take(effect, bytes),
                Next::Finish(verdict) => return self.end(&verdict),
                Next::Stop(end) => panic!("{end:?} by a row about the object"),
            }
        }
        panic!("the planner does not come to an end");
    }

    /// What happens between two passes.
    fn life(&mut self, bytes: &mut Bytes<'_>) {
        match bytes.below(16) {
            0 => {
                self.object.metadata.deletion_timestamp =
                    serde_json::from_value(json!("1970-01-12T13:45:40Z")).unwrap();
            }
            1 => {
                self.object.spec.suspend = !self.object.spec.suspend;
                self.object.metadata.generation = self.object.metadata.generation.map(|generation| generation + 1);
            }
            2 => self.secret = None,
            3 => self.record = None,
            4 => self.deleting_for += Duration::from_mins(10),
            5 => self.journal.outcome = None,
            6 => self.refusal = None,
            7 => {
                let text = bytes.one_of(&["https://a/cb", "https://c/cb"]);
                self.object.spec.metadata.redirect_uris = serde_json::from_value(json!([text])).unwrap();
                self.object.metadata.generation = self.object.metadata.generation.map(|generation| generation + 1);
            }
            _ => {}
        }
    }

    fn has_finalizer(&self) -> bool {
        self.object
            .metadata
            .finalizers
            .iter()
            .flatten()
            .any(|name| name == names::FINALIZER)
    }

    fn end(&mut self, verdict: &Verdict) {
        let record = self
            .record
            .as_ref()
            .filter(|_| matches!(self.record_seen, RecordSeen::Present));
        let version = SecretVersion {
            uid: "s".into(),
            resource_version: "1".into(),
        };
        let facts = Facts {
            generation: self.object.metadata.generation,
            record,
            secret: self.secret.as_ref().map(|_| (secret::name(&self.object), version)),
            attempt: self.journal.outcome.clone().map(|(id, outcome)| Attempt {
                id,
                outcome,
                request_hash: String::new(),
            }),
            suspects: &self.suspects,
            now: 1_000_000,
            ..Facts::default()
        };
        let before = self.object.status.clone().unwrap_or_default();
        let after = status::after(&before, verdict, &facts);
        assert_eq!(
            status::after(&after, verdict, &facts),
            after,
            "a verdict said twice is one write"
        );
        if *verdict == Verdict::Ready {
            assert!(
                self.has_finalizer() && self.record.is_some(),
                "Ready without record or finalizer"
            );
        }
        self.object.status = Some(after);
    }
}
