use serde_json::json;

use super::super::calls::tests::target;
use super::super::double::{Double, bearer, grant, transport};
use super::*;
use crate::api::Reason;
use crate::domain::outcome::Effect;
use crate::domain::target::{ClientProof, Credentials};

/// A provider whose clients are managed with these credentials at addresses of this form.
fn managed(home: &Double, management: Credentials, template: &str) -> Target {
    let mut target = target(&home.origin, "");
    target.knobs.management = ManagementMode::Credentials;
    template.clone_into(&mut target.knobs.uri_template);
    target.management = management;
    target
}

/// The operator's own token, which is for this issuer only.
fn own(home: &Double) -> Credentials {
    Credentials {
        origins: Some(vec![home.origin.clone()]),
        issuer_only: true,
        ..bearer("of-the-service-account")
    }
}

fn endpoints(home: &Double, token: Option<String>) -> Endpoints {
    Endpoints {
        issuer: home.origin.clone(),
        registration: format!("{}/register", home.origin),
        token,
        ..Endpoints::default()
    }
}

async fn register(target: &Target, endpoints: &Endpoints) -> Result<Registration, CallError> {
    let request = json!({"client_name": "a"});
    transport()
        .register(target, endpoints, request.as_object().unwrap())
        .await
}

/// Why nothing was sent.
async fn refused(target: &Target, endpoints: &Endpoints) -> Failure {
    let error = register(target, endpoints).await.unwrap_err();
    assert_eq!((error.effect, error.status), (Effect::NotApplied, None));
    error.failure
}

#[tokio::test]
async fn t356_nothing_is_registered_that_the_credentials_of_the_provider_may_not_manage() {
    let (home, elsewhere) = (
        Double::saying(201, "", r#"{"client_id":"id"}"#).await,
        Double::saying(201, "", "").await,
    );
    let away = format!("{}/clients/{{client_id}}", elsewhere.origin);
    let found = endpoints(&home, None);
    let mut target = managed(&home, own(&home), &away);
    // It does not apply to the operator's own token.
    target.allowed_origins.push(elsewhere.origin.clone());
    let failure = refused(&target, &found).await;
    assert_eq!(failure.reason, Reason::OriginNotAllowed);
    assert!(
        failure.message.contains("the client could not be managed") && failure.message.contains(&elsewhere.origin),
        "{failure}"
    );

    // The owner of a Secret allows the origin of the registration endpoint only.
    let listed = Credentials {
        origins: Some(vec![home.origin.clone()]),
        ..bearer("of-a-secret")
    };
    let mut target = managed(&home, listed, &away);
    target.allowed_origins.push(elsewhere.origin.clone());
    assert_eq!(refused(&target, &found).await.reason, Reason::ConsentMissing);
    let unlisted = managed(&home, bearer("of-a-secret"), &away);
    let failure = refused(&unlisted, &found).await;
    assert_eq!(failure.reason, Reason::OriginNotAllowed);
    assert!(failure.message.contains("spec.endpoints.allowedOrigins"), "{failure}");

    // The token that manages the client would be bought elsewhere.
    let buys = Credentials {
        scheme: grant("", ClientProof::AuthorizationGrant("of-the-service-account".into())),
        ..own(&home)
    };
    let mut target = managed(&home, buys, "{registration_endpoint}/{client_id}");
    target.allowed_origins.push(elsewhere.origin.clone());
    let at_elsewhere = endpoints(&home, Some(format!("{}/token", elsewhere.origin)));
    assert_eq!(refused(&target, &at_elsewhere).await.reason, Reason::OriginNotAllowed);
    assert!(
        home.seen().is_empty() && elsewhere.seen().is_empty(),
        "nothing was called"
    );

    // What only an answer tells hinders no registration, and neither does an address that credentials may go to.
    let mut allowed = unlisted;
    allowed.allowed_origins.push(elsewhere.origin.clone());
    for target in [
        allowed,
        managed(&home, own(&home), "{registration_endpoint}/{client_id}"),
        managed(&home, own(&home), "https://{tenant}/clients/{client_id}"),
    ] {
        assert!(register(&target, &found).await.is_ok(), "{}", target.knobs.uri_template);
    }
}

#[tokio::test]
async fn t356_a_token_is_not_bought_for_a_registration_that_may_not_be_sent() {
    let (home, elsewhere) = (Double::saying(200, "", "").await, Double::saying(201, "", "").await);
    let mut target = target(&home.origin, "");
    target.allowed_origins.push(elsewhere.origin.clone());
    target.registration = Credentials {
        scheme: grant("", ClientProof::AuthorizationGrant("of-the-service-account".into())),
        ..own(&home)
    };
    let found = Endpoints {
        registration: format!("{}/register", elsewhere.origin),
        ..endpoints(&home, Some(format!("{}/token", home.origin)))
    };
    assert_eq!(refused(&target, &found).await.reason, Reason::OriginNotAllowed);
    assert!(
        home.seen().is_empty() && elsewhere.seen().is_empty(),
        "nothing was called"
    );
}

/// Whoever followed the advice to list an origin would meet the next refusal.
#[tokio::test]
async fn t359_a_refusal_of_an_origin_names_what_applies_to_the_token_of_the_service_account() {
    let (home, elsewhere) = (Double::saying(201, "", "").await, Double::saying(201, "", "").await);
    let mut target = managed(&home, own(&home), &format!("{}/{{client_id}}", elsewhere.origin));
    target.registration = own(&home);
    let at_elsewhere = Endpoints {
        registration: format!("{}/register", elsewhere.origin),
        ..endpoints(&home, None)
    };
    let buys = Credentials {
        scheme: grant("", ClientProof::AuthorizationGrant("of-the-service-account".into())),
        ..own(&home)
    };
    let bought = Target {
        registration: buys,
        ..super::super::calls::tests::target(&home.origin, "")
    };
    let token_elsewhere = endpoints(&home, Some(format!("{}/token", elsewhere.origin)));
    for failure in [
        refused(&target, &at_elsewhere).await,
        refused(&target, &endpoints(&home, None)).await,
        refused(&bought, &token_elsewhere).await,
    ] {
        assert_eq!(failure.reason, Reason::OriginNotAllowed);
        assert!(
            failure
                .message
                .contains("spec.endpoints.allowedOrigins of the provider does not change this")
                && failure.message.contains("credentials from a Secret")
                && !failure.message.contains("add the origin"),
            "{failure}"
        );
    }
}
