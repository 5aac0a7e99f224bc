//! What a record takes over from its provider object and from the provider's metadata, as they are now.

use crate::api::ManagementMode;
use crate::domain::provider::Provider;
use crate::domain::target::Endpoints;
use crate::domain::uri_template;
use url::Url;

use super::made::access;
use super::{Access, Record};

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
    let endpoints = &endpoints.unwrap_or(&record.endpoints).recorded();
    // What the answer to the registration said stays; a template that names other members finds them in the last answer.
    let mut members = uri_template::members(&provider.target.knobs.uri_template, &record.metadata);
    members.extend(record.management.members.clone());
    let mut management = access(provider, members);
    let lacks = |access: &Access| uri_template::lacking(&access.uri_template, &access.members).is_some();
    if lacks(&management) && !lacks(&record.management) {
        // A template that names what nobody knows of this client leads nowhere.
        management.uri_template.clone_from(&record.management.uri_template);
        management.members.clone_from(&record.management.members);
    }
    if management.mode == ManagementMode::RegistrationAccessToken {
        management
            .allowed_origins
            .extend(own_origin(record, endpoints, &management));
    }
    (*endpoints != record.endpoints || management != record.management).then(|| Record {
        endpoints: endpoints.clone(),
        management,
        ..record.clone()
    })
}

/// The origin of the URI that came with the client's own token, if the record trusts it so far and what is taken over does not name it: the
/// token goes to its URI wherever the provider object leads.
fn own_origin(record: &Record, endpoints: &Endpoints, next: &Access) -> Option<String> {
    let origin = |text: &str| Url::parse(text).ok().map(|url| url.origin().ascii_serialization());
    let own = origin(record.registration_client_uri.as_deref()?)?;
    let is_named = |endpoints: &Endpoints, access: &Access| {
        let named = [&endpoints.issuer, &endpoints.registration]
            .into_iter()
            .chain(&access.allowed_origins);
        named.into_iter().any(|named| origin(named).as_ref() == Some(&own))
    };
    (is_named(&record.endpoints, &record.management) && !is_named(endpoints, next)).then_some(own)
}
