//! Which cluster this is: records say so, and the sweeper touches only those of its own cluster.

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::PostParams;
use kube::{Api, Client};

use super::connect::within;
use super::error::ApiError;

/// Where the cluster's identity comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterId {
    /// Given by the installer.
    Given(String),
    /// UID of the namespace kube-system.
    KubeSystem,
    /// UID of the operator's own ServiceAccount, where namespaces cannot be read.
    ServiceAccount,
}

/// Why the cluster's identity is unknown.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The API server did not answer the question.
    #[error("cannot learn the identity of the cluster from {from}; grant that, or give --cluster-id: {source}")]
    Api {
        /// What was asked for.
        from: &'static str,
        /// Its answer.
        source: ApiError,
    },
    /// The answer holds no UID.
    #[error("{from} has no UID; give --cluster-id")]
    NoUid {
        /// What was asked for.
        from: &'static str,
    },
}

impl IdentityError {
    /// Whether the API server may answer later.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Api {
                source: ApiError::Unavailable { .. },
                ..
            }
        )
    }
}

/// The identity of the cluster: stable for its lifetime, and different in a cluster made from its manifests.
///
/// The UID of the ServiceAccount is what the API server reads out of our own token (authentication.k8s.io/v1
/// `SelfSubjectReview`, which every authenticated user may create).
///
/// # Errors
/// The API server cannot be asked, or its answer holds no UID.
pub async fn cluster_id(client: &Client, source: ClusterId) -> Result<String, IdentityError> {
    let (from, uid) = match source {
        ClusterId::Given(id) => return Ok(id),
        ClusterId::KubeSystem => {
            let from = "namespace kube-system";
            let api: Api<Namespace> = Api::all(client.clone());
            let namespace = within(api.get("kube-system")).await;
            let namespace = namespace.map_err(|source| IdentityError::Api { from, source })?;
            (from, namespace.metadata.uid)
        }
        ClusterId::ServiceAccount => {
            let from = "the operator's ServiceAccount";
            let api: Api<SelfSubjectReview> = Api::all(client.clone());
            let review = within(api.create(&PostParams::default(), &SelfSubjectReview::default())).await;
            let review = review.map_err(|source| IdentityError::Api { from, source })?;
            (
                from,
                review
                    .status
                    .and_then(|status| status.user_info)
                    .and_then(|user| user.uid),
            )
        }
    };
    uid.filter(|uid| !uid.is_empty()).ok_or(IdentityError::NoUid { from })
}
