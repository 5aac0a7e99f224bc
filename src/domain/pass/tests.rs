//! The table, row by row. A test's name begins with the row that it is about.

#![allow(clippy::needless_pass_by_value, reason = "json! literals read best by value")]
#![allow(clippy::struct_excessive_bools, reason = "a world is a set of independent facts")]
#![allow(clippy::semicolon_if_nothing_returned, reason = "one-line changes of a world")]

mod adopt_rows;
mod answered_rows;
mod create_rows;
mod delete_rows;
mod expiry_rows;
mod first_rows;
mod follow_rows;
mod keep_rows;
mod learned_rows;
mod left_rows;
mod overtaken_rows;
mod queue_rows;
mod recreate_rows;
mod refusal_rows;
mod restore_rows;
mod substituted_rows;
mod template_rows;
mod unsent_rows;
mod verify_rows;

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use super::*;
use crate::api::{AttemptOutcome, OAuthClient, Profile, Reason, Suspect, names};
use crate::domain::failure::{Class, Failure};
use crate::domain::metadata::Request;
use crate::domain::profile::knobs;
use crate::domain::record::tests::record as stored;
use crate::domain::record::{InFlight, Phase, Record, made};
use crate::domain::registration::Registration;
use crate::domain::secret;
use crate::domain::target::{Credentials as Sent, Deadlines, Endpoints, Knobs, Location, Target};

/// A world that a test changes where its row differs: a fresh object whose provider and endpoints are known.
struct World {
    object: Value,
    terminating: bool,
    deep: bool,
    record: Option<Record>,
    record_sight: Option<RecordView<'static, Record>>,
    live: bool,
    secret: Held,
    former: Vec<String>,
    provider: Result<Provider, Failure>,
    resolved: bool,
    endpoints: Option<Endpoints>,
    suspects: Vec<Suspect>,
    has_earlier: bool,
    journal: Journal,
    now: i64,
    registrations_denied: Option<Duration>,
    pause: Option<Pause>,
    recreations_denied: Option<Duration>,
    serves_own_namespace: bool,
    held: Option<String>,
    foreign_attempt_age: Option<Duration>,
    foreign_update_age: Option<Duration>,
    template_proven: bool,
}

enum Held {
    Absent,
    Unseen(bool),
    Ours(Box<Secret>),
    Former,
    Foreign,
}

fn provider() -> Provider {
    Provider {
        target: Target {
            uid: "provider".into(),
            namespaced: true,
            location: Location::Issuer("https://p".into()),
            expected_issuer: None,
            registration_endpoint: None,
            allowed_origins: vec![],
            discovery: Sent::default(),
            registration: Sent::default(),
            management: Sent::default(),
            knobs: knobs(Profile::Rfc7592),
            on_unknown_outcome: crate::api::OnUnknownOutcome::Register,
            on_client_lost: crate::api::OnClientLost::Register,
            substitutions: crate::api::Substitutions::Accept,
            verify: crate::api::Verify::Auto,
            ca_bundle: None,
            presented: crate::domain::target::Presented::default(),
            deadlines: Deadlines {
                connect: std::time::Duration::ZERO,
                request: std::time::Duration::ZERO,
            },
        },
        uid: "provider".into(),
        fingerprint: "f".into(),
        known: None,
    }
}

/// Settings of a provider that shows marks to its administrators, with such credentials.
fn marking() -> Knobs {
    Knobs {
        management: crate::api::ManagementMode::Credentials,
        ..knobs(Profile::Keycloak)
    }
}

impl World {
    fn fresh() -> Self {
        Self {
            object: json!({
                "apiVersion": names::API_VERSION, "kind": "OAuthClient",
                "metadata": {"name": "app", "namespace": "ns", "uid": "u", "generation": 1},
                "spec": {"providerRef": {"name": "p"}, "redirectURIs": ["https://a/cb"]},
            }),
            terminating: false,
            deep: false,
            record: None,
            record_sight: None,
            live: false,
            secret: Held::Absent,
            former: vec![],
            provider: Ok(provider()),
            resolved: true,
            endpoints: Some(stored().endpoints),
            suspects: vec![],
            has_earlier: false,
            journal: Journal::default(),
            now: 1_000_000,
            registrations_denied: None,
            pause: None,
            recreations_denied: None,
            serves_own_namespace: false,
            held: None,
            foreign_attempt_age: None,
            foreign_update_age: None,
            template_proven: false,
        }
    }

