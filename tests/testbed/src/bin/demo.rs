//! `cargo demo`: a real API server, a real provider, the operator, three clients, a real access token.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use serde_json::Value;
use testbed::control_plane::{Cluster, ControlPlane, ControlPlaneOptions};
use testbed::operator::{self, Operator, OperatorOptions};
use testbed::progress::{Step, say};
use testbed::providers::ProviderError;
use testbed::site::Site;

/// Namespace of the applications.
const APPS: &str = "demo";
/// Namespace of the operator.
const HOME: &str = "oauth-client-operator-demo";
/// Time that anything may take.
const LIMIT: Duration = Duration::from_mins(1);

/// Shows the operator at work: real API server, real provider, real tokens.
#[derive(Parser)]
#[command(name = "cargo demo")]
struct Arguments {
    /// The provider to register at
    #[arg(long, value_enum, default_value_t = Choice::OidcProvider)]
    provider: Choice,
    /// Leave everything running until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// Use this cluster instead of starting a control plane
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Choice {
    OidcProvider,
    Keycloak,
    Idpyoidc,
    Wso2,
    Wso2Legacy,
}

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    testbed::provision::archive::allow();
    match run(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format!("the demo failed: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), Failure> {
    // What runs beside each other is provided beside each other.
    let cluster = async {
        match &arguments.kubeconfig {
            Some(file) => Ok::<_, Failure>((None, Some(Cluster::existing(file).await?))),
            None => Ok((Some(ControlPlane::start(ControlPlaneOptions::default()).await?), None)),
        }
    };
    let provider = async { Ok::<_, Failure>(site(arguments.provider).await?) };
    let ((own, existing), site) = tokio::try_join!(cluster, provider)?;
    let cluster: &Cluster = match (&own, &existing) {
        (Some(own), _) => own,
        (None, Some(existing)) => existing,
        (None, None) => return Err("no cluster".into()),
    };
    if own.is_none() {
        refuse_to_share(cluster).await?;
    }
    let demo = Demo::set_up(cluster, site).await?;
    let summary = demo.show().await;
    if arguments.keep && summary.is_ok() {
        say("everything is left running; to look around:");
        println!("export KUBECONFIG={}", cluster.kubeconfig().display());
        println!("kubectl -n {APPS} get oauth,secrets");
        say("Ctrl-C ends it");
        tokio::signal::ctrl_c().await?;
    }
    demo.tear_down(own.is_none()).await?;
    for line in summary? {
        println!("  {line}");
    }
    Ok(())
}

async fn site(choice: Choice) -> Result<Site, ProviderError> {
    match choice {
        Choice::OidcProvider => Site::oidc_provider().await,
        Choice::Keycloak => Site::keycloak("demo").await,
        Choice::Idpyoidc => Site::idpyoidc().await,
        Choice::Wso2 => Site::wso2_v1_1().await,
        Choice::Wso2Legacy => Site::wso2_legacy().await,
    }
}

/// The operator's program: the one that `cargo demo` has built, or built now.
async fn program() -> Result<PathBuf, Failure> {
    match std::env::var_os("OAUTH_DEMO_OPERATOR") {
        Some(file) => Ok(file.into()),
        None => Ok(operator::build(false).await?),
    }
}

/// The rights of the namespaced form, for the demo's namespaces. No Deployment: the demo runs the operator itself.
async fn rights(cluster: &Cluster, root: &Path) -> Result<String, Failure> {
    let form = root.join("deploy/namespaced");
    let manifests = kubectl(cluster, &["kustomize", &form.to_string_lossy()]).await?;
    let wanted = ["kind: ServiceAccount", "kind: Role", "kind: RoleBinding"];
    let kept = manifests
        .split("---\n")
        .filter(|document| document.lines().any(|line| wanted.contains(&line)));
    let kept: Vec<_> = kept.collect();
    Ok(kept
        .join("---\n")
        .replace("namespace: oauth-client-operator-system", &format!("namespace: {HOME}"))
        .replace("namespace: default", &format!("namespace: {APPS}")))
}

/// What the demo works with.
struct Demo<'a> {
    cluster: &'a Cluster,
    site: Site,
    operator: Operator,
}

impl<'a> Demo<'a> {
    /// Installs definitions and rights, and starts the operator under them.
    async fn set_up(cluster: &'a Cluster, site: Site) -> Result<Self, Failure> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let binary = program().await?;
        let step = Step::begin("installing the definitions and the operator's rights");
        let crds = root.join("crds");
        kubectl(cluster, &["apply", "--server-side", "-k", &crds.to_string_lossy()]).await?;
        for kind in ["oauthclients", "oauthproviders", "clusteroauthproviders"] {
            let crd = format!("crd/{kind}.oauth-client-operator.dev");
            kubectl(cluster, &["wait", "--for=condition=Established", &crd, "--timeout=60s"]).await?;
        }
        cluster.create_namespace(APPS).await?;
        let watched = [APPS.to_owned()];
        let rights = rights(cluster, &root).await?;
        step.done();
        let step = Step::begin("starting the operator with its ServiceAccount's token");
        let options = OperatorOptions {
            binary,
            manifests: vec![rights],
            ..OperatorOptions::new(HOME, &watched)
        };
        let operator = Operator::start(cluster, options).await?;
        step.done();
        Ok(Self {
            cluster,
            site,
            operator,
        })
    }

