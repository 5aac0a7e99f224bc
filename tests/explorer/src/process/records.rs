//! Records by what they name.

use oauth_client_operator::cluster::{ApiError, Role, SecretMeta};
use oauth_client_operator::domain::claim::Named;
use oauth_client_operator::domain::identity;
use oauth_client_operator::domain::record::Phase;
use oauth_client_operator::domain::restore::Listed;

use super::{Plant, Process};

impl Process {
    /// What names the client of this key, as far as the view shows.
    pub(super) fn known_to_name(&self, client: &str) -> Vec<Named> {
        if self.plants(Plant::OneClientForTwo) {
            return Vec::new();
        }
        let key = u128::from_str_radix(client, 16).ok();
        let found = self.metas(|meta| {
            let kept = matches!(meta.role, Role::Record | Role::Suspect);
            kept && *meta.namespace == *self.here.namespace && meta.client == key
        });
        found.iter().map(|meta| meta.named()).collect()
    }

    /// Records that name the client of this key.
    pub(super) async fn list_naming(&self, client: &str) -> Result<Vec<Named>, ApiError> {
        let blind = self.plants(Plant::OneClientForTwo);
        let key = u128::from_str_radix(client, 16).ok();
        let home = self.here.namespace.clone();
        self.look("list records", |cluster| {
            let metas = cluster.secrets.values().map(|kept| &kept.meta);
            metas
                .filter(|meta| meta.role == Role::Record && *meta.namespace == *home && meta.client == key && !blind)
                .map(|meta| meta.named())
                .collect()
        })
        .await
    }

    /// Records of registered clients of this namespace and name, and those of which no label tells.
    pub(super) async fn list_registered(&self, namespace: &str, name: &str) -> Result<Vec<Listed>, ApiError> {
        self.look("list records", |cluster| {
            let metas = cluster.secrets.values().map(|kept| &kept.meta);
            metas
                .filter(|meta| {
                    self.is_registered(meta, namespace, name) || self.is_record(meta) && meta.object.is_none()
                })
                .map(|meta| Listed {
                    name: meta.name.to_string(),
                    owner_uid: meta.client_uid.as_deref().map(str::to_owned),
                    labelled: meta.object.is_some(),
                })
                .collect()
        })
        .await
    }

    /// Whether all records of this operator that the view shows are so.
    pub(super) fn all_records(&self, are: impl Fn(&SecretMeta) -> bool) -> bool {
        self.metas(|meta| self.is_record(meta) && !are(meta)).is_empty()
    }

    /// Whether this is a record of this operator.
    pub(super) fn is_record(&self, meta: &SecretMeta) -> bool {
        meta.role == Role::Record && *meta.namespace == *self.here.namespace
    }

    /// Whether this is the record of a registered client of this namespace and name.
    pub(super) fn is_registered(&self, meta: &SecretMeta, namespace: &str, name: &str) -> bool {
        let key = u64::from_str_radix(&identity::object_key(namespace, name), 16).ok();
        self.is_record(meta) && meta.phase == Some(Phase::Registered) && meta.object == key
    }
}
