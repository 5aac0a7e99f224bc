//! What users do, and what befalls the cluster: the scenarios that are explored.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use kube::ResourceExt;
use serde_json::json;

use oauth_client_operator::api::{ManagementMode, OAuthClient, OnUnknownOutcome, Profile, names};
use oauth_client_operator::domain::pass::Provider;
use oauth_client_operator::domain::profile;
use oauth_client_operator::domain::target::{Credentials, Deadlines, Knobs, Location, Target};

use super::cluster::Name;
use super::replica::Trigger;
use super::state::State;

/// Namespace of the applications.
pub(super) const APPS: &str = "apps";
/// Namespace of the operator.
pub(super) const HOME: &str = "operator";
/// Namespace of a second installation.
pub(super) const SECOND_HOME: &str = "second-operator";
/// Issuer of the provider.
pub(super) const ISSUER: &str = "https://provider.example/realms/apps";

/// Token endpoint of the provider.
pub(super) const TOKEN: &str = "https://provider.example/token";

/// One thing that somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Applies the manifest with these redirect URIs.
    Apply(u32),
    /// The same with the finalizer of somebody else.
    ApplyHeld(u32),
    /// Takes that finalizer off.
    Release,
    /// Applies the manifest with another name of the Secret.
    Rename,
    /// Deletes the object.
    Delete,
    /// Edits the client secret in the credentials Secret.
    Edit,
    /// Deletes the credentials Secret.
    DeleteSecret,
    /// Creates a Secret of the same name that is somebody else's.
    ForeignSecret,
    /// `kubectl replace` with a bare manifest: finalizer and annotations go.
    Replace,
    /// Empties the status.
    WipeStatus,
    /// Deletes every record in the operator's namespace.
    LoseRecords,
    /// Deletes the namespace of the applications.
    Terminate,
    /// Restores the object from a backup: a new UID, old annotations and no status.
    Restore,
    /// As `Restore`, with the status.
    RestoreAll,
    /// Clones the cluster, and starts an operator there that knows it by another identifier.
    CloneCluster,
    /// Applies the manifest in the clone.
    ApplyInClone(u32),
    /// Deletes the object in the clone.
    DeleteInClone,
    /// The operator is started again, and does not watch the applications' namespace any more.
    Narrow,
    /// It watches the namespace again.
    Widen,
    /// The provider answers 401 to everything from now on.
    Sicken,
    /// The provider works again.
    Recover,
    /// The provider is installed anew and knows no client.
    LoseProvider,
    /// Somebody regenerates token and secret of every client at the provider.
    Regenerate,
    /// Deletes the provider object and the Secret of its credentials.
    RemoveProvider,
    /// The provider is gone for good and answers 503 to everything.
    Vanish,
}

/// A scenario.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "independent circumstances")]
pub(super) struct Scenario {
    pub name: &'static str,
    pub steps: &'static [Step],
    /// Whether every update issues a new token.
    pub rotates: bool,
    /// Whether the provider manages no clients.
    pub unmanaged: bool,
    /// Whether registrations choose their identifiers, and credentials of the operator's manage them.
    pub chosen: bool,
    /// Whether credentials of the operator's manage clients, and show what their registrations carried.
    pub marked: bool,
    pub policy: OnUnknownOutcome,
    pub retain: bool,
    /// Whether two installations of the operator serve the namespace.
    pub second_installation: bool,
    /// Whether the operator watches single namespaces and learns nothing of their end.
    pub namespaced: bool,
    /// Reasons with which the object may be left at rest.
    pub excuses: &'static [&'static str],
}

const PLAIN: Scenario = Scenario {
    name: "",
    steps: &[],
    rotates: false,
    unmanaged: false,
    chosen: false,
    marked: false,
    policy: OnUnknownOutcome::Register,
    retain: false,
    second_installation: false,
    namespaced: false,
    excuses: &[],
};

use Step::{
    Apply, ApplyHeld, ApplyInClone, CloneCluster, Delete, DeleteInClone, DeleteSecret, Edit, ForeignSecret,
    LoseProvider, LoseRecords, Narrow, Recover, Regenerate, Release, RemoveProvider, Rename, Replace, Restore,
    RestoreAll, Sicken, Terminate, Vanish, Widen, WipeStatus,
};

macro_rules! scenarios {
    ($($name:literal: [$($step:expr),+] $(, $field:ident: $value:expr)*;)+) => {
        /// Every scenario.
        pub(super) static ALL: &[Scenario] = &[
            $(Scenario { name: $name, steps: &[$($step),+], $($field: $value,)* ..PLAIN },)+
        ];
    };
}

