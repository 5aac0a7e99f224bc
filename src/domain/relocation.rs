//! The move of an installation to another namespace: who may act meanwhile, and what each Secret and each marker becomes.
//!
//! Invariant: what a closed namespace says of itself names the other namespace of the move, so an interrupted move can be continued by
//! the same command and by no other.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::api::names;

use super::marker::Marker;

/// How long a Lease holds that closes a namespace: no replica of any version takes it over.
pub(crate) const FOR_GOOD: Duration = Duration::from_secs(i32::MAX.unsigned_abs() as u64);

const TO: &str = "moved to namespace ";
const FROM: &str = "moving from namespace ";

/// The role label of the Secrets that move; the credentials Secrets of clients stay where the clients are.
pub(crate) const ROLES: &str = "oauth-client-operator.dev/role in (record,suspect)";

/// The label of the CA bundles that the records refer to.
pub(crate) const BUNDLES: &str = names::BUNDLE_OF;

/// Two namespaces of an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// Where the records are.
    pub from: String,
    /// Where they go.
    pub to: String,
}

/// Whether a namespace's operator may be locked out, as the holder of its Lease says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Nobody holds the Lease, or an earlier move left it closed that this one may take back.
    Free,
    /// This move holds it.
    Own,
    /// A move to or from a third namespace holds it.
    OtherMove,
    /// An operator holds it.
    Operator,
}

impl Relocation {
    /// What the namespace of the records says of itself from the beginning of the move on.
    #[must_use]
    pub fn source_closed(&self) -> String {
        format!("{TO}{}", self.to)
    }

    /// What the new namespace says of itself until everything is there.
    #[must_use]
    pub fn target_closed(&self) -> String {
        format!("{FROM}{}", self.from)
    }

    /// Judges the holder of the Lease in the namespace of the records.
    #[must_use]
    pub fn source_holder(&self, holder: &str) -> Holder {
        judge(holder, &self.source_closed(), None)
    }

    /// Judges the holder of the Lease in the new namespace, which may be one that the operator was moved away from.
    #[must_use]
    pub fn target_holder(&self, holder: &str) -> Holder {
        judge(holder, &self.target_closed(), Some(&format!("{TO}{}", self.from)))
    }

    /// A marker that names the record in the new namespace; `None` if this one does not name the old namespace.
    #[must_use]
    pub fn marker(&self, value: &str) -> Option<String> {
        let marker = Marker::parse(value)?;
        (marker.record_namespace == self.from).then(|| {
            let record_namespace = self.to.as_str().into();
            Marker {
                record_namespace,
                ..marker
            }
            .to_string()
        })
    }

    /// A record or suspect as it is in the new namespace.
    #[must_use]
    pub fn copy(&self, source: &Secret) -> Secret {
        let mut annotations = source.metadata.annotations.clone().unwrap_or_default();
        annotations.insert(names::MOVED_FROM.to_owned(), self.origin(&source.metadata));
        self.copied(source, source.metadata.labels.clone(), annotations)
    }

    /// The credentials of a `ClusterOAuthProvider` as they are in the new namespace: with the consent, without labels and annotations
    /// of other programs, which would act on them.
    #[must_use]
    pub fn copy_of_credentials(&self, source: &Secret) -> Secret {
        let (labels, annotations) = self.consenting(&source.metadata);
        self.copied(source, Some(labels), annotations)
    }

    /// A ConfigMap with the authorities of a `ClusterOAuthProvider`, likewise.
    #[must_use]
    pub fn copy_of_config_map(&self, source: &ConfigMap) -> ConfigMap {
        let (labels, annotations) = self.consenting(&source.metadata);
        ConfigMap {
            metadata: self.placed(&source.metadata, Some(labels), annotations),
            data: source.data.clone(),
            binary_data: source.binary_data.clone(),
            immutable: source.immutable,
        }
    }

