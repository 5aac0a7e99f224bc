//! Everything that there is between two turns of a run. It is forked at every choice, so it is cheap to clone.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use oauth_client_operator::cluster::Role;
use oauth_client_operator::domain::status;

use super::cluster::Cluster;
use super::fork::Fork;
use super::offered::Offered;
use super::process::Plant;
use super::provider::Provider;
use super::replica::{Replica, View};
use super::scenario::{HOME, SECOND_HOME, Scenario};
use super::schedule::Schedule;

/// Seconds after the first rejection of credentials at which they are tried for the last time.
const LAST_TRY: i64 = 80;

/// Everything that there is.
#[derive(Clone)]
pub(super) struct State {
    pub scenario: &'static Scenario,
    pub plant: Option<Plant>,
    pub schedule: Schedule,
    /// The cluster, and its clone if there is one.
    pub clusters: Vec<Cluster>,
    pub provider: Provider,
    /// The provider object.
    pub offered: Offered,
    /// Whether it changed, and nobody has looked at its clients since.
    pub uncompared: bool,
    /// The record as it was before somebody corrupted it.
    pub backup: Option<Arc<Secret>>,
    /// Whether an event told that a deletion let go of a client.
    pub let_go: bool,
    /// When the next permit comes.
    pub crowded_until: i64,
    /// What a process did that may not.
    pub trespasses: Vec<String>,
    /// Client of production when it was cloned.
    pub production: Option<String>,
    pub replicas: Vec<Replica>,
    /// The view as it was before the user's last step.
    pub before_step: Arc<View>,
    pub now: i64,
    /// Attempts that were opened.
    pub attempts: usize,
    /// Steps of the user that were taken.
    pub steps: usize,
    /// Times that a timer rang since the last fault and the last step.
    pub tries: u32,
    pub turns: usize,
    pub passes: usize,
    /// Faults that can leave a client at the provider that nothing else knows of.
    pub deadly: usize,
    /// Steps that leave a suspect without a client: they make forget how an attempt ended, or the provider lose its client.
    pub causes: usize,
    /// Whether the provider rejected something for good.
    pub rejected: bool,
    /// Clients that a status ever stated.
    pub stated: BTreeSet<String>,
    /// Steps of the present turn's pass from which another run may go on.
    pub forks: Vec<Arc<Fork>>,
    /// What was not as wished when all first came to rest.
    pub unfinished: Vec<String>,
    pub end: End,
}

/// What a pass of another leader may change behind a pass.
#[derive(Clone, Copy)]
pub(super) struct Tally {
    pub living: usize,
    pub suspects: usize,
}

/// How far the end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum End {
    /// Not yet.
    Open,
    /// All is at rest, and every object is looked at once more, which may repair what a lost trigger left.
    Resync,
    /// And once more; now nothing may be written. So many writes there were before.
    Rest(usize),
    /// It is over; so many writes there were at rest.
    Over(usize),
}

impl State {
    pub(super) fn new(scenario: &'static Scenario, schedule: Schedule, plant: Option<Plant>) -> Self {
        let mut replicas = vec![
            Replica::new("a", 0, HOME, "cluster"),
            Replica::new("b", 0, HOME, "cluster"),
        ];
        replicas[0].active = true;
        if scenario.second_installation {
            let mut second = Replica::new("c", 0, SECOND_HOME, "cluster");
            second.active = true;
            replicas.push(second);
        }
        Self {
            scenario,
            plant,
            schedule,
            clusters: vec![Cluster::default()],
            provider: Provider::new(scenario),
            offered: Offered::FIRST,
            uncompared: false,
            backup: None,
            let_go: false,
            crowded_until: 0,
            trespasses: Vec::new(),
            production: None,
            replicas,
            before_step: Arc::default(),
            now: 1_000_000,
            attempts: 0,
            steps: 0,
            tries: 0,
            turns: 0,
            passes: 0,
            deadly: 0,
            causes: 0,
            rejected: false,
            stated: BTreeSet::new(),
            forks: Vec::new(),
            unfinished: Vec::new(),
            end: End::Open,
        }
    }

