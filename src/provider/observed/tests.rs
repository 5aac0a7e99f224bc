use std::sync::Arc;

use crate::domain::target::{ClientProof, Credentials};
use crate::metrics::{Metrics, Snapshot};

use super::super::double::{Double, PATIENT, grant, reply, transport};
use super::super::exchange::{Exchange, JSON};
use super::super::token::Site;

/// A call with credentials that buy a token makes two requests. The one for the token is counted here.
#[tokio::test]
async fn t190_a_request_for_a_token_is_counted_with_its_result() {
    for (status, result) in [(200, "Success"), (401, "Refused"), (503, "Failed")] {
        let double = Double::new(move |text: &str| {
            let granted = r#"{"access_token": "t", "token_type": "bearer", "expires_in": 60}"#;
            let of_token = text.starts_with("POST /token");
            reply(if of_token { status } else { 200 }, "", granted)
        })
        .await;
        let metrics = Arc::new(Metrics::default());
        let transport = transport().counted(Arc::clone(&metrics));
        let credentials = Credentials {
            scheme: grant("operator", ClientProof::Basic("s3cret".into())),
            ..Credentials::default()
        };
        let exchange = Exchange {
            method: http::Method::GET,
            url: url::Url::parse(&format!("{}/clients", double.origin)).unwrap(),
            body: None,
            credentials: &credentials,
            certificate: None,
            origins: std::slice::from_ref(&double.origin),
            uid: "provider",
            namespaced: false,
            ca_bundle: None,
            deadlines: PATIENT,
            accept: JSON,
            limit: 1024,
        };
        let site = Site {
            token_endpoint: Some(&format!("{}/token", double.origin)),
            issuer: &double.origin,
            allowed_origins: &[],
        };
        let _ = transport.send_as(exchange, &site).await;
        let text = metrics.encode(&Snapshot::default());
        let line = format!(r#"oauth_client_operator_provider_requests_total{{operation="Token",result="{result}"}} 1"#);
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        let other = r#"operation="Register",result="Success"} 0"#;
        assert!(text.contains(other), "{text}");
    }
}
