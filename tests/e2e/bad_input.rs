//! Bad input: each with a clear condition, and nothing lost.

use testbed::providers::{Fault, OidcProvider, OidcProviderOptions, Persona, Reply, ScriptableProvider};
use testbed::site::{Site, basic, bearer, consented, oauth_client, oauth_provider};

use crate::stage::{Stage, is};

const CLIENT: &str = "redirectURIs: ['https://app.example/callback']";

/// Applies a provider and a client, and returns the message of the failure.
async fn failure(stage: &Stage, provider: &str, reason: &str) -> String {
    stage.apply(provider).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    let message = stage.failed("app", reason).await;
    assert!(stage.secret("app").await.is_none());
    assert!(stage.records().await.is_empty() && stage.suspects().await.is_empty());
    message
}

/// The provider is put right, and the client becomes Ready without any other change.
async fn recovers(stage: &Stage, provider: &str) {
    stage.apply(provider).await;
    stage.ready("app").await;
}

#[tokio::test]
async fn a_provider_without_registration_endpoint() {
    let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
    let url = double.url().to_owned();
    let document = serde_json::json!({"issuer": url, "token_endpoint": format!("{url}/token")});
    double.script(move |seen| {
        seen.path
            .contains("well-known")
            .then(|| Fault::Answer(Reply::json(200, &document)))
    });
    let stage = Stage::new("no-endpoint").await;
    let message = failure(
        &stage,
        &oauth_provider(&format!("issuer: {}", double.url())),
        "RegistrationUnsupported",
    )
    .await;
    assert!(message.contains("spec.endpoints.registration"), "{message}");
    let explicit = format!("issuer: {0}\nendpoints:\n  registration: {0}/register", double.url());
    recovers(&stage, &oauth_provider(&explicit)).await;
}

#[tokio::test]
async fn an_issuer_that_differs() {
    let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
    let url = double.url().to_owned();
    let document =
        serde_json::json!({"issuer": "https://other.example", "registration_endpoint": format!("{url}/register")});
    double.script(move |seen| {
        seen.path
            .contains("well-known")
            .then(|| Fault::Answer(Reply::json(200, &document)))
    });
    let stage = Stage::new("mismatch").await;
    let message = failure(
        &stage,
        &oauth_provider(&format!("issuer: {}", double.url())),
        "IssuerMismatch",
    )
    .await;
    assert!(
        message.contains("https://other.example") && message.contains("spec.expectedIssuer"),
        "{message}"
    );
    double.behave();
    // Discovery is asked again as soon as the provider object changes.
    recovers(
        &stage,
        &oauth_provider(&format!("issuer: {}\ntimeouts:\n  request: 9s", double.url())),
    )
    .await;
}

