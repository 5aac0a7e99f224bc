//! A namespace for one test.

use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace as Object;
use kube::api::{Api, DeleteParams, ObjectMeta, PostParams};

use super::command::Commands;
use super::{Cluster, CommandOutput, ControlPlaneError};

/// Time that a namespace has to go.
const DELETE_LIMIT: Duration = Duration::from_mins(1);

/// A namespace with a name of its own; on drop its deletion is asked for, and finalizers that nobody removes any more are taken off.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    commands: Commands,
    gone: bool,
}

impl Cluster {
    /// Makes a namespace whose name begins with `prefix`.
    pub async fn namespace(&self, prefix: &str) -> Result<Namespace, ControlPlaneError> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{prefix}-{}-{number}", std::process::id());
        self.create_namespace(&name).await?;
        Ok(Namespace {
            name,
            commands: self.commands.clone(),
            gone: false,
        })
    }

    /// Makes a namespace of a given name; one that is there already is fine.
    pub async fn create_namespace(&self, name: &str) -> Result<(), ControlPlaneError> {
        let namespaces: Api<Object> = Api::all(self.client()?);
        let object = Object {
            metadata: ObjectMeta {
                name: Some(name.into()),
                ..ObjectMeta::default()
            },
            ..Object::default()
        };
        match namespaces.create(&PostParams::default(), &object).await {
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            other => other
                .map(drop)
                .map_err(ControlPlaneError::api(format!("cannot create namespace {name}"))),
        }
    }

    /// Deletes a namespace and waits until it is gone, with all that is in it.
    pub async fn delete_namespace(&self, name: &str) -> Result<(), ControlPlaneError> {
        let namespaces: Api<Object> = Api::all(self.client()?);
        match namespaces.delete(name, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
            other => other
                .map(drop)
                .map_err(ControlPlaneError::api(format!("cannot delete namespace {name}")))?,
        }
        let gone = async {
            loop {
                let seen = namespaces.get_opt(name).await;
                if seen
                    .map_err(ControlPlaneError::api(format!("cannot read namespace {name}")))?
                    .is_none()
                {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let late = |_| ControlPlaneError::Late {
            what: format!("the end of namespace {name}"),
            seconds: DELETE_LIMIT.as_secs(),
        };
        tokio::time::timeout(DELETE_LIMIT, gone).await.map_err(late)?
    }
}

impl Namespace {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs kubectl in this namespace.
    pub async fn kubectl(&self, args: &[&str]) -> Result<CommandOutput, ControlPlaneError> {
        self.commands
            .kubectl(&[&["-n", self.name.as_str()], args].concat(), None)
            .await
    }

    /// `kubectl apply -f -` in this namespace; its output, or an error if it failed.
    pub async fn apply(&self, manifests: &str) -> Result<String, ControlPlaneError> {
        self.commands
            .kubectl(&["-n", &self.name, "apply", "-f", "-"], Some(manifests))
            .await?
            .stdout()
    }

    /// Deletes it and waits until it is gone; `cluster` is the one that made it.
    pub async fn delete(mut self, cluster: &Cluster) -> Result<(), ControlPlaneError> {
        cluster.delete_namespace(&self.name).await?;
        self.gone = true;
        Ok(())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if self.gone {
            return;
        }
        // The operator of a test that is over takes its finalizer off nothing any more. A namespace that cannot end is looked at each second
        // by the controller of namespaces, as long as the cluster runs.
        let script = "\"$0\" delete namespace \"$1\" --wait=false --ignore-not-found --request-timeout=5s
            set -- \"$0\" \"$1\" $(\"$0\" -n \"$1\" get oauthclients -o name --request-timeout=5s | head -n 200)
            if [ $# -gt 2 ]; then
              namespace=$2; shift 2
              \"$0\" -n \"$namespace\" patch \"$@\" --type=merge -p '{\"metadata\":{\"finalizers\":null}}' --request-timeout=5s
            fi";
        let _ = std::process::Command::new("sh")
            .args(["-c", script])
            .arg(&self.commands.kubectl)
            .arg(&self.name)
            .env("KUBECONFIG", &self.commands.kubeconfig)
            .env("HOME", &self.commands.home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}
