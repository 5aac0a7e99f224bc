//! Certificates: each trouble is told by its name, and a change of trust needs no restart.

use serde_json::{Value, json};
use testbed::providers::{Persona, ScriptableProvider};
use testbed::site::consented;
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

/// The provider's certificate is of another authority from now on. It is the cause that the change of one client and the deletion of the
/// other one wait.
async fn replaced(case: &super::Case, double: &ScriptableProvider) -> Authority {
    let next = Authority::new("the next authority").unwrap();
    double.serve_with(next.issue(&NAMES).unwrap().server_config().unwrap());
    // Connections that were made before end within a second.
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    case.app("kept", "two").await;
    case.told("kept", "Stalled", "unknown issuer").await;
    case.delete("deleted").await;
    case.told("deleted", "Ready", "unknown issuer").await;
    next
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
        let next = replaced(&case, &double).await;
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

/// A Secret with these authorities.
async fn authorities(case: &super::Case, origin: &str, pem: &str) {
    let secret = consented(&case.named("ca"), origin, &[("ca.crt", &pem.replace('\n', "\\n"))]);
    case.stage.apply(&secret).await;
}

/// The authority comes from a Secret; the Secret changes, and nothing else does.
#[test]
fn t265_an_authority_in_a_secret_is_trusted_and_its_replacement_counts_for_clients_that_exist() {
    case("t265", async |case| {
        let double = ScriptableProvider::start_with(Persona::Plain, true).await.unwrap();
        let from = json!({"issuer": double.url(), "tls": {"caBundleFrom": {"secretRef": {"name": case.named("ca")}}}});
        case.provider(from).await;
        let message = case.provider_failed("CredentialsMissing").await;
        assert!(
            message.contains("spec.tls.caBundleFrom") && message.contains("t265-ca"),
            "{message}"
        );
        // Without the owner's consent nothing is read.
        case.stage
            .kubectl(&["create", "secret", "generic", "t265-ca", "--from-literal=ca.crt=x"])
            .await;
        let message = case.provider_failed("ConsentMissing").await;
        assert!(message.contains("kubectl"), "{message}");
        authorities(&case, double.url(), "no certificate").await;
        let message = case.provider_failed("CredentialsMissing").await;
        assert!(message.contains("ca.crt") && message.contains("PEM"), "{message}");
        authorities(&case, double.url(), double.ca().unwrap()).await;
        for suffix in ["kept", "deleted"] {
            case.ready_app(suffix, "one").await;
        }
        let digest = |record: &Value| record["management"]["caBundleDigest"].as_str().map(str::to_owned);
        let before = digest(&case.record("kept").await).unwrap();

        let next = replaced(&case, &double).await;
        authorities(&case, double.url(), next.pem()).await;
        case.ready("kept").await;
        case.gone("deleted").await;
        // The record has what a deletion needs when the Secret is gone.
        case.ready_app("fresh", "one").await;
        assert_ne!(digest(&case.record("fresh").await), Some(before));
        case.delete("kept").await;
        case.gone("kept").await;
        case.stage.kubectl(&["delete", "oap", "t265"]).await;
        case.stage.kubectl(&["delete", "secret", "t265-ca"]).await;
        case.delete("fresh").await;
        case.gone("fresh").await;
        assert!(double.clients().is_empty());
        case.judge(Settled::default()).await;
        assert!(case.suspects().await.is_empty());
    });
}

/// What `openssl req -x509` makes is an authority: trusting it is not enough.
#[test]
fn t266_a_self_signed_certificate_that_is_an_authority_is_told_by_its_name() {
    case("t266", async |case| {
        let double = ScriptableProvider::start_with(Persona::Plain, true).await.unwrap();
        let own = Identity::self_signed_authority(&NAMES).unwrap();
        double.serve_with(own.server_config().unwrap());
        case.provider(trusting(&double, &own.certificate_pem)).await;
        let message = case.provider_failed("CertificateRejected").await;
        assert!(message.contains("CA:TRUE") && message.contains("CA:FALSE"), "{message}");
    });
}
