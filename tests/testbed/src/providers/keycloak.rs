//! Keycloak, from Maven Central, in its development mode. One serves all tests of a process; each makes a realm of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{ProviderError, http, json};
use crate::process::{Process, Scratch, Spec, free_port};
use crate::progress::Step;
use crate::provision::maven::{JAVA, maven};

const ARTIFACT: &str = "org.keycloak:keycloak-quarkus-dist:26.4.5:zip";
const DIRECTORY: &str = "keycloak-26.4.5";
const ADMIN: &str = "admin";
/// A client whose service account may manage the realm's clients, and its secret: with characters that have to be encoded.
const OPERATOR: (&str, &str) = ("operator", "of the operator: 100%+&=");

/// Time to become ready on a busy machine.
const READY_LIMIT: Duration = Duration::from_mins(4);

/// A running Keycloak.
#[derive(Debug)]
pub struct Keycloak {
    url: String,
    http: reqwest::Client,
    process: Process,
    _scratch: Scratch,
}

/// A realm of it.
#[derive(Debug)]
pub struct Realm {
    keycloak: &'static Keycloak,
    name: String,
}

impl Keycloak {
    /// Its release.
    pub const VERSION: &str = "26.4.5";

    /// The Keycloak that all tests of this process share; started by the first.
    pub async fn shared() -> Result<&'static Self, ProviderError> {
        static SHARED: OnceCell<Keycloak> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }

    async fn start() -> Result<Self, ProviderError> {
        JAVA.require_major(17).await?;
        let home = maven(ARTIFACT).await?.join(DIRECTORY);
        let step = Step::quiet("starting Keycloak");
        let scratch = Scratch::new("keycloak")?;
        // It builds and keeps its data below its own directory, which other runs share.
        let own = scratch.path().join(DIRECTORY);
        let copy = Spec::new("copying Keycloak", "cp").arg("-r").arg(&home).arg(&own);
        copy.run(Duration::from_mins(1)).await?;
        let port = free_port()?;
        let process = Spec::new("keycloak", "bash")
            .arg("bin/kc.sh")
            .args(["start-dev", "--http-host=127.0.0.1", "--cache=local"])
            .arg("--features=client-auth-federated")
            .arg(format!("--http-port={port}"))
            .arg(format!("--http-management-port={}", free_port()?))
            .env("KC_BOOTSTRAP_ADMIN_USERNAME", ADMIN)
            .env("KC_BOOTSTRAP_ADMIN_PASSWORD", ADMIN)
            .env("JAVA_OPTS_KC_HEAP", "-Xms64m -Xmx512m")
            // It lives for minutes, in which the second compiler costs more than it gains.
            .env("JAVA_OPTS_APPEND", "-XX:TieredStopAtLevel=1")
            .dir(&own)
            .log(scratch.path().join("keycloak.log"))
            .grace(Duration::from_secs(2))
            .spawn()?;
        let keycloak = Self {
            url: format!("http://127.0.0.1:{port}"),
            http: http(None),
            process,
            _scratch: scratch,
        };
        let ready = async || keycloak.admin_token().await;
        keycloak.process.ready(READY_LIMIT, ready).await?;
        step.done();
        Ok(keycloak)
    }

    /// A new realm.
    pub async fn realm(&'static self, name: &str) -> Result<Realm, ProviderError> {
        let realm = json!({"realm": name, "enabled": true, "sslRequired": "none"});
        self.admin(http::Method::POST, "", Some(&realm)).await?;
        Ok(Realm {
            keycloak: self,
            name: name.to_owned(),
        })
    }

    /// A realm that was made before.
    #[must_use]
    pub fn existing(&'static self, name: &str) -> Realm {
        Realm {
            keycloak: self,
            name: name.to_owned(),
        }
    }

    async fn admin_token(&self) -> Result<String, ProviderError> {
        let url = format!("{}/realms/master/protocol/openid-connect/token", self.url);
        let request = self
            .http
            .post(&url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!(
                "grant_type=password&client_id=admin-cli&username={ADMIN}&password={ADMIN}"
            ));
        let answer = json(request, &url).await?;
        Ok(answer["access_token"].as_str().unwrap_or_default().to_owned())
    }

    /// A call of the admin interface, below `/admin/realms`. Null if the answer has no body.
    async fn admin(&self, method: http::Method, path: &str, body: Option<&Value>) -> Result<Value, ProviderError> {
        let url = format!("{}/admin/realms{path}", self.url);
        let silent = |source| ProviderError::Silent {
            url: url.clone(),
            source,
        };
        let mut request = self.http.request(method, &url).bearer_auth(self.admin_token().await?);
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        let response = request.send().await.map_err(silent)?;
        let status = response.status();
        let text = response.text().await.map_err(silent)?;
        if status.is_success() {
            return Ok(serde_json::from_str(&text).unwrap_or_default());
        }
        Err(ProviderError::Refused {
            url: url.clone(),
            status: status.as_u16(),
            body: text,
        })
    }
}

