//! A process of the operator between two passes: what it has seen, what it remembers, and what it waits for.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use oauth_client_operator::api::OAuthClient;
use oauth_client_operator::cluster::{Role, SecretMeta, cause};
use oauth_client_operator::domain::breaker::{Breaker, BreakerKind};
use oauth_client_operator::domain::expiry;
use oauth_client_operator::domain::pass::Operator;

use oauth_client_operator::controller::Outcomes;
use oauth_client_operator::controller::sweeper::SweepState;

use super::cluster::{Cluster, Kept, KeptSecret, Name};
use super::provider::Provider;
use super::scenario::{self, APPS, Scenario};
use super::state::clock;

/// A process of the operator: what it knows is gone when it dies.
#[derive(Clone)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts of a process")]
pub(super) struct Replica {
    /// Name of the process; it survives a crash, as a pod's does.
    pub identity: &'static str,
    pub cluster: usize,
    pub here: Arc<Operator>,
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
    pub looks: SweepState,
    /// What it has to do with each object.
    pub work: [Work; 2],
    /// Clients that its passes have claimed.
    pub claims: BTreeSet<String>,
    /// Registrations of its providers of which nobody knows how they ended.
    pub unknown: Breaker,
    /// Clients that were registered anew.
    pub recreated: Breaker,
    /// When the pause that the provider asked for ends.
    pub pause_until: i64,
    /// Whether it was told to stop.
    pub stopping: bool,
    /// Whether its last update was answered well. Planted mistakes ask for it.
    pub answered: bool,
    /// Whether it has read the provider's credentials, and keeps them once they vanished.
    pub keeps: bool,
    /// Passes before its watches catch up.
    pub lag: u32,
}

/// What a process has to do with an object.
#[derive(Clone, Default)]
pub(super) struct Work {
    pub trigger: Option<Trigger>,
    pub timer: Option<i64>,
    /// Version of the object that was looked at because its secret had expired.
    pub expired: Option<String>,
    pub failures: u32,
    /// Whether its pass has had a permit: it waits for no other.
    pub permitted: bool,
    /// When the permit comes that its pass ends for.
    pub queued: Option<i64>,
    /// Whether a deep look failed, so that the next one is deep too.
    pub owed: bool,
    /// The attempt of the marker that it wrote last.
    pub opened: String,
    /// Whether the last write of its status failed. Planted mistakes ask for it.
    pub untold: bool,
}

