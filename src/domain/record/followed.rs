//! What a record takes over from its provider object and from the provider's metadata, as they are now.

use crate::domain::provider::Provider;
use crate::domain::target::Endpoints;
use crate::domain::uri_template;

use super::Record;
use super::made::access;

/// The record with the endpoints, authorities, origins, deadlines and management settings of today, if they differ from those that it
/// holds. `endpoints`: those that discovery found; `None`: it is not known what it finds. Only what belongs to the issuer of the record is
/// taken over: a provider object that leads to another issuer is another provider.
#[must_use]
pub fn followed(record: &Record, provider: &Provider, endpoints: Option<&Endpoints>) -> Option<Record> {
    let issuer = &record.endpoints.issuer;
    let stated = provider.target.stated_issuer();
    let found = endpoints.map(|endpoints| endpoints.issuer.as_str());
    let is_same = |named: Option<&str>| named.is_none_or(|named| named == issuer);
    if stated.or(found).is_none() || !is_same(stated) || !is_same(found) {
        return None;
    }
    let endpoints = endpoints.unwrap_or(&record.endpoints);
    // What the answer to the registration said stays; a template that names other members finds them in the last answer.
    let mut members = uri_template::members(&provider.target.knobs.uri_template, &record.metadata);
    members.extend(record.management.members.clone());
    let management = access(provider, members);
    (*endpoints != record.endpoints || management != record.management).then(|| Record {
        endpoints: endpoints.clone(),
        management,
        ..record.clone()
    })
}
