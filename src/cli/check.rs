//! `oauth-client-operator check`: whether the cluster is ready for the operator. `helm test` runs it.

use std::fmt;
use std::process::ExitCode;

use clap::Args;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};

use crate::cluster;

const GROUP: &str = "oauth-client-operator.dev";
const API_VERSION: &str = "oauth-client-operator.dev/v1alpha1";

/// A group of rights: API group, resource with its subresource, name of one object or nothing, verbs.
type Rule = (&'static str, &'static str, &'static str, &'static [&'static str]);

/// Rights in every namespace that is served.
const SERVED: [Rule; 7] = [
    (GROUP, "oauthclients", "", &["get", "list", "watch", "patch"]),
    (GROUP, "oauthproviders", "", &["get", "list", "watch"]),
    (GROUP, "oauthclients/status", "", &["patch"]),
    (GROUP, "oauthproviders/status", "", &["patch"]),
    (
        "",
        "secrets",
        "",
        &["get", "list", "watch", "create", "patch", "delete"],
    ),
    ("", "configmaps", "", &["get", "list", "watch"]),
    ("events.k8s.io", "events", "", &["create"]),
];

/// Further rights where every namespace is served.
const CLUSTER: [Rule; 3] = [
    (GROUP, "clusteroauthproviders", "", &["get", "list", "watch"]),
    (GROUP, "clusteroauthproviders/status", "", &["patch"]),
    ("", "namespaces", "", &["get", "list", "watch"]),
];

/// Rights in the operator's own namespace.
const HOME: [Rule; 3] = [
    (
        "",
        "secrets",
        "",
        &["get", "list", "watch", "create", "patch", "delete"],
    ),
    ("coordination.k8s.io", "leases", "", &["create"]),
    (
        "coordination.k8s.io",
        "leases",
        "oauth-client-operator",
        &["get", "update"],
    ),
];

#[derive(Args, Debug)]
pub(super) struct Check {
    /// Namespace of the operator
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAMESPACE")]
    operator_namespace: String,
    /// Namespaces that the operator serves, separated by commas; empty: all
    #[arg(
        long,
        env = "WATCH_NAMESPACES",
        value_name = "NAMESPACES",
        default_value = "",
        hide_default_value = true
    )]
    namespaces: String,
}

/// One right in one place.
struct Right {
    namespace: Option<String>,
    group: &'static str,
    resource: &'static str,
    name: &'static str,
    verb: &'static str,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        if !self.name.is_empty() {
            write!(f, " {}", self.name)?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => f.write_str(" in the whole cluster"),
        }
    }
}

impl Check {
    pub(super) fn run(self) -> ExitCode {
        let runtime = match super::runtime() {
            Ok(runtime) => runtime,
            Err(code) => return code,
        };
        match runtime.block_on(self.problems()) {
            Ok(problems) if problems.is_empty() => {
                println!("ok: the kinds are served, and no right is missing");
                ExitCode::SUCCESS
            }
            Ok(problems) => {
                for problem in problems {
                    eprintln!("{problem}");
                }
                ExitCode::FAILURE
            }
            Err(error) => {
                eprintln!("the check failed: {error}");
                ExitCode::FAILURE
            }
        }
    }

    /// What has to be mended, one line each.
    async fn problems(&self) -> Result<Vec<String>, Box<dyn std::error::Error>> {
        let client = cluster::connect().await?;
        let mut problems = missing_kinds(&client).await?;
        for right in self.rights() {
            if !allowed(&client, &right).await? {
                problems.push(format!("missing right: {right}"));
            }
        }
        Ok(problems)
    }

    fn rights(&self) -> Vec<Right> {
        let served: Vec<_> = self
            .namespaces
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .collect();
        let mut rights = in_place(Some(&self.operator_namespace), &HOME);
        if served.is_empty() {
            rights.extend(in_place(None, &SERVED));
            rights.extend(in_place(None, &CLUSTER));
        }
        rights.extend(
            served
                .into_iter()
                .flat_map(|namespace| in_place(Some(namespace), &SERVED)),
        );
        rights
    }
}

fn in_place(namespace: Option<&str>, rules: &[Rule]) -> Vec<Right> {
    let rights = rules.iter().flat_map(|&(group, resource, name, verbs)| {
        verbs.iter().map(move |&verb| Right {
            namespace: namespace.map(str::to_owned),
            group,
            resource,
            name,
            verb,
        })
    });
    rights.collect()
}

async fn missing_kinds(client: &Client) -> kube::Result<Vec<String>> {
    let served = match client.list_api_group_resources(API_VERSION).await {
        Ok(list) => list.resources.into_iter().map(|resource| resource.name).collect(),
        Err(kube::Error::Api(status)) if status.code == 404 => Vec::new(),
        Err(error) => return Err(error),
    };
    let missing = ["oauthclients", "oauthproviders", "clusteroauthproviders"]
        .into_iter()
        .filter(|kind| !served.iter().any(|name| name == kind));
    Ok(missing
        .map(|kind| {
            format!("the cluster does not serve {kind} of {API_VERSION}: apply the CustomResourceDefinitions (crds/)")
        })
        .collect())
}

async fn allowed(client: &Client, right: &Right) -> kube::Result<bool> {
    let (resource, subresource) = match right.resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource)),
        None => (right.resource, None),
    };
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                namespace: right.namespace.clone(),
                group: Some(right.group.to_owned()),
                resource: Some(resource.to_owned()),
                subresource: subresource.map(str::to_owned),
                name: Some(right.name.to_owned()).filter(|name| !name.is_empty()),
                verb: Some(right.verb.to_owned()),
                ..ResourceAttributes::default()
            }),
            non_resource_attributes: None,
        },
        ..SelfSubjectAccessReview::default()
    };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}
