//! What users do, and what befalls the cluster: the scenarios that are explored.

use serde_json::json;

use crate::api::{OAuthClient, OnUnknownOutcome, names};

use super::cluster::{Cluster, Name};

/// Namespace of the applications.
pub(super) const APPS: &str = "apps";
/// Namespace of the operator.
pub(super) const HOME: &str = "operator";

/// One thing that somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Applies the manifest in this version.
    Apply(u32),
    /// Deletes the object.
    Delete,
    /// Edits the client secret in the credentials Secret.
    EditSecret,
    /// Deletes the credentials Secret.
    DeleteSecret,
    /// Creates a Secret of the same name that is somebody else's.
    ForeignSecret,
    /// Takes the finalizer off, as `kubectl replace` of a bare manifest does.
    StripFinalizer,
    /// Deletes every Secret in the operator's namespace.
    LoseRecords,
    /// Deletes the namespace of the applications.
    Terminate,
    /// Restores the object from a backup: a new UID, old annotations and no status.
    Restore,
    /// Restores the object into a cluster whose records are another operator's.
    Clone,
    /// The provider answers 401 to everything from now on.
    Sicken,
    /// The provider works again.
    Recover,
    /// The provider loses every client.
    Lose,
}

/// A scenario.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "independent habits of a provider")]
pub(super) struct Scenario {
    pub name: &'static str,
    pub steps: &'static [Step],
    pub rotates: bool,
    pub unmanaged: bool,
    /// Whether registrations choose their identifiers.
    pub chosen: bool,
    pub policy: OnUnknownOutcome,
    pub retain: bool,
}

const PLAIN: Scenario = Scenario {
    name: "",
    steps: &[],
    rotates: false,
    unmanaged: false,
    chosen: false,
    policy: OnUnknownOutcome::Register,
    retain: false,
};

use Step::{
    Apply, Clone as CloneCluster, Delete, DeleteSecret, EditSecret, ForeignSecret, Lose, LoseRecords, Recover, Restore,
    Sicken, StripFinalizer, Terminate,
};

/// Every scenario.
pub(super) const ALL: &[Scenario] = &[
    Scenario {
        name: "create",
        steps: &[Apply(1)],
        ..PLAIN
    },
    Scenario {
        name: "create, hold unknown outcomes",
        steps: &[Apply(1)],
        policy: OnUnknownOutcome::Hold,
        ..PLAIN
    },
    Scenario {
        name: "create and delete",
        steps: &[Apply(1), Delete],
        ..PLAIN
    },
    Scenario {
        name: "create and delete, unmanaged",
        steps: &[Apply(1), Delete],
        unmanaged: true,
        ..PLAIN
    },
    Scenario {
        name: "create and delete, retained",
        steps: &[Apply(1), Delete],
        retain: true,
        ..PLAIN
    },
    Scenario {
        name: "update",
        steps: &[Apply(1), Apply(2)],
        ..PLAIN
    },
    Scenario {
        name: "update with rotation",
        steps: &[Apply(1), Apply(2)],
        rotates: true,
        ..PLAIN
    },
    Scenario {
        name: "update and delete with rotation",
        steps: &[Apply(1), Apply(2), Delete],
        rotates: true,
        ..PLAIN
    },
    Scenario {
        name: "create with a chosen identifier",
        steps: &[Apply(1)],
        chosen: true,
        ..PLAIN
    },
    Scenario {
        name: "update and delete with a chosen identifier",
        steps: &[Apply(1), Apply(2), Delete],
        chosen: true,
        ..PLAIN
    },
    Scenario {
        name: "update of a client that the provider lost",
        steps: &[Apply(1), Lose, Apply(2)],
        ..PLAIN
    },
    Scenario {
        name: "update of a lost client with a chosen identifier",
        steps: &[Apply(1), Lose, Apply(2)],
        chosen: true,
        ..PLAIN
    },
    Scenario {
        name: "edit of the Secret",
        steps: &[Apply(1), EditSecret],
        ..PLAIN
    },
    Scenario {
        name: "deletion of the Secret",
        steps: &[Apply(1), DeleteSecret],
        ..PLAIN
    },
    Scenario {
        name: "foreign Secret",
        steps: &[ForeignSecret, Apply(1)],
        ..PLAIN
    },
    Scenario {
        name: "recreation under the same name",
        steps: &[Apply(1), Delete, Apply(2)],
        ..PLAIN
    },
    Scenario {
        name: "finalizer stripped",
        steps: &[Apply(1), StripFinalizer, Delete],
        ..PLAIN
    },
    Scenario {
        name: "namespace deleted",
        steps: &[Apply(1), Terminate],
        ..PLAIN
    },
    Scenario {
        name: "records lost",
        steps: &[Apply(1), LoseRecords, Apply(2), Delete],
        ..PLAIN
    },
    Scenario {
        name: "restored from a backup",
        steps: &[Apply(1), Restore],
        ..PLAIN
    },
    Scenario {
        name: "restored into a clone",
        steps: &[Apply(1), CloneCluster],
        ..PLAIN
    },
    Scenario {
        name: "sick provider",
        steps: &[Apply(1), Sicken, Apply(2), Recover],
        ..PLAIN
    },
];

/// Name of the one object.
pub(super) fn name() -> Name {
    (APPS.to_owned(), "app".to_owned())
}

impl Scenario {
    /// The manifest in a version.
    pub(super) fn manifest(&self, version: u32) -> OAuthClient {
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

    /// Does one step.
    pub(super) fn act(&self, step: Step, cluster: &mut Cluster, provider: &mut super::provider::Provider, now: i64) {
        match step {
            Step::Apply(version) => cluster.apply(self.manifest(version)),
            Step::Delete => cluster.delete(&name(), now),
            Step::EditSecret => cluster.change_secret(&name(), |secret| {
                let wrong = k8s_openapi::ByteString(b"wrong".to_vec());
                secret
                    .data
                    .get_or_insert_default()
                    .insert("client_secret".to_owned(), wrong);
            }),
            Step::DeleteSecret => {
                cluster.secrets.remove(&name());
            }
            Step::ForeignSecret => {
                let foreign = json!({"metadata": {"name": "app", "namespace": APPS}, "data": {"theirs": "eA=="}});
                let _ = cluster.create(&serde_json::from_value(foreign).unwrap());
            }
            Step::StripFinalizer => cluster.change(&name(), |object| object.metadata.finalizers = None),
            Step::LoseRecords => cluster.secrets.retain(|(namespace, _), _| namespace != HOME),
            Step::Terminate => {
                cluster.terminating.insert(APPS.to_owned());
            }
            Step::Restore | Step::Clone => {
                let Some(mut object) = cluster.clients.remove(&name()) else {
                    return;
                };
                object.metadata.finalizers = None;
                object.metadata.deletion_timestamp = None;
                object.status = None;
                if step == Step::Clone {
                    cluster.secrets.retain(|(namespace, _), _| namespace != HOME);
                }
                let annotations = object.metadata.annotations.clone();
                cluster.collect();
                cluster.apply(object);
                cluster.change(&name(), |object| object.metadata.annotations = annotations);
            }
            Step::Sicken => provider.refuses = true,
            Step::Recover => provider.refuses = false,
            Step::Lose => provider.lose(),
        }
        cluster.collect();
        cluster.terminate(now);
    }
}