/// A reason to look at an object.
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
    /// How long it has known the attempt of another replica.
    pub(super) fn foreign_attempt_age(&mut self, attempt: &str, now: i64) -> Option<Duration> {
        if attempt.starts_with(self.identity) {
            return None;
        }
        let since = *self.foreign_attempts.entry(attempt.to_owned()).or_insert(now);
        Some(Duration::from_secs(u64::try_from(now - since).unwrap_or_default()))
    }

    pub(super) fn breaker(&mut self, what: BreakerKind) -> &mut Breaker {
        match what {
            BreakerKind::UnknownOutcome => &mut self.unknown,
            BreakerKind::Recreation => &mut self.recreated,
        }
    }

    pub(super) fn new(identity: &'static str, cluster: usize, home: &str, cluster_id: &str) -> Self {
        Self {
            identity,
            cluster,
            here: Arc::new(Operator {
                namespace: home.to_owned(),
                cluster_id: cluster_id.to_owned(),
                held: None,
                serves_own_namespace: false,
            }),
            narrowed: false,
            active: false,
            leads: true,
            dead: false,
            view: View::default(),
            outcomes: Outcomes::default(),
            foreign_attempts: BTreeMap::new(),
            looks: SweepState::new(),
            work: Default::default(),
            claims: BTreeSet::new(),
            unknown: Breaker::default(),
            recreated: Breaker::default(),
            pause_until: 0,
            stopping: false,
            answered: false,
            keeps: true,
            lag: 0,
        }
    }

    /// As it is right after a start.
    pub(super) fn restarted(&self, provider: &Provider) -> Self {
        Self {
            keeps: provider.removed.is_none(),
            here: self.here.clone(),
            narrowed: self.narrowed,
            active: self.active,
            ..Self::new(self.identity, self.cluster, "", "")
        }
    }

    /// Records and suspects of the operator's namespace, as far as they were seen.
    pub(super) fn sweepable(&self) -> impl Iterator<Item = &Arc<SecretMeta>> {
        let metas = self.view.secrets.values().map(|kept| &kept.meta);
        metas
            .filter(|meta| matches!(meta.role, Role::Record | Role::Suspect) && *meta.namespace == *self.here.namespace)
    }

    /// Sees a change of objects, of Secrets, or both; a trigger for each object that is worth a look, by the watches' rules.
    pub(super) fn see(
        &mut self,
        cluster: &Cluster,
        scenario: &Scenario,
        objects: bool,
        secrets: bool,
    ) -> [Option<Trigger>; 2] {
        let seen = self.what_is_to_see(cluster);
        let names: Vec<Name> = (0..scenario.objects()).map(|what| scenario.object(what)).collect();
        let (mut spec, mut secret, mut namespace) = ([false; 2], [false; 2], false);
        if objects {
            for (name, spec) in names.iter().zip(&mut spec) {
                *spec = match (self.view.clients.get(name), seen.clients.get(name)) {
                    (Some(old), Some(new)) => cause(&old.object, &new.object).is_some(),
                    (old, new) => old.is_some() != new.is_some(),
                };
            }
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
            for (name, secret) in names.iter().zip(&mut secret) {
                let object = self.view.clients.get(name).map(|kept| &kept.object);
                let uid = object.and_then(|object| object.metadata.uid.as_deref());
                *secret = uid.is_some() && changed.iter().any(|meta| meta.concerns() == uid);
            }
            self.view.secrets = seen.secrets;
        }
        [0, 1].map(|what| {
            let (spec, secret) = (spec[what], secret[what]);
            let namespace = namespace && what < names.len();
            (spec || secret || namespace).then_some(Trigger {
                deep: namespace,
                anew: spec || namespace,
            })
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

    /// When the secret of an object in view expires, if that was not looked at yet, and the object's version.
    pub(super) fn expiry(&self, name: &Name, what: usize) -> Option<(i64, String)> {
        let object = &self.view.clients.get(name)?.object;
        let version = object.metadata.resource_version.clone()?;
        let at = expiry::due(object)?;
        (self.work[what].expired.as_ref() != Some(&version)).then_some((at, version))
    }

    /// UIDs of the other objects in view.
    pub(super) fn others(&self, object: &OAuthClient) -> Vec<String> {
        let uids = self.view.clients.values().rev().map(|kept| &kept.object.metadata.uid);
        uids.filter(|uid| **uid != object.metadata.uid)
            .flatten()
            .cloned()
            .collect()
    }

    /// Namespace and name of the object of this UID.
    pub(super) fn name_of(&self, uid: &str) -> Option<String> {
        let mut objects = self.view.clients.iter();
        let found = objects.find(|(_, kept)| kept.object.metadata.uid.as_deref() == Some(uid));
        found.map(|((namespace, name), _)| format!("{namespace}/{name}"))
    }

    /// Whether an object of this UID is in view.
    pub(super) fn sees(&self, uid: &str) -> bool {
        let mut objects = self.view.clients.values();
        objects.any(|kept| kept.object.metadata.uid.as_deref() == Some(uid))
    }

    pub(super) fn pull(&mut self, what: usize, trigger: Trigger) {
        let work = &mut self.work[what];
        if trigger.anew {
            work.failures = 0;
        }
        let before = work.trigger.unwrap_or(trigger);
        work.timer = None;
        work.trigger = Some(Trigger {
            deep: before.deep || trigger.deep,
            anew: before.anew || trigger.anew,
        });
    }

    /// Pulls the triggers of all objects that it sees; the first one's in any case.
    pub(super) fn pull_all(&mut self, trigger: Trigger) {
        self.pull(0, trigger);
        if self.view.clients.keys().any(|name| *name != scenario::name()) {
            self.pull(1, trigger);
        }
    }

    /// Pulls the trigger of the object that a suspect is about, if it lives.
    pub(super) fn pull_owner(&mut self, suspect: &SecretMeta) {
        let is_owner = |kept: &Arc<Kept>| kept.object.metadata.uid.as_deref() == suspect.concerns();
        let owner = self
            .view
            .clients
            .iter()
            .find(|(_, kept)| is_owner(kept))
            .map(|(name, _)| name.clone());
        if let Some(name) = owner {
            let trigger = Trigger {
                deep: false,
                anew: false,
            };
            self.pull(usize::from(name != scenario::name()), trigger);
        }
    }

    pub(super) fn hash(&self, cluster: &Cluster, now: i64, hasher: &mut impl Hasher) {
        (
            self.identity,
            self.narrowed,
            self.active,
            self.leads,
            self.keeps,
            self.lag,
            self.stopping,
            self.here.held.is_some(),
            &self.claims,
        )
            .hash(hasher);
        for work in &self.work {
            let timer = work.timer.map(|timer| timer - now);
            (work.trigger, work.failures, timer, work.untold, work.owed).hash(hasher);
            work.expired.is_some().hash(hasher);
        }
        (self.pause_until - now).max(0).hash(hasher);
        for breaker in [&self.unknown, &self.recreated] {
            breaker.open_for(clock(now), APPS).hash(hasher);
        }
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
            (uid, looked.failures, relative(looked.again), relative(looked.refused)).hash(hasher);
            (looked.settled, &looked.deregistered).hash(hasher);
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

    pub(super) fn hash(&self, cluster: &Cluster, hasher: &mut impl Hasher) {
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