scenarios! {
    "create": [Apply(1)];
    "create, hold unknown outcomes": [Apply(1)], policy: OnUnknownOutcome::Hold;
    "create and delete": [Apply(1), Delete];
    "create and delete, unmanaged": [Apply(1), Delete], unmanaged: true;
    "create and delete, retained": [Apply(1), Delete], retain: true;
    "create and delete, held by another finalizer": [ApplyHeld(1), Delete, Release];
    "update": [Apply(1), Apply(2)];
    "update, unmanaged": [Apply(1), Apply(2)], unmanaged: true, excuses: &["UpdateUnsupported"];
    "update with rotation": [Apply(1), Apply(2)], rotates: true;
    "update and delete with rotation": [Apply(1), Apply(2), Delete], rotates: true;
    "create with a chosen identifier": [Apply(1)], chosen: true;
    "update and delete with a chosen identifier": [Apply(1), Apply(2), Delete], chosen: true;
    "provider lost with a chosen identifier": [Apply(1), LoseProvider, Apply(2)], chosen: true, excuses: &["ManagementLost", "ClientMissing"];
    "create with a mark": [Apply(1)], marked: true;
    "create with a mark, hold unknown outcomes": [Apply(1)], marked: true, policy: OnUnknownOutcome::Hold;
    "update and delete with a mark": [Apply(1), Apply(2), Delete], marked: true;
    "provider lost with a mark": [Apply(1), LoseProvider, Apply(2)], marked: true, excuses: &["ManagementLost", "ClientMissing"];
    "edit of the Secret": [Apply(1), Edit];
    "deletion of the Secret": [Apply(1), DeleteSecret];
    "rename of the Secret": [Apply(1), Rename];
    "rename of the Secret and delete": [Apply(1), Rename, Delete];
    "foreign Secret": [ForeignSecret, Apply(1)], excuses: &["SecretConflict"];
    "recreation under the same name": [Apply(1), Delete, Apply(2)];
    "replace by a bare manifest": [Apply(1), Replace];
    "replace by a bare manifest and delete": [Apply(1), Replace, Delete];
    "replace by a bare manifest and delete, unmanaged": [Apply(1), Replace, Delete], unmanaged: true;
    "status wiped": [Apply(1), WipeStatus];
    "namespace deleted": [Apply(1), Terminate];
    "namespace deleted, unseen": [Apply(1), Terminate], namespaced: true;
    "records lost": [Apply(1), LoseRecords, Apply(2), Delete], excuses: &["RecordLost"];
    "restored from a backup": [Apply(1), Restore];
    "restored from a backup with its status": [Apply(1), RestoreAll], excuses: &["RecordLost"];
    "cloned cluster": [Apply(1), CloneCluster, ApplyInClone(2), DeleteInClone];
    "two installations": [Apply(1), Apply(2)], second_installation: true, excuses: &["ManagedElsewhere"];
    "two installations and delete": [Apply(1), Delete], second_installation: true, excuses: &["ManagedElsewhere"];
    "narrowed namespaces": [Apply(1), Narrow, Widen, Apply(2)];
    "deleted while narrowed": [Apply(1), Narrow, Delete, Widen];
    "sick provider": [Apply(1), Sicken, Apply(2), Recover];
    "provider lost": [Apply(1), LoseProvider, Apply(2)], excuses: &["ManagementLost", "ClientMissing"];
    "token and secret regenerated": [Apply(1), Regenerate, Apply(2)], excuses: &["ManagementLost", "ClientMissing"];
    "token and secret regenerated, and delete": [Apply(1), Regenerate, Delete];
    "token and secret regenerated, update and delete": [Apply(1), Regenerate, Apply(2), Delete], excuses: &["ManagementLost", "ClientMissing", "DeletionBlocked"];
    "provider lost and delete": [Apply(1), LoseProvider, Delete];
    "provider and credentials deleted first": [Apply(1), RemoveProvider, Delete], chosen: true;
    "provider and credentials deleted first, with a token": [Apply(1), RemoveProvider, Delete];
    "provider and credentials deleted first, and the namespace": [Apply(1), RemoveProvider, Terminate], chosen: true;
    "provider gone for good": [Apply(1), Vanish, Delete], excuses: &["DeletionBlocked"];
}

/// The provider as the operator knows it.
pub(super) fn provider(scenario: &Scenario) -> Arc<Provider> {
    static KNOWN: OnceLock<[Arc<Provider>; 5]> = OnceLock::new();
    let [register, hold, chosen, marked, hold_marked] = KNOWN.get_or_init(|| {
        [
            resolved(OnUnknownOutcome::Register, profile::knobs(Profile::Rfc7592)),
            resolved(OnUnknownOutcome::Hold, profile::knobs(Profile::Rfc7592)),
            resolved(OnUnknownOutcome::Register, profile::knobs(Profile::Wso2)),
            resolved(OnUnknownOutcome::Register, marking()),
            resolved(OnUnknownOutcome::Hold, marking()),
        ]
        .map(Arc::new)
    });
    match scenario.policy {
        _ if scenario.chosen => chosen.clone(),
        OnUnknownOutcome::Register if scenario.marked => marked.clone(),
        OnUnknownOutcome::Hold if scenario.marked => hold_marked.clone(),
        OnUnknownOutcome::Register => register.clone(),
        OnUnknownOutcome::Hold => hold.clone(),
    }
}

/// Settings of a provider that shows marks to its administrators, with such credentials.
fn marking() -> Knobs {
    Knobs {
        management: ManagementMode::Credentials,
        ..profile::knobs(Profile::Keycloak)
    }
}

