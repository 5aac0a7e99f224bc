//! `status.capabilities` of provider objects: what real servers and dialects show in the calls that clients need anyway.

use oauth_client_operator::api::OAuthProvider;
use serde_json::{Value, json};
use testbed::providers::{DIALECTS, OidcProviderOptions, Traffic};
use testbed::site::Site;

use crate::stage::{LIMIT, Stage, condition, eventually, is, judged};

const SPEC: &str = "grantTypes: [client_credentials]\nredirectURIs: ['https://app.example/callback']";

/// Members that nothing depends on; not every server shows each of them.
const REMOVED: &str = "clientURI: https://app.example/\npolicyURI: https://app.example/policy";

/// What there is of one provider.
struct Case {
    name: String,
    site: Site,
    expected: Value,
}

impl Case {
    fn new(name: &str, site: Site, expected: Value) -> Self {
        Self {
            name: name.to_owned(),
            site,
            expected,
        }
    }

    fn provider(&self) -> String {
        format!("provider-{}", self.name)
    }

    fn client(&self, more: &str) -> String {
        self.site
            .client_named(&self.name, &self.name, &format!("{SPEC}\n{more}"))
    }
}

/// Every real server that this test has an expectation of, and every dialect.
async fn cases(traffic: Traffic) -> Vec<Case> {
    let unmanaged = OidcProviderOptions::unmanaged();
    let rotating = OidcProviderOptions::rotating();
    let full = |token_on_update: &str| {
        json!({
            "management": "RegistrationAccessToken",
            "update": "Put",
            "delete": "Supported",
            "omittedMembers": "Cleared",
            "clearing": {"works": ["Omit"]},
            "substitutes": [],
            "registrationAccessToken": {"onUpdate": token_on_update},
            "clientSecret": {"onUpdate": "Same"},
            "probes": {"revocation": "TellsClients"},
        })
    };
    let mut keycloak = full("Changed");
    keycloak["omittedMembers"] = json!("Kept");
    keycloak["clearing"] = json!({"fails": ["Omit", "Null"], "works": ["Empty"]});
    keycloak["probes"] = json!({"introspection": "TellsClients"});
    let mut all = vec![
        Case::new("oidc-provider", Site::oidc_provider().await.unwrap(), full("Same")),
        Case::new(
            "oidc-provider-rotating",
            Site::oidc_provider_with(rotating).await.unwrap(),
            full("Changed"),
        ),
        Case::new(
            "oidc-provider-unmanaged",
            Site::oidc_provider_with(unmanaged).await.unwrap(),
            json!({
                "management": "RegistrationAccessToken",
                "read": "Supported",
                "update": "Unsupported",
                "delete": "Unsupported",
                "substitutes": [],
                "registrationAccessToken": {"onRead": "Same"},
                "clientSecret": {"onRead": "Same"},
                "probes": {"revocation": "TellsClients"},
            }),
        ),
        Case::new("keycloak", Site::keycloak("capabilities").await.unwrap(), keycloak),
    ];
    for dialect in DIALECTS {
        let site = Site::dialect(dialect).await.unwrap();
        all.push(Case::new(dialect.name, site, dialect.capabilities(traffic)));
    }
    all
}

async fn provider(stage: &Stage, name: &str) -> OAuthProvider {
    stage.providers().get(name).await.unwrap()
}

async fn capabilities(stage: &Stage, name: &str) -> Value {
    let status = provider(stage, name).await.status.unwrap_or_default();
    serde_json::to_value(status.capabilities).unwrap()
}

/// Waits until every provider says what is expected of it.
async fn until_said(stage: &Stage, cases: &[Case]) {
    let begin = std::time::Instant::now();
    loop {
        let mut wrong = Vec::new();
        for case in cases {
            let said = capabilities(stage, &case.provider()).await;
            if said != case.expected {
                wrong.push(format!(
                    "{}\n  says     {said}\n  expected {}",
                    case.name, case.expected
                ));
            }
        }
        if wrong.is_empty() {
            return;
        }
        assert!(begin.elapsed() < LIMIT, "{}", wrong.join("\n"));
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

/// Waits until there is a verdict for the newest generation.
async fn settled(stage: &Stage, name: &str) {
    let passing = ["Progressing", "ProviderUnavailable", "RateLimited"];
    stage
        .until(name, "judged", |object| {
            let ready = condition(object, "Ready");
            judged(object)
                && !is(object, "Reconciling", "True")
                && ready.is_some_and(|ready| !passing.contains(&ready.reason.as_str()))
        })
        .await;
}

async fn apply(stage: &Stage, cases: &[Case], manifests: impl Fn(&Case) -> String) {
    stage.apply(&cases.iter().map(manifests).collect::<String>()).await;
}

#[tokio::test]
async fn w155_every_server_and_dialect_is_said_to_do_what_it_does() {
    let stage = Stage::with("capabilities", |options| {
        options.args.extend(["--time-scale".to_owned(), "20".to_owned()]);
    })
    .await;
    let cases = cases(Traffic::Ordinary).await;
    apply(&stage, &cases, |case| {
        case.site.manifests_named(&case.name) + &case.client(REMOVED)
    })
    .await;
    for case in &cases {
        settled(&stage, &case.name).await;
    }
    apply(&stage, &cases, |case| case.client("")).await;
    for case in &cases {
        settled(&stage, &case.name).await;
    }
    let all: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    stage
        .kubectl(&[&["delete", "oauthclients", "--wait=false"], all.as_slice()].concat())
        .await;
    for case in &cases {
        stage.gone(&case.name).await;
    }
    until_said(&stage, &cases).await;
}

#[tokio::test]
async fn t300_further_clients_and_a_restart_write_nothing_more_about_a_provider() {
    let site = Site::scriptable().await.unwrap();
    let mut stage = Stage::new("capabilities-rest").await;
    stage.apply(&site.manifests).await;
    let client = |name: &str, path: &str| {
        let spec = format!("redirectURIs: ['https://app.example/{path}']");
        site.client(name, &spec)
    };
    let life = async |stage: &Stage, names: &[String]| {
        for path in ["one", "two"] {
            let all: String = names.iter().map(|name| client(name, path)).collect();
            stage.apply(&all).await;
            for name in names {
                stage.ready(name).await;
            }
        }
        for name in names {
            stage.kubectl(&["delete", "oauthclient", name]).await;
        }
    };
    let names = |prefix: &str, count: usize| (0..count).map(|n| format!("{prefix}-{n}")).collect::<Vec<_>>();
    life(&stage, &names("first", 1)).await;
    let known = eventually("everything is said", async || {
        let provider = provider(&stage, "provider").await;
        let capabilities = provider.status.as_ref()?.capabilities.as_ref()?;
        (capabilities.delete.is_some() && capabilities.update.is_some() && capabilities.probes.is_some())
            .then_some(provider)
    })
    .await;
    life(&stage, &names("many", 12)).await;
    stage.operator.stop().await.unwrap();
    stage.operator.relaunch().await.unwrap();
    life(&stage, &names("later", 2)).await;
    let later = provider(&stage, "provider").await;
    assert_eq!(
        later.metadata.resource_version, known.metadata.resource_version,
        "{:#?}",
        later.status
    );
}
