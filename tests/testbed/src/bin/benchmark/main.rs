//! `cargo benchmark`: what the operator needs for a burst of clients, next to a bare writer that makes the same calls.

#![allow(clippy::cast_precision_loss, reason = "figures for people")]

mod bare;
mod measure;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use serde_json::json;
use testbed::control_plane::{ControlPlane, ControlPlaneOptions};
use testbed::operator::{self, Operator, OperatorOptions};
use testbed::progress::{Step, say};
use testbed::site::Site;

use self::measure::{Figures, Objects};

/// Namespace that the operator serves.
const SERVED: &str = "served";
/// Namespace of the bare writer.
const BARE: &str = "bare";
/// Namespace of the operator.
const HOME: &str = "operator";
/// Applies one after the other, for the latency at rest.
const SINGLES: usize = 50;

/// Measures the operator and a bare writer in the same run.
#[derive(Parser)]
#[command(name = "cargo benchmark")]
pub struct Arguments {
    /// Clients of the burst
    #[arg(long, default_value_t = 1000)]
    clients: usize,
    /// Calls at the same time: of the bare writer, and to the provider
    #[arg(long, default_value_t = 16)]
    concurrency: usize,
    /// Which provider registers them
    #[arg(long, value_enum, default_value_t = Choice::Scriptable)]
    provider: Choice,
    /// Operator to measure, instead of a release build of this tree
    #[arg(long)]
    binary: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Choice {
    /// A double inside of this program: it never is what is waited for
    Scriptable,
    /// A real one, which is
    OidcProvider,
}

/// Anything that ends the run.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format!("the benchmark failed: {error}"));
            ExitCode::FAILURE
        }
    }
}