    /// A clone of the cluster, with an operator that knows it by another identifier.
    pub(super) fn clone_cluster(&mut self) {
        let clone = self.clusters[0].clone();
        self.clusters.push(clone);
        let mut operator = Replica::new("c", 1, HOME, "clone");
        operator.active = true;
        self.replicas.push(operator);
        let secrets = self.clusters[0].secrets.values();
        let recorded = secrets.filter_map(|kept| testbed::promises::Recorded::from_secret(&kept.secret));
        self.production = recorded.map(|record| record.client_id).next();
    }

    /// How many clients exist, and how many suspects.
    pub(super) fn tally(&self) -> Tally {
        let secrets = self.clusters.iter().flat_map(|cluster| cluster.secrets.values());
        Tally {
            living: self.provider.living(),
            suspects: secrets.filter(|kept| kept.meta.role == Role::Suspect).count(),
        }
    }

    pub(super) fn writes(&self) -> usize {
        self.clusters.iter().map(|cluster| cluster.writes).sum()
    }

    pub(super) fn steps_left(&self) -> usize {
        self.scenario.steps.len() - self.steps
    }

    /// Digest of what is stored, here and at the provider.
    pub(super) fn stored(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.provider.digest.hash(&mut hasher);
        (
            self.provider.refuses,
            self.provider.misdirected,
            self.provider.issued,
            &self.provider.lost,
        )
            .hash(&mut hasher);
        let removed = self.provider.removed.map(|removed| self.now - removed);
        removed.hash(&mut hasher);
        for cluster in &self.clusters {
            cluster.terminating.hash(&mut hasher);
            cluster.trespasses.len().hash(&mut hasher);
            for (name, kept) in &cluster.clients {
                let told = kept.object.status.as_ref().and_then(|status| status.secret.as_ref());
                let secret = cluster.secrets.values().find(|secret| {
                    told.is_some_and(|told| {
                        secret.meta.uid.as_ref() == told.uid
                            && secret.meta.resource_version.as_ref() == told.resource_version
                    })
                });
                let deleted = kept.object.metadata.deletion_timestamp.as_ref();
                let age = deleted.map(|deleted| self.now - deleted.0.as_second());
                let rejected = status::rejected_since(kept.object.status.as_ref());
                // After the last try it makes no difference.
                let rejected = rejected.map(|since| (self.now - since).min(LAST_TRY));
                (
                    name,
                    kept.digest,
                    age,
                    rejected,
                    told.is_some(),
                    secret.map(|secret| secret.digest),
                )
                    .hash(&mut hasher);
            }
            for (name, kept) in &cluster.secrets {
                let missing = kept.missing_since.map(|since| self.now - since);
                (name, kept.digest, missing).hash(&mut hasher);
            }
        }
        hasher.finish()
    }

    /// Digest of everything that decides how the run goes on and how it is judged.
    pub(super) fn key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.stored().hash(&mut hasher);
        for replica in &self.replicas {
            replica.hash(&self.clusters[replica.cluster], self.now, &mut hasher);
        }
        self.before_step.hash(&self.clusters[0], &mut hasher);
        let end = match self.end {
            End::Rest(_) => 2,
            End::Over(_) => 3,
            End::Resync => 1,
            End::Open => 0,
        };
        (
            self.schedule.script.len(),
            self.attempts,
            self.steps,
            self.tries,
            self.deadly,
            self.causes,
            self.rejected,
            &self.stated,
            end,
        )
            .hash(&mut hasher);
        (&self.production, self.unfinished.len()).hash(&mut hasher);
        let pause = self.provider.pause_until.map(|until| (until - self.now).max(0));
        let crowded = (self.crowded_until - self.now).max(0);
        (
            self.offered,
            self.uncompared,
            self.let_go,
            self.trespasses.len(),
            pause,
            crowded,
        )
            .hash(&mut hasher);
        hasher.finish()
    }

    /// How long ago the sweepers began.
    pub(super) fn clock(&self) -> Duration {
        clock(self.now)
    }
}

pub(super) fn clock(now: i64) -> Duration {
    Duration::from_secs(u64::try_from(now).unwrap_or_default())
}
