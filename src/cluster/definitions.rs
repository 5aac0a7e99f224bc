//! Whether the API server serves the operator's kinds, with the fields that this version works with.
//!
//! An older CRD drops what it does not know from every write, or answers 500 to it. The published schema says so before the
//! first write, and every authenticated user may read that: no right to CRDs is needed.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Request;
use http::header::ACCEPT;
use kube::Client;
use serde::Deserialize;
use tokio::sync::watch;

use super::connect::within;
use super::error::ApiError;
use super::watch::{Health, Scope};
use crate::api::{self, names};

/// Time between two looks while something is missing. A schema is published a moment after its kind is served.
const AGAIN: Duration = Duration::from_secs(2);
/// Looks at an API server that serves the kinds and publishes no schema, before it is taken as it is.
const UNPUBLISHED: u32 = 5;
/// Missing fields that are named.
const NAMED: usize = 4;

/// What is known of the definitions.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Known {
    NotYet,
    Problem(String),
    Served,
}

/// Looks at the definitions.
pub struct Definitions {
    client: Client,
    kinds: Vec<(String, Schema)>,
    known: watch::Sender<Known>,
}

/// What is known of the definitions. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DefinitionsState(watch::Receiver<Known>);

impl DefinitionsState {
    /// Waits until everything is served that is needed.
    pub async fn served(&mut self) {
        if self.0.wait_for(|known| *known == Known::Served).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether everything is served that is needed.
    ///
    /// # Errors
    /// What is missing and what to do; `None`: the API server has not been asked yet.
    pub fn ready(&self) -> Result<(), Option<String>> {
        match &*self.0.borrow() {
            Known::Served => Ok(()),
            Known::Problem(problem) => Err(Some(problem.clone())),
            Known::NotYet => Err(None),
        }
    }
}

/// How a look ended.
enum Look {
    Served,
    Problem(String),
    /// The kinds are served, and their schemas are not published.
    Unpublished,
    /// The schemas may not be read.
    Forbidden,
    /// The API server cannot be asked now.
    Unanswered,
}

impl Definitions {
    /// A namespaced installation needs no cluster-wide kind.
    #[must_use]
    pub fn new(client: Client, scope: &Scope) -> (Self, DefinitionsState) {
        let (known, state) = watch::channel(Known::NotYet);
        let kinds = needed(*scope == Scope::All);
        (Self { client, kinds, known }, DefinitionsState(state))
    }

    /// Looks until everything is served, and again whenever a watch finds that its kind is not.
    pub async fn run(self, health: Health) -> std::convert::Infallible {
        loop {
            self.until_served().await;
            health.kind_is_missing().await;
        }
    }

