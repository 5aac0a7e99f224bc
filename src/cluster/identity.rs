//! Which installation this is: records say so, and the sweeper touches only its own. The identity is kept in a Secret of the
//! operator's namespace, with the UIDs that it was found under. See [`crate::domain::installation`].

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

use super::connect::within;
use super::error::ApiError;
use crate::api::names;
use crate::domain::installation::{self, Decision, Installation, Kept, Uids};

/// Tries to keep the identity: the Secret is created, then its own UID is added, and another replica may do the same meanwhile.
const TRIES: usize = 5;

/// Keys of the Secret.
const CLUSTER_ID: &str = "cluster-id";
const KUBE_SYSTEM: &str = "kube-system-uid";
const NAMESPACE: &str = "namespace-uid";
const SECRET: &str = "secret-uid";
/// Why no operator starts in this namespace: a move to or from it.
const CLOSED: &str = "closed";

/// What an API server is asked for.
const KEPT: &str = "Secret oauth-client-operator-identity";
const KUBE_SYSTEM_NAMESPACE: &str = "namespace kube-system";
const OWN_NAMESPACE: &str = "the operator's namespace";
const SERVICE_ACCOUNT: &str = "the operator's ServiceAccount";

/// Why the installation's identity is unknown.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The API server did not answer the question.
    #[error("cannot learn the identity of the installation from {from}; grant the right to read it: {source}")]
    Api {
        /// What was asked for.
        from: &'static str,
        /// Its answer.
        source: ApiError,
    },
    /// The answer holds no UID.
    #[error("{from} has no UID; start the operator with --cluster-id")]
    NoUid {
        /// What was asked for.
        from: &'static str,
    },
    /// The Secret exists and holds no identity.
    #[error("Secret {place} has no key {CLUSTER_ID}; restore it, or start the operator with --cluster-id")]
    Unreadable {
        /// Namespace and name.
        place: String,
    },
    /// The records of this namespace were moved, or are being moved.
    #[error(
        "Secret {place} says that this installation is {text}, so no operator may run here; complete the move, or move it back, with \
         `oauth-client-operator move` (docs/move.md)"
    )]
    Closed {
        /// Namespace and name.
        place: String,
        /// What the move says.
        text: String,
    },
    /// The identity belongs to another cluster or namespace.
    #[error("{0}")]
    Copy(String),
}

impl IdentityError {
    /// Whether the API server may answer later.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Api {
                source: ApiError::Unavailable { .. } | ApiError::Conflict,
                ..
            }
        )
    }
}

/// Finds the identity of the installation and keeps it.
pub struct Identifier<'a> {
    /// The connection to the API server.
    pub client: &'a Client,
    /// The operator's namespace.
    pub home: &'a str,
    /// Identity that the installer passed.
    pub given: Option<&'a str>,
    /// Whether namespaces may be read: in the cluster-wide form.
    pub reads_namespaces: bool,
}

