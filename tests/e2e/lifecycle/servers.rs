//! The servers of the matrix, and what is seen of each.

use std::collections::BTreeMap;

use testbed::providers::{
    DIALECTS, DjangoOAuthToolkit, Idpyoidc, Keycloak, Mitreid, OidcProvider, OidcProviderOptions, PROFILES,
};
use testbed::site::Site;

use crate::stage::Stage;

/// Columns of the golden rows.
pub(super) const HEADER: &str = "kind\tserver\tversion\tfound by\tregistration\tas requested\ttoken\tupdate\tnew secret\ttoken after it\tclearing\tsubstitutes\tdeletion\twithout its token";

/// A grant that needs no browser, so that the credentials can be used.
const SPEC: &str = "grantTypes: [client_credentials]\nredirectURIs: ['https://app.example/PATH']";

/// Members that the update removes.
const REMOVED: &str = "clientURI: https://app.example/\npolicyURI: https://app.example/policy";

/// A server, and what is seen of it.
pub(super) struct Server {
    kind: &'static str,
    pub(super) name: String,
    version: &'static str,
    pub(super) site: Site,
    /// Members that its client has until the update.
    removed: &'static str,
    pub(super) seen: BTreeMap<&'static str, String>,
    /// Client identifiers by the names of their objects.
    pub(super) ids: BTreeMap<String, String>,
}

impl Server {
    pub(super) fn new(kind: &'static str, name: &str, version: &'static str, site: Site) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            version,
            site,
            removed: REMOVED,
            seen: BTreeMap::new(),
            ids: BTreeMap::new(),
        }
    }

    /// A server that refuses what it does not know.
    pub(super) fn without_optional_members(self) -> Self {
        Self { removed: "", ..self }
    }

    pub(super) fn manifests(&self) -> String {
        self.site.manifests_named(&self.name)
    }

    pub(super) fn names(&self) -> [String; 2] {
        [self.name.clone(), self.without_token()]
    }

    pub(super) fn without_token(&self) -> String {
        format!("{}-lost", self.name)
    }

    /// Its second path comes without the members that the first one has besides.
    pub(super) fn client(&self, name: &str, path: &str) -> String {
        let more = if path == "one" { self.removed } else { "" };
        let spec = format!("clientName: {name}\n{}\n{more}", SPEC.replace("PATH", path));
        self.site.client_named(&self.name, name, &spec)
    }

    pub(super) fn is_ready(&self, column: &str) -> bool {
        self.seen.get(column).is_some_and(|seen| seen == "Ready")
    }

    pub(super) fn saw(&mut self, column: &'static str, what: impl Into<String>) {
        self.seen.insert(column, what.into());
    }

    /// Whether its Secret's credentials buy a token.
    pub(super) async fn works(&self, stage: &Stage) -> &'static str {
        let secret = stage.secret(&self.name).await.unwrap_or_default();
        let (Some(id), Some(secret)) = (secret.get("client_id"), secret.get("client_secret")) else {
            return "no secret";
        };
        match self.site.token(id, secret).await {
            Ok(_) => "yes",
            Err(_) => "no",
        }
    }

    pub(super) fn row(&self) -> String {
        let seen = HEADER.split('\t').skip(3);
        let seen: Vec<&str> = seen
            .map(|column| self.seen.get(column).map_or("-", String::as_str))
            .collect();
        format!("{}\t{}\t{}\t{}", self.kind, self.name, self.version, seen.join("\t"))
    }
}

/// All servers, dialects and profiles.
pub(super) async fn servers() -> Vec<Server> {
    let unmanaged = OidcProviderOptions::unmanaged();
    let rotating = OidcProviderOptions::rotating();
    let oidc = OidcProvider::VERSION;
    let real = |name: &str, version, site| Server::new("server", name, version, site);
    let mut all = vec![
        real(
            "django-oauth-toolkit",
            DjangoOAuthToolkit::VERSION,
            Site::django_oauth_toolkit().await.unwrap(),
        ),
        real("idpyoidc", Idpyoidc::VERSION, Site::idpyoidc().await.unwrap()),
        real("keycloak", Keycloak::VERSION, Site::keycloak("matrix").await.unwrap()),
        real("mitreid-connect", Mitreid::VERSION, Site::mitreid().await.unwrap()),
        real("oidc-provider", oidc, Site::oidc_provider().await.unwrap()),
        real(
            "oidc-provider-rotating",
            oidc,
            Site::oidc_provider_with(rotating).await.unwrap(),
        ),
        real(
            "oidc-provider-unmanaged",
            oidc,
            Site::oidc_provider_with(unmanaged).await.unwrap(),
        ),
        Server::new("double", "wso2", "DCR v1.1", Site::wso2_v1_1().await.unwrap()),
        Server::new("double", "wso2-legacy", "5.x", Site::wso2_legacy().await.unwrap()).without_optional_members(),
        Server::new(
            "double",
            "plain",
            "the specifications",
            Site::scriptable().await.unwrap(),
        ),
    ];
    for dialect in DIALECTS {
        let site = Site::dialect(dialect).await.unwrap();
        all.push(Server::new("dialect", dialect.name, dialect.seen_at, site));
    }
    for server in PROFILES {
        let site = Site::dialect(server).await.unwrap();
        all.push(Server::new("profile", server.name, server.seen_at, site));
    }
    all
}
