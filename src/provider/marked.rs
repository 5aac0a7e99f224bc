//! The client that carries a mark, among all that a provider shows to its administrators.
//!
//! The address lists clients page by page (`first`, `max`). Each entry states `clientId` and `attributes`; more of it is not read,
//! for it holds other people's secrets. The provider is asked to search (`q`), and not trusted to do so: one that has no index of
//! the attribute shows every client instead.

use std::collections::BTreeSet;

use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use crate::api::Reason;
use crate::domain::failure::{Class, Failure};
use crate::domain::outcome::CallError;

use super::asked::Asked;
use super::calls::MarkedCall;
use super::exchange::{Exchange, JSON};
use super::transport::{Transport, not_sent};
use super::verdict::{accepted, harmless, incomprehensible};
use super::{auth, limits, origin};

/// Clients of one page.
const PAGE: usize = 100;
/// Most pages that are read.
const MOST_PAGES: usize = 4096;

/// An entry of the list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    client_id: Option<String>,
    attributes: Option<Map<String, Value>>,
}

impl Transport {
    /// The `client_id` of the one client that carries this mark, `None` if the provider shows none.
    ///
    /// # Errors
    /// A page cannot be read, or several clients carry the mark: somebody copied it.
    pub async fn marked(&self, call: &MarkedCall) -> Result<Option<String>, CallError> {
        let (mut found, mut seen, mut before) = (BTreeSet::new(), 0, Vec::new());
        for _ in 0..MOST_PAGES {
            let page = self.page(call, seen).await.map_err(harmless)?;
            seen += page.len();
            let carries = |listed: &&Listed| {
                let attribute = listed.attributes.as_ref().and_then(|all| all.get(call.attribute()));
                attribute.and_then(Value::as_str) == Some(call.value())
            };
            found.extend(
                page.iter()
                    .filter(carries)
                    .filter_map(|listed| listed.client_id.clone()),
            );
            let ids: Vec<_> = page.into_iter().map(|listed| listed.client_id).collect();
            // Whoever knows no pages shows all clients each time.
            if ids.is_empty() || ids == before {
                return one_of(found);
            }
            before = ids;
        }
        let text = "the provider shows more clients than can be looked through";
        Err(not_sent(Failure::new(Class::Denied, Reason::InvalidResponse, text)))
    }

    async fn page(&self, call: &MarkedCall, first: usize) -> Result<Vec<Listed>, CallError> {
        let mut url = self.listing(call).map_err(not_sent)?;
        url.query_pairs_mut()
            .append_pair("q", &format!("{}:{}", call.attribute(), call.value()))
            .append_pair("first", &first.to_string())
            .append_pair("max", &PAGE.to_string());
        let (at, route) = (origin::of(&url), call.route());
        let exchange = Exchange {
            method: Method::GET,
            url,
            body: None,
            credentials: route.credentials(),
            origins: route.origins(),
            uid: route.uid(),
            namespaced: route.namespaced(),
            ca_bundle: route.ca_bundle(),
            certificate: route.certificate(),
            deadlines: route.deadlines(),
            accept: JSON,
            limit: limits::LISTING,
        };
        let mut spoken = route.spoken();
        let answer = Box::pin(self.send_in_turn(exchange, &route.site(), Asked::Listing, &mut spoken)).await?;
        let status = answer.status;
        let body = accepted(answer, Asked::Listing, &at, &spoken).map_err(|error| auth::discreet(error, &spoken))?;
        serde_json::from_slice(&body)
            .map_err(|_| incomprehensible(status, Asked::Listing, &at, "is no list of clients"))
    }

    /// Where the clients may be listed: nowhere but at the provider.
    fn listing(&self, call: &MarkedCall) -> Result<Url, Failure> {
        let url = origin::callable("the address of the provider's clients", call.listing(), &self.policy)?;
        let site = call.route().site();
        let allowed = site.allowed_origins.iter().map(String::as_str);
        if origin::is_among(&url, [site.issuer].into_iter().chain(allowed)) {
            return Ok(url);
        }
        let text = "the address of the provider's clients is not at the origin of the issuer";
        Err(Failure::new(Class::Denied, Reason::OriginNotAllowed, text))
    }
}

fn one_of(found: BTreeSet<String>) -> Result<Option<String>, CallError> {
    if found.len() > 1 {
        let ids: Vec<_> = found.iter().map(|id| origin::shown(id)).collect();
        let text = format!(
            "the clients {} at the provider carry the mark of one registration, so nobody can tell which is this one; remove the copies there",
            ids.join(", ")
        );
        return Err(not_sent(Failure::new(Class::Denied, Reason::InvalidResponse, text)));
    }
    Ok(found.into_iter().next())
}

#[cfg(test)]
mod tests;