    async fn until_served(&self) {
        let mut unpublished = 0;
        loop {
            match self.look().await {
                Look::Served => return self.served(),
                Look::Forbidden => {
                    tracing::info!("the schemas of the CRDs may not be read, so their version is not checked");
                    return self.served();
                }
                Look::Unpublished if unpublished == UNPUBLISHED => {
                    tracing::info!("the API server publishes no schemas of the CRDs, so their version is not checked");
                    return self.served();
                }
                Look::Unpublished => unpublished += 1,
                Look::Problem(problem) => self.problem(&problem),
                // The watches say so.
                Look::Unanswered => {}
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    fn served(&self) {
        if let Known::Problem(_) = self.known.send_replace(Known::Served) {
            tracing::info!("the CRDs are complete now");
        }
    }

    fn problem(&self, problem: &str) {
        let next = Known::Problem(problem.to_owned());
        if self.known.send_replace(next.clone()) != next {
            tracing::error!("{problem}");
        }
    }

    async fn look(&self) -> Look {
        let path = format!("/openapi/v3/apis/{}", names::API_VERSION);
        match self.text(&path).await {
            Ok(text) => match serde_json::from_str::<Published>(&text) {
                Ok(published) => compare(&self.kinds, &published),
                Err(_) => Look::Unpublished,
            },
            Err(ref error) if is_nowhere(error) => match self.text(&format!("/apis/{}", names::API_VERSION)).await {
                Ok(_) => Look::Unpublished,
                Err(ref error) if is_nowhere(error) => {
                    Look::Problem(not_served(self.kinds.iter().map(|(kind, _)| kind.as_str())))
                }
                Err(error) => unanswered(&error),
            },
            Err(ApiError::Forbidden { .. }) => Look::Forbidden,
            Err(error) => unanswered(&error),
        }
    }

    async fn text(&self, path: &str) -> Result<String, ApiError> {
        let request = Request::get(path).header(ACCEPT, "application/json").body(Vec::new());
        let request = request.map_err(kube::Error::HttpError)?;
        within(self.client.request_text(request)).await
    }
}

/// A path that the API server does not have is answered without a `Status` object.
fn is_nowhere(error: &ApiError) -> bool {
    matches!(error, ApiError::NotFound | ApiError::Other { code: 404, .. })
}

fn unanswered(error: &ApiError) -> Look {
    tracing::debug!(%error, "the schemas of the CRDs cannot be read now");
    Look::Unanswered
}

/// The document that the API server publishes for a version of a group.
#[derive(Deserialize)]
struct Published {
    components: Components,
}

#[derive(Deserialize)]
struct Components {
    schemas: BTreeMap<String, Schema>,
}

/// The part of a schema that decides whether a field is kept.
#[derive(Deserialize)]
struct Schema {
    #[serde(default)]
    properties: BTreeMap<String, Schema>,
    items: Option<Box<Schema>>,
    #[serde(rename = "additionalProperties")]
    values: Option<Values>,
    #[serde(default, rename = "x-kubernetes-preserve-unknown-fields")]
    keeps_unknown: bool,
    #[serde(default, rename = "x-kubernetes-group-version-kind")]
    kinds: Vec<Kind>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    Schema(Box<Schema>),
    Other(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
struct Kind {
    kind: String,
}

/// The kinds that this version needs, with the schemas that it was built with.
fn needed(cluster_wide: bool) -> Vec<(String, Schema)> {
    let mut kinds = Vec::new();
    for mut crd in api::crds() {
        if crd["spec"]["scope"] == "Cluster" && !cluster_wide {
            continue;
        }
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap_or_default().to_owned();
        let schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].take();
        if let Ok(schema) = serde_json::from_value(schema) {
            kinds.push((kind, schema));
        }
    }
    kinds
}

fn compare(needed: &[(String, Schema)], published: &Published) -> Look {
    let (mut absent, mut outdated) = (Vec::new(), Vec::new());
    for (kind, ours) in needed {
        let mut all = published.components.schemas.values();
        match all.find(|schema| schema.kinds.iter().any(|found| found.kind == *kind)) {
            None => absent.push(kind.as_str()),
            Some(theirs) => {
                let mut fields = Vec::new();
                missing("", ours, theirs, &mut fields);
                outdated.extend(fields.into_iter().map(|field| format!("{kind}{field}")));
            }
        }
    }
    if !absent.is_empty() {
        return Look::Problem(not_served(absent.into_iter()));
    }
    if outdated.is_empty() {
        return Look::Served;
    }
    let more = match outdated.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    outdated.truncate(NAMED);
    Look::Problem(format!(
        "the installed CRDs are older than the operator; upgrade the CRDs: they lack {}{more}",
        outdated.join(", ")
    ))
}

fn not_served<'a>(kinds: impl Iterator<Item = &'a str>) -> String {
    let kinds: Vec<&str> = kinds.collect();
    format!("the API server does not serve {}; install the CRDs", kinds.join(", "))
}

/// The fields of `ours` that `theirs` lacks, the topmost ones only.
fn missing(path: &str, ours: &Schema, theirs: &Schema, found: &mut Vec<String>) {
    if theirs.keeps_unknown {
        return;
    }
    for (name, field) in &ours.properties {
        let path = format!("{path}.{name}");
        match theirs.properties.get(name) {
            Some(theirs) => missing(&path, field, theirs, found),
            None => found.push(path),
        }
    }
    if let (Some(ours), Some(theirs)) = (&ours.items, &theirs.items) {
        missing(&format!("{path}[]"), ours, theirs, found);
    }
    if let (Some(Values::Schema(ours)), Some(Values::Schema(theirs))) = (&ours.values, &theirs.values) {
        missing(&format!("{path}.*"), ours, theirs, found);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// What an API server publishes that has these definitions.
    fn published(change: impl Fn(&mut Value)) -> Published {
        let schemas: serde_json::Map<String, Value> = api::crds()
            .into_iter()
            .map(|mut crd| {
                let kind = crd["spec"]["names"]["kind"].as_str().unwrap().to_owned();
                let mut schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].take();
                schema["x-kubernetes-group-version-kind"] =
                    json!([{"group": names::GROUP, "version": "v1alpha1", "kind": kind}]);
                (kind, schema)
            })
            .collect();
        let mut document = json!({"components": {"schemas": schemas}});
        change(&mut document["components"]["schemas"]);
        serde_json::from_value(document).unwrap()
    }

    fn problem(change: impl Fn(&mut Value)) -> Option<String> {
        match compare(&needed(true), &published(change)) {
            Look::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    #[test]
    fn t123_fields_that_an_older_crd_lacks_are_named() {
        assert_eq!(problem(|_| {}), None);
        let older = |schemas: &mut Value| {
            let fields = schemas["OAuthClient"]["properties"].as_object_mut().unwrap();
            fields["spec"]["properties"].as_object_mut().unwrap().remove("secret");
            let conditions = &mut fields["status"]["properties"]["conditions"]["items"]["properties"];
            conditions.as_object_mut().unwrap().remove("reason");
        };
        assert_eq!(
            problem(older).unwrap(),
            "the installed CRDs are older than the operator; upgrade the CRDs: they lack OAuthClient.spec.secret, \
             OAuthClient.status.conditions[].reason"
        );
    }

    #[test]
    fn t123_many_missing_fields_are_counted() {
        let older = |schemas: &mut Value| {
            schemas["OAuthProvider"]["properties"]["spec"]["properties"] = json!({});
        };
        let text = problem(older).unwrap();
        assert!(
            text.contains(" more") && text.matches("OAuthProvider.spec.").count() == NAMED,
            "{text}"
        );
    }

    #[test]
    fn t123_a_kind_that_is_not_served_is_named_and_a_newer_crd_is_fine() {
        let without = |schemas: &mut Value| {
            schemas.as_object_mut().unwrap().remove("ClusterOAuthProvider");
        };
        let text = "the API server does not serve ClusterOAuthProvider; install the CRDs";
        assert_eq!(problem(without).unwrap(), text);
        assert!(matches!(compare(&needed(false), &published(without)), Look::Served));
        let newer = |schemas: &mut Value| {
            schemas["OAuthClient"]["properties"]["spec"]["properties"]["novelty"] = json!({"type": "string"});
        };
        assert_eq!(problem(newer), None);
    }
}
