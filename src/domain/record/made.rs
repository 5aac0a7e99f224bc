//! From a registration to its record, and what is made of a record.

use std::collections::BTreeMap;

use kube::ResourceExt;
use serde_json::{Map, Value};

use crate::api::metadata::RESPONSE_ONLY;
use crate::api::{OAuthClient, UpdateMembers};
use crate::domain::auth_method;
use crate::domain::clearing::Cleared;
use crate::domain::metadata::Request;
use crate::domain::operator::Operator;
use crate::domain::provider::Provider;
use crate::domain::registration::Registration;
use crate::domain::target::{Endpoints, Knobs};
use crate::domain::uri_template;

use super::{Access, Nested, Owner, Phase, Record, SCHEMA_VERSION};

/// Where a registration comes from.
pub struct Origin<'a> {
    /// The object that it was made for.
    pub object: &'a OAuthClient,
    /// This operator.
    pub operator: &'a Operator,
    /// The provider object that it was made at.
    pub provider: &'a Provider,
    /// The endpoints that were discovered.
    pub endpoints: &'a Endpoints,
    /// The attempt.
    pub attempt: &'a str,
    /// UID of the object's namespace, if it is known.
    pub namespace_uid: Option<&'a str>,
    /// What the manifest asked for.
    pub request: Request,
    /// Seconds since the epoch.
    pub now: i64,
}

/// The record of a fresh registration.
#[must_use]
pub fn of_registration(origin: &Origin<'_>, answer: Registration) -> Record {
    let members = uri_template::members(&origin.provider.target.knobs.uri_template, &answer.metadata);
    Record {
        attempt: origin.attempt.to_owned(),
        namespace_uid: origin.namespace_uid.map(str::to_owned),
        client_id: answer.client_id,
        client_secret: answer.client_secret,
        client_secret_expires_at: answer.client_secret_expires_at.filter(|at| *at != 0),
        registration_access_token: answer.registration_access_token,
        registration_client_uri: answer.registration_client_uri,
        registered_at: origin.now,
        auth_method: auth_method::chosen(&origin.request, &origin.object.spec),
        request: origin.request.clone(),
        metadata: answer.metadata,
        endpoints: origin.endpoints.recorded(),
        management: access(origin.provider, members),
        ..sample(origin.object, origin.operator)
    }
}

/// How the clients of a provider object are managed; a client of which these members are known.
#[must_use]
pub fn access(provider: &Provider, members: BTreeMap<String, String>) -> Access {
    let target = &provider.target;
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Access {
        mode: target.knobs.management,
        provider_uid: provider.uid.clone(),
        namespaced: Some(target.namespaced),
        uri_template: target.knobs.uri_template.clone(),
        members,
        allowed_origins: target.allowed_origins.clone(),
        ca_bundle: target.ca_bundle.clone(),
        connect_timeout_ms: millis(target.deadlines.connect),
        request_timeout_ms: millis(target.deadlines.request),
    }
}

/// A record without content, to find out whether one could be written.
#[must_use]
pub fn sample(object: &OAuthClient, operator: &Operator) -> Record {
    Record {
        schema_version: SCHEMA_VERSION,
        phase: Phase::Registered,
        cluster_id: operator.cluster_id.clone(),
        owner: owner(object),
        attempt: "dry-run".to_owned(),
        credential_generation: 1,
        client_id: "dry-run".to_owned(),
        client_secret: Some("dry-run".into()),
        client_secret_expires_at: None,
        registration_access_token: None,
        registration_client_uri: None,
        registered_at: 0,
        request: Request::new(),
        metadata: Map::new(),
        endpoints: Endpoints::default(),
        management: Access::default(),
        in_flight: None,
        replaced: None,
        adopted: None,
        auth_method: None,
        cleared: Cleared::default(),
        rejected: None,
        overtaken: None,
        touched: None,
        accepted: None,
        missing_since: None,
        in_dispute: false,
        namespace_uid: None,
        taken_by: None,
        taken_from: None,
        other: Map::new(),
        nested: Nested::default(),
    }
}

/// Body of an update: everything that is wanted, and the `client_id` (RFC 7592 section 2.2). What the provider added to its answers is
/// repeated for providers that demand every member; what a manifest asked for before, and does not any more, is not, nor what is never
/// sent to this provider.
#[must_use]
pub fn update_body(request: &Request, record: &Record, knobs: &Knobs) -> Request {
    let mut body = request.clone();
    if knobs.update_members == UpdateMembers::All {
        let added = record.metadata.iter().filter(|(name, value)| {
            !record.request.contains_key(*name)
                && !record.cleared.left.contains_key(*name)
                && !RESPONSE_ONLY.contains(&name.as_str())
                && !knobs.omit_members.contains(name)
                && !value.is_null()
        });
        for (name, value) in added {
            body.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    body.insert("client_id".to_owned(), Value::String(record.client_id.clone()));
    body
}

/// The object as the owner of a record.
#[must_use]
pub fn owner(object: &OAuthClient) -> Owner {
    Owner {
        uid: object.uid().unwrap_or_default(),
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
    }
}
