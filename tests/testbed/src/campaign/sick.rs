//! A provider that answers 401 for everything during an hour of operator time, and recovers.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use kube::api::{DeleteParams, Patch, PatchParams};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{Failure, Ground, Report, eventually, load};
use crate::control_plane::ControlPlane;
use crate::progress::say;
use crate::promises::{self, Object};
use crate::providers::{OidcFault, OidcFaultKind, OidcProvider};
use crate::site::Site;

/// How much.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Objects that are Ready before.
    pub objects: u64,
    /// How many times as fast the operator lives.
    pub time_scale: u32,
    /// Most requests in a second of operator time after the recovery, for each ten objects.
    pub burst: f64,
}

/// Runs it.
pub async fn run(plane: &ControlPlane, binary: &Path, plan: Plan) -> Result<Report, Failure> {
    let mut report = Report::default();
    let site = Site::oidc_provider().await?;
    let provider = site.oidc().ok_or("no oidc-provider")?;
    let ground = Ground::new(plane, "sick", 1).await?;
    let operator = ground
        .operator(binary, &["--time-scale", &plan.time_scale.to_string()])
        .await?;
    ground.tenants[0].apply(&site.manifests).await?;
    load::complete(&ground, 0, plan.objects).await?;
    let limit = Duration::from_mins(3);
    all_ready(&ground, plan.objects, limit).await?;
    let (secrets, clients) = (contents(&ground).await?, site.clients().await?);

    say("the provider falls ill");
    provider.faults(&[everything_is_refused()]).await?;
    let before = provider.requests().await?.len();
    let begun = Instant::now();
    // A quarter is changed, some Secrets are lost, and there are new objects.
    for number in (0..plan.objects).step_by(4) {
        change(&ground, number, "during").await?;
    }
    for number in (1..plan.objects).step_by(10) {
        ground
            .secrets(0)
            .delete(&load::name(number), &DeleteParams::default())
            .await?;
    }
    let fresh = plan.objects / 10;
    load::complete(&ground, 0, plan.objects + fresh).await?;
    // Objects that are deleted meanwhile go, and leave a suspect each.
    let deleted: Vec<_> = (2..plan.objects).step_by(10).map(load::name).collect();
    for name in &deleted {
        ground.objects(0).delete(name, &DeleteParams::default()).await?;
    }
    let hour = Duration::from_hours(1) / plan.time_scale;
    tokio::time::sleep(hour.saturating_sub(begun.elapsed())).await;

    let during = provider.requests().await?.split_off(before);
    let posts = during
        .iter()
        .filter(|request| request.method == "POST" && request.path == "/reg");
    let posts = posts.count();
    report.figure(format!(
        "an hour of operator time in {} s: {} requests, {posts} of them registrations of {fresh} new objects",
        begun.elapsed().as_secs(),
        during.len()
    ));
    report.require(site.clients().await? == clients, || {
        "clients at the provider changed while it was ill".to_owned()
    });
    let now = contents(&ground).await?;
    let mut kept = secrets.iter().filter(|(name, _)| !deleted.contains(name));
    let same = kept.all(|(name, data)| now.get(name) == Some(data));
    report.require(same, || {
        "a Secret changed or is missing while the provider was ill".to_owned()
    });
    let replaced = ground.seen(0).await?;
    let ids = |object: &Value| {
        object["status"]["clientID"]
            .as_str()
            .is_none_or(|id| clients.contains_key(id))
    };
    report.require(replaced.iter().all(ids), || "an object names another client".to_owned());

    let left = ground.leftovers(&site).await?;
    let named = left
        .suspects
        .iter()
        .filter(|suspect| suspect.client_id.is_some())
        .count();
    report.require(named == deleted.len(), || {
        format!(
            "{} objects were deleted, {named} suspects name their clients",
            deleted.len()
        )
    });

    say("the provider recovers");
    provider.faults(&[]).await?;
    let rest = plan.objects + fresh - deleted.len() as u64;
    let rate = recovery(&ground, provider, rest, limit).await?;
    report.figure(rate.to_string());
    let most = plan.burst * (plan.objects as f64 / 10.0) * f64::from(plan.time_scale);
    report.require(rate.most <= most, || {
        format!("{:.0} requests in a second, {most:.0} allowed", rate.most)
    });
    finish_deletions(&ground, &site, rest, &mut report).await?;
    report
        .violations
        .extend(promises::broken(&ground.leftovers(&site).await?));
    operator.stop().await?;
    Ok(report)
}