#[tokio::test]
async fn wrong_credentials() {
    let options = OidcProviderOptions {
        initial_access_token: Some("right-token".to_owned()),
        ..OidcProviderOptions::default()
    };
    let provider = OidcProvider::start(options).await.unwrap();
    let stage = Stage::new("wrong").await;
    let manifest = oauth_provider(&format!(
        "issuer: {}\n{}",
        provider.issuer(),
        bearer("registrationAuth", "iat")
    ));
    let secret = |token: &str| consented("iat", provider.issuer(), &[("token", token)]);
    let message = failure(&stage, &(manifest + &secret("wrong-token")), "CredentialsRejected").await;
    assert!(message.contains("401") && !message.contains("wrong-token"), "{message}");
    // A new value in the Secret is enough.
    recovers(&stage, &secret("right-token")).await;
    assert_eq!(provider.clients().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_host_that_is_not_there() {
    let stage = Stage::new("nobody").await;
    let message = failure(
        &stage,
        &oauth_provider("issuer: http://127.0.0.1:9"),
        "ProviderUnavailable",
    )
    .await;
    assert!(message.contains("127.0.0.1:9 cannot be reached; "), "{message}");
    assert!(is(&stage.oauth_client("app").await, "Reconciling", "True"));
    let message = failure(
        &stage,
        &oauth_provider("issuer: http://nowhere.invalid"),
        "ProviderUnavailable",
    )
    .await;
    assert!(message.contains("cannot be reached"), "{message}");
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts() {
    let double = ScriptableProvider::start_with(Persona::Plain, true).await.unwrap();
    let stage = Stage::new("untrusted").await;
    let message = failure(
        &stage,
        &oauth_provider(&format!("issuer: {}", double.url())),
        "CertificateRejected",
    )
    .await;
    assert!(
        message.contains("unknown issuer") && message.contains("spec.tls.caBundle"),
        "{message}"
    );
    let ca = double
        .ca()
        .unwrap()
        .lines()
        .fold(String::new(), |text, line| text + "    " + line + "\n");
    recovers(
        &stage,
        &oauth_provider(&format!("issuer: {}\ntls:\n  caBundle: |\n{ca}", double.url())),
    )
    .await;
}

#[tokio::test]
async fn html_and_ten_megabytes_instead_of_metadata() {
    let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
    let stage = Stage::new("html").await;
    double.script(|seen| {
        let html = Fault::Answer(Reply::text(200, "text/html", "<html><body>Welcome</body></html>"));
        seen.path.contains("well-known").then_some(html)
    });
    let message = failure(
        &stage,
        &oauth_provider(&format!("issuer: {}", double.url())),
        "DiscoveryFailed",
    )
    .await;
    assert!(message.contains("something else than a JSON object"), "{message}");
    double.script(|seen| {
        let much = Fault::Answer(Reply::text(200, "application/json", vec![b'a'; 10_000_000]));
        seen.path.contains("well-known").then_some(much)
    });
    let other = format!("issuer: {}\ntimeouts:\n  request: 9s", double.url());
    let message = failure(&stage, &oauth_provider(&other), "InvalidResponse").await;
    assert!(message.contains("256 KiB"), "{message}");
    double.behave();
    recovers(&stage, &oauth_provider(&format!("issuer: {}", double.url()))).await;
}

#[tokio::test]
async fn ten_megabytes_instead_of_a_registration_leave_a_suspect() {
    let site = Site::scriptable().await.unwrap();
    let double = site.double().unwrap();
    let mut first = true;
    double.script(move |seen| {
        let register = seen.method == "POST" && seen.path == "/register";
        let much = Fault::Answer(Reply::text(201, "application/json", vec![b'a'; 10_000_000]));
        (register && std::mem::take(&mut first)).then_some(much)
    });
    let stage = Stage::new("much").await;
    stage.apply(&site.manifests).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    let object = stage.ready("app").await;
    assert_eq!(double.count("POST", "/register"), 2);
    assert_eq!(stage.suspects().await.len(), 1);
    assert_eq!(object.status.unwrap().suspects.len(), 1);
    stage.warned("app", "SuspectedOrphan").await;
}

#[tokio::test]
async fn a_foreign_secret_of_the_same_name() {
    let site = Site::scriptable().await.unwrap();
    let stage = Stage::new("foreign").await;
    stage
        .apply("apiVersion: v1\nkind: Secret\nmetadata:\n  name: app\nstringData:\n  theirs: value\n")
        .await;
    stage.apply(&site.manifests).await;
    stage.apply(&oauth_client("app", CLIENT)).await;
    let message = stage.failed("app", "SecretConflict").await;
    assert!(
        message.contains("a Secret named app exists") && message.contains("spec.secret.name"),
        "{message}"
    );
    assert_eq!(
        site.clients().await.unwrap().len(),
        0,
        "nothing is registered without a place for its secret"
    );
    assert_eq!(
        stage.secret("app").await.unwrap().keys().collect::<Vec<_>>(),
        ["theirs"]
    );
    stage
        .apply(&oauth_client("app", &format!("{CLIENT}\nsecret: {{name: app-oauth}}")))
        .await;
    stage.ready("app").await;
    assert_eq!(
        stage.secret("app").await.unwrap().keys().collect::<Vec<_>>(),
        ["theirs"]
    );
}

#[tokio::test]
async fn two_clients_that_name_one_secret() {
    let site = Site::scriptable().await.unwrap();
    let stage = Stage::new("two").await;
    stage.apply(&site.manifests).await;
    stage
        .apply(&oauth_client("first", &format!("{CLIENT}\nsecret: {{name: shared}}")))
        .await;
    stage.ready("first").await;
    let secret = stage.secret("shared").await;
    stage
        .apply(&oauth_client("second", &format!("{CLIENT}\nsecret: {{name: shared}}")))
        .await;
    let message = stage.failed("second", "SecretConflict").await;
    assert!(message.contains("shared"), "{message}");
    assert_eq!(stage.secret("shared").await, secret);
    assert_eq!(site.clients().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_credential_secret_that_is_missing_or_without_consent() {
    let double = ScriptableProvider::start(Persona::Plain).await.unwrap();
    let stage = Stage::new("consent").await;
    let provider = oauth_provider(&format!(
        "issuer: {}\n{}",
        double.url(),
        basic("registrationAuth", "admin")
    ));
    let message = failure(&stage, &provider, "CredentialsMissing").await;
    assert!(
        message.contains("spec.registrationAuth") && message.contains("/admin"),
        "{message}"
    );

    let bare = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: admin\nstringData:\n  username: admin\n  password: hunter2\n---\n";
    stage.apply(bare).await;
    let message = failure(
        &stage,
        &oauth_provider(&format!(
            "issuer: {}\n{}\ntimeouts:\n  request: 9s",
            double.url(),
            basic("registrationAuth", "admin")
        )),
        "ConsentMissing",
    )
    .await;
    assert!(
        message.contains(&format!("kubectl -n {} label secret admin", stage.apps.name())),
        "{message}"
    );

    // Consent for another origin is none for this one.
    stage
        .apply(&consented(
            "admin",
            "https://elsewhere.example",
            &[("username", "admin"), ("password", "hunter2")],
        ))
        .await;
    let message = failure(&stage, &provider, "ConsentMissing").await;
    assert!(
        message.contains("https://elsewhere.example") && message.contains(double.url()),
        "{message}"
    );
    assert_eq!(double.count("POST", "/register"), 0);

    stage
        .apply(&consented(
            "admin",
            double.url(),
            &[("username", "admin"), ("password", "hunter2")],
        ))
        .await;
    stage.ready("app").await;
    let post = double.seen().into_iter().find(|seen| seen.method == "POST").unwrap();
    assert_eq!(post.basic(), Some(("admin".to_owned(), "hunter2".to_owned())));
    assert!(!stage.operator.log().contains("hunter2"));
}
