//! What a provider does not accept, what the operator says then, and the setting that helps: the rows of
//! `docs/providers/onboarding.md`.

use oauth_client_operator::api::OAuthClient;
use serde_json::{Value, json};
use testbed::providers::Operation::{Register, Update};
use testbed::providers::Quirk::{Hidden, Needs, Refuses, RefusesEmpty, UniqueNames};
use testbed::providers::{ADMIN, Dialect, Fault, Persona, Quirk, Reply, ScriptableProvider};

use super::case::app;
use super::{Case, case};

/// A refusal of a registration, and what ends it.
struct Row {
    /// Name of the case, which has a provider object of its own.
    name: &'static str,
    dialect: Dialect,
    client: fn() -> Value,
    /// What the message says.
    told: &'static [&'static str],
    /// Members of the provider object that help.
    provider: fn() -> Value,
    /// Members of the manifest that help.
    manifest: fn() -> Value,
}

const fn dialect(name: &'static str, quirks: &'static [Quirk]) -> Dialect {
    Dialect {
        name,
        seen_at: "",
        provider: "",
        quirks,
    }
}

fn machine() -> Value {
    json!({"grantTypes": ["client_credentials"]})
}

fn scoped() -> Value {
    json!({"redirectURIs": ["https://app.example/one"], "scopes": ["openid"]})
}

fn nothing() -> Value {
    json!({})
}

const ROWS: [Row; 6] = [
    Row {
        name: "t272a",
        dialect: dialect(
            "no-empty-redirects",
            &[RefusesEmpty(
                Register,
                "redirect_uris",
                400,
                r#"{"error":"invalid_redirect_uri"}"#,
            )],
        ),
        client: machine,
        told: &[
            "set spec.redirectURIs",
            "spec.omitDefaults of the provider to [redirect_uris]",
        ],
        provider: || json!({"omitDefaults": ["redirect_uris"]}),
        manifest: nothing,
    },
    Row {
        name: "t272b",
        dialect: dialect(
            "no-empty-response-types",
            &[RefusesEmpty(
                Register,
                "response_types",
                400,
                r#"{"error":"invalid_client_metadata","error_description":"response_types must not be empty"}"#,
            )],
        ),
        client: machine,
        told: &[
            "set spec.responseTypes",
            "spec.omitDefaults of the provider to [response_types]",
        ],
        provider: || json!({"omitDefaults": ["response_types"]}),
        manifest: nothing,
    },
    Row {
        name: "t272c",
        dialect: dialect(
            "no-scope",
            &[Refuses(
                Register,
                "scope",
                400,
                r#"{"error":"Unrecognized field \"scope\""}"#,
            )],
        ),
        client: scoped,
        told: &["correct spec.scopes", "spec.omitMembers of the provider to [scope]"],
        provider: || json!({"omitMembers": ["scope"]}),
        manifest: nothing,
    },
    Row {
        name: "t272d",
        dialect: dialect(
            "always-redirects",
            &[
                RefusesEmpty(
                    Register,
                    "redirect_uris",
                    422,
                    r#"{"message":"redirect_uris is mandatory"}"#,
                ),
                Needs(
                    Register,
                    "redirect_uris",
                    422,
                    r#"{"message":"redirect_uris is mandatory"}"#,
                ),
            ],
        ),
        client: machine,
        told: &["redirect_uris is mandatory", "set spec.redirectURIs"],
        provider: nothing,
        manifest: || json!({"redirectURIs": ["https://app.example/unused"]}),
    },
    Row {
        name: "t272e",
        dialect: dialect(
            "no-method",
            &[Refuses(
                Register,
                "token_endpoint_auth_method",
                400,
                "Unrecognized field \"token_endpoint_auth_method\" (class RegistrationRequest), not marked as ignorable",
            )],
        ),
        client: scoped,
        told: &[
            "correct spec.tokenEndpointAuthMethod",
            "spec.omitDefaults of the provider to [token_endpoint_auth_method]",
        ],
        provider: || json!({"omitDefaults": ["token_endpoint_auth_method"]}),
        manifest: nothing,
    },
    Row {
        name: "t272f",
        dialect: dialect(
            "no-application-type",
            &[Refuses(
                Register,
                "application_type",
                400,
                r#"{"errors":{"application_type":["unknown field"]}}"#,
            )],
        ),
        client: scoped,
        told: &[
            "correct spec.applicationType",
            "spec.omitDefaults of the provider to [application_type]",
        ],
        provider: || json!({"omitDefaults": ["application_type"]}),
        manifest: nothing,
    },
];

