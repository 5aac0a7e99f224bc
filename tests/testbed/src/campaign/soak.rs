//! Hours of operator time under mixed load: memory, file descriptors, and that it comes to rest.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Dice, Failure, Ground, Report, load};
use crate::control_plane::ControlPlane;
use crate::operator::Operator;
use crate::progress::say;
use crate::promises;
use crate::site::Site;

/// How much.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Hours of operator time.
    pub hours: u32,
    /// Objects.
    pub objects: u64,
    /// Of the users' doings.
    pub seed: u64,
    /// How many times as fast the operator lives.
    pub time_scale: u32,
}

/// Most that resident memory may grow after the first tenth.
const GROWTH: f64 = 1.25;
/// Most file descriptors more than after the first tenth: connections come and go.
const DESCRIPTORS: usize = 16;
/// Time at rest in which nothing may be written.
const REST: Duration = Duration::from_secs(20);

/// Runs it.
pub async fn run(plane: &ControlPlane, binary: &Path, plan: Plan) -> Result<Report, Failure> {
    let mut report = Report::default();
    let site = Site::oidc_provider().await?;
    let ground = Ground::new(plane, "soak", 1).await?;
    let operator = ground
        .operator(binary, &["--time-scale", &plan.time_scale.to_string()])
        .await?;
    ground.tenants[0].apply(&site.manifests).await?;
    let real = Duration::from_hours(1) * plan.hours / plan.time_scale;
    let stop = AtomicBool::new(false);
    let mut users = Dice(plan.seed);
    let work = load::until(&stop, &ground, plan.objects, &mut users, Duration::from_millis(30));
    let measure = async {
        let samples = samples(&operator, real).await;
        stop.store(true, Ordering::Relaxed);
        samples
    };
    let (done, samples) = tokio::join!(work, measure);
    let (done, samples) = (done?, samples?);
    report.figure(format!(
        "{} hours of operator time in {} s, {done:?}",
        plan.hours,
        real.as_secs()
    ));

    load::complete(&ground, 0, plan.objects).await?;
    super::sick::all_ready(&ground, plan.objects, Duration::from_mins(3)).await?;
    // What was deleted last is finished by the sweeper.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let mark = plane.audit()?.mark();
    tokio::time::sleep(REST).await;
    let writes = plane.audit()?.since(mark).await?.by(operator.user()).writes();
    let writes = writes.filter(|request| request.resource != "leases");
    report.figure(format!("{} writes in {} s of rest", writes.len(), REST.as_secs()));
    report.require(writes.is_empty(), || format!("writes at rest: {writes}"));

    let (begin, end) = (samples[samples.len() / 10], *samples.last().unwrap_or(&(0, 0)));
    report.figure(format!(
        "resident memory {:.1} MiB after a tenth, {:.1} MiB at the end; file descriptors {} and {}",
        mebibytes(begin.0),
        mebibytes(end.0),
        begin.1,
        end.1
    ));
    report.require(end.0 as f64 <= begin.0 as f64 * GROWTH, || {
        "resident memory grows".to_owned()
    });
    report.require(end.1 <= begin.1 + DESCRIPTORS, || "file descriptors grow".to_owned());
    report
        .violations
        .extend(promises::broken(&ground.leftovers(&site).await?));
    operator.stop().await?;
    Ok(report)
}

/// Resident memory and open file descriptors, fifty times.
async fn samples(operator: &Operator, time: Duration) -> Result<Vec<(u64, usize)>, Failure> {
    let (begun, mut samples) = (Instant::now(), Vec::new());
    while begun.elapsed() < time {
        tokio::time::sleep(time / 50).await;
        let sample = (operator.memory()?, operator.descriptors()?);
        if samples.len() % 10 == 0 {
            say(format!(
                "{:.1} MiB resident, {} file descriptors",
                mebibytes(sample.0),
                sample.1
            ));
        }
        samples.push(sample);
    }
    Ok(samples)
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}
