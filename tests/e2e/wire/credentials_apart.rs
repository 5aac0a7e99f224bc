//! Credentials of discovery, registration and management, each of another kind and each sent where it belongs.

use serde_json::json;
use testbed::providers::{Fault, Persona, Reply, ScriptableProvider, Seen};
use testbed::site::consented;

use super::{Case, case};

const MANAGER: [&str; 2] = ["manager", "password-of-management"];

/// Which of the three credentials a request carries.
fn carried(seen: &Seen) -> Vec<&'static str> {
    let header = |name: &str, value: &str| seen.headers.get(name).is_some_and(|sent| sent == value);
    let all = [
        ("discovery", header("x-discovery-key", "key-of-discovery")),
        ("registration", header("x-registration-key", "key-of-registration")),
        ("management", seen.basic() == Some(MANAGER.map(str::to_owned).into())),
    ];
    all.into_iter()
        .filter_map(|(name, sent)| sent.then_some(name))
        .collect()
}

async fn secret(case: &Case, name: &str, origin: &str, data: &[(&str, &str)]) {
    let manifest = consented(&case.named(name), origin, data);
    case.stage.apply(&manifest).await;
}

#[test]
fn t220_credentials_of_discovery_registration_and_management_are_sent_where_each_belongs() {
    case("t220", async |case| {
        let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
        let [user, password] = MANAGER;
        double.administrator(user, password);
        for (name, data) in [
            ("discovery", vec![("value", "key-of-discovery")]),
            ("registration", vec![("value", "key-of-registration")]),
            ("management", vec![("username", user), ("password", password)]),
        ] {
            secret(&case, name, double.url(), &data).await;
        }
        let from = |name: &str| json!({"name": case.named(name)});
        case.provider(json!({
            "issuer": double.url(),
            "discoveryAuth": {"header": {"name": "X-Discovery-Key", "secretRef": from("discovery")}},
            "registrationAuth": {"header": {"name": "X-Registration-Key", "secretRef": from("registration")}},
            "managementAuth": {"basic": {"secretRef": from("management")}},
            "management": {"mode": "Credentials", "uriTemplate": "{registration_endpoint}/{client_id}"},
        }))
        .await;
        // Nobody registers or discovers without the key for it; the double itself demands the manager's password.
        double.script(|seen| {
            let demanded = match seen.method.as_str() {
                "POST" if seen.path == "/register" => "registration",
                "GET" if seen.path.starts_with("/.well-known/") => "discovery",
                _ => return None,
            };
            (carried(seen) != [demanded]).then(|| Fault::Answer(Reply::empty(401)))
        });
        case.ready_app("", "one").await;
        case.app("", "two").await;
        case.ready("").await;
        case.delete("").await;
        case.gone("").await;
        assert!(double.clients().is_empty());
        let of = |method: &str, part: &str| -> Vec<Vec<&str>> {
            let seen = double.seen().into_iter();
            let seen = seen.filter(|seen| seen.method == method && seen.path.starts_with(part));
            seen.map(|seen| carried(&seen)).collect()
        };
        let discovery = of("GET", "/.well-known/");
        assert!(!discovery.is_empty(), "nothing was discovered");
        assert!(discovery.iter().all(|sent| *sent == ["discovery"]), "{discovery:?}");
        assert_eq!(of("POST", "/register"), [["registration"]]);
        assert_eq!(of("PUT", "/register/"), [["management"]]);
        assert_eq!(of("DELETE", "/register/"), [["management"]]);
    });
}
