//! Reads of ConfigMaps. The operator writes none.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::ObjectMeta;
use kube::{Api, Client};

use super::connect::within;
use super::error::ApiError;

/// Reads of ConfigMaps.
#[derive(Clone)]
pub struct ConfigMaps {
    client: Client,
}

impl ConfigMaps {
    /// Reads through `client`.
    #[must_use]
    pub const fn new(client: Client) -> Self {
        Self { client }
    }

    /// The metadata of a ConfigMap as the API server has it now.
    ///
    /// # Errors
    /// What the read failed with.
    pub async fn head(&self, namespace: &str, name: &str) -> Result<Option<ObjectMeta>, ApiError> {
        let head = within(self.api(namespace).get_metadata_opt(name)).await?;
        Ok(head.map(|head| head.metadata))
    }

    /// The ConfigMap as the API server has it now.
    ///
    /// # Errors
    /// What the read failed with.
    pub async fn get(&self, namespace: &str, name: &str) -> Result<Option<ConfigMap>, ApiError> {
        within(self.api(namespace).get_opt(name)).await
    }

    fn api(&self, namespace: &str) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), namespace)
    }
}