impl Realm {
    /// Issuer identifier.
    #[must_use]
    pub fn issuer(&self) -> String {
        format!("{}/realms/{}", self.keycloak.url, self.name)
    }

    /// A token for so many registrations.
    pub async fn initial_access_token(&self, count: u32) -> Result<String, ProviderError> {
        let path = format!("/{}/clients-initial-access", self.name);
        let wanted = json!({"count": count, "expiration": 86400});
        let answer = self.keycloak.admin(http::Method::POST, &path, Some(&wanted)).await?;
        Ok(answer["token"].as_str().unwrap_or_default().to_owned())
    }

    /// The address of this realm's Keycloak, without a path.
    #[must_use]
    pub fn keycloak(&self) -> &str {
        &self.keycloak.url
    }

    /// A client with a service account that has these roles of `realm-management`: its identifier and secret.
    pub async fn service_account(&self, roles: &[&str]) -> Result<(&'static str, &'static str), ProviderError> {
        self.service_account_by(roles, json!({"secret": OPERATOR.1})).await?;
        Ok(OPERATOR)
    }

    /// A client with a service account that has these roles and authenticates by the private key of one of these public keys; its
    /// identifier.
    pub async fn service_account_with_keys(&self, roles: &[&str], jwks: &Value) -> Result<&'static str, ProviderError> {
        let attributes = json!({"use.jwks.string": "true", "jwks.string": jwks.to_string()});
        let proof = json!({"clientAuthenticatorType": "client-jwt", "attributes": attributes});
        self.service_account_by(roles, proof).await?;
        Ok(OPERATOR.0)
    }

    /// A client with a service account that has these roles and authenticates by the tokens of a Kubernetes ServiceAccount. Its cluster
    /// has this issuer, and serves its public keys at this URL.
    pub async fn service_account_of_cluster(
        &self,
        roles: &[&str],
        subject: &str,
        issuer: &str,
        jwks_url: &str,
    ) -> Result<(), ProviderError> {
        // The provider of kind `kubernetes` reads the keys only from within a cluster. The second half is demanded and not used.
        let config = json!({
            "issuer": issuer, "jwksUrl": jwks_url, "useJwksUrl": "true", "validateSignature": "true",
            "supportsClientAssertions": "true", "supportsClientAssertionReuse": "true",
            "authorizationUrl": issuer, "tokenUrl": issuer, "clientId": "unused", "clientSecret": "unused",
        });
        let wanted = json!({"alias": "cluster", "providerId": "oidc", "enabled": true, "config": config});
        let path = format!("/{}/identity-provider/instances", self.name);
        self.keycloak.admin(http::Method::POST, &path, Some(&wanted)).await?;
        let attributes = json!({"jwt.credential.issuer": "cluster", "jwt.credential.sub": subject});
        let proof = json!({"clientAuthenticatorType": "federated-jwt", "attributes": attributes});
        self.service_account_by(roles, proof).await
    }

    /// `proof`: members that say how it authenticates.
    async fn service_account_by(&self, roles: &[&str], proof: Value) -> Result<(), ProviderError> {
        let client_id = OPERATOR.0;
        let mut wanted = json!({
            "clientId": client_id, "protocol": "openid-connect",
            "publicClient": false, "serviceAccountsEnabled": true, "standardFlowEnabled": false,
        });
        for (name, value) in proof.as_object().into_iter().flatten() {
            wanted[name] = value.clone();
        }
        let clients = format!("/{}/clients", self.name);
        self.keycloak.admin(http::Method::POST, &clients, Some(&wanted)).await?;
        let get = async |path: String| self.keycloak.admin(http::Method::GET, &path, None).await;
        let id_of = async |client_id: &str| {
            let found = get(format!("{clients}?clientId={client_id}")).await?;
            Ok::<_, ProviderError>(found[0]["id"].as_str().unwrap_or_default().to_owned())
        };
        let (own, management) = (id_of(client_id).await?, id_of("realm-management").await?);
        let mut granted = Vec::new();
        for role in roles {
            granted.push(get(format!("{clients}/{management}/roles/{role}")).await?);
        }
        let account = get(format!("{clients}/{own}/service-account-user")).await?;
        let mappings = format!(
            "/{}/users/{}/role-mappings/clients/{management}",
            self.name,
            account["id"].as_str().unwrap_or_default()
        );
        self.keycloak
            .admin(http::Method::POST, &mappings, Some(&Value::Array(granted)))
            .await?;
        Ok(())
    }

    /// Every registered client by its identifier, with the members of RFC 7591 that Keycloak knows under other names.
    pub async fn clients(&self) -> Result<BTreeMap<String, Value>, ProviderError> {
        // What a new realm begins with, and the operator's own.
        const OWN: [&str; 7] = [
            OPERATOR.0,
            "account",
            "account-console",
            "admin-cli",
            "broker",
            "realm-management",
            "security-admin-console",
        ];
        let path = format!("/{}/clients?max=10000", self.name);
        let found = self.keycloak.admin(http::Method::GET, &path, None).await?;
        let clients = found
            .as_array()
            .cloned()
            .unwrap_or_default()
            .into_iter()
            .map(|mut client| {
                client["redirect_uris"] = client["redirectUris"].clone();
                (client["clientId"].as_str().unwrap_or_default().to_owned(), client)
            });
        Ok(clients.filter(|(id, _)| !OWN.contains(&id.as_str())).collect())
    }

    /// Regenerates the registration access token of a client, as its administrator does in the console: the one that was issued is void.
    pub async fn regenerate_token(&self, client_id: &str) -> Result<String, ProviderError> {
        let clients = self.clients().await?;
        let internal = clients.get(client_id).and_then(|client| client["id"].as_str());
        let path = format!(
            "/{}/clients/{}/registration-access-token",
            self.name,
            internal.unwrap_or_default()
        );
        let answer = self.keycloak.admin(http::Method::POST, &path, None).await?;
        Ok(answer["registrationAccessToken"]
            .as_str()
            .unwrap_or_default()
            .to_owned())
    }

    /// An access token by the client credentials grant.
    pub async fn token(&self, client_id: &str, client_secret: &str) -> Result<String, ProviderError> {
        let endpoint = format!("{}/protocol/openid-connect/token", self.issuer());
        super::token(&self.keycloak.http, &endpoint, client_id, client_secret).await
    }

    /// A person who can log in.
    pub async fn user(&self, name: &str, password: &str) -> Result<(), ProviderError> {
        let wanted = json!({
            "username": name, "enabled": true, "email": format!("{name}@app.example"), "emailVerified": true,
            "firstName": name, "lastName": name,
            "credentials": [{"type": "password", "value": password, "temporary": false}],
        });
        let path = format!("/{}/users", self.name);
        self.keycloak.admin(http::Method::POST, &path, Some(&wanted)).await?;
        Ok(())
    }

    /// An access token by the password grant: client and its secret, person and password.
    pub async fn password_token(&self, client: (&str, &str), user: (&str, &str)) -> Result<String, ProviderError> {
        let url = format!("{}/protocol/openid-connect/token", self.issuer());
        let form = [
            ("grant_type", "password"),
            ("client_id", client.0),
            ("client_secret", client.1),
            ("username", user.0),
            ("password", user.1),
        ];
        let encoded: Vec<String> = form
            .iter()
            .map(|(key, value)| format!("{key}={}", super::encoded(value)))
            .collect();
        let request = self.keycloak.http.post(&url);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = json(request.body(encoded.join("&")), &url).await?;
        Ok(answer["access_token"].as_str().unwrap_or_default().to_owned())
    }
}
