//! Everything that there is between two turns of a run. It is forked at every choice, so it is cheap to clone.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::{Role, SecretMeta, cause};
use crate::domain::plan::Here;
use crate::domain::record::{DATA_KEY, Record};

use super::super::outcomes::Outcomes;
use super::super::sweeper::Looks;
use super::cluster::{Cluster, Kept, KeptSecret, Name};
use super::process::Plant;
use super::provider::Provider;
use super::scenario::{self, HOME, SECOND_HOME, Scenario};
use super::schedule::Schedule;

/// Everything that there is.
#[derive(Clone)]
pub(super) struct State {
    pub scenario: &'static Scenario,
    pub plant: Option<Plant>,
    pub schedule: Schedule,
    /// The cluster, and its clone if there is one.
    pub clusters: Vec<Cluster>,
    pub provider: Provider,
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
    /// What was not as wished when all first came to rest.
    pub unfinished: Vec<String>,
    pub end: End,
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

/// A process of the operator: what it knows is gone when it dies.
#[derive(Clone)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts of a process")]
pub(super) struct Replica {
    /// Name of the process; it survives a crash, as a pod's does.
    pub identity: &'static str,
    pub cluster: usize,
    pub here: Arc<Here>,
    /// Whether the applications' namespace is not among those that it watches.
    pub narrowed: bool,
    /// Whether it leads, but for a moment.
    pub active: bool,
    /// Whether it may begin anything.
    pub leads: bool,
    pub dead: bool,
    pub view: View,
    pub outcomes: Outcomes,
    pub foreign_attempts: BTreeMap<String, i64>,
    pub looks: Looks,
    /// UID and attempt of the marker that it wrote last.
    pub opened: String,
    pub trigger: Option<Trigger>,
    pub timer: Option<i64>,
    pub failures: u32,
    /// Passes before its watches catch up.
    pub lag: u32,
}

/// A reason to look at the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Trigger {
    pub deep: bool,
    /// Whether failures are counted anew.
    pub anew: bool,
}

/// What the watches of a process have seen.
#[derive(Clone, Default)]
pub(super) struct View {
    pub clients: BTreeMap<Name, Arc<Kept>>,
    pub secrets: BTreeMap<Name, Arc<KeptSecret>>,
    pub terminating: BTreeSet<String>,
}

impl Replica {
    fn new(identity: &'static str, cluster: usize, home: &str, cluster_id: &str) -> Self {
        Self {
            identity,
            cluster,
            here: Arc::new(Here {
                namespace: home.to_owned(),
                cluster_id: cluster_id.to_owned(),
                serves_own_namespace: false,
            }),
            narrowed: false,
            active: false,
            leads: true,
            dead: false,
            view: View::default(),
            outcomes: Outcomes::default(),
            foreign_attempts: BTreeMap::new(),
            looks: Looks::new(),
            opened: String::new(),
            trigger: None,
            timer: None,
            failures: 0,
            lag: 0,
        }
    }

    /// As it is right after a start.
    pub(super) fn restarted(&self) -> Self {
        Self {
            here: self.here.clone(),
            narrowed: self.narrowed,
            active: self.active,
            ..Self::new(self.identity, self.cluster, "", "")
        }
    }

    /// Records of the operator's namespace, as far as they were seen.
    pub(super) fn records(&self) -> impl Iterator<Item = &Arc<SecretMeta>> {
        let metas = self.view.secrets.values().map(|kept| &kept.meta);
        metas.filter(|meta| meta.role == Role::Record && *meta.namespace == *self.here.namespace)
    }

    /// Sees a change of the object, of Secrets, or both; a trigger if it is worth a look, by the watches' rules.
    pub(super) fn see(&mut self, cluster: &Cluster, objects: bool, secrets: bool) -> Option<Trigger> {
        let seen = self.what_is_to_see(cluster);
        let (mut spec, mut secret, mut namespace) = (false, false, false);
        if objects {
            let name = scenario::name();
            spec = match (self.view.clients.get(&name), seen.clients.get(&name)) {
                (Some(old), Some(new)) => cause(&old.object, &new.object).is_some(),
                (old, new) => old.is_some() != new.is_some(),
            };
            namespace = self.view.terminating != seen.terminating;
            self.view.clients = seen.clients;
            self.view.terminating = seen.terminating;
        }
        if secrets {
            let mut changed = Vec::new();
            for (name, kept) in &seen.secrets {
                match self.view.secrets.get(name) {
                    Some(old) if old.meta == kept.meta => {}
                    old => changed.extend(old.into_iter().chain([kept]).map(|kept| kept.meta.clone())),
                }
            }
            let gone = self
                .view
                .secrets
                .iter()
                .filter(|(name, _)| !seen.secrets.contains_key(*name));
            changed.extend(gone.map(|(_, kept)| kept.meta.clone()));
            secret = changed.iter().any(|meta| {
                let uid = match meta.role {
                    Role::Credentials => meta.owner_uid(),
                    Role::Record | Role::Suspect => meta.client_uid.as_deref(),
                    Role::Other => None,
                };
                uid.is_some_and(|uid| self.sees(uid))
            });
            self.view.secrets = seen.secrets;
        }
        (spec || secret || namespace).then_some(Trigger {
            deep: namespace,
            anew: spec || namespace,
        })
    }

