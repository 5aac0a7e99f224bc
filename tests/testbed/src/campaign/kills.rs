//! The operator is killed at random, again and again, while users are at work; the provider rotates registration access
//! tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::{Dice, Failure, Ground, Report, keep_log, load, strike_down};
use crate::control_plane::ControlPlane;
use crate::operator::Operator;
use crate::progress::say;
use crate::promises::{self, Leftovers, Object, REGISTERED, Suspected};
use crate::providers::OidcProviderOptions;
use crate::site::Site;

/// How much.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Kills.
    pub kills: usize,
    /// Objects.
    pub objects: u64,
    /// Of the users' doings and of the kills' times.
    pub seed: u64,
    /// How many times as fast the operator lives.
    pub time_scale: u32,
    /// Time until everything has come to rest after the last kill.
    pub rest: Duration,
    /// Time without a change after which deletions that outlived their object are taken for stuck.
    pub quiet: Duration,
}

/// Reasons with which an object may end: the answer of an update or a registration was lost with a kill.
const EXCUSES: [&str; 3] = ["ManagementLost", "OutcomeUnknown", "DeletionBlocked"];

/// Runs it.
pub async fn run(plane: &ControlPlane, binary: &Path, plan: Plan) -> Result<Report, Failure> {
    let mut report = Report::default();
    let site = Site::oidc_provider_with(OidcProviderOptions {
        rotate: true,
        ..OidcProviderOptions::default()
    })
    .await?;
    let ground = Ground::new(plane, "kills", 1).await?;
    let mut operator = ground
        .operator(binary, &["--time-scale", &plan.time_scale.to_string()])
        .await?;
    ground.tenants[0].apply(&site.manifests).await?;
    let begun = Instant::now();

    let stop = AtomicBool::new(false);
    let mut users = Dice(plan.seed);
    let work = load::until(&stop, &ground, plan.objects, &mut users, Duration::from_millis(15));
    let deaths = async {
        let killed = kill(&mut operator, &ground, plan).await;
        stop.store(true, Ordering::Relaxed);
        killed
    };
    let (done, killed) = tokio::join!(work, deaths);
    let (done, cut_off) = (done?, killed?);
    operator.restart().await?;
    report.figure(format!(
        "seed {}, {} kills in {} s, {done:?}",
        plan.seed,
        plan.kills,
        begun.elapsed().as_secs()
    ));

    let rested = Instant::now();
    let left = settled(&ground, &site, plan).await?;
    report.figure(format!("at rest {} s later", rested.elapsed().as_secs()));
    judge(&mut report, &site, left, &cut_off, plan).await?;
    if !report.violations.is_empty() {
        keep_log("kills", &operator.log())?;
    }
    operator.stop().await?;
    Ok(report)
}

/// Kills and starts again, at times that nothing chose. The attempts at registering that were open at a kill: several objects have one at
/// the same time.
async fn kill(operator: &mut Operator, ground: &Ground<'_>, plan: Plan) -> Result<BTreeSet<String>, Failure> {
    let mut dice = Dice(plan.seed ^ 0x6b69_6c6c);
    let mut cut_off = BTreeSet::new();
    for number in 1..=plan.kills {
        strike_down(operator, &mut dice, 700).await?;
        // The API server may still take in what was sent before.
        tokio::time::sleep(Duration::from_millis(300)).await;
        cut_off.extend(ground.seen(0).await?.iter().filter_map(attempt_of));
        operator.relaunch().await?;
        if number % 20 == 0 {
            say(format!("{number} of {} kills", plan.kills));
        }
    }
    Ok(cut_off)
}

/// The attempt of an object (`<uid>/<attempt>/...`) of which its status does not tell how it ended.
fn attempt_of(object: &Value) -> Option<String> {
    let journal = object["metadata"]["annotations"]["oauth-client-operator.dev/create-pending"].as_str()?;
    let attempt = journal.split('/').nth(1)?;
    let told = &object["status"]["attempt"];
    let ended = told["id"] == attempt && !matches!(told["outcome"].as_str(), None | Some("Unknown"));
    (!ended).then(|| attempt.to_owned())
}

/// What is left once nothing more is to be expected: every object is there and judged, every deletion is over.
async fn settled(ground: &Ground<'_>, site: &Site, plan: Plan) -> Result<Leftovers, Failure> {
    let begun = Instant::now();
    let (mut said, mut changed, mut before) = (begun, begun, (0, 0));
    loop {
        let left = ground.leftovers(site).await?;
        let missing = (left.objects.len() as u64) < plan.objects;
        if missing {
            load::complete(ground, 0, plan.objects).await?;
        }
        let open =
            |object: &&Object| object.deleting || !object.is_ready() && !EXCUSES.contains(&object.reason.as_str());
        let open = left.objects.iter().filter(open).count() + usize::from(missing);
        let gone = |uid: &String| left.objects.iter().all(|object| object.uid != *uid);
        let tombstones = left
            .records
            .iter()
            .filter(|record| record.phase != REGISTERED && gone(&record.owner_uid));
        let now = (open, tombstones.count());
        if now != before {
            (before, changed) = (now, Instant::now());
        }
        // A deletion whose token was lost with a kill never ends; its record tells of it.
        let rests = open == 0 && (now.1 == 0 || changed.elapsed() > plan.quiet);
        if rests || begun.elapsed() > plan.rest {
            return Ok(left);
        }
        if said.elapsed() > Duration::from_secs(10) {
            say(format!("{open} objects and {} deletions are under way", now.1));
            said = Instant::now();
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn judge(
    report: &mut Report,
    site: &Site,
    mut left: Leftovers,
    cut_off: &BTreeSet<String>,
    plan: Plan,
) -> Result<(), Failure> {
    left.deadly_faults = cut_off.len();
    for suspect in &left.suspects {
        if suspect.client_id.is_none() && !cut_off.contains(&suspect.attempt) {
            let Suspected { object, attempt, .. } = suspect;
            let needless = format!("P2: the suspect of {object} is about attempt {attempt}, which no kill cut off");
            report.violations.push(needless);
        }
    }
    report.figure(format!("{} attempts were open at a kill", cut_off.len()));
    left.excuses = EXCUSES.iter().map(|&reason| reason.to_owned()).collect();
    report.violations.extend(promises::broken(&left));
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for object in &left.objects {
        *reasons
            .entry(if object.is_ready() { "Ready" } else { &object.reason })
            .or_default() += 1;
    }
    let recorded = left.records.iter().filter(|record| record.phase == REGISTERED).count();
    report.figure(format!(
        "{} objects: {reasons:?}; {} records, {recorded} of them registered; {} clients at the provider; {} suspects",
        left.objects.len(),
        left.records.len(),
        left.ledger.len(),
        left.suspects.len()
    ));
    let mut works = 0;
    for secret in &left.secrets {
        let (Some(id), Some(key)) = (secret.data.get("client_id"), secret.data.get("client_secret")) else {
            report.violations.push(format!("the Secret {secret} is not complete"));
            continue;
        };
        match site.token(id.expose_secret(), key.expose_secret()).await {
            Ok(_) => works += 1,
            Err(error) => report
                .violations
                .push(format!("the Secret {secret} does not work: {error}")),
        }
    }
    report.figure(format!(
        "{works} of {} Secrets work at the token endpoint",
        left.secrets.len()
    ));
    report.require(left.objects.len() as u64 == plan.objects, || {
        format!("{} objects", left.objects.len())
    });
    Ok(())
}