#[allow(clippy::too_many_lines, reason = "one measurement after the other")]
async fn run(arguments: Arguments) -> Result<(), Failure> {
    let binary = match arguments.binary {
        Some(binary) => binary,
        None => operator::build(true).await?,
    };
    let binary_bytes = std::fs::metadata(&binary)?.len();
    let options = ControlPlaneOptions {
        fsync: true,
        ..ControlPlaneOptions::default()
    };
    let plane = ControlPlane::start(options).await?;
    let site = match arguments.provider {
        Choice::Scriptable => Site::scriptable().await?,
        Choice::OidcProvider => Site::oidc_provider().await?,
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    plane
        .kubectl(&["apply", "--server-side", "-k", &root.join("crds").to_string_lossy()])
        .await?
        .stdout()?;
    for kind in ["oauthclients", "oauthproviders", "clusteroauthproviders"] {
        let crd = format!("crd/{kind}.oauth-client-operator.dev");
        plane
            .kubectl(&["wait", "--for=condition=Established", &crd, "--timeout=60s"])
            .await?
            .stdout()?;
    }
    for namespace in [SERVED, BARE] {
        plane.create_namespace(namespace).await?;
    }
    let watched = [SERVED.to_owned()];
    let chart = root.join("charts").join(operator::NAME);
    let rights = operator::chart_manifests(&plane, &chart, HOME, &watched).await?;
    let mut operator = Operator::start(
        &plane,
        OperatorOptions {
            binary,
            manifests: vec![rights],
            ..OperatorOptions::new(HOME, &watched)
        },
    )
    .await?;
    plane
        .kubectl_with(&["-n", SERVED, "apply", "-f", "-"], &site.manifests)
        .await?
        .stdout()?;
    let served = Objects::new(plane.client()?, SERVED);

    let step = Step::begin(format!("{SINGLES} clients one after the other"));
    served.singles("warm", 5).await?;
    let idle = served.singles("single", SINGLES).await?;
    step.done();

    let step = Step::begin(format!("a burst of {} clients", arguments.clients));
    let (mark, cpu) = (plane.audit()?.mark(), operator.cpu_time()?);
    let burst = served.burst("burst", arguments.clients, arguments.concurrency).await?;
    let cpu = operator.cpu_time()?.saturating_sub(cpu).as_secs_f64() * 1000.0;
    let memory = operator.memory_peak()?;
    step.done();
    let requests = plane.audit()?.since(mark).await?.by(operator.user());
    let requests = requests.filter(|request| request.resource != "leases");

    let step = Step::begin("rest, and a restart");
    let quiet = plane.audit()?.mark();
    tokio::time::sleep(Duration::from_secs(10)).await;
    // A leader renews its lease, and a start asks who it is; neither changes anything else.
    let written = |requests: testbed::control_plane::audit::Requests| {
        let own = |resource: &str| matches!(resource, "leases" | "selfsubjectreviews");
        requests.writes().filter(|request| !own(&request.resource)).len()
    };
    let at_rest = written(plane.audit()?.since(quiet).await?.by(operator.user()));
    let restarted = plane.audit()?.mark();
    let begun = Instant::now();
    operator.kill9().await?;
    operator.restart().await?;
    let restart = begun.elapsed();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let after_restart = written(plane.audit()?.since(restarted).await?.by(operator.user()));
    operator.stop().await?;
    step.done();

    let step = Step::begin("the bare writer");
    let writer = bare::Writer::new(&plane, &site, BARE)?;
    writer.singles(5).await?;
    let bare_idle = writer.singles(SINGLES).await?;
    let bare_cpu = operator::cpu_time(std::process::id())?;
    let bare_rate = writer.burst(arguments.clients, arguments.concurrency).await?;
    let bare_cpu = operator::cpu_time(std::process::id())?.saturating_sub(bare_cpu);
    step.done();

    let per = |count: usize| count as f64 / arguments.clients as f64;
    let rate = arguments.clients as f64 / burst.all_ready.as_secs_f64();
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let rows = [
        (
            "provider".to_owned(),
            format!("{:?}", arguments.provider),
            String::new(),
            String::new(),
        ),
        row(
            "apply to Secret, one at a time, p50 ms",
            ms(idle.p50()),
            Some(ms(bare_idle.p50())),
            "bare + 8",
        ),
        row(
            "apply to Secret, one at a time, p99 ms",
            ms(idle.p99()),
            Some(ms(bare_idle.p99())),
            "bare x 1.3",
        ),
        row("burst: time to all Ready, s", burst.all_ready.as_secs_f64(), None, ""),
        row("burst: objects per second", rate, Some(bare_rate), ">= 90 % of bare"),
        row("burst: apply to Secret, p50 ms", ms(burst.secrets.p50()), None, ""),
        row("burst: apply to Secret, p99 ms", ms(burst.secrets.p99()), None, ""),
        row(
            "writes per object",
            per(requests.clone().writes().len()),
            Some(4.0),
            "4",
        ),
        row(
            "dry runs per object",
            per(requests.clone().dry_runs().len()),
            Some(2.0),
            "2",
        ),
        row(
            "reads per object",
            per(requests.filter(|r| r.verb == "get" && !r.resource.is_empty()).len()),
            Some(0.0),
            "0",
        ),
        // The bare writer creates the objects too, and the scriptable provider runs in its process.
        row(
            "CPU per object, ms",
            cpu / arguments.clients as f64,
            Some(ms(bare_cpu) / arguments.clients as f64),
            "<= 1",
        ),
        row(
            "operator memory, peak MiB",
            memory as f64 / 1_048_576.0,
            None,
            "<= 25 at 1,000",
        ),
        row("writes in 10 s at rest", at_rest as f64, None, "0"),
        row(
            "restart with all Ready: ready after s",
            restart.as_secs_f64(),
            None,
            "< 3",
        ),
        row("restart with all Ready: writes", after_restart as f64, None, "0"),
        row("binary, MiB", binary_bytes as f64 / 1_048_576.0, None, "<= 12"),
    ];
    println!("{:44} {:>12} {:>12}  target", "what", "operator", "bare writer");
    for (what, operator, bare, target) in rows {
        println!("{what:44} {operator:>12} {bare:>12}  {target}");
    }
    Ok(())
}

fn row(what: &str, operator: f64, bare: Option<f64>, target: &str) -> (String, String, String, String) {
    let shown = |figure: f64| format!("{figure:.2}");
    (
        what.to_owned(),
        shown(operator),
        bare.map(shown).unwrap_or_default(),
        target.to_owned(),
    )
}

/// An `OAuthClient`.
fn client(namespace: &str, name: &str) -> serde_json::Value {
    json!({
        "apiVersion": "oauth-client-operator.dev/v1alpha1", "kind": "OAuthClient",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "providerRef": {"name": "provider"},
            "clientName": name,
            "grantTypes": ["authorization_code", "client_credentials"],
            "redirectURIs": ["https://app.example/callback"],
        },
    })
}

/// Figures of a burst.
struct Burst {
    all_ready: Duration,
    secrets: Figures,
}
