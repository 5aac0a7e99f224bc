//! The metadata of all objects of a kind, page by page.

use std::fmt::Debug;

use kube::api::ListParams;
use kube::core::PartialObjectMeta;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

use super::connect::within;
use super::error::ApiError;

/// Objects of one page of a list.
const PAGE: u32 = 500;

/// Lists the metadata of all objects that `params` select.
///
/// # Errors
/// What a page failed with.
pub async fn heads<K>(api: &Api<K>, params: ListParams) -> Result<Vec<PartialObjectMeta<K>>, ApiError>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let mut all = Vec::new();
    let mut params = params.limit(PAGE);
    loop {
        let page = within(api.list_metadata(&params)).await?;
        all.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(all),
        }
    }
}
