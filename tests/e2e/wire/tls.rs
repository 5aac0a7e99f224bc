//! Certificates: each trouble is told by its name, and a change of trust needs no restart.

use serde_json::{Value, json};
use testbed::providers::{Persona, ScriptableProvider};
use testbed::site::{consented, trusted};
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

/// An object that authorities are taken from.
struct Holder {
    /// Name of the kind, as `kubectl` takes it.
    resource: &'static str,
    /// The member of `spec.tls.caBundleFrom` that names the object.
    member: &'static str,
    /// Key with the certificates, and whether the provider object names it.
    key: (&'static str, bool),
    /// How it is created without its owner's consent.
    create: &'static [&'static str],
}

const SECRET: Holder = Holder {
    resource: "secret",
    member: "secretRef",
    key: ("ca.crt", false),
    create: &["secret", "generic"],
};

impl Holder {
    /// The provider object that takes its authorities from here.
    fn provider(&self, case: &super::Case, double: &ScriptableProvider) -> Value {
        let mut from = json!({"name": case.named("ca")});
        if let (key, true) = self.key {
            from["key"] = json!(key);
        }
        json!({"issuer": double.url(), "tls": {"caBundleFrom": {self.member: from}}})
    }

    /// Applies the object with this text in a key.
    async fn apply(&self, case: &super::Case, origin: &str, key: &str, pem: &str) {
        let data = [(key, pem.replace('\n', "\\n"))];
        let data = data.each_ref().map(|(key, text)| (*key, text.as_str()));
        let name = case.named("ca");
        case.stage
            .apply(&match self.resource {
                "secret" => consented(&name, origin, &data),
                _ => trusted(&name, origin, &data),
            })
            .await;
    }

    /// The object comes, is not yet consented to, has no key and no certificate, and changes, and nothing else does.
    async fn lives(&self, case: super::Case) {
        let double = ScriptableProvider::start_with(Persona::Plain, true).await.unwrap();
        let (name, key) = (case.named("ca"), self.key.0);
        case.provider(self.provider(&case, &double)).await;
        let message = case.provider_failed("CredentialsMissing").await;
        assert!(
            message.contains("spec.tls.caBundleFrom") && message.contains(&name) && message.contains("does not exist"),
            "{message}"
        );
        // Without the owner's consent nothing is read.
        let literal = format!("--from-literal={key}=x");
        let create = [&["create"], self.create, &[name.as_str(), literal.as_str()]].concat();
        case.stage.kubectl(&create).await;
        let message = case.provider_failed("ConsentMissing").await;
        let command = format!(
            "label {} {name} oauth-client-operator.dev/provider-credentials=true",
            self.resource
        );
        assert!(message.contains("kubectl") && message.contains(&command), "{message}");
        self.apply(&case, double.url(), "other", double.ca().unwrap()).await;
        case.stage
            .kubectl(&["patch", self.resource, &name, "--type=json", "-p", &removed(key)])
            .await;
        let message = case.provider_failed_with("CredentialsMissing", "; add it").await;
        assert!(message.contains(key) && message.contains(&name), "{message}");
        self.apply(&case, double.url(), key, "no certificate").await;
        let message = case.provider_failed_with("CredentialsMissing", "PEM").await;
        assert!(message.contains(key), "{message}");
        self.apply(&case, double.url(), key, double.ca().unwrap()).await;
        for suffix in ["kept", "deleted"] {
            case.ready_app(suffix, "one").await;
        }
        let digest = |record: &Value| record["management"]["caBundleDigest"].as_str().map(str::to_owned);
        let before = digest(&case.record("kept").await).unwrap();

        let next = replaced(&case, &double).await;
        self.apply(&case, double.url(), key, next.pem()).await;
        case.ready("kept").await;
        case.gone("deleted").await;
        // The record has what a deletion needs when the object is gone.
        for suffix in ["fresh", "last"] {
            case.ready_app(suffix, "one").await;
            assert_ne!(digest(&case.record(suffix).await), Some(before.clone()));
        }
        case.delete("kept").await;
        case.gone("kept").await;
        case.stage.kubectl(&["delete", self.resource, &name]).await;
        case.provider_failed("CredentialsMissing").await;
        case.delete("fresh").await;
        case.gone("fresh").await;
        case.stage.kubectl(&["delete", "oap", case.name]).await;
        case.delete("last").await;
        case.gone("last").await;
        assert!(double.clients().is_empty());
        case.judge(Settled::default()).await;
        assert!(case.suspects().await.is_empty());
    }
}

/// The patch that removes a key of an object.
fn removed(key: &str) -> String {
    json!([{"op": "remove", "path": format!("/data/{key}")}]).to_string()
}

/// The authority comes from a Secret; the Secret changes, and nothing else does.
#[test]
fn t265_an_authority_in_a_secret_is_trusted_and_its_replacement_counts_for_clients_that_exist() {
    case("t265", async |case| SECRET.lives(case).await);
}

#[test]
fn t350_an_authority_in_a_config_map_is_trusted_and_its_replacement_counts_for_clients_that_exist() {
    let config_map = Holder {
        resource: "configmap",
        member: "configMapRef",
        key: ("ca.crt", false),
        create: &["configmap"],
    };
    case("t350", async |case| config_map.lives(case).await);
}

#[test]
fn t350_the_key_of_a_config_map_can_be_named() {
    let bundle = Holder {
        resource: "configmap",
        member: "configMapRef",
        key: ("trust-bundle.pem", true),
        create: &["configmap"],
    };
    case("t350-key", async |case| bundle.lives(case).await);
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