impl Identifier<'_> {
    /// Which installation this is.
    ///
    /// # Errors
    /// The API server cannot be asked, or what it answers holds no identity.
    pub async fn identify(&self) -> Result<Installation, IdentityError> {
        let place = format!("{}/{}", self.home, names::IDENTITY);
        let readable = self.readable().await?;
        for _ in 0..TRIES {
            let stored = within(self.secrets().get_opt(names::IDENTITY)).await;
            let stored = stored.map_err(|source| IdentityError::Api { from: KEPT, source })?;
            if let Some(text) = stored.as_ref().and_then(closed) {
                return Err(IdentityError::Closed { place, text });
            }
            let kept = stored.as_ref().and_then(kept);
            if stored.is_some() && kept.is_none() && self.given.is_none() {
                return Err(IdentityError::Unreadable { place });
            }
            let seen = Uids {
                secret: stored.as_ref().and_then(|stored| stored.metadata.uid.clone()),
                ..readable.clone()
            };
            let decide = |id: Option<&str>| installation::decide(id, kept.as_ref(), &seen, &place);
            let (installation, keep) = match decide(self.given) {
                Decision::Known(installation, keep) => (installation, keep),
                Decision::Find => {
                    let found = self.find(&readable).await?;
                    match decide(Some(&found)) {
                        Decision::Known(installation, keep) => (installation, keep),
                        Decision::Find => continue,
                    }
                }
            };
            let Some(keep) = keep else {
                return Ok(installation);
            };
            match self.keep(stored.as_ref(), &keep).await {
                Ok(()) | Err(ApiError::AlreadyExists | ApiError::Conflict | ApiError::NotFound) => {}
                Err(source @ ApiError::Unavailable { .. }) => return Err(IdentityError::Api { from: KEPT, source }),
                // Clients can be served all the same, and the next start tries again.
                Err(error) => {
                    tracing::warn!(
                        secret = place,
                        %error,
                        "the identity of the installation cannot be stored; until it is, an operator that is installed again may not recognise its records"
                    );
                    return Ok(installation);
                }
            }
        }
        Err(IdentityError::Api {
            from: KEPT,
            source: ApiError::Conflict,
        })
    }

    /// The Secret and what it keeps, for a move. `None`: there is no identity.
    ///
    /// # Errors
    /// The API server cannot be asked, or the identity belongs to another cluster or namespace.
    pub(super) async fn kept(&self) -> Result<Option<(Secret, Kept)>, IdentityError> {
        let stored = within(self.secrets().get_opt(names::IDENTITY)).await;
        let stored = stored.map_err(|source| IdentityError::Api { from: KEPT, source })?;
        let Some((stored, keep)) = stored.and_then(|stored| kept(&stored).map(|keep| (stored, keep))) else {
            return Ok(None);
        };
        let seen = Uids {
            secret: stored.metadata.uid.clone(),
            ..self.readable().await?
        };
        let place = format!("{}/{}", self.home, names::IDENTITY);
        match installation::decide(None, Some(&keep), &seen, &place) {
            Decision::Known(Installation { held: Some(text), .. }, _) => Err(IdentityError::Copy(text)),
            _ => Ok(Some((stored, keep))),
        }
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), self.home)
    }

    /// The UIDs that this form has the right to read.
    async fn readable(&self) -> Result<Uids, IdentityError> {
        if !self.reads_namespaces {
            return Ok(Uids::default());
        }
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let uid = async |name: &str, from| match within(namespaces.get(name)).await {
            Ok(namespace) => Ok(namespace.metadata.uid),
            Err(ApiError::Forbidden { .. }) => Ok(None),
            Err(source) => Err(IdentityError::Api { from, source }),
        };
        Ok(Uids {
            kube_system: uid("kube-system", KUBE_SYSTEM_NAMESPACE).await?,
            namespace: uid(self.home, OWN_NAMESPACE).await?,
            secret: None,
        })
    }

    /// The identity where none is kept: the UID of kube-system, or of the operator's ServiceAccount where namespaces cannot be read.
    ///
    /// The latter is what the API server reads out of our own token (authentication.k8s.io/v1 `SelfSubjectReview`, which every
    /// authenticated user may create).
    async fn find(&self, readable: &Uids) -> Result<String, IdentityError> {
        let (from, uid) = if self.reads_namespaces {
            (KUBE_SYSTEM_NAMESPACE, readable.kube_system.clone())
        } else {
            let api: Api<SelfSubjectReview> = Api::all(self.client.clone());
            let review = within(api.create(&PostParams::default(), &SelfSubjectReview::default())).await;
            let review = review.map_err(|source| IdentityError::Api {
                from: SERVICE_ACCOUNT,
                source,
            })?;
            let user = review.status.and_then(|status| status.user_info);
            (SERVICE_ACCOUNT, user.and_then(|user| user.uid))
        };
        uid.filter(|uid| !uid.is_empty()).ok_or(IdentityError::NoUid { from })
    }

    async fn keep(&self, stored: Option<&Secret>, keep: &Kept) -> Result<(), ApiError> {
        let Some(stored) = stored else {
            let params = PostParams {
                field_manager: Some(names::FIELD_MANAGER.into()),
                ..PostParams::default()
            };
            return within(self.secrets().create(&params, &secret(keep))).await.map(drop);
        };
        let params = PatchParams {
            field_manager: Some(names::FIELD_MANAGER.into()),
            ..PatchParams::default()
        };
        let data = data(keep);
        let member = |key: &str| json!(data.get(key));
        let patch = Patch::Merge(json!({
            "metadata": {"uid": stored.metadata.uid, "resourceVersion": stored.metadata.resource_version},
            "data": {CLUSTER_ID: member(CLUSTER_ID), KUBE_SYSTEM: member(KUBE_SYSTEM), NAMESPACE: member(NAMESPACE), SECRET: member(SECRET)},
        }));
        let secrets = self.secrets();
        within(secrets.patch(names::IDENTITY, &params, &patch)).await.map(drop)
    }
}

