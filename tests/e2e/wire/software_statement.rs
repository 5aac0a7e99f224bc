//! Software statements of a provider object.

use serde_json::{Value, json};
use testbed::providers::{Fault, Reply, Seen};
use testbed::site::consented;

use super::case::app;
use super::{Case, case};

const KNOWN: &str = "eyJhbGciOiJub25lIn0.statement-one.c2ln";
const NEXT: &str = "eyJhbGciOiJub25lIn0.statement-two.c2ln";
const OWN: &str = "eyJhbGciOiJub25lIn0.statement-of-the-client.c2ln";

async fn secret(case: &Case, origin: &str, statement: &str) {
    let name = case.named("statement");
    let data = [("software_statement", statement)];
    case.stage.apply(&consented(&name, origin, &data)).await;
}

/// The statement of a request that holds client metadata.
fn statement(seen: &Seen) -> Value {
    seen.json()["software_statement"].clone()
}

#[test]
fn t174_a_statement_goes_with_registrations_and_updates_of_clients_that_have_none_and_only_where_its_owner_allows() {
    case("t174", async |case| {
        let double = case.double().await;
        double.script(|seen| {
            let holds_metadata = matches!(seen.method.as_str(), "POST" | "PUT") && seen.path.starts_with("/register");
            if !holds_metadata || [KNOWN, NEXT, OWN].iter().any(|known| statement(seen) == *known) {
                return None;
            }
            let body = json!({"error": "invalid_software_statement"});
            Some(Fault::Answer(Reply::json(400, &body)))
        });
        case.app("one", "one").await;
        case.failed("one", "RegistrationRejected").await;

        let provider = json!({
            "issuer": double.url(), "softwareStatement": {"secretRef": {"name": case.named("statement")}},
        });
        secret(&case, "https://elsewhere.example", KNOWN).await;
        case.provider(provider).await;
        let message = case.failed("one", "ConsentMissing").await;
        assert!(message.contains("softwareStatement"), "{message}");
        assert!(double.seen().iter().all(|seen| statement(seen) != KNOWN), "it was sent");

        secret(&case, double.url(), KNOWN).await;
        case.ready("one").await;
        let mut own = app("own");
        own["softwareStatement"] = json!(OWN);
        case.client("own", own).await;
        case.ready("own").await;
        let updates = double.count("PUT", "");
        secret(&case, double.url(), NEXT).await;
        case.app("one", "changed").await;
        case.ready("one").await;
        let sent: Vec<_> = double
            .seen()
            .iter()
            .map(statement)
            .filter(|sent| !sent.is_null())
            .collect();
        assert_eq!(sent, [KNOWN, OWN, NEXT]);
        assert_eq!(
            double.count("PUT", ""),
            updates + 1,
            "a new statement alone changes no client"
        );

        for name in ["one", "own"] {
            case.delete(name).await;
            case.gone(name).await;
        }
        let log = case.stage.operator.log();
        assert!(!log.contains("statement-one") && !log.contains("statement-two"));
    });
}
