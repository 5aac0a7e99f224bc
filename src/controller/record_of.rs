//! What is stored about a registration: the record, its dry-run sample, and the entry of a suspect.

use std::time::Duration;

use kube::ResourceExt;
use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::api::{ManagementMode, OAuthClient};
use crate::domain::identity;
use crate::domain::metadata::Request;
use crate::domain::plan::{Here, Provider};
use crate::domain::record::{self, Access, Owner, Phase, Record, SCHEMA_VERSION};
use crate::domain::registration::Registration;
use crate::domain::target::{AuthScheme, Credentials, Deadlines, Endpoints, Mark, Target};
use crate::provider::{ClientAuth, ManagementCall, MarkedCall, ProbeCall};

/// Where a registration comes from.
pub(super) struct Origin<'a> {
    pub object: &'a OAuthClient,
    pub here: &'a Here,
    pub provider: &'a Provider,
    pub endpoints: &'a Endpoints,
    pub attempt: &'a str,
    pub request: Request,
    pub now: i64,
}

/// The record of a fresh registration.
pub(super) fn registration(origin: &Origin<'_>, answer: Registration) -> Record {
    let target = &origin.provider.target;
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Record {
        schema_version: SCHEMA_VERSION,
        phase: Phase::Registered,
        cluster_id: origin.here.cluster_id.clone(),
        owner: owner(origin.object),
        attempt: origin.attempt.to_owned(),
        credential_generation: 1,
        client_id: answer.client_id,
        client_secret: answer.client_secret,
        client_secret_expires_at: answer.client_secret_expires_at,
        registration_access_token: answer.registration_access_token,
        registration_client_uri: answer.registration_client_uri,
        registered_at: origin.now,
        request: origin.request.clone(),
        metadata: answer.metadata,
        endpoints: origin.endpoints.clone(),
        management: Access {
            mode: target.knobs.management,
            provider_uid: origin.provider.uid.clone(),
            uri_template: target.knobs.uri_template.clone(),
            allowed_origins: target.allowed_origins.clone(),
            ca_bundle: target.ca_bundle.clone(),
            connect_timeout_ms: millis(target.deadlines.connect),
            request_timeout_ms: millis(target.deadlines.request),
        },
        in_flight: None,
        missing_since: None,
        other: Map::new(),
    }
}

/// A record without content, to find out whether one could be written.
pub(super) fn sample(object: &OAuthClient, here: &Here) -> Record {
    Record {
        schema_version: SCHEMA_VERSION,
        phase: Phase::Registered,
        cluster_id: here.cluster_id.clone(),
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
        missing_since: None,
        other: Map::new(),
    }
}

/// How a recorded client is reached, if it can be. The provider object knows better than the record where it is the one that the
/// client was registered by: an authority or an allowed origin may have been added since.
pub(super) fn management_call(record: &Record, provider: Option<&Provider>) -> Option<ManagementCall> {
    let access = &record.management;
    let credentials = match access.mode {
        ManagementMode::RegistrationAccessToken => Credentials {
            scheme: AuthScheme::Bearer(record.registration_access_token.clone()?),
            origins: None,
        },
        ManagementMode::Credentials => provider?.target.management.clone(),
        ManagementMode::None => return None,
    };
    let mut call = ManagementCall {
        uri: record.management_uri()?,
        credentials,
        known: record
            .client_secret
            .iter()
            .chain(&record.registration_access_token)
            .cloned()
            .collect(),
        issuer: record.endpoints.issuer.clone(),
        registration_endpoint: record.endpoints.registration.clone(),
        token_endpoint: record.endpoints.token.clone(),
        allowed_origins: access.allowed_origins.clone(),
        ca_bundle: access.ca_bundle.clone(),
        deadlines: deadlines(access),
    };
    if let Some(provider) = provider.filter(|provider| provider.uid == access.provider_uid) {
        call.allowed_origins
            .extend(provider.target.allowed_origins.iter().cloned());
        call.ca_bundle.clone_from(&provider.target.ca_bundle);
        call.deadlines = provider.target.deadlines;
        call.known.extend(known(&provider.target));
    }
    Some(call)
}