/// These members with those laid over them.
fn with(base: &Value, over: &Value) -> Value {
    let mut all = base.clone();
    if let (Some(all), Some(over)) = (all.as_object_mut(), over.as_object()) {
        all.extend(over.clone());
    }
    all
}

async fn speaking(dialect: &'static Dialect) -> ScriptableProvider {
    let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
    double.speak(dialect);
    double
}

#[test]
fn t272_a_refused_member_is_told_with_its_field_and_the_setting_that_helps_and_it_does() {
    static ALL: [Row; 6] = ROWS;
    case("t272", async |all| {
        for row in &ALL {
            let case = Case { name: row.name, ..all };
            let double = speaking(&row.dialect).await;
            let provider = json!({"issuer": double.url()});
            case.provider(provider.clone()).await;
            case.client("", (row.client)()).await;
            let message = case.failed("", "RegistrationRejected").await;
            for part in row.told {
                assert!(message.contains(part), "{}: {message}", row.name);
            }
            assert_eq!(double.count("POST", "/register"), 1, "{}", row.name);
            case.provider(with(&provider, &(row.provider)())).await;
            case.client("", with(&(row.client)(), &(row.manifest)())).await;
            case.ready("").await;
            assert_eq!(double.clients().len(), 1, "{}", row.name);
        }
    });
}

/// WSO2 Identity Server 5.10 refuses a member that later versions know.
#[test]
fn w151_wso2_5_10_is_sent_no_method_that_the_manifest_does_not_set() {
    case("w151", async |case| {
        let double = ScriptableProvider::start(Persona::Wso2).await.unwrap();
        double.script(|seen| {
            let odd = seen.method == "POST" && seen.json().get("token_endpoint_auth_method").is_some();
            let said = "Unrecognized field \"token_endpoint_auth_method\" (class lab.RegistrationRequest), not marked as ignorable";
            odd.then(|| Fault::Answer(Reply::text(400, "text/plain", said)))
        });
        let data = [("username", ADMIN.0), ("password", ADMIN.1)];
        let secret = testbed::site::consented("w151-admin", double.url(), &data);
        case.stage.apply(&secret).await;
        let auth = json!({"basic": {"secretRef": {"name": "w151-admin"}}});
        case.provider(json!({
            "issuer": format!("{}/oauth2/token", double.url()), "profile": "wso2", "tls": {"caBundle": double.ca()},
            "discoveryAuth": auth, "registrationAuth": auth,
        }))
        .await;
        let named = |name: &str| with(&app("one"), &json!({"clientName": name}));
        case.client("", named("w151")).await;
        case.ready("").await;
        let secret = case.secret("").await.unwrap();
        assert!(secret.contains_key("client_secret"));
        let method = json!({"tokenEndpointAuthMethod": "client_secret_basic"});
        case.client("set", with(&named("w151-set"), &method)).await;
        let message = case.failed("set", "RegistrationRejected").await;
        assert!(message.contains("spec.tokenEndpointAuthMethod"), "{message}");
        assert_eq!(double.clients().len(), 1);
    });
}

/// The first registration took the name, and its answer was lost.
#[test]
fn t273_a_name_that_an_own_lost_registration_took_does_not_blame_the_manifest() {
    static UNIQUE: Dialect = dialect(
        "unique-names",
        &[UniqueNames(
            400,
            r#"{"error":"invalid_client_metadata","error_description":"An application with the same name already exists"}"#,
        )],
    );
    case("t273", async |case| {
        let double = speaking(&UNIQUE).await;
        let provider = json!({"issuer": double.url()});
        case.provider(provider.clone()).await;
        let mut lost = false;
        double.script(move |seen| {
            let first = seen.method == "POST" && seen.path == "/register" && !std::mem::replace(&mut lost, true);
            first.then_some(Fault::LoseAnswer)
        });
        case.app("", "one").await;
        let message = case.failed("", "RegistrationRejected").await;
        let suspect = case.suspects().await.remove(0);
        for part in [
            "already exists",
            "response to an earlier registration of this OAuthClient was lost",
            suspect.attempt.as_str(),
            "oauth-client-operator.dev/reconcile=",
        ] {
            assert!(message.contains(part), "{part}: {message}");
        }
        assert!(!message.contains("correct the client metadata"), "{message}");
        // An administrator does what the message says.
        let stray = double.clients().into_keys().next().unwrap();
        assert!(double.remove_client(&stray));
        case.look_again("", "1").await;
        case.ready("").await;
        assert_eq!(double.clients().len(), 1);
        // Nobody is told of a doubt that there is none about.
        let twin = with(
            &app("two"),
            &json!({"clientName": double.clients().into_values().next().unwrap()["client_name"]}),
        );
        case.client("twin", twin).await;
        let message = case.failed("twin", "RegistrationRejected").await;
        assert!(
            !message.contains("was lost") && message.ends_with("; set another spec.clientName"),
            "{message}"
        );
        // A provider object that sends no names needs no administrator.
        case.provider(with(&provider, &json!({"omitMembers": ["client_name"]})))
            .await;
        case.ready("twin").await;
    });
}

