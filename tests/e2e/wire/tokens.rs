//! Initial access tokens: several of them, of which one is used up, refused or expired, and what the provider's status tells.

use std::collections::BTreeMap;

use oauth_client_operator::api::{TokenState, TokenStatus};
use serde_json::{Value, json};
use testbed::providers::{Fault, Keycloak, OidcProvider, OidcProviderOptions, Persona, Reply, ScriptableProvider};
use testbed::site::consented;

use crate::stage::eventually;

use super::{Case, Settled, case};

const EXPIRES_AT: &str = "oauth-client-operator.dev/expires-at";

/// Secrets with a token each, by what their names end with.
async fn secrets(case: &Case, origin: &str, tokens: &[(&str, &str)]) {
    for (suffix, token) in tokens {
        let secret = consented(&case.named(suffix), origin, &[("token", token)]);
        case.stage.apply(&secret).await;
    }
}

/// A provider object that registers with these tokens.
async fn provider(case: &Case, issuer: &str, suffixes: &[&str]) {
    let names: Vec<Value> = suffixes
        .iter()
        .map(|suffix| json!({"name": case.named(suffix)}))
        .collect();
    let bearer = json!({"secretRef": names[0], "additionalSecretRefs": names[1..]});
    case.provider(json!({"issuer": issuer, "registrationAuth": {"bearer": bearer}}))
        .await;
}

/// Waits until the tokens have these states; what the status tells of each, by its place.
async fn states(case: &Case, expected: &[TokenState]) -> Vec<TokenStatus> {
    eventually(&format!("tokens of {} are {expected:?}", case.name), async || {
        let object = case.stage.providers().get(case.name).await.unwrap();
        let tokens = object.status?.registration_tokens;
        let found: Vec<TokenState> = tokens.iter().map(|token| token.state).collect();
        (found == expected).then_some(tokens)
    })
    .await
}

/// How often a token came with a registration.
fn sent(double: &ScriptableProvider, token: &str) -> usize {
    let posts = double.seen().into_iter();
    let posts = posts.filter(|seen| seen.method == "POST" && seen.path == "/register");
    posts.filter(|seen| seen.bearer() == Some(token)).count()
}

/// A registration endpoint that answers so to each of these tokens, and registers with any other.
fn refusing(double: &ScriptableProvider, refusals: &[(&str, u16, Value)]) {
    let refusals: BTreeMap<String, (u16, Value)> = refusals
        .iter()
        .map(|(token, status, body)| ((*token).to_owned(), (*status, body.clone())))
        .collect();
    double.script(move |seen| {
        if (seen.method.as_str(), seen.path.as_str()) != ("POST", "/register") {
            return None;
        }
        let (status, body) = refusals.get(seen.bearer().unwrap_or_default())?;
        Some(Fault::Answer(Reply::json(*status, body)))
    });
}

/// The count of the first token is used up by the first client. No registration is lost, and none happens twice.
#[test]
fn t261_keycloak_is_given_the_next_token_when_the_count_of_one_is_used_up() {
    case("t261-keycloak", async |case| {
        let realm = Keycloak::shared().await.unwrap().realm(case.name).await.unwrap();
        let origin = realm.keycloak().to_owned();
        let (single, further) = (
            realm.initial_access_token(1).await.unwrap(),
            realm.initial_access_token(5).await.unwrap(),
        );
        secrets(&case, &origin, &[("single", &single), ("further", &further)]).await;
        let before = realm.clients().await.unwrap().len();
        provider(&case, &realm.issuer(), &["single", "further"]).await;
        let tokens = states(&case, &[TokenState::InUse, TokenState::Spare]).await;
        // Both are valid for a day, as the claim `exp` of each says.
        assert!(tokens.iter().all(|token| token.expires_at.is_some()), "{tokens:?}");
        for client in ["one", "two", "three"] {
            case.ready_app(client, client).await;
        }
        let tokens = states(&case, &[TokenState::Refused, TokenState::InUse]).await;
        let message = tokens[0].message.clone().unwrap();
        assert!(
            message.contains("status 401") && message.contains("No remaining count"),
            "{message}"
        );
        assert_eq!(realm.clients().await.unwrap().len(), before + 3);
        let shown = serde_json::to_string(&tokens).unwrap() + &case.stage.operator.log();
        assert!(!shown.contains(&single) && !shown.contains(&further));
        for client in ["one", "two", "three"] {
            case.delete(client).await;
            case.gone(client).await;
        }
        assert_eq!(realm.clients().await.unwrap().len(), before);
    });
}