    /// Whether the watches have something to catch up with: objects, Secrets.
    pub(super) fn is_behind(&self, cluster: &Cluster) -> (bool, bool) {
        let seen = self.what_is_to_see(cluster);
        let objects = seen.terminating != self.view.terminating
            || seen.clients.len() != self.view.clients.len()
            || seen.clients.iter().any(|(name, kept)| {
                let known = self.view.clients.get(name);
                known.is_none_or(|known| !Arc::ptr_eq(known, kept))
            });
        let secrets = seen.secrets.len() != self.view.secrets.len()
            || seen.secrets.iter().any(|(name, kept)| {
                let known = self.view.secrets.get(name);
                known.is_none_or(|known| !Arc::ptr_eq(known, kept))
            });
        (objects, secrets)
    }

    pub(super) fn what_is_to_see(&self, cluster: &Cluster) -> View {
        let mut view = View::of(cluster);
        if self.narrowed {
            view.clients.clear();
            view.secrets
                .retain(|(namespace, _), _| *namespace == self.here.namespace);
            view.terminating.clear();
        }
        view
    }

    /// Whether an object of this UID is in view.
    pub(super) fn sees(&self, uid: &str) -> bool {
        let mut objects = self.view.clients.values();
        objects.any(|kept| kept.object.metadata.uid.as_deref() == Some(uid))
    }

    pub(super) fn pull(&mut self, trigger: Trigger) {
        if trigger.anew {
            self.failures = 0;
        }
        let before = self.trigger.unwrap_or(trigger);
        self.timer = None;
        self.trigger = Some(Trigger {
            deep: before.deep || trigger.deep,
            anew: before.anew || trigger.anew,
        });
    }

    fn hash(&self, cluster: &Cluster, now: i64, hasher: &mut impl Hasher) {
        (
            self.identity,
            self.narrowed,
            self.active,
            self.leads,
            self.trigger,
            self.failures,
            self.lag,
        )
            .hash(hasher);
        self.timer.map(|timer| timer - now).hash(hasher);
        for (uid, known) in self.outcomes.all() {
            uid.hash(hasher);
            for (attempt, outcome) in known {
                (attempt, std::mem::discriminant(outcome)).hash(hasher);
            }
        }
        for (attempt, since) in &self.foreign_attempts {
            (attempt, now - since).hash(hasher);
        }
        let clock = clock(now);
        let relative = |at: Option<Duration>| at.map(|at| clock.abs_diff(at));
        let mut looks: Vec<_> = self.looks.iter().collect();
        looks.sort_by_key(|(uid, _)| *uid);
        for (uid, looked) in looks {
            (uid, looked.failures, relative(looked.again), relative(looked.missing)).hash(hasher);
        }
        self.view.hash(cluster, hasher);
    }
}

impl View {
    pub(super) fn of(cluster: &Cluster) -> Self {
        let written = cluster.secrets.iter().filter(|(_, kept)| kept.meta.role != Role::Other);
        Self {
            clients: cluster.clients.clone(),
            secrets: written.map(|(name, kept)| (name.clone(), kept.clone())).collect(),
            terminating: cluster.terminating.clone(),
        }
    }

    fn hash(&self, cluster: &Cluster, hasher: &mut impl Hasher) {
        self.terminating.hash(hasher);
        for (name, kept) in &self.clients {
            let now = cluster.clients.get(name);
            let current =
                now.is_some_and(|now| now.object.metadata.resource_version == kept.object.metadata.resource_version);
            (name, kept.digest, current).hash(hasher);
        }
        for (name, kept) in &self.secrets {
            let current = cluster.secrets.get(name).is_some_and(|now| now.meta == kept.meta);
            (name, kept.digest, current).hash(hasher);
        }
    }
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
        (self.provider.refuses, self.provider.misdirected, self.provider.issued).hash(&mut hasher);
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
                (
                    name,
                    kept.digest,
                    age,
                    told.is_some(),
                    secret.map(|secret| secret.digest),
                )
                    .hash(&mut hasher);
            }
            for (name, kept) in &cluster.secrets {
                let missing = missing_since(kept).map(|since| self.now - since);
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
            end,
        )
            .hash(&mut hasher);
        (&self.production, self.unfinished.len()).hash(&mut hasher);
        hasher.finish()
    }

    /// How long ago the sweepers began.
    pub(super) fn clock(&self) -> Duration {
        clock(self.now)
    }
}

fn clock(now: i64) -> Duration {
    Duration::from_secs(u64::try_from(now).unwrap_or_default())
}

fn missing_since(kept: &KeptSecret) -> Option<i64> {
    if kept.meta.role != Role::Record {
        return None;
    }
    let bytes = kept.secret.data.as_ref()?.get(DATA_KEY)?;
    // A record is parsed only if it can hold the member.
    let found = bytes.0.windows(12).any(|window| window == b"missingSince");
    found.then(|| Record::from_json(&bytes.0).ok()?.missing_since)?
}