    /// Labels and annotations that give the consent of this object's owner.
    fn consenting(&self, source: &ObjectMeta) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
        let (label, origins) = consent(source);
        let labels = label.map(|value| (names::PROVIDER_CREDENTIALS.to_owned(), value));
        let origins = origins.map(|value| (names::ALLOWED_ORIGINS.to_owned(), value));
        let origin = (names::MOVED_FROM.to_owned(), self.origin(source));
        (
            labels.into_iter().collect(),
            origins.into_iter().chain([origin]).collect(),
        )
    }

    /// Whether a Secret of the new namespace was made from this one, so that it may be written again.
    #[must_use]
    pub fn is_copy_of(&self, copy: &Secret, source: &Secret) -> bool {
        let from = copy
            .metadata
            .annotations
            .as_ref()
            .and_then(|all| all.get(names::MOVED_FROM));
        from == Some(&self.origin(&source.metadata))
    }

    fn origin(&self, source: &ObjectMeta) -> String {
        format!("{}/{}", self.from, source.uid.as_deref().unwrap_or_default())
    }

    fn placed(
        &self,
        source: &ObjectMeta,
        labels: Option<BTreeMap<String, String>>,
        annotations: BTreeMap<String, String>,
    ) -> ObjectMeta {
        ObjectMeta {
            name: source.name.clone(),
            namespace: Some(self.to.clone()),
            labels,
            annotations: Some(annotations),
            ..ObjectMeta::default()
        }
    }

    fn copied(
        &self,
        source: &Secret,
        labels: Option<BTreeMap<String, String>>,
        annotations: BTreeMap<String, String>,
    ) -> Secret {
        Secret {
            metadata: self.placed(&source.metadata, labels, annotations),
            type_: source.type_.clone(),
            data: source.data.clone(),
            immutable: source.immutable,
            ..Secret::default()
        }
    }
}

/// Whether the holder of a Lease is a move, not an operator.
#[must_use]
pub(crate) fn is_closed(holder: &str) -> bool {
    holder.starts_with(TO) || holder.starts_with(FROM)
}

/// Whether both Secrets say the same. A CA bundle is what it is named by, whoever used it last.
#[must_use]
pub(crate) fn same(one: &Secret, other: &Secret) -> bool {
    if one.type_.as_deref() == Some(names::BUNDLE_TYPE) {
        return one.type_ == other.type_ && one.data == other.data;
    }
    let said = |secret: &Secret| {
        let ObjectMeta {
            labels, annotations, ..
        } = secret.metadata.clone();
        (secret.data.clone(), secret.type_.clone(), labels, annotations)
    };
    said(one) == said(other)
}

/// Whether both Secrets hold the same credentials, and their owner allows the same.
#[must_use]
pub(crate) fn consents_to_the_same(one: &Secret, other: &Secret) -> bool {
    one.data == other.data && consent(&one.metadata) == consent(&other.metadata)
}

/// The same for ConfigMaps with authorities.
#[must_use]
pub(crate) fn trusts_the_same(one: &ConfigMap, other: &ConfigMap) -> bool {
    let said = |map: &ConfigMap| (map.data.clone(), map.binary_data.clone(), consent(&map.metadata));
    said(one) == said(other)
}

/// Label and annotation by which an owner allows provider objects to use an object.
fn consent(meta: &ObjectMeta) -> (Option<String>, Option<String>) {
    let of = |map: &Option<BTreeMap<String, String>>, name: &str| map.as_ref().and_then(|map| map.get(name)).cloned();
    (
        of(&meta.labels, names::PROVIDER_CREDENTIALS),
        of(&meta.annotations, names::ALLOWED_ORIGINS),
    )
}