fn resolved(policy: OnUnknownOutcome, knobs: Knobs) -> Provider {
    Provider {
        target: Target {
            location: Location::Issuer(ISSUER.to_owned()),
            expected_issuer: None,
            registration_endpoint: None,
            allowed_origins: Vec::new(),
            discovery: Credentials::default(),
            registration: Credentials::default(),
            management: Credentials::default(),
            knobs,
            on_unknown_outcome: policy,
            verify: oauth_client_operator::api::Verify::Auto,
            ca_bundle: None,
            presented: oauth_client_operator::domain::target::Presented::default(),
            deadlines: Deadlines {
                connect: Duration::ZERO,
                request: Duration::ZERO,
            },
        },
        uid: "provider".to_owned(),
        fingerprint: "1".to_owned(),
    }
}

/// Name of the one object.
pub(super) fn name() -> Name {
    (APPS.to_owned(), "app".to_owned())
}

/// The finalizer of [`Step::ApplyHeld`].
const THEIR_FINALIZER: &str = "others.example/hold";

/// Name of the Secret after [`Step::Rename`].
pub(super) const RENAMED: &str = "renamed";

impl Scenario {
    /// The scenario of this name.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|scenario| scenario.name == name)
    }

    pub(super) fn does(&self, step: Step) -> bool {
        self.steps.contains(&step)
    }

    fn manifest(&self, version: u32) -> OAuthClient {
        let policy = if self.retain { "Retain" } else { "Delete" };
        serde_json::from_value(json!({
            "apiVersion": names::API_VERSION, "kind": "OAuthClient",
            "metadata": {"name": "app", "namespace": APPS},
            "spec": {
                "providerRef": {"name": "provider"},
                "redirectURIs": [format!("https://app.example/callback/{version}")],
                "deletionPolicy": policy,
            },
        }))
        .unwrap()
    }
}

/// Does one step.
pub(super) fn act(step: Step, state: &mut State) {
    let (scenario, now) = (state.scenario, state.now);
    let cluster = match step {
        ApplyInClone(_) | DeleteInClone if state.clusters.len() > 1 => &mut state.clusters[1],
        _ => &mut state.clusters[0],
    };
    match step {
        Apply(version) | ApplyInClone(version) => cluster.apply(scenario.manifest(version)),
        ApplyHeld(version) => {
            let mut manifest = scenario.manifest(version);
            manifest.metadata.finalizers = Some(vec![THEIR_FINALIZER.to_owned()]);
            cluster.apply(manifest);
        }
        Release => cluster.change(&name(), |object| {
            object.finalizers_mut().retain(|held| held != THEIR_FINALIZER);
        }),
        Rename => {
            let mut manifest = scenario.manifest(1);
            manifest.spec.secret = serde_json::from_value(json!({"name": RENAMED})).unwrap();
            cluster.apply(manifest);
        }
        Delete | DeleteInClone => cluster.delete(&name(), now),
        Edit => cluster.change_secret(&name(), |secret| {
            let wrong = k8s_openapi::ByteString(b"wrong".to_vec());
            secret
                .data
                .get_or_insert_default()
                .insert("client_secret".to_owned(), wrong);
        }),
        DeleteSecret => {
            cluster.secrets.remove(&name());
        }
        ForeignSecret => {
            let foreign = json!({"metadata": {"name": "app", "namespace": APPS}, "data": {"theirs": "eA=="}});
            let _ = cluster.create(&serde_json::from_value(foreign).unwrap());
            cluster.writes = 0;
        }
        Replace => cluster.change(&name(), |object| {
            object.metadata.finalizers = None;
            object.metadata.annotations = None;
        }),
        WipeStatus => cluster.change(&name(), |object| object.status = None),
        LoseRecords => cluster
            .secrets
            .retain(|_, kept| kept.meta.role != oauth_client_operator::cluster::Role::Record),
        Terminate => {
            cluster.terminating.insert(APPS.to_owned());
        }
        Restore | RestoreAll => {
            if let Some(kept) = cluster.clients.remove(&name()) {
                let mut object = OAuthClient::clone(&kept.object);
                object.metadata.finalizers = None;
                object.metadata.deletion_timestamp = None;
                if step == Restore {
                    object.status = None;
                }
                cluster.collect();
                cluster.apply(object);
            }
        }
        CloneCluster => state.clone_cluster(),
        Narrow | Widen => {
            state.replicas[1].narrowed = step == Narrow;
            state.replicas[0].narrowed = step == Narrow;
            for who in 0..2 {
                state.replicas[who] = state.replicas[who].restarted(&state.provider);
            }
        }
        Sicken => state.provider.refuses = Some(401),
        Vanish => state.provider.refuses = Some(503),
        Recover => state.provider.refuses = None,
        LoseProvider => state.provider.lose(),
        RemoveProvider => {
            state.provider.removed = Some(now);
            state.provider.revision += 1;
            for replica in state.replicas.iter_mut().filter(|replica| replica.active) {
                replica.pull(Trigger { deep: true, anew: true });
            }
        }
        Regenerate => state.provider.regenerate(),
    }
    for cluster in &mut state.clusters {
        cluster.collect();
        cluster.terminate(now);
    }
}