    /// The main job, and its proof. Lines of the summary.
    async fn show(&self) -> Result<Vec<String>, Failure> {
        let mut summary = Vec::new();
        let clients = [
            ("shop", "clientName: web-shop\nredirectURIs: ['https://shop.example/callback']".to_owned()),
            (
                "dashboard",
                "clientName: single-page-app\ntokenEndpointAuthMethod: none\nredirectURIs: ['https://dashboard.example/callback']"
                    .to_owned(),
            ),
            ("worker", self.worker()),
        ];
        let step = Step::begin("applying a provider and three clients");
        let begun = Instant::now();
        let mut manifests = self.site.manifests.clone();
        manifests.extend(clients.iter().map(|(name, spec)| self.site.client(name, spec)));
        self.apply(&manifests).await?;
        for (name, _) in &clients {
            let wait = [
                "-n",
                APPS,
                "wait",
                "--for=condition=Ready",
                &format!("oauthclient/{name}"),
                "--timeout=60s",
            ];
            kubectl(self.cluster, &wait).await?;
        }
        step.done();
        summary.push(format!(
            "three clients registered and Ready {:.1} s after kubectl apply",
            begun.elapsed().as_secs_f64()
        ));
        println!(
            "{}",
            kubectl(self.cluster, &["-n", APPS, "get", "oauthproviders,oauthclients"]).await?
        );

        let public = self.secret("dashboard").await?;
        if public.contains_key("client_secret") {
            return Err("the public client was given a secret".into());
        }
        summary.push("the public client's Secret holds a client_id and no secret".to_owned());

        let worker = self.secret("worker").await?;
        let (id, secret) = (member(&worker, "client_id")?, member(&worker, "client_secret")?);
        if self.site.abilities.token {
            let step = Step::begin("getting an access token with what the Secret holds");
            let token = self.site.token(id, secret).await?;
            step.done();
            summary.push(format!(
                "client {id} got an access token of {} characters at the token endpoint",
                token.len()
            ));
        }

        let shop = self.secret("shop").await?;
        let shop = member(&shop, "client_id")?.to_owned();
        if self.site.abilities.update {
            let step = Step::begin("changing a redirect URI in the manifest");
            self.apply(&self.site.client(
                "shop",
                "clientName: web-shop\nredirectURIs: ['https://shop.example/login']",
            ))
            .await?;
            self.until("the change arrives at the provider", async |found| {
                let uris = found.get(&shop).map(|client| client["redirect_uris"].to_string());
                uris.is_some_and(|uris| uris.contains("https://shop.example/login"))
            })
            .await?;
            step.done();
            summary.push(format!("the new redirect URI of client {shop} is at the provider"));
        }

        let step = Step::begin("deleting a client");
        kubectl(
            self.cluster,
            &["-n", APPS, "delete", "oauthclient", "shop", "--timeout=60s"],
        )
        .await?;
        if self.site.abilities.delete {
            self.until("the client is gone at the provider", async |found| {
                !found.contains_key(&shop)
            })
            .await?;
            summary.push(format!("client {shop} is gone at the provider"));
        } else {
            summary.push(format!(
                "the provider deletes no clients: a warning and a suspect entry tell of {shop}"
            ));
        }
        step.done();
        Ok(summary)
    }

