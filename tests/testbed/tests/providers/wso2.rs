use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};
use testbed::providers::{ADMIN, Persona, ScriptableProvider, http};

use crate::{call, text};

/// A persona, and a user of it who is the administrator.
struct Wso2 {
    provider: ScriptableProvider,
    http: reqwest::Client,
}

impl Wso2 {
    async fn start(persona: Persona) -> Self {
        let provider = ScriptableProvider::start(persona).await.unwrap();
        let http = http(provider.ca());
        Self { provider, http }
    }

    async fn admin(&self, method: Method, url: &str, body: Option<&Value>) -> (u16, Value) {
        let pair = STANDARD.encode(format!("{}:{}", ADMIN.0, ADMIN.1));
        let (status, _, answer) = call(&self.http, method, url, format!("Basic {pair}"), body)
            .await
            .unwrap();
        (status, answer)
    }

    /// From the identifier to the metadata, as the seed goes.
    async fn discover(&self, resource: &str) -> Value {
        let finger = format!(
            "{}/.well-known/webfinger?resource={resource}&rel=http%3A%2F%2Fopenid.net%2Fspecs%2Fconnect%2F1.0%2Fissuer",
            self.provider.url()
        );
        let (status, ..) = call(&self.http, Method::GET, &finger, None, None).await.unwrap();
        assert_eq!(status, 401, "WebFinger asks for credentials");
        let (status, descriptor) = self.admin(Method::GET, &finger, None).await;
        assert_eq!(status, 200);
        let metadata = format!(
            "{}/.well-known/openid-configuration",
            text(&descriptor["links"][0], "href")
        );
        let (status, document) = self.admin(Method::GET, &metadata, None).await;
        assert_eq!(status, 200);
        document
    }
}

fn web(name: &str, redirect: &str) -> Value {
    json!({
        "client_name": name,
        "redirect_uris": [redirect],
        "grant_types": ["client_credentials", "authorization_code"],
        "ext_param_owner": "admin",
    })
}

#[tokio::test]
async fn the_legacy_registration_has_its_traps() {
    let wso2 = Wso2::start(Persona::Wso2Legacy).await;
    let url = wso2.provider.url();
    let metadata = wso2.discover("acct:admin@localhost").await;
    assert_eq!(text(&metadata, "issuer"), format!("{url}/oauth2/token"));
    let endpoint = text(&metadata, "registration_endpoint");
    assert_eq!(endpoint, format!("{url}/identity/connect/register"));

    let (status, client) = wso2
        .admin(Method::POST, endpoint, Some(&web("shop", "https://app.example/cb")))
        .await;
    assert_eq!((status, text(&client, "client_name")), (201, "admin_shop"));
    assert_eq!(text(&client, "client_secret_expires_at"), "0", "a string");
    let (id, secret) = (text(&client, "client_id"), text(&client, "client_secret"));
    assert!(!wso2.provider.token(id, secret).await.unwrap().is_empty());
    let (status, _) = wso2.admin(Method::DELETE, &format!("{endpoint}/{id}"), None).await;
    assert_eq!(status, 404, "clients cannot be managed");

    let (status, refused) = wso2
        .admin(Method::POST, endpoint, Some(&web("other", "https://refused.example/")))
        .await;
    assert_eq!((status, text(&refused, "error")), (400, "invalid_redirect_uri"));
    let (status, refused) = wso2
        .admin(Method::POST, endpoint, Some(&web("other", "https://app.example/cb")))
        .await;
    assert_eq!((status, text(&refused, "error")), (400, "invalid_client_metadata"));
    assert!(text(&refused, "error_description").contains("already registered"));
    assert_eq!(wso2.provider.clients().len(), 1);
}

#[tokio::test]
async fn dcr_v1_1_is_managed_by_the_administrator() {
    let wso2 = Wso2::start(Persona::Wso2).await;
    let metadata = wso2.discover("acct:admin@localhost").await;
    let endpoint = text(&metadata, "registration_endpoint");
    let mut wanted = web("shop", "https://app.example/cb");
    wanted["ext_param_client_id"] = json!("chosen");
    wanted["ext_pkce_mandatory"] = json!(true);
    let (status, client) = wso2.admin(Method::POST, endpoint, Some(&wanted)).await;
    assert_eq!((status, text(&client, "client_id")), (201, "chosen"));
    assert_eq!(client["ext_pkce_mandatory"], true);
    assert!(
        !wso2
            .provider
            .token("chosen", text(&client, "client_secret"))
            .await
            .unwrap()
            .is_empty()
    );
    let (status, _) = wso2.admin(Method::POST, endpoint, Some(&wanted)).await;
    assert_eq!(status, 400, "name and id are taken");

    let by_name = |name| format!("{endpoint}?client_name={name}");
    let (status, found) = wso2.admin(Method::GET, &by_name("shop"), None).await;
    assert_eq!((status, text(&found, "client_id")), (200, "chosen"));
    assert_eq!(wso2.admin(Method::GET, &by_name("none"), None).await.0, 401);

    let uri = format!("{endpoint}/chosen");
    let change = json!({"client_name": "", "redirect_uris": ["https://app.example/new"]});
    let (status, changed) = wso2.admin(Method::PUT, &uri, Some(&change)).await;
    assert_eq!((status, text(&changed, "client_name")), (200, "shop"));
    assert_eq!(changed["redirect_uris"], json!(["https://app.example/new"]));
    assert_eq!(changed["ext_pkce_mandatory"], false, "a switch that is left out is off");
    assert_eq!(wso2.admin(Method::DELETE, &uri, None).await.0, 204);
    assert_eq!(wso2.admin(Method::GET, &uri, None).await.0, 401);
}

#[tokio::test]
async fn tenants_have_paths_of_their_own() {
    let wso2 = Wso2::start(Persona::Wso2).await;
    let url = wso2.provider.url();
    let metadata = wso2.discover("acct:admin%2540tenant.example@localhost").await;
    let tenant = format!("{url}/t/tenant.example");
    assert_eq!(text(&metadata, "issuer"), format!("{tenant}/oauth2/token"));
    let endpoint = text(&metadata, "registration_endpoint");
    assert!(endpoint.starts_with(&tenant), "{endpoint}");
    let (status, _) = wso2
        .admin(Method::POST, endpoint, Some(&web("shop", "https://app.example/cb")))
        .await;
    assert_eq!(status, 201);
    let legacy = format!("{url}/identity/connect/register");
    assert_eq!(wso2.admin(Method::POST, &legacy, None).await.0, 410);
    let unknown = format!("{url}/.well-known/webfinger?resource=acct:admin%2540none.example@localhost&rel=");
    assert_eq!(wso2.admin(Method::GET, &unknown, None).await.0, 404);
}