/// Nothing can be changed or deleted here: the advice does not lead to a deletion, and what it says works.
#[test]
fn t274_the_advice_for_a_client_that_cannot_be_changed_fits_the_provider() {
    case("t274", async |case| {
        let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
        case.provider(json!({"issuer": double.url(), "management": {"mode": "None"}}))
            .await;
        let before = case.ready_app("", "one").await["client_id"].clone();
        case.app("", "two").await;
        let message = case.failed("", "UpdateUnsupported").await;
        let command = format!("oauth-client-operator.dev/replace={before}");
        for part in [command.as_str(), "stays at the provider", "a different spec.clientName"] {
            assert!(message.contains(part), "{message}");
        }
        assert!(!message.contains("delete the OAuthClient"), "{message}");
        case.stage
            .kubectl(&["annotate", "--overwrite", "oauthclient", &case.named(""), &command])
            .await;
        case.ready("").await;
        let after = case.secret("").await.unwrap()["client_id"].clone();
        assert_ne!(after, before);
        assert_eq!(
            double.clients()[&after]["redirect_uris"],
            json!(["https://app.example/two"])
        );
        let listed: Vec<_> = case
            .suspects()
            .await
            .into_iter()
            .filter_map(|suspect| suspect.client_id)
            .collect();
        assert_eq!(listed, [before]);
        // A member that is not sent any more would be an update of every client.
        case.provider(json!({
            "issuer": double.url(), "management": {"mode": "None"}, "omitMembers": ["application_type"],
        }))
        .await;
        case.look_again("", "omitted").await;
        let handled = |object: &OAuthClient| {
            let handled = object.status.as_ref().and_then(|status| status.handled.as_ref());
            handled.and_then(|handled| handled.reconcile.as_deref()) == Some("omitted")
        };
        case.stage.until(&case.named(""), "another look", handled).await;
        case.ready("").await;
        assert_eq!(case.secret("").await.unwrap()["client_id"], after);
    });
}

/// An update without the secret is never sent where a provider object says so, and a hidden endpoint is found by the profile or by its
/// address.
#[test]
fn t275_settings_of_updates_and_of_a_hidden_endpoint() {
    static DEMANDING: Dialect = dialect(
        "demanding",
        &[
            Hidden("/oauth2/register"),
            Needs(Update, "client_secret", 400, r#"{"error":"invalid_request"}"#),
            Quirk::States(Register, "subject_type", r#""public""#),
            Needs(Update, "subject_type", 400, r#"{"error":"invalid_request"}"#),
        ],
    );
    case("t275", async |case| {
        let double = speaking(&DEMANDING).await;
        let issuer = json!({"issuer": double.url()});
        case.provider(issuer.clone()).await;
        let message = case.provider_failed("RegistrationUnsupported").await;
        assert!(message.contains("spec.endpoints.registration"), "{message}");
        let endpoint = json!({"endpoints": {"registration": format!("{}/oauth2/register", double.url())}});
        let known = with(&issuer, &endpoint);
        case.provider(known.clone()).await;
        case.ready_app("", "one").await;
        case.app("", "two").await;
        case.failed("", "UpdateRejected").await;
        let management = json!({"management": {
            "secretInUpdate": "Include", "updateMembers": "All",
        }});
        case.provider(with(&known, &management)).await;
        case.ready("").await;
        let put = double
            .seen()
            .into_iter()
            .rfind(|seen| seen.method == "PUT")
            .unwrap()
            .json();
        assert_eq!(put["subject_type"], "public");
        for member in [
            "registration_access_token",
            "registration_client_uri",
            "client_secret_expires_at",
        ] {
            assert!(put.get(member).is_none(), "{member}");
        }
        // A profile says the same of the endpoint.
        case.provider(with(&with(&issuer, &json!({"profile": "hydra"})), &management))
            .await;
        case.provider_ready().await;
        case.app("", "three").await;
        case.ready("").await;
    });
}