    /// A machine client, which has no use for a redirect URI; some providers demand one all the same.
    fn worker(&self) -> String {
        let spec = "clientName: nightly-worker\ngrantTypes: [client_credentials]";
        let redirect = "redirectURIs: ['https://worker.example/none']";
        if self.site.abilities.redirectless {
            return spec.to_owned();
        }
        format!("{spec}\n{redirect}")
    }

    /// Deletes what the demo made in a cluster that goes on, then ends the operator.
    async fn tear_down(self, foreign: bool) -> Result<(), Failure> {
        if foreign {
            kubectl(
                self.cluster,
                &["-n", APPS, "delete", "oauthclients", "--all", "--timeout=60s"],
            )
            .await?;
        }
        self.operator.stop().await?;
        if foreign {
            self.cluster.delete_namespace(APPS).await?;
            self.cluster.delete_namespace(HOME).await?;
        }
        Ok(())
    }

    async fn apply(&self, manifests: &str) -> Result<(), Failure> {
        self.cluster
            .kubectl_with(&["-n", APPS, "apply", "-f", "-"], manifests)
            .await?
            .stdout()?;
        Ok(())
    }

    async fn secret(&self, name: &str) -> Result<BTreeMap<String, String>, Failure> {
        let template = "go-template={{range $key, $value := .data}}{{$key}} {{$value | base64decode}}\n{{end}}";
        let text = kubectl(self.cluster, &["-n", APPS, "get", "secret", name, "-o", template]).await?;
        let pairs = text.lines().filter_map(|line| line.split_once(' '));
        Ok(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    async fn until(&self, what: &str, fits: impl AsyncFn(&BTreeMap<String, Value>) -> bool) -> Result<(), Failure> {
        let begun = Instant::now();
        while begun.elapsed() < LIMIT {
            if fits(&self.site.clients().await?).await {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(format!("not within {} s: {what}\n{}", LIMIT.as_secs(), self.operator.log()).into())
    }
}

/// Another demo may run in this cluster, or the namespaces are somebody's: nothing of theirs is touched, and at the end deleted.
async fn refuse_to_share(cluster: &Cluster) -> Result<(), Failure> {
    let found = kubectl(
        cluster,
        &["get", "namespace", APPS, HOME, "--ignore-not-found", "-o", "name"],
    )
    .await?;
    if found.trim().is_empty() {
        return Ok(());
    }
    Err(format!(
        "the cluster has {} already; end the other demo, or delete the namespaces {APPS} and {HOME}",
        found.split_whitespace().collect::<Vec<_>>().join(" and ")
    )
    .into())
}

async fn kubectl(cluster: &Cluster, args: &[&str]) -> Result<String, Failure> {
    Ok(cluster.kubectl(args).await?.stdout()?)
}

fn member<'a>(secret: &'a BTreeMap<String, String>, key: &str) -> Result<&'a str, Failure> {
    secret
        .get(key)
        .map(String::as_str)
        .ok_or_else(|| format!("the Secret has no {key}").into())
}