    /// An object whose client is registered, recorded and written, and judged Ready.
    fn kept() -> Self {
        let mut world = Self::fresh();
        world.object["metadata"]["finalizers"] = json!([names::FINALIZER]);
        world.object["metadata"]["annotations"] = json!({names::CREATE_PENDING: "u/a1/system/oauthclient-u"});
        world.object["status"] = json!({
            "observedGeneration": 1, "clientID": "id", "binding": {"name": "app"},
            "attempt": {"id": "a1", "outcome": "Registered", "requestHash": "h"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "Registered", "lastTransitionTime": "", "observedGeneration": 1}],
        });
        world.record = Some(world.matching_record());
        world.secret = Held::Unseen(true);
        world
    }

    /// An object that is being deleted, one minute ago.
    fn dying() -> Self {
        let mut world = Self::kept();
        world.object["metadata"]["deletionTimestamp"] = json!("1970-01-12T13:45:40Z");
        world
    }

    fn parsed(&self) -> OAuthClient {
        serde_json::from_value(self.object.clone()).unwrap()
    }

    fn request(&self) -> Request {
        crate::domain::metadata::request(&self.parsed().spec, "ns.app", &knobs(Profile::Rfc7592)).unwrap()
    }

    fn hash(&self) -> String {
        create::fingerprint(&self.request(), &provider())
    }

    fn matching_record(&self) -> Record {
        let mut record = stored();
        record.request = self.request();
        // A record follows the provider object that its client was registered at.
        if let Ok(provider) = &self.provider {
            record.management = made::access(provider, std::collections::BTreeMap::new());
        }
        record
    }

    fn recorded(mut self, change: impl FnOnce(&mut Record)) -> Self {
        change(self.record.as_mut().unwrap());
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn next(&self) -> Next {
        let mut next = None;
        self.looked(&self.parsed(), |view| next = Some(decide(view).next));
        next.unwrap()
    }

    /// Shows what the planner sees.
    fn looked(&self, object: &OAuthClient, look: impl FnOnce(&View<'_>)) {
        let age = |since: Option<i64>| Some(Duration::from_secs(u64::try_from(self.now - since?).unwrap()));
        let operator = Operator {
            namespace: "system".into(),
            cluster_id: "cluster".into(),
            held: self.held.clone(),
            serves_own_namespace: self.serves_own_namespace,
        };
        look(&View {
            seen: Observed {
                leads: true,
                stopping: false,
                operator: &operator,
                namespace_terminating: self.terminating,
                registrations_denied: self.registrations_denied,
                recreations_denied: self.recreations_denied,
                pause: self.pause,
                foreign_attempt_age: self.foreign_attempt_age,
                foreign_update_age: self.foreign_update_age,
                deleting_for: age(object
                    .metadata
                    .deletion_timestamp
                    .as_ref()
                    .map(|time| time.0.as_second()))
                .unwrap_or_default(),
                template_proven: self.template_proven,
                rejected_for: age(crate::domain::status::rejected_since(object.status.as_ref())),
                missing_for: age(self.record.as_ref().and_then(|record| record.missing_since)),
                fresh_attempt: "fresh",
                now: self.now,
            },
            object,
            deep: self.deep,
            record: match (&self.record_sight, &self.record) {
                (Some(sight), _) => *sight,
                (None, Some(record)) => RecordView::Present(record),
                (None, None) => RecordView::Absent { live: self.live },
            },
            credentials: match &self.secret {
                Held::Absent => CredentialsView::Absent,
                Held::Unseen(as_written) => CredentialsView::Unseen {
                    as_written: *as_written,
                    generation: Some(1),
                },
                Held::Ours(secret) => CredentialsView::Ours(secret),
                Held::Former => CredentialsView::Former,
                Held::Foreign => CredentialsView::Foreign,
            },
            former_names: &self.former,
            provider: match &self.provider {
                _ if !self.resolved => ProviderView::Unresolved,
                Ok(provider) => ProviderView::Resolved(provider),
                Err(failure) => ProviderView::Refused(failure),
            },
            endpoints: self.endpoints.as_ref(),
            suspects: &self.suspects,
            has_earlier: self.has_earlier,
            namespace_uid: Some("n"),
            journal: &self.journal,
        });
    }

    /// What comes next, in short: the effect's kind, or the verdict and its reason.
    fn short(&self) -> String {
        match self.next() {
            Next::Do(effect) => effect.kind().to_owned(),
            Next::Finish(Verdict::Failed(failure)) => failure.reason.to_string(),
            Next::Finish(verdict) => format!("{verdict:?}"),
            Next::Stop(end) => format!("{end:?}"),
        }
    }
}

fn failure(class: Class) -> Failure {
    Failure::new(class, Reason::ProviderUnavailable, "x")
}

fn answer() -> Registration {
    Registration {
        client_id: "id".into(),
        client_secret: None,
        client_secret_expires_at: None,
        client_id_issued_at: None,
        answered_at: None,
        registration_access_token: Some("rotated".into()),
        registration_client_uri: None,
        metadata: serde_json::Map::new(),
    }
}

fn suspect(attempt: &str, client_id: Option<&str>) -> Suspect {
    Suspect {
        attempt: attempt.into(),
        client_id: client_id.map(Into::into),
    }
}

fn registration() -> Registration {
    Registration {
        client_id: "new".into(),
        client_secret: None,
        client_secret_expires_at: None,
        client_id_issued_at: None,
        answered_at: None,
        registration_access_token: None,
        registration_client_uri: None,
        metadata: serde_json::Map::new(),
    }
}
