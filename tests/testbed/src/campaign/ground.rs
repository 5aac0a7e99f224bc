//! Namespaces, rights, and what is seen in them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams};
use serde_json::Value;

use super::Failure;
use crate::control_plane::{ControlPlane, Namespace};
use crate::operator::{NAME, Operator, OperatorOptions, chart_manifests};
use crate::promises::{Issued, Leftovers, Object, Published, Recorded, Suspected};
use crate::site::Site;

/// A namespace for the operator, and one for each tenant.
pub struct Ground<'a> {
    /// The control plane.
    pub plane: &'a ControlPlane,
    /// Namespace of the records.
    pub home: Namespace,
    /// Namespaces of the applications.
    pub tenants: Vec<Namespace>,
    client: Client,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Installs the definitions.
pub async fn define(plane: &ControlPlane) -> Result<(), Failure> {
    let crds = root().join("crds");
    plane
        .kubectl(&["apply", "--server-side", "-k", &crds.to_string_lossy()])
        .await?
        .stdout()?;
    let established = ["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"];
    plane.kubectl(&established).await?.stdout()?;
    Ok(())
}

impl<'a> Ground<'a> {
    /// Makes the namespaces.
    pub async fn new(plane: &'a ControlPlane, name: &str, tenants: usize) -> Result<Self, Failure> {
        let mut namespaces = Vec::new();
        for number in 0..tenants {
            namespaces.push(plane.namespace(&format!("{name}-tenant{number}")).await?);
        }
        Ok(Self {
            plane,
            home: plane.namespace(&format!("{name}-operator")).await?,
            tenants: namespaces,
            client: plane.client()?,
        })
    }

    /// Options of an operator with the rights that the chart renders.
    pub async fn options(&self, binary: &Path, args: &[&str]) -> Result<OperatorOptions, Failure> {
        let watched: Vec<String> = self.tenants.iter().map(|tenant| tenant.name().to_owned()).collect();
        let chart = root().join("charts").join(NAME);
        let rights = chart_manifests(self.plane, &chart, self.home.name(), &watched).await?;
        Ok(OperatorOptions {
            binary: binary.to_owned(),
            manifests: vec![rights],
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            ..OperatorOptions::new(self.home.name(), &watched)
        })
    }

    /// Starts an operator.
    pub async fn operator(&self, binary: &Path, args: &[&str]) -> Result<Operator, Failure> {
        Ok(Operator::start(self.plane, self.options(binary, args).await?).await?)
    }

    /// The OAuthClients of a tenant.
    #[must_use]
    pub fn objects(&self, tenant: usize) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("oauth-client-operator.dev", "v1alpha1", "OAuthClient");
        let resource = ApiResource::from_gvk_with_plural(&kind, "oauthclients");
        Api::namespaced_with(self.client.clone(), self.tenants[tenant].name(), &resource)
    }

    /// The Secrets of a tenant.
    #[must_use]
    pub fn secrets(&self, tenant: usize) -> Api<Secret> {
        Api::namespaced(self.client.clone(), self.tenants[tenant].name())
    }

    /// Every OAuthClient of a tenant, as JSON.
    pub async fn seen(&self, tenant: usize) -> Result<Vec<Value>, Failure> {
        let list = self.objects(tenant).list(&ListParams::default()).await?;
        Ok(list.items.iter().map(serde_json::to_value).collect::<Result<_, _>>()?)
    }

    /// The credentials Secrets of a tenant.
    pub async fn published(&self, tenant: usize) -> Result<Vec<Published>, Failure> {
        let role = ListParams::default().labels("oauth-client-operator.dev/role=credentials");
        let list = self.secrets(tenant).list(&role).await?;
        Ok(list.items.iter().map(Published::from_secret).collect())
    }

    /// Names of the replica that holds the lease.
    pub async fn leader(&self) -> Result<String, Failure> {
        let args = [
            "-n",
            self.home.name(),
            "get",
            "lease",
            NAME,
            "-o",
            "jsonpath={.spec.holderIdentity}",
        ];
        Ok(self.plane.kubectl(&args).await?.stdout)
    }

    /// Everything that is left, for the promises.
    pub async fn leftovers(&self, site: &Site) -> Result<Leftovers, Failure> {
        let mut left = self.held().await?;
        left.ledger = ledger(site).await?;
        Ok(left)
    }

    /// What is left in the cluster.
    pub(super) async fn held(&self) -> Result<Leftovers, Failure> {
        let mut left = Leftovers::default();
        for tenant in 0..self.tenants.len() {
            left.objects
                .extend(self.seen(tenant).await?.iter().map(Object::from_json));
            left.secrets.extend(self.published(tenant).await?);
        }
        let kept: Api<Secret> = Api::namespaced(self.client.clone(), self.home.name());
        let kept = kept.list(&ListParams::default()).await?.items;
        left.records = kept.iter().filter_map(Recorded::from_secret).collect();
        left.suspects = kept.iter().filter_map(Suspected::from_secret).collect();
        Ok(left)
    }
}

/// The provider's own list.
pub(super) async fn ledger(site: &Site) -> Result<BTreeMap<String, Issued>, Failure> {
    let clients = site.clients().await?;
    let uris = |client: &Value| {
        let uris = client["redirect_uris"].as_array()?;
        Some(uris.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    };
    let issued = |client: &Value| Issued {
        secret: client["client_secret"].as_str().map(Into::into),
        redirect_uris: uris(client),
        attempt: None,
        alive: true,
    };
    let issued = clients.iter().map(|(id, client)| (id.clone(), issued(client)));
    Ok(issued.collect())
}