/// A token that is put in the place of a refused one is used.
#[test]
fn t261_oidc_provider_registers_with_the_next_token_and_with_a_replaced_one() {
    case("t261-oidc", async |case| {
        let options = OidcProviderOptions {
            issued_initial_access: true,
            ..OidcProviderOptions::default()
        };
        let double = OidcProvider::start(options).await.unwrap();
        let valid = double.initial_access_token().await.unwrap();
        secrets(
            &case,
            double.url(),
            &[("first", "unknown-to-the-provider"), ("second", &valid)],
        )
        .await;
        provider(&case, double.issuer(), &["first", "second"]).await;
        case.ready_app("one", "one").await;
        let posts = async || {
            let requests = double.requests().await.unwrap().into_iter();
            let posts = requests.filter(|request| request.method == "POST" && request.path == "/reg");
            posts.map(|request| request.status).collect::<Vec<_>>()
        };
        assert_eq!(posts().await, [401, 201]);
        let tokens = states(&case, &[TokenState::Refused, TokenState::InUse]).await;
        assert!(
            tokens[0]
                .message
                .as_ref()
                .is_some_and(|text| text.contains("invalid_token")),
            "{tokens:?}"
        );
        case.ready_app("two", "two").await;
        assert_eq!(posts().await, [401, 201, 201]);

        let fresh = double.initial_access_token().await.unwrap();
        secrets(&case, double.url(), &[("first", &fresh)]).await;
        states(&case, &[TokenState::InUse, TokenState::Spare]).await;
        case.ready_app("three", "three").await;
        assert_eq!(posts().await, [401, 201, 201, 201]);
        assert_eq!(double.clients().await.unwrap().len(), 3);
    });
}

