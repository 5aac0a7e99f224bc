//! Certificates: each trouble is told by its name, and a change of trust needs no restart.

use serde_json::{Value, json};
use testbed::providers::{Persona, ScriptableProvider};
use testbed::tls::{Authority, Identity};

use super::{Settled, case};

const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];

fn trusting(double: &ScriptableProvider, authority: &str) -> Value {
    json!({"issuer": double.url(), "tls": {"caBundle": authority}})
}

#[test]
fn w69_every_trouble_with_a_certificate_is_told_by_its_name() {
    case("w69", async |case| {
        let double = ScriptableProvider::start_with(Persona::Plain, true).await.unwrap();
        let own = Authority::new("an authority").unwrap();
        let told = async |version: &str, part: &str| {
            let mut spec = trusting(&double, own.pem());
            spec["timeouts"] = json!({"request": version});
            case.provider(spec).await;
            let message = case.provider_failed("CertificateRejected").await;
            assert!(message.contains(part), "{message}");
        };
        told("21s", "unknown issuer").await;
        let expired = own.issue_expired(&NAMES).unwrap();
        double.serve_with(expired.server_config().unwrap());
        told("22s", "expired").await;
        double.serve_with(own.issue(&["other.example"]).unwrap().server_config().unwrap());
        told("23s", "issued for another name").await;
        double.serve_with(Identity::self_signed(&NAMES).unwrap().server_config().unwrap());
        told("24s", "unknown issuer").await;
        let clients = Authority::new("clients").unwrap();
        double.serve_with(own.issue(&NAMES).unwrap().server_config_for(&clients).unwrap());
        told("25s", "demands a client certificate").await;
        double.serve_with(own.issue(&NAMES).unwrap().server_config().unwrap());
        case.provider(trusting(&double, own.pem())).await;
        case.provider_ready().await;
    });
}

/// The provider's authority is replaced: new bundle, new trust, for clients that exist as well, without a restart.
#[test]
fn t56_an_authority_that_is_replaced_counts_for_clients_that_exist() {
    case("t56", async |case| {
        let double = ScriptableProvider::start_with(Persona::Plain, true).await.unwrap();
        case.provider(trusting(&double, double.ca().unwrap())).await;
        for suffix in ["kept", "deleted"] {
            case.ready_app(suffix, "one").await;
        }
        let next = Authority::new("the next authority").unwrap();
        double.serve_with(next.issue(&NAMES).unwrap().server_config().unwrap());
        // Connections that were made before end within a second.
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        case.app("kept", "two").await;
        case.told("kept", "Stalled", "unknown issuer").await;
        case.delete("deleted").await;
        case.told("deleted", "Ready", "unknown issuer").await;
        assert_eq!(double.clients().len(), 2);
        case.provider(trusting(&double, next.pem())).await;
        case.ready("kept").await;
        case.gone("deleted").await;
        assert_eq!(double.clients().len(), 1);
        case.judge(Settled {
            ledger: double.clients(),
            ..Settled::default()
        })
        .await;
        assert!(case.suspects().await.is_empty());
    });
}
