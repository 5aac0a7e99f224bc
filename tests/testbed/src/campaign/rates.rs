//! A fleet at a provider that allows few registrations an hour, and counts them in a sliding window.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::{Failure, Ground, Report, load};
use crate::control_plane::ControlPlane;
use crate::progress::say;
use crate::promises::{self, Object};
use crate::providers::{Fault, Reply};
use crate::site::Site;

/// How much.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Clients.
    pub objects: u64,
    /// Registrations that the provider allows in an hour.
    pub an_hour: u32,
    /// How many times as fast operator and provider live.
    pub time_scale: u32,
    /// Most requests that are refused.
    pub refused: usize,
    /// Most time that it takes, as a multiple of what the limit allows.
    pub ratio: f64,
}

/// Runs it.
pub async fn run(plane: &ControlPlane, binary: &Path, plan: Plan) -> Result<Report, Failure> {
    let mut report = Report::default();
    let site = Site::scriptable().await?;
    let double = site.double().ok_or("no double")?;
    let hour = Duration::from_hours(1) / plan.time_scale;
    let refused = Arc::new(AtomicUsize::new(0));
    let (counted, mut taken) = (Arc::clone(&refused), VecDeque::new());
    double.script(move |seen| {
        if seen.method != "POST" || seen.path != "/register" {
            return None;
        }
        let now = Instant::now();
        while taken.front().is_some_and(|at| now.duration_since(*at) >= hour) {
            taken.pop_front();
        }
        if taken.len() < plan.an_hour as usize {
            taken.push_back(now);
            return None;
        }
        counted.fetch_add(1, Ordering::Relaxed);
        Some(Fault::Answer(Reply::empty(429).header("retry-after", "180")))
    });
    let ground = Ground::new(plane, "rates", 1).await?;
    let operator = ground
        .operator(binary, &["--time-scale", &plan.time_scale.to_string()])
        .await?;
    ground.tenants[0].apply(&site.manifests).await?;
    let rate = format!(
        r#"{{"spec": {{"rateLimit": {{"per": {{"count": {}, "period": "1h"}}}}}}}}"#,
        plan.an_hour
    );
    let patch = ["patch", "oauthprovider/provider", "--type=merge", "-p", &rate];
    ground.tenants[0].kubectl(&patch).await?.stdout()?;
    let begun = Instant::now();
    load::complete(&ground, 0, plan.objects).await?;
    let allowed = hour.mul_f64(plan.objects as f64 / f64::from(plan.an_hour));
    let longest = allowed.mul_f64(plan.ratio);
    say(format!(
        "{} clients; the limit allows {} s",
        plan.objects,
        allowed.as_secs()
    ));
    let mut ready = 0;
    while ready < plan.objects && begun.elapsed() <= longest {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let objects = ground.seen(0).await?;
        ready = objects
            .iter()
            .filter(|object| Object::from_json(object).is_ready())
            .count() as u64;
    }
    let (took, refused) = (begun.elapsed(), refused.load(Ordering::Relaxed));
    report.figure(format!(
        "{ready} of {} clients Ready after {:.1} s, the limit allows {:.1} s; {refused} requests refused",
        plan.objects,
        took.as_secs_f64(),
        allowed.as_secs_f64()
    ));
    report.require(ready == plan.objects, || format!("{ready} clients are Ready"));
    report.require(refused <= plan.refused, || format!("{refused} requests were refused"));
    report
        .violations
        .extend(promises::broken(&ground.leftovers(&site).await?));
    operator.stop().await?;
    Ok(report)
}
