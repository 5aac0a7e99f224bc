//! Two replicas under load: the leader stands still past its lease and goes on, again and again.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Dice, Failure, Ground, Report, eventually, keep_log, load};
use crate::control_plane::ControlPlane;
use crate::operator::{Operator, OperatorOptions};
use crate::process::KillSwitch;
use crate::progress::say;
use crate::promises;
use crate::site::Site;

/// Time in which another replica leads.
const FAILOVER: Duration = Duration::from_mins(1);

/// How much.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Times that the leader stands still.
    pub pauses: usize,
    /// Objects.
    pub objects: u64,
    /// Of the users' doings and of the pauses' times.
    pub seed: u64,
    /// Time until everything has come to rest.
    pub rest: Duration,
}

/// Runs it.
pub async fn run(plane: &ControlPlane, binary: &Path, plan: Plan) -> Result<Report, Failure> {
    let mut report = Report::default();
    let site = Site::oidc_provider().await?;
    let ground = Ground::new(plane, "replicas", 1).await?;
    ground.tenants[0].apply(&site.manifests).await?;
    let options = ground.options(binary, &[]).await?;
    let mut replicas = BTreeMap::new();
    for identity in ["first", "second"] {
        let args = vec!["--identity".to_owned(), identity.to_owned()];
        let options = OperatorOptions {
            args,
            kill_switch: KillSwitch::default(),
            ..options.clone()
        };
        replicas.insert(identity.to_owned(), Operator::start(plane, options).await?);
    }
    let stop = AtomicBool::new(false);
    let mut users = Dice(plan.seed);
    let work = load::until(&stop, &ground, plan.objects, &mut users, Duration::from_millis(40));
    let history = History::default();
    let watch = history.keep(&ground, &stop);
    let pauses = async {
        let paused = pause(&ground, &replicas, plan).await;
        stop.store(true, Ordering::Relaxed);
        paused
    };
    let (done, watched, failovers) = tokio::join!(work, watch, pauses);
    let (done, (), failovers) = (done?, watched?, failovers?);
    let longest = failovers.iter().max().copied().unwrap_or_default();
    report.figure(format!(
        "seed {}, {} pauses, {done:?}; another leads after {:.1} s at most",
        plan.seed,
        plan.pauses,
        longest.as_secs_f64()
    ));
    report.violations.extend(history.broken());

    let ready = async || {
        let left = ground.leftovers(&site).await?;
        // One that was being deleted makes room late.
        if (left.objects.len() as u64) < plan.objects {
            load::complete(&ground, 0, plan.objects).await?;
        }
        let all = left.objects.iter().all(|object| object.is_ready() && !object.deleting);
        let count = left.objects.len() as u64;
        Ok((all && count == plan.objects && left.records.len() as u64 == count).then_some(()))
    };
    if let Err(late) = eventually(plan.rest, "every object is Ready", ready).await {
        report.violations.push(late.to_string());
    }
    let mut left = ground.leftovers(&site).await?;
    // A pause is no fault that a client may be lost by; whatever the former leader had in hand, it completes.
    left.deadly_faults = plan.pauses;
    report.violations.extend(promises::broken(&left));
    report.figure(format!(
        "{} objects, {} records, {} clients at the provider, {} suspects",
        left.objects.len(),
        left.records.len(),
        left.ledger.len(),
        left.suspects.len()
    ));
    let recorded = |id: &String| left.records.iter().any(|record| record.client_id == *id);
    let strays: Vec<_> = left.ledger.keys().filter(|id| !recorded(id)).collect();
    report.figure(format!("clients at the provider that no record holds: {strays:?}"));
    for (identity, replica) in &replicas {
        if !strays.is_empty() || !report.violations.is_empty() {
            keep_log(&format!("replicas-{identity}"), &replica.log())?;
        }
        replica.stop().await?;
    }
    Ok(report)
}

/// Lets the leader stand still at a random moment, until another leads and a little longer.
async fn pause(
    ground: &Ground<'_>,
    replicas: &BTreeMap<String, Operator>,
    plan: Plan,
) -> Result<Vec<Duration>, Failure> {
    let mut dice = Dice(plan.seed ^ 0x7061_7573);
    let mut failovers = Vec::new();
    for number in 1..=plan.pauses {
        let leads = async || Ok(replicas.get(&ground.leader().await?));
        let leader = eventually(FAILOVER, "a replica leads", leads).await?;
        tokio::time::sleep(Duration::from_millis(dice.below(3000))).await;
        leader.pause();
        let begun = Instant::now();
        let other = async || {
            let now = replicas.get(&ground.leader().await?);
            Ok(now.filter(|now| now.pid() != leader.pid()).map(|_| ()))
        };
        let followed = eventually(FAILOVER, "another replica leads", other).await;
        failovers.push(begun.elapsed());
        tokio::time::sleep(Duration::from_millis(dice.below(2000))).await;
        leader.resume();
        followed?;
        say(format!("{number} of {} pauses", plan.pauses));
    }
    // What the last one had in hand shows now.
    tokio::time::sleep(Duration::from_secs(5)).await;
    Ok(failovers)
}

/// What was ever seen of each object: a status never goes back, and a client is never replaced.
#[derive(Default)]
struct History(Mutex<Told>);

/// By UID: the last generation that there was a verdict for, and the client; and what went back.
#[derive(Default)]
struct Told {
    known: BTreeMap<String, (i64, String)>,
    broken: Vec<String>,
}

impl History {
    async fn keep(&self, ground: &Ground<'_>, stop: &AtomicBool) -> Result<(), Failure> {
        while !stop.load(Ordering::Relaxed) {
            for object in ground.seen(0).await? {
                self.see(&object);
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        Ok(())
    }

    fn see(&self, object: &Value) {
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let observed = object["status"]["observedGeneration"].as_i64().unwrap_or(-1);
        let client = object["status"]["clientID"].as_str().unwrap_or_default().to_owned();
        let Ok(mut guard) = self.0.lock() else { return };
        let Told { known, broken } = &mut *guard;
        if let Some((before, id)) = known.get(&uid) {
            if observed < *before {
                broken.push(format!("{uid}: generation {observed} was written over {before}"));
            }
            if !id.is_empty() && client != *id {
                broken.push(format!("{uid}: client {client} was written over {id}"));
            }
        }
        known.insert(uid, (observed, client));
    }

    fn broken(&self) -> Vec<String> {
        self.0.lock().map(|guard| guard.broken.clone()).unwrap_or_default()
    }
}
