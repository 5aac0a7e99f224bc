//! The table, row by row. A test's name begins with the row that it is about.

#![allow(clippy::needless_pass_by_value, reason = "json! literals read best by value")]
#![allow(clippy::struct_excessive_bools, reason = "a world is a set of independent facts")]
#![allow(clippy::semicolon_if_nothing_returned, reason = "one-line changes of a world")]

use serde_json::{Value, json};

use super::*;
use crate::api::Profile;
use crate::domain::profile::knobs;
use crate::domain::record::InFlight;
use crate::domain::record::tests::record as stored;
use crate::domain::secret;
use crate::domain::target::{Credentials as Sent, Deadlines, Location};

/// A world that a test changes where its row differs: a fresh object whose provider and endpoints are known.
struct World {
    object: Value,
    terminating: bool,
    deep: bool,
    record: Option<Record>,
    record_sight: Option<Sight<'static, Record>>,
    live: bool,
    secret: Held,
    former: Vec<String>,
    provider: Result<Provider, Failure>,
    resolved: bool,
    endpoints: Option<Endpoints>,
    suspects: Vec<Suspect>,
    memory: Memory,
    now: i64,
    serves_own_namespace: bool,
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
            location: Location::Issuer("https://p".into()),
            expected_issuer: None,
            registration_endpoint: None,
            allowed_origins: vec![],
            discovery: Sent::default(),
            registration: Sent::default(),
            management: Sent::default(),
            knobs: knobs(Profile::Rfc7592),
            on_unknown_outcome: crate::api::OnUnknownOutcome::Register,
            ca_bundle: None,
            deadlines: Deadlines {
                connect: std::time::Duration::ZERO,
                request: std::time::Duration::ZERO,
            },
        },
        uid: "provider".into(),
        fingerprint: "f".into(),
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
            memory: Memory::default(),
            now: 1_000_000,
            serves_own_namespace: false,
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
        crate::domain::metadata::request(&self.parsed().spec, "ns/app", &knobs(Profile::Rfc7592)).unwrap()
    }

    fn hash(&self) -> String {
        create::fingerprint(&self.request(), &provider())
    }

    fn matching_record(&self) -> Record {
        let mut record = stored();
        record.request = self.request();
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
        let object = self.parsed();
        let here = Here {
            namespace: "system".into(),
            cluster_id: "c".into(),
            serves_own_namespace: self.serves_own_namespace,
        };
        next(&View {
            object: &object,
            here: &here,
            namespace_terminating: self.terminating,
            deep: self.deep,
            record: match (&self.record_sight, &self.record) {
                (Some(sight), _) => *sight,
                (None, Some(record)) => Sight::Present(record),
                (None, None) => Sight::Absent { live: self.live },
            },
            credentials: match &self.secret {
                Held::Absent => Credentials::Absent,
                Held::Unseen(as_written) => Credentials::Unseen {
                    as_written: *as_written,
                },
                Held::Ours(secret) => Credentials::Ours(secret),
                Held::Former => Credentials::Former,
                Held::Foreign => Credentials::Foreign,
            },
            former_names: &self.former,
            provider: match &self.provider {
                _ if !self.resolved => ProviderView::Unresolved,
                Ok(provider) => ProviderView::Resolved(provider),
                Err(failure) => ProviderView::Refused(failure),
            },
            endpoints: self.endpoints.as_ref(),
            suspects: &self.suspects,
            memory: &self.memory,
            fresh_attempt: "fresh",
            now: self.now,
        })
    }

    /// What comes next, in short: the effect's kind, or the verdict and its reason.
    fn short(&self) -> String {
        match self.next() {
            Next::Do(effect) => effect.kind().to_owned(),
            Next::Finish(Verdict::Failed(failure)) => failure.reason.to_string(),
            Next::Finish(verdict) => format!("{verdict:?}"),
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

mod first_of_all {
    use super::*;

    #[test]
    fn a1_what_was_issued_is_stored_before_anything_else() {
        for world in [
            World::fresh(),
            World::dying(),
            World::fresh().with(|w| w.terminating = true),
        ] {
            let mut world = world.with(|w| w.memory.registration = Some(answer()));
            world.memory.failure = Some(failure(Class::Transient));
            assert_eq!(world.short(), "StoreRecord");
            world.memory.unrecordable = Some(failure(Class::Denied));
            assert_eq!(world.short(), "Compensate");
        }
    }

    #[test]
    fn a2_the_answer_of_an_update_is_saved_with_its_token() {
        for world in [World::kept(), World::dying()] {
            let request = world.request();
            let world = world.with(|w| w.memory.answer = Some((request, answer())));
            let Next::Do(Effect::SaveRecord(record)) = world.next() else {
                panic!("{}", world.short())
            };
            let token = record
                .registration_access_token
                .as_ref()
                .map(|t| secrecy::ExposeSecret::expose_secret(t).to_owned());
            assert_eq!(token.as_deref(), Some("rotated"));
            assert_eq!(record.in_flight, None);
        }
    }

    #[test]
    fn a3_another_operators_object_is_left_alone() {
        let world = World::fresh()
            .with(|w| w.object["metadata"]["annotations"] = json!({names::CREATE_PENDING: "u/a/other/r"}));
        assert_eq!(world.short(), "Nothing");
    }

    #[test]
    fn a_marker_of_another_uid_is_void() {
        let world = World::fresh()
            .with(|w| w.object["metadata"]["annotations"] = json!({names::CREATE_PENDING: "v/a/other/r"}));
        assert_eq!(world.short(), "ProveWritable");
    }

    #[test]
    fn a5_nothing_is_created_in_a_namespace_that_goes() {
        assert_eq!(World::fresh().with(|w| w.terminating = true).short(), "Nothing");
    }

    #[test]
    fn a5_the_operators_own_namespace_is_served_only_on_demand() {
        let home = |serves| {
            World::fresh().with(|w| {
                w.object["metadata"]["namespace"] = json!("system");
                w.serves_own_namespace = serves;
            })
        };
        assert_eq!(home(false).short(), "NamespaceNotAllowed");
        assert_eq!(home(true).short(), "ProveWritable");
    }

    #[test]
    fn a6_suspended_objects_rest() {
        assert_eq!(
            World::fresh()
                .with(|w| w.object["spec"]["suspend"] = json!(true))
                .short(),
            "Suspended"
        );
        assert_ne!(
            World::dying()
                .with(|w| w.object["spec"]["suspend"] = json!(true))
                .short(),
            "Suspended"
        );
    }

    #[test]
    fn a7_a_refused_update_is_no_longer_in_flight() {
        let world = World::kept()
            .recorded(|r| {
                r.in_flight = Some(InFlight {
                    request_hash: "h".into(),
                })
            })
            .with(|w| {
                w.memory.refused = true;
                w.memory.failure = Some(failure(Class::Invalid));
            });
        assert_eq!(world.short(), "SaveRecord");
    }

    #[test]
    fn a8_a_failed_step_ends_the_pass() {
        assert_eq!(
            World::fresh()
                .with(|w| w.memory.failure = Some(failure(Class::Transient)))
                .short(),
            "ProviderUnavailable"
        );
    }

    #[test]
    fn a9_metadata_alone_shows_that_nothing_changed() {
        let settled = || World::kept().with(|w| w.record_sight = Some(Sight::Unseen));
        assert_eq!(settled().short(), "Nothing");
        assert_eq!(settled().with(|w| w.deep = true).short(), "ReadRecord");
        assert_eq!(settled().with(|w| w.secret = Held::Unseen(false)).short(), "ReadRecord");
        assert_eq!(settled().with(|w| w.former.push("old".into())).short(), "ReadRecord");
        assert_eq!(
            settled()
                .with(|w| w.object["metadata"]["generation"] = json!(2))
                .short(),
            "ReadRecord"
        );
    }

    #[test]
    fn a11_a12_records_that_cannot_be_used() {
        assert_eq!(
            World::kept().with(|w| w.record_sight = Some(Sight::Unreadable)).short(),
            "InternalError"
        );
        assert_eq!(
            World::kept().recorded(|r| r.phase = Phase::Deleted).short(),
            "RecordLost"
        );
    }
}

mod create_rows {
    use super::*;

    fn marked(attempt: &str) -> World {
        World::fresh().with(|w| {
            w.live = true;
            w.object["metadata"]["annotations"] = json!({names::CREATE_PENDING: format!("u/{attempt}/system/r")});
        })
    }

    #[test]
    fn c1_traces_of_an_attempt_call_for_a_live_read() {
        assert_eq!(marked("a").with(|w| w.live = false).short(), "ReadRecord");
        assert_eq!(
            World::fresh()
                .with(|w| w.object["status"] = json!({"clientID": "id"}))
                .short(),
            "ReadRecord"
        );
        assert_eq!(
            World::fresh().with(|w| w.secret = Held::Unseen(false)).short(),
            "ReadRecord"
        );
    }

    #[test]
    fn c2_a_lost_record_is_never_answered_by_a_new_registration() {
        let lost = || World::fresh().with(|w| (w.live, w.object["status"]) = (true, json!({"clientID": "id"})));
        assert_eq!(lost().short(), "RecordLost");
        let ours = Held::Ours(Box::default());
        assert_eq!(
            World::fresh().with(|w| (w.live, w.secret) = (true, ours)).short(),
            "RecordLost"
        );
    }

    #[test]
    fn c3_an_abandoned_client_becomes_a_suspect_and_makes_room() {
        let abandoned = || {
            World::fresh().with(|w| {
                w.live = true;
                w.object["status"] = json!({"clientID": "id"});
                w.object["metadata"]["annotations"] = json!({names::ABANDON: "id"});
            })
        };
        assert_eq!(abandoned().short(), "EnterSuspect");
        assert_eq!(
            abandoned().with(|w| w.suspects.push(suspect("", Some("id")))).short(),
            "ProveWritable"
        );
        assert_eq!(
            abandoned()
                .with(|w| w.object["metadata"]["annotations"] = json!({names::ABANDON: "other"}))
                .short(),
            "RecordLost"
        );
    }

    #[test]
    fn c4_c5_the_provider_comes_first() {
        assert_eq!(World::fresh().with(|w| w.resolved = false).short(), "ResolveProvider");
        let refused = Failure::new(Class::Denied, Reason::ConsentMissing, "x");
        assert_eq!(
            World::fresh().with(|w| w.provider = Err(refused)).short(),
            "ConsentMissing"
        );
    }

    #[test]
    fn c6_an_open_attempt_becomes_a_suspect_before_the_next() {
        assert_eq!(marked("a").short(), "EnterSuspect");
        assert_eq!(
            marked("a").with(|w| w.suspects.push(suspect("a", None))).short(),
            "ProveWritable"
        );
    }

    #[test]
    fn an_attempt_with_a_known_end_is_no_suspect() {
        let closed = marked("a").with(|w| w.memory.outcome = Some(("a".into(), AttemptOutcome::NotApplied)));
        assert_eq!(closed.short(), "ProveWritable");
        let told = json!({"attempt": {"id": "a", "outcome": "NotApplied", "requestHash": ""}});
        assert_eq!(marked("a").with(|w| w.object["status"] = told).short(), "ProveWritable");
        let unknown = json!({"attempt": {"id": "a", "outcome": "Unknown", "requestHash": ""}});
        assert_eq!(
            marked("a").with(|w| w.object["status"] = unknown).short(),
            "EnterSuspect"
        );
    }

    #[test]
    fn c7_a_second_doubt_or_the_policy_holds() {
        let second = || marked("b").with(|w| w.suspects.extend([suspect("a", None), suspect("b", None)]));
        assert_eq!(second().short(), "OutcomeUnknown");
        let hold = marked("a").with(|w| {
            w.suspects.push(suspect("a", None));
            w.provider.as_mut().unwrap().target.on_unknown_outcome = crate::api::OnUnknownOutcome::Hold;
        });
        assert_eq!(hold.short(), "OutcomeUnknown");
        let released = second().with(|w| w.object["metadata"]["annotations"][names::ABANDON] = json!("b"));
        assert_eq!(released.short(), "ProveWritable");
    }

    #[test]
    fn c8_a_manifest_that_cannot_work_is_not_sent() {
        let world = World::fresh().with(|w| w.object["spec"]["extraMetadata"] = json!({"client_id": "x"}));
        assert_eq!(world.short(), "InvalidSpec");
    }

    #[test]
    fn c9_a_rejected_request_is_sent_once() {
        let rejected = |hash: &str| {
            World::fresh().with(|w| {
                w.object["status"] = json!({
                    "attempt": {"id": "a", "outcome": "NotApplied", "requestHash": hash},
                    "conditions": [{"type": "Stalled", "status": "True", "reason": "RegistrationRejected", "lastTransitionTime": ""}],
                });
            })
        };
        let hash = World::fresh().hash();
        assert_eq!(rejected(&hash).short(), "Nothing");
        assert_eq!(
            rejected(&hash)
                .with(|w| w.object["spec"]["redirectURIs"] = json!(["https://b/cb"]))
                .short(),
            "ProveWritable"
        );
        assert_eq!(
            rejected(&hash)
                .with(|w| w.provider.as_mut().unwrap().fingerprint = "g".into())
                .short(),
            "ProveWritable"
        );
    }

    #[test]
    fn c10_to_c14_the_order_of_a_registration() {
        let mut world = World::fresh().with(|w| w.endpoints = None);
        assert_eq!(world.short(), "Discover");
        world.endpoints = Some(stored().endpoints);
        assert_eq!(world.short(), "ProveWritable");
        world.memory.proven = true;
        let Next::Do(Effect::OpenAttempt(marker)) = world.next() else {
            panic!("{}", world.short())
        };
        assert_eq!(marker.to_string(), "u/fresh/system/oauthclient-u");
        world.object["metadata"]["annotations"] = json!({names::CREATE_PENDING: marker.to_string()});
        world.memory.attempt = Some("fresh".into());
        assert_eq!(world.short(), "Register");
    }

    #[test]
    fn c11_a_secret_that_is_not_ours_stops_everything() {
        assert_eq!(
            World::fresh().with(|w| w.secret = Held::Foreign).short(),
            "SecretConflict"
        );
        assert_eq!(
            World::fresh().with(|w| w.secret = Held::Former).short(),
            "SecretBeingRemoved"
        );
    }
}

mod keep_rows {
    use super::*;

    #[test]
    fn k1_a_finalizer_that_was_taken_off_comes_back() {
        assert_eq!(
            World::kept()
                .with(|w| w.object["metadata"]["finalizers"] = json!([]))
                .short(),
            "AddFinalizer"
        );
    }

    #[test]
    fn k3_to_k6_the_secret_is_restored_from_the_record_without_the_provider() {
        let world = |secret| World::kept().with(|w| (w.secret, w.resolved) = (secret, false));
        assert_eq!(world(Held::Unseen(false)).short(), "ReadCredentials");
        assert_eq!(world(Held::Absent).short(), "CreateCredentials");
        assert_eq!(world(Held::Foreign).short(), "SecretConflict");
        assert_eq!(world(Held::Former).short(), "SecretBeingRemoved");
        let wanted = secret::credentials(&World::kept().parsed(), &World::kept().matching_record());
        assert_eq!(world(Held::Ours(Box::new(wanted.clone()))).short(), "Ready");
        let mut edited = wanted.clone();
        edited.data.as_mut().unwrap().remove("client_secret");
        assert_eq!(world(Held::Ours(Box::new(edited))).short(), "PatchCredentials");
        let frozen = Secret {
            immutable: Some(true),
            ..wanted
        };
        assert_eq!(world(Held::Ours(Box::new(frozen))).short(), "ReplaceCredentials");
    }

    fn changed() -> World {
        World::kept().with(|w| {
            w.object["metadata"]["generation"] = json!(2);
            w.object["spec"]["redirectURIs"] = json!(["https://b/cb"]);
            let wanted = secret::credentials(&w.parsed(), w.record.as_ref().unwrap());
            w.secret = Held::Ours(Box::new(wanted));
        })
    }

    #[test]
    fn k8_to_k15_one_update_marked_before_it_is_sent() {
        let mut world = changed().with(|w| (w.resolved, w.endpoints) = (false, None));
        assert_eq!(world.short(), "ResolveProvider");
        world.resolved = true;
        assert_eq!(world.short(), "Discover");
        world.endpoints = Some(stored().endpoints);
        let Next::Do(Effect::SaveRecord(record)) = world.next() else {
            panic!("{}", world.short())
        };
        assert_eq!(record.in_flight.as_ref().unwrap().request_hash, world.hash());
        world.record = Some(*record);
        world.memory.marked = true;
        assert_eq!(world.short(), "Update");
    }

    #[test]
    fn an_update_of_unknown_end_is_sent_again() {
        let hash = changed().hash();
        let world = changed().recorded(|r| r.in_flight = Some(InFlight { request_hash: hash }));
        assert_eq!(
            world.short(),
            "SaveRecord",
            "the mark is renewed, which fences off another leader"
        );
    }

    #[test]
    fn k9_a_provider_that_is_gone_changes_nothing_at_rest() {
        let gone = || Err(Failure::new(Class::Denied, Reason::ProviderNotFound, "x"));
        assert_eq!(changed().with(|w| w.provider = gone()).short(), "ProviderNotFound");
        assert_eq!(World::kept().with(|w| w.provider = gone()).short(), "Ready");
    }

    #[test]
    fn k11_a_change_that_the_provider_does_not_see_needs_no_update() {
        let world = World::kept().with(|w| {
            w.object["metadata"]["generation"] = json!(2);
            w.object["spec"]["deletionTimeout"] = json!("1m");
            let wanted = secret::credentials(&w.parsed(), w.record.as_ref().unwrap());
            w.secret = Held::Ours(Box::new(wanted));
        });
        assert_eq!(world.short(), "Ready");
    }

    #[test]
    fn k12_a_rejected_change_is_sent_once() {
        let hash = changed().hash();
        let world = changed().with(|w| {
            w.object["status"]["attempt"]["requestHash"] = json!(hash);
            w.object["status"]["conditions"] =
                json!([{"type": "Stalled", "status": "True", "reason": "UpdateRejected", "lastTransitionTime": ""}]);
        });
        assert_eq!(world.short(), "Nothing");
    }

    #[test]
    fn k13_k14_updates_that_cannot_be() {
        assert_eq!(
            changed().recorded(|r| r.registration_access_token = None).short(),
            "UpdateUnsupported"
        );
        let other = Endpoints {
            issuer: "https://q".into(),
            ..Endpoints::default()
        };
        assert_eq!(changed().with(|w| w.endpoints = Some(other)).short(), "ProviderChanged");
    }

    #[test]
    fn k16_the_former_secret_goes_after_the_status_names_the_new_one() {
        let renamed = |bound: &str| {
            World::kept().with(|w| {
                w.former.push("old".into());
                w.object["status"]["binding"]["name"] = json!(bound);
            })
        };
        assert_eq!(renamed("old").short(), "Ready");
        assert_eq!(renamed("app").short(), "DeleteFormer");
    }
}

mod delete_rows {
    use super::*;

    #[test]
    fn d1_without_finalizer_only_the_record_is_left_to_remove() {
        let bare = || World::dying().with(|w| w.object["metadata"]["finalizers"] = json!([]));
        assert_eq!(bare().short(), "Gone");
        assert_eq!(bare().recorded(|r| r.phase = Phase::Deleted).short(), "RemoveRecord");
    }

    #[test]
    fn d2_to_d5_what_is_not_recorded_is_not_forgotten() {
        let unrecorded = |status: Value| World::dying().with(|w| (w.record, w.object["status"]) = (None, status));
        assert_eq!(unrecorded(json!({})).short(), "ReadRecord");
        let live = |status| unrecorded(status).with(|w| w.live = true);
        assert_eq!(live(json!({})).short(), "EnterSuspect", "the marker's attempt is open");
        assert_eq!(
            live(json!({})).with(|w| w.suspects.push(suspect("a1", None))).short(),
            "RemoveFinalizer"
        );
        let known = json!({"clientID": "id", "attempt": {"id": "a1", "outcome": "Registered", "requestHash": ""}});
        assert_eq!(live(known.clone()).short(), "EnterSuspect");
        assert_eq!(
            live(known).with(|w| w.suspects.push(suspect("a1", Some("id")))).short(),
            "RemoveFinalizer"
        );
        let rejected = json!({"attempt": {"id": "a1", "outcome": "NotApplied", "requestHash": ""}});
        assert_eq!(live(rejected).short(), "RemoveFinalizer");
    }

    #[test]
    fn d6_an_unreadable_record_blocks_until_the_timeout() {
        let unreadable = || World::dying().with(|w| w.record_sight = Some(Sight::Unreadable));
        assert_eq!(unreadable().short(), "DeletionBlocked");
        assert_eq!(unreadable().with(|w| w.now += 3600).short(), "RemoveFinalizer");
    }

    #[test]
    fn d7_d9_d12_d16_the_order_of_a_deletion() {
        assert_eq!(World::dying().short(), "SaveRecord");
        let deleting = || World::dying().recorded(|r| r.phase = Phase::Deleting);
        assert_eq!(deleting().short(), "Deregister");
        let done = deleting().with(|w| w.memory.deregistration = Some(Deregistration::Done));
        let Next::Do(Effect::SaveRecord(record)) = done.next() else {
            panic!("{}", done.short())
        };
        assert_eq!(record.phase, Phase::Deleted);
        assert_eq!(
            World::dying().recorded(|r| r.phase = Phase::Deleted).short(),
            "RemoveFinalizer"
        );
        assert_eq!(
            World::dying().recorded(|r| r.phase = Phase::Retained).short(),
            "RemoveFinalizer"
        );
    }

    #[test]
    fn d8_a_retained_client_keeps_its_secret() {
        let retained = |secret| {
            World::dying().with(|w| (w.secret, w.object["spec"]["deletionPolicy"]) = (secret, json!("Retain")))
        };
        assert_eq!(retained(Held::Unseen(true)).short(), "ReadCredentials");
        assert_eq!(retained(Held::Ours(Box::default())).short(), "ReleaseCredentials");
        let Next::Do(Effect::SaveRecord(record)) = retained(Held::Foreign).next() else {
            panic!("no record")
        };
        assert_eq!(record.phase, Phase::Retained);
        let abandoned = World::dying().with(|w| w.object["metadata"]["annotations"][names::ABANDON] = json!("id"));
        assert_eq!(abandoned.short(), "ReadCredentials");
    }

    #[test]
    fn d10_d11_a_client_that_cannot_be_deleted_is_reported() {
        let unmanaged =
            || World::dying().recorded(|r| (r.phase, r.registration_access_token) = (Phase::Deleting, None));
        assert_eq!(unmanaged().short(), "EnterSuspect");
        assert_eq!(
            unmanaged().with(|w| w.suspects.push(suspect("a1", Some("id")))).short(),
            "SaveRecord"
        );
        let refused = World::dying()
            .recorded(|r| r.phase = Phase::Deleting)
            .with(|w| w.memory.deregistration = Some(Deregistration::Unsupported));
        assert_eq!(refused.short(), "EnterSuspect");
        let with_credentials = || {
            World::dying().recorded(|r| {
                (r.phase, r.management.mode) = (Phase::Deleting, crate::api::ManagementMode::Credentials);
            })
        };
        assert_eq!(
            with_credentials().with(|w| w.resolved = false).short(),
            "ResolveProvider"
        );
        assert_eq!(with_credentials().short(), "Deregister");
        let refused = |reason| Err(Failure::new(Class::Denied, reason, "x"));
        assert_eq!(
            with_credentials()
                .with(|w| w.provider = refused(Reason::ProviderNotFound))
                .short(),
            "EnterSuspect"
        );
        assert_eq!(
            with_credentials()
                .with(|w| w.provider = refused(Reason::ConsentMissing))
                .short(),
            "DeletionBlocked"
        );
    }

    #[test]
    fn d13_gone_is_believed_after_a_second_look() {
        let doubtful = |since: Option<i64>| {
            World::dying()
                .recorded(|r| (r.phase, r.missing_since) = (Phase::Deleting, since))
                .with(|w| w.memory.deregistration = Some(Deregistration::GoneOrUnauthorised))
        };
        let Next::Do(Effect::SaveRecord(record)) = doubtful(None).next() else {
            panic!("not noted")
        };
        assert_eq!((record.phase, record.missing_since), (Phase::Deleting, Some(1_000_000)));
        assert_eq!(doubtful(Some(999_970)).short(), "DeletionBlocked");
        let Next::Do(Effect::SaveRecord(record)) = doubtful(Some(999_940)).next() else {
            panic!("not believed")
        };
        assert_eq!(record.phase, Phase::Deleted);
        let rotating = doubtful(Some(0)).recorded(|r| {
            r.in_flight = Some(InFlight {
                request_hash: "h".into(),
            })
        });
        assert_eq!(
            rotating.short(),
            "DeletionBlocked",
            "a token that may have been rotated proves nothing"
        );
    }

    #[test]
    fn d14_d15_failures_block_until_the_timeout() {
        let failing = || {
            World::dying()
                .recorded(|r| r.phase = Phase::Deleting)
                .with(|w| w.memory.failure = Some(failure(Class::Transient)))
        };
        assert_eq!(failing().short(), "DeletionBlocked");
        assert_eq!(
            failing()
                .with(|w| w.object["spec"]["deletionTimeout"] = json!("30s"))
                .short(),
            "RemoveFinalizer"
        );
        assert_eq!(failing().with(|w| w.now += 3600).short(), "RemoveFinalizer");
    }
}
