//! Runs of `certify` at several providers at the same time: they and the operator are killed at random.

mod places;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Dice, Failure, Ground, Report, keep_log, strike};
use crate::control_plane::ControlPlane;
use crate::operator::Operator;
use crate::process::{Process, Scratch, Spec};
use crate::progress::say;
use crate::promises::Object;

use places::{Place, places};

/// How much.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Kills.
    pub kills: usize,
    /// Of the kills' victims and times.
    pub seed: u64,
    /// How many times as fast the operator lives.
    pub time_scale: u32,
    /// Whether Keycloak is one of the providers.
    pub keycloak: bool,
    /// Time until everything has come to rest after a round.
    pub rest: Duration,
}

/// Time that a run has.
const RUN: Duration = Duration::from_mins(8);
/// Most kills of a round.
const STRIKES: u64 = 6;
/// Most milliseconds between two kills of a round.
const PAUSE: u64 = 2500;

/// What was done.
#[derive(Debug, Default)]
struct Tally {
    rounds: usize,
    runs: usize,
    /// Runs that were killed, by what their object was at.
    runs_killed: BTreeMap<&'static str, usize>,
    operators_killed: usize,
    /// Runs that were not killed, while the operator was: those that found the core sound, and the others.
    sound: usize,
    unsound: usize,
}

impl Tally {
    fn kills(&self) -> usize {
        self.operators_killed + self.runs_killed.values().sum::<usize>()
    }
}

struct Campaign<'a> {
    binary: &'a Path,
    plan: Plan,
    ground: &'a Ground<'a>,
    places: Vec<Place>,
    operator: Operator,
    logs: Scratch,
    dice: Dice,
    tally: Tally,
    report: Report,
}

/// Runs it.
pub async fn run(plane: &ControlPlane, binary: &Path, plan: Plan) -> Result<Report, Failure> {
    let places = places(plan.keycloak).await?;
    let ground = Ground::new(plane, "certify", 1).await?;
    let operator = ground
        .operator(binary, &["--time-scale", &plan.time_scale.to_string()])
        .await?;
    let manifests: String = places
        .iter()
        .map(|place| place.site.manifests_named(place.name))
        .collect();
    ground.tenants[0].apply(&manifests).await?;
    let mut campaign = Campaign {
        binary,
        plan,
        ground: &ground,
        places,
        operator,
        logs: Scratch::new("certify")?,
        dice: Dice(plan.seed),
        tally: Tally::default(),
        report: Report::default(),
    };
    let begun = Instant::now();
    while campaign.tally.kills() < plan.kills && campaign.report.violations.is_empty() {
        campaign.round().await?;
        say(format!("{} of {} kills", campaign.tally.kills(), plan.kills));
    }
    campaign.undisturbed().await?;
    campaign.figures(begun.elapsed()).await?;
    if !campaign.report.violations.is_empty() {
        keep_log("certify", &campaign.operator.log())?;
    }
    campaign.operator.stop().await?;
    Ok(campaign.report)
}