/// The sweeper ends what the deletions could not, once somebody changes the provider object.
async fn finish_deletions(ground: &Ground<'_>, site: &Site, rest: u64, report: &mut Report) -> Result<(), Failure> {
    let edit = r#"{"spec":{"timeouts":{"request":"9s"}}}"#;
    let patch = ["patch", "oap", "provider", "--type=merge", "-p", edit];
    ground.tenants[0].kubectl(&patch).await?.stdout()?;
    let known = eventually(Duration::from_mins(3), "the deleted clients are gone", async || {
        let known = site.clients().await?.len() as u64;
        Ok((known == rest).then_some(known))
    })
    .await;
    if known.is_err() {
        let known = site.clients().await?.len();
        report
            .violations
            .push(format!("{known} clients at the provider, not {rest}"));
    }
    Ok(())
}

/// Every request is refused as one with a token that does not count.
fn everything_is_refused() -> OidcFault {
    let answer = OidcFaultKind::Answer {
        status: 401,
        headers: BTreeMap::new(),
        body: r#"{"error":"invalid_token"}"#.to_owned(),
    };
    OidcFault {
        method: None,
        path: "/".to_owned(),
        times: u32::MAX,
        kind: answer,
    }
}

/// What the provider has to do after it is well again.
struct Rate {
    requests: usize,
    time: Duration,
    most: f64,
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "everything Ready {:.1} s after the recovery, with {} requests, at most {:.0} in a second",
            self.time.as_secs_f64(),
            self.requests,
            self.most
        )
    }
}

async fn recovery(
    ground: &Ground<'_>,
    provider: &OidcProvider,
    objects: u64,
    limit: Duration,
) -> Result<Rate, Failure> {
    let begun = Instant::now();
    let first = provider.requests().await?.len();
    let (mut last, mut at, mut most) = (first, begun, 0.0_f64);
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let (now, time) = (provider.requests().await?.len(), Instant::now());
        most = most.max((now - last) as f64 / time.duration_since(at).as_secs_f64());
        (last, at) = (now, time);
        let ready = ready_count(ground).await?;
        if ready == objects || begun.elapsed() > limit {
            if ready < objects {
                return Err(format!(
                    "{ready} of {objects} objects are Ready {} s after the recovery",
                    limit.as_secs()
                )
                .into());
            }
            return Ok(Rate {
                requests: now - first,
                time: begun.elapsed(),
                most,
            });
        }
    }
}

async fn change(ground: &Ground<'_>, number: u64, path: &str) -> Result<(), Failure> {
    let change = json!({"spec": {"redirectURIs": [format!("https://app.example/{path}")]}});
    ground
        .objects(0)
        .patch(&load::name(number), &PatchParams::default(), &Patch::Merge(change))
        .await?;
    Ok(())
}

async fn ready_count(ground: &Ground<'_>) -> Result<u64, Failure> {
    let seen = ground.seen(0).await?;
    Ok(seen.iter().map(Object::from_json).filter(Object::is_ready).count() as u64)
}

/// Waits until every object is Ready.
pub(super) async fn all_ready(ground: &Ground<'_>, objects: u64, limit: Duration) -> Result<(), Failure> {
    eventually(limit, "every object is Ready", async || {
        Ok((ready_count(ground).await? == objects).then_some(()))
    })
    .await
}

/// What the credentials Secrets hold, by their names.
async fn contents(ground: &Ground<'_>) -> Result<BTreeMap<String, BTreeMap<String, String>>, Failure> {
    let plain = |data: BTreeMap<String, secrecy::SecretString>| {
        data.into_iter()
            .map(|(key, value)| (key, value.expose_secret().to_owned()))
            .collect()
    };
    let published = ground.published(0).await?;
    Ok(published
        .into_iter()
        .map(|secret| (secret.name, plain(secret.data)))
        .collect())
}
