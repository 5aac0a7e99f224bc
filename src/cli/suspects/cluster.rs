//! What the command asks the API server for.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use kube::core::PartialObjectMeta;
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::json;

use crate::api::{ClusterOAuthProvider, OAuthClient, OAuthProvider, names};
use crate::cluster::{self, ApiError, SecretRevision, heads, within};

use super::entry::{Entry, Found};

/// Where the installation guide puts the operator.
const HOME: &str = "oauth-client-operator-system";
/// The namespace of a context that names none.
const UNSET: &str = "default";
/// Objects of one page of a list.
const PAGE: u32 = 500;

/// Why the command ends, for people.
#[derive(Debug)]
pub(super) struct Problem(pub(super) String);

impl Problem {
    /// A refused or failed call.
    fn of(error: &ApiError, verb: &str, what: &str) -> Self {
        let text = match error {
            ApiError::Forbidden { message, .. } => {
                format!("you may not {verb} {what}; ask an administrator of the cluster for the right: {message}")
            }
            ApiError::Conflict | ApiError::Invalid { uid_changed: true, .. } => {
                format!("{what} changed meanwhile, so nothing was done to it; look at it again")
            }
            other => format!("cannot {verb} {what}: {other}"),
        };
        Self(text)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The cluster, and the operator's namespace in it.
pub(super) struct Cluster {
    client: Client,
    pub(super) namespace: String,
}

/// UIDs of the objects that exist, as far as the caller may see.
struct Objects {
    uids: HashSet<String>,
    /// `None`: every namespace was listed.
    listed: Option<HashSet<String>>,
    /// Whether the cluster serves the kind.
    is_served: bool,
}

impl Objects {
    /// Whether the object exists; `None`: its namespace could not be listed.
    fn has(&self, found: &Found) -> Option<bool> {
        let Some(uid) = found.owner_uid() else {
            return Some(false);
        };
        let is_listed = |listed: &HashSet<String>| found.owner_namespace().is_some_and(|name| listed.contains(name));
        let known = self.listed.as_ref().is_none_or(is_listed);
        known.then(|| self.uids.contains(uid))
    }

    /// Why the objects of a namespace are not known.
    fn why(&self, namespace: &str) -> String {
        if self.is_served {
            format!("you may not list the OAuthClients of namespace {namespace}")
        } else {
            "the cluster does not serve OAuthClients; apply the CustomResourceDefinitions".to_owned()
        }
    }
}

impl Cluster {
    pub(super) async fn connect(namespace: Option<String>) -> Result<Self, Problem> {
        let client = cluster::connect().await.map_err(|error| Problem(error.to_string()))?;
        let of_context = Some(client.default_namespace()).filter(|name| *name != UNSET);
        let namespace = namespace.unwrap_or_else(|| of_context.unwrap_or(HOME).to_owned());
        Ok(Self { client, namespace })
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn text(&self, name: &str) -> String {
        format!("Secret {}/{name}", self.namespace)
    }

    /// Everything that outlived its object: suspects first, the oldest of each kind first.
    pub(super) async fn entries(&self) -> Result<Vec<Entry>, Problem> {
        let selector = format!("{} in (record,suspect)", names::SECRET_ROLE);
        let mut params = ListParams::default().labels(&selector).limit(PAGE);
        let (secrets, mut found) = (self.secrets(), Vec::new());
        let what = format!("Secrets in namespace {}", self.namespace);
        loop {
            let page = within(secrets.list(&params)).await;
            let page = page.map_err(|error| Problem::of(&error, "list", &what))?;
            found.extend(page.items.into_iter().filter_map(Found::of));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => break,
            }
        }
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let (objects, providers) = (self.objects(&found).await?, self.providers().await);
        let mut entries = Vec::new();
        let mut left_out: BTreeMap<&str, usize> = BTreeMap::new();
        for found in &found {
            match objects.has(found) {
                Some(has_object) => entries.extend(found.entry(has_object, &providers)),
                None => {
                    *left_out
                        .entry(found.owner_namespace().unwrap_or("<unknown>"))
                        .or_default() += 1;
                }
            }
        }
        for (namespace, count) in left_out {
            let why = objects.why(namespace);
            eprintln!("the records of namespace {namespace} are left out ({count}): {why}");
        }
        entries.sort_by(|a, b| (a.kind, &a.time, &a.name).cmp(&(b.kind, &b.time, &b.name)));
        Ok(entries)
    }

    /// One entry as it is now.
    pub(super) async fn entry(&self, name: &str) -> Result<Entry, Problem> {
        let text = self.text(name);
        let secret = within(self.secrets().get_opt(name)).await;
        let secret = secret.map_err(|error| Problem::of(&error, "get", &text))?;
        let secret = secret.ok_or_else(|| {
            Problem(format!("{text} does not exist; `suspects list` names the entries, and --namespace the namespace of the operator"))
        })?;
        let found = Found::of(secret)
            .ok_or_else(|| Problem(format!("{text} is neither a suspect nor a record of the operator")))?;
        let found = [found];
        let (objects, providers) = (self.objects(&found).await?, self.providers().await);
        let [found] = found;
        let Some(has_object) = objects.has(&found) else {
            let why = objects.why(found.owner_namespace().unwrap_or("<unknown>"));
            return Err(Problem(format!(
                "it is unknown whether the OAuthClient of {text} exists: {why}"
            )));
        };
        found.entry(has_object, &providers).ok_or_else(|| {
            Problem(format!(
                "{text} is the record of a client that is in use or was retained, not a suspect: to remove the client, delete its OAuthClient"
            ))
        })
    }

    /// Removes exactly the version of an entry that was looked at.
    pub(super) async fn remove(&self, entry: &Entry) -> Result<(), Problem> {
        let SecretRevision { uid, resource_version } = entry.revision.clone();
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(uid),
                resource_version: Some(resource_version),
            }),
            ..DeleteParams::default()
        };
        let removed = within(self.secrets().delete(&entry.name, &params)).await;
        removed
            .map(drop)
            .map_err(|error| Problem::of(&error, "delete", &self.text(&entry.name)))
    }

    /// Asks the operator for a try.
    pub(super) async fn request_retry(&self, entry: &Entry, value: &str) -> Result<(), Problem> {
        let SecretRevision { uid, resource_version } = &entry.revision;
        let patch = json!({"metadata": {
            "uid": uid,
            "resourceVersion": resource_version,
            "annotations": {names::RETRY: value},
        }});
        let params = PatchParams::default();
        let patched = within(
            self.secrets()
                .patch_metadata(&entry.name, &params, &Patch::Merge(patch)),
        )
        .await;
        patched
            .map(drop)
            .map_err(|error| Problem::of(&error, "patch", &self.text(&entry.name)))
    }

    /// The objects whose absence decides what the records are. Whoever may not list them in the whole cluster lists the namespaces
    /// that the records name.
    async fn objects(&self, found: &[Found]) -> Result<Objects, Problem> {
        let mut objects = Objects {
            uids: HashSet::new(),
            listed: None,
            is_served: true,
        };
        if found.iter().all(|found| found.owner_uid().is_none()) {
            return Ok(objects);
        }
        let uids = |all: Vec<PartialObjectMeta<OAuthClient>>| all.into_iter().filter_map(|object| object.metadata.uid);
        match heads(&Api::<OAuthClient>::all(self.client.clone()), ListParams::default()).await {
            Ok(all) => {
                objects.uids.extend(uids(all));
                return Ok(objects);
            }
            Err(ApiError::NotFound) => {
                objects.is_served = false;
                objects.listed = Some(HashSet::new());
                return Ok(objects);
            }
            Err(ApiError::Forbidden { .. }) => objects.listed = Some(HashSet::new()),
            Err(error) => return Err(Problem::of(&error, "list", "OAuthClients")),
        }
        let namespaces: BTreeSet<_> = found.iter().filter_map(Found::owner_namespace).collect();
        for namespace in namespaces {
            match heads(
                &Api::<OAuthClient>::namespaced(self.client.clone(), namespace),
                ListParams::default(),
            )
            .await
            {
                Ok(all) => {
                    objects.uids.extend(uids(all));
                    objects.listed.get_or_insert_default().insert(namespace.to_owned());
                }
                Err(ApiError::Forbidden { .. }) => {}
                Err(error) => {
                    return Err(Problem::of(
                        &error,
                        "list",
                        &format!("OAuthClients in namespace {namespace}"),
                    ));
                }
            }
        }
        Ok(objects)
    }

    /// Kinds and names of the provider objects by UID, as far as the caller may see them: a record holds the UID only.
    async fn providers(&self) -> HashMap<String, String> {
        let mut names = HashMap::new();
        let namespaced = Api::<OAuthProvider>::all(self.client.clone());
        let of_cluster = Api::<ClusterOAuthProvider>::all(self.client.clone());
        names.extend(named(heads(&namespaced, ListParams::default()).await));
        names.extend(named(heads(&of_cluster, ListParams::default()).await));
        names
    }
}

fn named<K: Resource<DynamicType = ()>>(
    heads: Result<Vec<PartialObjectMeta<K>>, ApiError>,
) -> impl Iterator<Item = (String, String)> {
    let heads = heads.unwrap_or_default().into_iter();
    heads.filter_map(|head| {
        let name = format!("{} {}", K::kind(&()), head.name_any());
        Some((head.metadata.uid?, name))
    })
}