impl Campaign<'_> {
    /// A run at each provider, some kills, and whatever ends what those have left.
    async fn round(&mut self) -> Result<(), Failure> {
        let operators_killed = self.tally.operators_killed;
        self.tally.rounds += 1;
        let mut runs = Vec::new();
        for place in 0..self.places.len() {
            runs.push(Some(self.begin(place)?));
        }
        for _ in 0..=self.dice.below(STRIKES) {
            if self.tally.kills() < self.plan.kills {
                self.kill(&mut runs).await?;
            }
        }
        self.operator.ready().await?;
        for (place, run) in runs.iter().enumerate() {
            let Some(run) = run else { continue };
            if run.wait(RUN).await?.success() {
                self.tally.sound += 1;
            } else {
                self.tally.unsound += 1;
            }
            if self
                .ground
                .objects(0)
                .get_opt(&self.places[place].object())
                .await?
                .is_some()
            {
                let what = format!("{}: a run that was not killed left its object", self.places[place].name);
                self.found(place, what)?;
            }
        }
        let killed = (0..runs.len()).filter(|place| runs[*place].is_none());
        self.succeed(killed.collect()).await?;
        self.judge(self.tally.operators_killed - operators_killed).await
    }

    /// After the last kill, a run at each provider finds what is true of it.
    async fn undisturbed(&mut self) -> Result<(), Failure> {
        self.operator.ready().await?;
        self.succeed((0..self.places.len()).collect()).await?;
        for place in &self.places {
            let provider = format!("oauthprovider/{}", place.provider());
            let args = ["get", &provider, "-o", "jsonpath={.status.capabilities}"];
            let told = self.ground.tenants[0].kubectl(&args).await?.stdout()?;
            let told: Value = serde_json::from_str(&told)?;
            if place.truth.as_ref().is_some_and(|truth| *truth != told) {
                let line = format!("{}: its capabilities are told as {told}", place.name);
                self.report.violations.push(line);
            }
        }
        self.judge(0).await
    }

    fn log(&self, place: usize) -> std::path::PathBuf {
        self.logs.path().join(format!("{}.log", self.places[place].name))
    }

    fn begin(&mut self, place: usize) -> Result<Process, Failure> {
        self.tally.runs += 1;
        let run = Spec::new("certify", self.binary)
            .args(["certify", &self.places[place].provider()])
            .args(["--namespace", self.ground.tenants[0].name()])
            .env("KUBECONFIG", self.ground.plane.kubeconfig())
            .log(self.log(place));
        Ok(run.spawn()?)
    }

    /// Kills one of the runs, which then begins anew or not, or the operator.
    async fn kill(&mut self, runs: &mut [Option<Process>]) -> Result<(), Failure> {
        let of_run = self.dice.below(2) == 0;
        let (victim, again) = (self.dice.next(), self.dice.below(2) == 0);
        if !of_run {
            strike(&mut self.operator, &mut self.dice, PAUSE).await?;
            self.tally.operators_killed += 1;
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(self.dice.below(PAUSE))).await;
        let under_way = |run: &Option<Process>| run.as_ref().is_some_and(|run| run.status().is_none());
        let living: Vec<usize> = (0..runs.len()).filter(|place| under_way(&runs[*place])).collect();
        let Some(&place) = living.get(usize::try_from(victim)? % living.len().max(1)) else {
            return Ok(());
        };
        let Some(run) = runs[place].take() else { return Ok(()) };
        run.kill().await?;
        let at = self.stage(place).await?;
        *self.tally.runs_killed.entry(at).or_default() += 1;
        if again {
            runs[place] = Some(self.begin(place)?);
        }
        Ok(())
    }

    /// What the object of a run is at.
    async fn stage(&self, place: usize) -> Result<&'static str, Failure> {
        let Some(object) = self.ground.objects(0).get_opt(&self.places[place].object()).await? else {
            return Ok("before or after");
        };
        let object = Object::from_json(&serde_json::to_value(&object)?);
        Ok(match object.generation {
            _ if object.deleting => "deletion",
            ..=1 if object.is_ready() => "registered",
            ..=1 => "registration",
            2 => "update",
            _ => "clearing",
        })
    }

    /// Runs that nothing disturbs: each ends what was left, and finds the core sound.
    async fn succeed(&mut self, places: Vec<usize>) -> Result<(), Failure> {
        let mut runs = Vec::new();
        for place in places {
            runs.push((place, self.begin(place)?));
        }
        for (place, run) in runs {
            let status = run.wait(RUN).await?;
            if !status.success() {
                let what = format!(
                    "{}: a run that nothing disturbed ended with {status}",
                    self.places[place].name
                );
                self.found(place, what)?;
            }
        }
        Ok(())
    }

    /// Something of one provider is not as it should be; what its runs have printed is kept.
    fn found(&mut self, place: usize, what: String) -> Result<(), Failure> {
        self.report.violations.push(what);
        let log = std::fs::read_to_string(self.log(place))?;
        keep_log(&format!("certify-{}", self.places[place].name), &log)
    }

    /// When all has come to rest, every living client is named, and nothing else is left.
    async fn judge(&mut self, operators_killed: usize) -> Result<(), Failure> {
        let begun = Instant::now();
        loop {
            let (mut broken, mut lefts) = (Vec::new(), Vec::new());
            let held = self.ground.held().await?;
            if !held.secrets.is_empty() {
                broken.push(format!("{} credentials Secrets are left", held.secrets.len()));
            }
            for place in &self.places {
                let left = place
                    .left(&held, self.ground.tenants[0].name(), operators_killed)
                    .await?;
                broken.extend(
                    place
                        .unsound(&left)
                        .into_iter()
                        .map(|line| format!("{}: {line}", place.name)),
                );
                lefts.push(left);
            }
            if broken.is_empty() {
                self.places
                    .iter_mut()
                    .zip(&lefts)
                    .for_each(|(place, left)| place.account(left));
                return Ok(());
            }
            if begun.elapsed() > self.plan.rest {
                self.report.violations.extend(broken);
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    async fn figures(&mut self, took: Duration) -> Result<(), Failure> {
        let held = self.ground.held().await?;
        let named = held
            .suspects
            .iter()
            .filter(|suspect| suspect.client_id.is_some())
            .count();
        let strays: usize = self.places.iter().map(|place| place.strays.len()).sum();
        let Tally {
            rounds,
            runs,
            runs_killed,
            operators_killed,
            sound,
            unsound,
        } = &self.tally;
        let killed: usize = runs_killed.values().sum();
        let figures = [
            format!(
                "seed {}, {} kills in {} s and {rounds} rounds of runs at {} providers",
                self.plan.seed,
                killed + operators_killed,
                took.as_secs(),
                self.places.len()
            ),
            format!("{killed} of {runs} runs killed, by what their object was at: {runs_killed:?}"),
            format!(
                "{operators_killed} operators killed; of the runs beside them, {sound} found the core sound and {unsound} did not"
            ),
            format!(
                "left are {named} suspects that name a client, {} that name none, {strays} clients that only those tell of, and {} records",
                held.suspects.len() - named,
                held.records.len()
            ),
        ];
        self.report.figures.extend(figures);
        Ok(())
    }
}
