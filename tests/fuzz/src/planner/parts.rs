//! What worlds are made of.

use std::time::Duration;

use oauth_client_operator::api::{ManagementMode, OnClientLost, OnUnknownOutcome, Profile};
use oauth_client_operator::domain::pass::{Deregistration, Provider};
use oauth_client_operator::domain::profile::knobs;
use oauth_client_operator::domain::record::Record;
use oauth_client_operator::domain::registration::Registration;
use oauth_client_operator::domain::target::{Credentials, Deadlines, Knobs, Location, Target};
use serde_json::{Map, json};

/// How a deregistration may end.
pub(super) const DEREGISTRATIONS: [Option<Deregistration>; 6] = [
    None,
    Some(Deregistration::Done),
    Some(Deregistration::Unsupported),
    Some(Deregistration::Refused),
    Some(Deregistration::Unproven),
    Some(Deregistration::Misdirected),
];

/// A record as the operator stores it.
pub(crate) fn stored() -> Record {
    let record = json!({
        "schemaVersion": 1, "phase": "Registered", "clusterId": "c", "owner": {"uid": "u", "namespace": "ns", "name": "app"},
        "attempt": "a1", "credentialGeneration": 1, "clientId": "id", "clientSecret": "s3cret",
        "registrationAccessToken": "t0ken", "registrationClientUri": "https://p/reg/id", "registeredAt": 1, "request": {},
        "metadata": {}, "endpoints": {"issuer": "https://p", "registration": "https://p/reg"},
        "management": {"mode": "RegistrationAccessToken", "providerUid": "provider", "uriTemplate": "",
            "connectTimeoutMs": 1, "requestTimeoutMs": 1},
    });
    serde_json::from_value(record).unwrap()
}

/// A provider of either policy for unknown outcomes and for lost clients.
pub(super) fn provider(hold: bool) -> Provider {
    let none = Credentials::default;
    Provider {
        target: Target {
            uid: "provider".into(),
            namespaced: true,
            location: Location::Issuer("https://p".into()),
            expected_issuer: None,
            registration_endpoint: None,
            allowed_origins: vec![],
            discovery: none(),
            registration: none(),
            management: none(),
            knobs: knobs(Profile::Rfc7592),
            substitutions: oauth_client_operator::api::Substitutions::Accept,
            verify: oauth_client_operator::api::Verify::Auto,
            on_unknown_outcome: if hold {
                OnUnknownOutcome::Hold
            } else {
                OnUnknownOutcome::Register
            },
            on_client_lost: if hold {
                OnClientLost::Hold
            } else {
                OnClientLost::Register
            },
            ca_bundle: None,
            presented: oauth_client_operator::domain::target::Presented::default(),
            deadlines: Deadlines {
                connect: Duration::from_secs(1),
                request: Duration::from_secs(1),
            },
        },
        uid: "provider".into(),
        fingerprint: "f".into(),
        known: None,
    }
}

/// Settings of a provider that shows marks to its administrators, with such credentials.
pub(super) fn marking() -> Knobs {
    Knobs {
        management: ManagementMode::Credentials,
        ..knobs(Profile::Keycloak)
    }
}

/// What a provider answers.
pub(super) fn answer() -> Registration {
    Registration {
        client_id: "id".into(),
        client_secret: Some("s3cret".into()),
        client_secret_expires_at: None,
        client_id_issued_at: None,
        answered_at: None,
        registration_access_token: Some("rotated".into()),
        registration_client_uri: None,
        metadata: Map::new(),
    }
}