/// What a move says of this namespace.
pub(super) fn closed(stored: &Secret) -> Option<String> {
    let bytes = stored.data.as_ref()?.get(CLOSED)?;
    Some(String::from_utf8_lossy(&bytes.0).into_owned())
}

/// The identity, whatever the UIDs say.
pub(super) fn cluster_id(stored: &Secret) -> Option<String> {
    kept(stored).map(|kept| kept.cluster_id)
}

/// The patch by which a move closes a namespace, or opens it.
pub(super) fn close(text: Option<&str>) -> serde_json::Value {
    json!({"data": {CLOSED: text.map(|text| ByteString(text.as_bytes().to_vec()))}})
}

/// The identity in a namespace that is closed from the beginning. The UIDs of the new namespace and Secret are added at the first start.
pub(super) fn moved(cluster_id: &str, kube_system: Option<&str>, closed: &str) -> Secret {
    let mut secret = secret(&Kept {
        cluster_id: cluster_id.to_owned(),
        uids: Uids {
            kube_system: kube_system.map(str::to_owned),
            ..Uids::default()
        },
    });
    let data = secret.data.get_or_insert_default();
    data.insert(CLOSED.to_owned(), ByteString(closed.as_bytes().to_vec()));
    secret
}

fn secret(keep: &Kept) -> Secret {
    let labels = [(names::MANAGED_BY.to_owned(), names::FIELD_MANAGER.to_owned())];
    Secret {
        metadata: ObjectMeta {
            name: Some(names::IDENTITY.to_owned()),
            labels: Some(labels.into()),
            ..ObjectMeta::default()
        },
        type_: Some(names::IDENTITY_TYPE.to_owned()),
        data: Some(data(keep)),
        ..Secret::default()
    }
}

fn data(keep: &Kept) -> BTreeMap<String, ByteString> {
    let Kept { cluster_id, uids } = keep;
    let members = [
        (CLUSTER_ID, Some(cluster_id)),
        (KUBE_SYSTEM, uids.kube_system.as_ref()),
        (NAMESPACE, uids.namespace.as_ref()),
        (SECRET, uids.secret.as_ref()),
    ];
    let bytes = |text: &String| ByteString(text.clone().into_bytes());
    members
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), bytes(value?))))
        .collect()
}

/// What the Secret keeps, if it holds an identity.
fn kept(stored: &Secret) -> Option<Kept> {
    let member = |key: &str| {
        let bytes = stored.data.as_ref()?.get(key)?;
        let text = std::str::from_utf8(&bytes.0).ok()?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    };
    Some(Kept {
        cluster_id: member(CLUSTER_ID)?,
        uids: Uids {
            kube_system: member(KUBE_SYSTEM),
            namespace: member(NAMESPACE),
            secret: member(SECRET),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t155_what_is_kept_is_read_again() {
        let mut keep = Kept {
            cluster_id: "id".into(),
            uids: Uids {
                kube_system: Some("k".into()),
                ..Uids::default()
            },
        };
        assert_eq!(kept(&secret(&keep)), Some(keep.clone()));
        keep.cluster_id = String::new();
        assert_eq!(kept(&secret(&keep)), None);
        assert_eq!(kept(&Secret::default()), None);
    }
}