#[test]
fn t260_a_token_is_not_used_after_the_expiry_that_its_secret_states() {
    case("t260", async |case| {
        let double = ScriptableProvider::start(testbed::providers::Persona::Plain)
            .await
            .unwrap();
        secrets(
            &case,
            double.url(),
            &[("old", "t0ken-that-expired"), ("new", "t0ken-that-lasts")],
        )
        .await;
        let annotate = async |suffix: &str, value: &str| {
            let annotation = format!("{EXPIRES_AT}={value}");
            let secret = case.named(suffix);
            case.stage
                .kubectl(&["annotate", "--overwrite", "secret", &secret, &annotation])
                .await;
        };
        annotate("old", "2020-01-01T00:00:00Z").await;
        annotate("new", "tomorrow").await;
        provider(&case, double.url(), &["old", "new"]).await;
        case.ready_app("", "one").await;
        let tokens = states(&case, &[TokenState::Expired, TokenState::InUse]).await;
        assert_eq!(tokens[0].expires_at.as_deref(), Some("2020-01-01T00:00:00Z"));
        assert!(
            tokens[1]
                .message
                .as_ref()
                .is_some_and(|text| text.contains(EXPIRES_AT) && text.contains("RFC 3339")),
            "{tokens:?}"
        );
        assert_eq!(
            (sent(&double, "t0ken-that-expired"), sent(&double, "t0ken-that-lasts")),
            (0, 1)
        );

        // The time of a token ends while nothing else happens.
        let soon = k8s_openapi::jiff::Timestamp::now() + std::time::Duration::from_secs(20);
        annotate("old", &soon.to_string()).await;
        states(&case, &[TokenState::InUse, TokenState::Spare]).await;
        states(&case, &[TokenState::Expired, TokenState::InUse]).await;
        eventually("the metric counts the token as expired", async || {
            let metrics = case.stage.operator.metrics().await.unwrap();
            let counts = metrics.lines().filter_map(|line| {
                let (_, count) = line.split_once(r#"registration_tokens{state="Expired"} "#)?;
                count.parse::<u64>().ok()
            });
            counts.max().filter(|count| *count > 0)
        })
        .await;
        case.delete("").await;
        case.gone("").await;
    });
}

/// What the provider says of a policy is about the client, and no other token changes that.
#[test]
fn w140_a_policy_leaves_the_token_in_use_and_its_words_are_shown() {
    case("w140", async |case| {
        let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
        let words = "Policy 'Trusted Hosts' rejected request to client-registration service";
        let policy = json!({"error": "insufficient_scope", "error_description": words});
        refusing(&double, &[("t0ken-first", 403, policy)]);
        secrets(
            &case,
            double.url(),
            &[("first", "t0ken-first"), ("second", "t0ken-second")],
        )
        .await;
        provider(&case, double.url(), &["first", "second"]).await;
        case.app("", "one").await;
        let message = case.failed("", "RegistrationRejected").await;
        assert!(message.contains("Trusted Hosts"), "{message}");
        states(&case, &[TokenState::InUse, TokenState::Spare]).await;
        assert_eq!(sent(&double, "t0ken-second"), 0);
        double.behave();
        case.look_again("", "policy changed").await;
        case.ready("").await;
        case.delete("").await;
        case.gone("").await;
        case.judge(Settled::default()).await;
    });
}

/// With every token refused, each attempt sends each of them once, and the provider's words are in its own status.
#[test]
fn w141_all_tokens_refused_are_tried_one_at_a_time_until_one_is_accepted_again() {
    case("w141", async |case| {
        let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
        let refused = |words: &str| json!({"error": "invalid_token", "error_description": words});
        let words = "the token t0ken-second is unknown";
        refusing(
            &double,
            &[
                ("t0ken-first", 401, refused("used up")),
                ("t0ken-second", 403, refused(words)),
            ],
        );
        secrets(
            &case,
            double.url(),
            &[("first", "t0ken-first"), ("second", "t0ken-second")],
        )
        .await;
        provider(&case, double.url(), &["missing", "first", "second"]).await;
        case.app("", "one").await;
        let message = case.failed("", "CredentialsRejected").await;
        assert!(!message.contains("used up"), "{message}");
        let states_now = [TokenState::Unusable, TokenState::Refused, TokenState::Refused];
        let tokens = states(&case, &states_now).await;
        let told = |at: usize| tokens[at].message.clone().unwrap_or_default();
        assert!(told(0).contains("does not exist"), "{tokens:?}");
        assert!(
            told(1).contains("used up") && told(1).contains("status 401"),
            "{tokens:?}"
        );
        // Words that repeat a token are not shown.
        assert!(
            told(2).contains("status 403") && !told(2).contains("t0ken"),
            "{tokens:?}"
        );
        let both = (sent(&double, "t0ken-first"), sent(&double, "t0ken-second"));
        assert!(both.0.abs_diff(both.1) <= 1, "{both:?}");
        // One look sends both, in the order of their refusals.
        case.look_again("", "still refused").await;
        let in_order = || {
            let posts = double.seen().into_iter();
            let posts = posts.filter(|seen| seen.method == "POST" && seen.path == "/register");
            posts
                .filter_map(|seen| seen.bearer().map(str::to_owned))
                .collect::<Vec<_>>()
        };
        let after = eventually("both are sent again", async || {
            let posts = in_order();
            (posts.len() >= both.0 + both.1 + 2 && posts.len().is_multiple_of(2)).then_some(posts)
        })
        .await;
        let looks: Vec<_> = after.chunks(2).collect();
        assert!(
            looks.iter().all(|look| *look == ["t0ken-first", "t0ken-second"]),
            "{looks:?}"
        );

        double.behave();
        case.look_again("", "accepted again").await;
        case.ready("").await;
        eventually("one token is in use again", async || {
            let object = case.stage.providers().get(case.name).await.unwrap();
            let mut tokens = object.status?.registration_tokens.into_iter();
            tokens.find(|token| token.state == TokenState::InUse)
        })
        .await;
        assert_eq!(double.clients().len(), 1);
        case.delete("").await;
        case.gone("").await;
        case.judge(Settled::default()).await;
    });
}

/// In mode `Credentials` without `managementAuth`, the list serves management, too.
#[test]
fn t286_a_client_is_changed_and_deregistered_with_the_next_token_where_one_is_refused() {
    case("t286", async |case| {
        let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
        secrets(
            &case,
            double.url(),
            &[("first", "t0ken-first"), ("second", "t0ken-second")],
        )
        .await;
        let name = |suffix: &str| json!({"name": case.named(suffix)});
        case.provider(json!({
            "issuer": double.url(),
            "registrationAuth": {"bearer": {"secretRef": name("first"), "additionalSecretRefs": [name("second")]}},
            "management": {"mode": "Credentials", "uriTemplate": "{registration_endpoint}/{client_id}"},
        }))
        .await;
        let secret = case.ready_app("", "one").await;
        // From now on nothing but the second token manages the client.
        double.set_token(&secret["client_id"], "t0ken-second");
        case.app("", "two").await;
        case.ready("").await;
        let tokens = states(&case, &[TokenState::Refused, TokenState::InUse]).await;
        assert!(
            tokens[0]
                .message
                .as_ref()
                .is_some_and(|text| text.contains("status 401")),
            "{tokens:?}"
        );
        let of = |method: &str| -> Vec<String> {
            let seen = double.seen().into_iter().filter(|seen| seen.method == method);
            seen.filter_map(|seen| seen.bearer().map(str::to_owned)).collect()
        };
        assert_eq!(of("PUT"), ["t0ken-first", "t0ken-second"]);
        case.delete("").await;
        case.gone("").await;
        assert_eq!(of("DELETE"), ["t0ken-second"], "the first one is refused");
        assert!(double.clients().is_empty());
        case.judge(Settled::default()).await;
    });
}