/// Every credential of a provider object.
fn known(target: &Target) -> Vec<SecretString> {
    let of = |credentials: &Credentials| match &credentials.scheme {
        AuthScheme::None => None,
        AuthScheme::Basic { password: secret, .. }
        | AuthScheme::Bearer(secret)
        | AuthScheme::ClientCredentials {
            client_secret: secret, ..
        }
        | AuthScheme::Header { value: secret, .. } => Some(secret.clone()),
    };
    [&target.discovery, &target.registration, &target.management]
        .into_iter()
        .filter_map(of)
        .collect()
}

fn deadlines(access: &Access) -> Deadlines {
    Deadlines {
        connect: Duration::from_millis(access.connect_timeout_ms),
        request: Duration::from_millis(access.request_timeout_ms),
    }
}

/// Body of an update: everything that is wanted, and the `client_id` (RFC 7592 section 2.2).
pub(super) fn update_body(request: &Request, client_id: &str) -> Request {
    let mut body = request.clone();
    body.insert("client_id".to_owned(), Value::String(client_id.to_owned()));
    body
}

pub(super) fn owner(object: &OAuthClient) -> Owner {
    Owner {
        uid: object.uid().unwrap_or_default(),
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
    }
}

/// How a client whose registration was not answered is reached by its identifier.
pub(super) fn look_up_call(provider: &Provider, endpoints: &Endpoints, client_id: &str) -> Option<ManagementCall> {
    let target = &provider.target;
    if target.knobs.management != ManagementMode::Credentials {
        return None;
    }
    Some(ManagementCall {
        uri: record::uri_of(&target.knobs.uri_template, &endpoints.registration, client_id),
        credentials: target.management.clone(),
        known: known(target),
        issuer: endpoints.issuer.clone(),
        registration_endpoint: endpoints.registration.clone(),
        token_endpoint: endpoints.token.clone(),
        allowed_origins: target.allowed_origins.clone(),
        ca_bundle: target.ca_bundle.clone(),
        deadlines: target.deadlines,
    })
}

/// How the client of this mark is found, if the issuer has the form from which the address of its clients is made.
pub(super) fn marked_call(
    provider: &Provider,
    endpoints: &Endpoints,
    mark: &Mark,
    value: String,
) -> Option<MarkedCall> {
    let target = &provider.target;
    Some(MarkedCall {
        listing: identity::listing(&endpoints.issuer, mark)?,
        attribute: mark.attribute,
        value,
        credentials: target.management.clone(),
        known: known(target),
        issuer: endpoints.issuer.clone(),
        token_endpoint: endpoints.token.clone(),
        allowed_origins: target.allowed_origins.clone(),
        ca_bundle: target.ca_bundle.clone(),
        deadlines: target.deadlines,
    })
}

/// How the provider is asked whether it knows a recorded client, if the client authenticates in a way that can be tried.
pub(super) fn probe_call(record: &Record) -> Option<ProbeCall> {
    let stated =
        |metadata: &Map<String, Value>| metadata.get("token_endpoint_auth_method")?.as_str().map(str::to_owned);
    let method = stated(&record.metadata).or_else(|| stated(&record.request));
    let access = &record.management;
    Some(ProbeCall {
        token_endpoint: record.endpoints.token.clone()?,
        client_id: record.client_id.clone(),
        client_secret: record.client_secret.clone(),
        method: ClientAuth::parse(method.as_deref().unwrap_or("client_secret_basic"))?,
        issuer: record.endpoints.issuer.clone(),
        allowed_origins: access.allowed_origins.clone(),
        ca_bundle: access.ca_bundle.clone(),
        deadlines: deadlines(access),
    })
}