fn judge(holder: &str, own: &str, left: Option<&str>) -> Holder {
    if holder.is_empty() || left == Some(holder) {
        Holder::Free
    } else if holder == own {
        Holder::Own
    } else if is_closed(holder) {
        Holder::OtherMove
    } else {
        Holder::Operator
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relocation() -> Relocation {
        Relocation {
            from: "old".to_owned(),
            to: "new".to_owned(),
        }
    }

    fn back() -> Relocation {
        Relocation {
            from: "new".to_owned(),
            to: "old".to_owned(),
        }
    }

    #[test]
    fn t164_only_the_same_move_continues_and_only_the_way_back_opens_what_was_left() {
        let (there, third) = (
            relocation(),
            Relocation {
                from: "old".to_owned(),
                to: "third".to_owned(),
            },
        );
        let (source, target) = (there.source_closed(), there.target_closed());
        assert_eq!(there.source_holder(&source), Holder::Own);
        assert_eq!(there.target_holder(&target), Holder::Own);
        assert_eq!(third.source_holder(&source), Holder::OtherMove);
        let from_elsewhere = Relocation {
            from: "third".to_owned(),
            to: "new".to_owned(),
        };
        assert_eq!(from_elsewhere.target_holder(&target), Holder::OtherMove);
        // Back: what is complete may be taken back, what is not has to be completed first.
        assert_eq!(back().target_holder(&source), Holder::Free);
        assert_eq!(back().source_holder(&target), Holder::OtherMove);
        assert_eq!(there.source_holder(&back().target_closed()), Holder::OtherMove);
        assert_eq!(there.source_holder(""), Holder::Free);
        assert_eq!(there.source_holder("pod-1"), Holder::Operator);
        assert!(is_closed(&source) && is_closed(&target) && !is_closed("pod-1"));
    }

    #[test]
    fn t164_only_markers_that_name_the_old_namespace_change() {
        let there = relocation();
        assert_eq!(there.marker("u/a/old/r").as_deref(), Some("u/a/new/r"));
        for other in ["u/a/new/r", "u/a/third/r", "", "old"] {
            assert_eq!(there.marker(other), None, "{other}");
        }
    }

    #[test]
    fn t164_a_copy_is_known_as_such_and_credentials_leave_foreign_labels_behind() {
        let source: Secret = serde_json::from_value(serde_json::json!({
            "metadata": {
                "name": "s", "namespace": "old", "uid": "u",
                "labels": {names::PROVIDER_CREDENTIALS: "true", "app.kubernetes.io/managed-by": "Helm"},
                "annotations": {names::ALLOWED_ORIGINS: "https://p", "meta.helm.sh/release-name": "r"},
            },
            "data": {"token": "dA=="},
        }))
        .unwrap();
        let there = relocation();
        let copy = there.copy(&source);
        assert!(there.is_copy_of(&copy, &source) && !there.is_copy_of(&source, &source));
        assert_eq!(copy.metadata.labels, source.metadata.labels);
        assert!(same(&copy, &there.copy(&source)) && !same(&copy, &source));
        let credentials = there.copy_of_credentials(&source);
        assert_eq!(credentials.metadata.labels.as_ref().unwrap().len(), 1);
        assert_eq!(credentials.metadata.annotations.as_ref().unwrap().len(), 2);
        assert_eq!(credentials.data, source.data);
        assert!(
            consents_to_the_same(&credentials, &source),
            "foreign labels do not count"
        );
        let changed = |change: fn(&mut Secret)| {
            let mut other = source.clone();
            change(&mut other);
            other
        };
        for other in [
            changed(|secret| secret.data = None),
            changed(|secret| secret.metadata.labels = None),
            changed(|secret| secret.metadata.annotations = None),
        ] {
            assert!(!consents_to_the_same(&credentials, &other));
        }
    }

    #[test]
    fn t354_a_config_map_of_authorities_is_copied_whole_with_its_consent_alone() {
        let source: ConfigMap = serde_json::from_value(serde_json::json!({
            "metadata": {
                "name": "ca", "namespace": "old", "uid": "u", "resourceVersion": "7",
                "labels": {names::PROVIDER_CREDENTIALS: "true", "app.kubernetes.io/managed-by": "Helm"},
                "annotations": {"meta.helm.sh/release-name": "r"},
            },
            "data": {"ca.crt": "one"}, "binaryData": {"other": "dA=="}, "immutable": true,
        }))
        .unwrap();
        let copy = relocation().copy_of_config_map(&source);
        assert_eq!(
            serde_json::to_value(&copy).unwrap(),
            serde_json::json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {
                    "name": "ca", "namespace": "new",
                    "labels": {names::PROVIDER_CREDENTIALS: "true"}, "annotations": {names::MOVED_FROM: "old/u"},
                },
                "data": {"ca.crt": "one"}, "binaryData": {"other": "dA=="}, "immutable": true,
            })
        );
        assert!(trusts_the_same(&copy, &source), "foreign labels do not count");
        for change in [
            |map: &mut ConfigMap| map.data = None,
            |map: &mut ConfigMap| map.binary_data = None,
            |map: &mut ConfigMap| map.metadata.labels = None,
            |map: &mut ConfigMap| {
                let allowed = (names::ALLOWED_ORIGINS.to_owned(), "https://p".to_owned());
                map.metadata.annotations.as_mut().unwrap().extend([allowed]);
            },
        ] {
            let mut other = source.clone();
            change(&mut other);
            assert!(!trusts_the_same(&copy, &other));
        }
    }
}
