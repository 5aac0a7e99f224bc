//! A tenant beside one whose clients are all broken, or whose provider hangs: how long it waits for its own.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use kube::api::{DeleteParams, ListParams, PostParams};

use super::{Failure, Ground, Report, eventually, load, percentile};
use crate::control_plane::ControlPlane;
use crate::progress::say;
use crate::promises::Object;
use crate::providers::{Fault, Reply};
use crate::site::Site;

/// How much.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Clients of the tenant that is measured.
    pub objects: u64,
    /// Broken clients of its neighbour.
    pub broken: u64,
    /// Most that the slowest may take, as a multiple of what they take alone.
    pub ratio: f64,
}

/// Times from apply to Ready.
struct Times(Vec<Duration>);

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |share| percentile(&self.0, share).as_millis();
        write!(f, "p50 {} ms, p90 {} ms, p99 {} ms", ms(50), ms(90), ms(99))
    }
}

/// Runs it.
pub async fn run(plane: &ControlPlane, binary: &Path, plan: Plan) -> Result<Report, Failure> {
    let mut report = Report::default();
    let (good, bad) = (Site::scriptable().await?, Site::scriptable().await?);
    let ground = Ground::new(plane, "fairness", 2).await?;
    let operator = ground.operator(binary, &[]).await?;
    ground.tenants[0].apply(&good.manifests).await?;
    ground.tenants[1].apply(&bad.manifests).await?;
    // Names are not used again: the Secret of a former object of that name would have to be collected first.
    let mut first = 10;
    measured(&ground, 0, first).await?;
    let alone = measured(&ground, first, plan.objects).await?;
    report.figure(format!("alone: {alone}"));

    let double = bad.double().ok_or("no double")?;
    let broken = |seen: &crate::providers::Seen| {
        (seen.method == "POST").then(|| Fault::Answer(Reply::json(500, &serde_json::json!({"error": "server_error"}))))
    };
    for (neighbour, count, concurrency) in [
        ("broken clients", plan.broken, 8),
        ("clients of a provider that hangs", plan.broken.min(200), 9),
    ] {
        if neighbour == "broken clients" {
            double.script(broken);
        } else {
            double.script(|_| Some(Fault::Hang));
        }
        say(format!("a neighbour with {count} {neighbour}"));
        load::complete(&ground, 1, count).await?;
        // All of them are looked at again at once, while the measured tenant waits for its own.
        let change = format!(r#"{{"spec": {{"rateLimit": {{"concurrency": {concurrency}}}}}}}"#);
        let provider = ["-n", ground.tenants[1].name(), "patch", "oauthprovider/provider"];
        let patch = [&provider[..], &["--type=merge", "-p", &change]].concat();
        plane.kubectl(&patch).await?.stdout()?;
        first += plan.objects;
        let times = measured(&ground, first, plan.objects).await?;
        let ratio = percentile(&times.0, 99).as_secs_f64() / percentile(&alone.0, 99).as_secs_f64();
        report.figure(format!(
            "beside {count} {neighbour}: {times}, {ratio:.1} times the p99 alone"
        ));
        report.require(ratio <= plan.ratio, || {
            format!("{ratio:.1} times the p99 beside {count} {neighbour}")
        });
        double.script(|_| Some(Fault::Answer(Reply::empty(404))));
        ground
            .objects(1)
            .delete_collection(&DeleteParams::default(), &ListParams::default())
            .await?;
        let gone = async || {
            Ok(ground
                .objects(1)
                .list(&ListParams::default().limit(1))
                .await?
                .items
                .is_empty()
                .then_some(()))
        };
        eventually(Duration::from_mins(5), "the neighbour's objects are gone", gone).await?;
    }
    operator.stop().await?;
    Ok(report)
}

/// Creates objects one after the other, waits for each, and deletes them.
async fn measured(ground: &Ground<'_>, first: u64, objects: u64) -> Result<Times, Failure> {
    let api = ground.objects(0);
    let mut times = Vec::new();
    for number in first..first + objects {
        let begun = Instant::now();
        api.create(&PostParams::default(), &load::manifest(number, 0)?).await?;
        loop {
            let object = serde_json::to_value(api.get(&load::name(number)).await?)?;
            if Object::from_json(&object).is_ready() {
                break;
            }
            if begun.elapsed() > Duration::from_mins(2) {
                return Err(format!("app-{number} is not Ready after two minutes").into());
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        times.push(begun.elapsed());
    }
    api.delete_collection(&DeleteParams::default(), &ListParams::default())
        .await?;
    let gone = async || {
        Ok(api
            .list(&ListParams::default().limit(1))
            .await?
            .items
            .is_empty()
            .then_some(()))
    };
    eventually(Duration::from_mins(1), "the measured objects are gone", gone).await?;
    Ok(Times(times))
}
