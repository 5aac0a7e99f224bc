//! When the sweeper looks at a record: from time to time, and when a permit has come for it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::api::OAuthClient;
use crate::cluster::{Key, SecretMeta};
use crate::controller::context::Context;
use crate::controller::live::Live;
use crate::controller::permits::Turn;

use super::{EVERY, Places, SweepState, due, label, sweep};

/// The sweeper of this process.
struct Sweeper {
    cx: Arc<Context>,
    looks: SweepState,
    begun: Instant,
    places: Places,
    /// Providers whose permit has come, as the names of keys.
    calls: mpsc::UnboundedReceiver<Key>,
}

/// Sweeps until told to stop.
pub(in crate::controller) async fn run(cx: Arc<Context>) {
    let (places, calls) = Places::new();
    let mut sweeper = Sweeper {
        looks: SweepState::new(),
        begun: Instant::now(),
        places,
        calls,
        cx: Arc::clone(&cx),
    };
    let mut next = Instant::now() + cx.clock.real(EVERY);
    loop {
        let called = tokio::select! {
            () = cx.stopping.cancelled() => return,
            called = sweeper.calls.recv() => called,
            () = tokio::time::sleep_until(next) => None,
        };
        if !cx.leadership.leads() || !cx.is_complete() {
            sweeper.places.clear();
        } else if let Some(provider) = &called {
            sweeper.come(&provider.name).await;
        } else {
            sweeper.sweep_all().await;
        }
        if called.is_none() {
            next = Instant::now() + cx.clock.real(EVERY);
        }
    }
}

impl Sweeper {
    /// Looks at everything that is due.
    async fn sweep_all(&mut self) {
        for provider in self.places.providers() {
            // The provider object may be another by now, or gone.
            self.cx.permits.rebound(&provider, self.cx.limits_by_uid(&provider));
        }
        let mut metas = self.cx.index.records_and_suspects();
        // Labels first: nothing is deregistered before all records carry them.
        metas.sort_by_key(|meta| !label::is_missing(meta));
        let names: HashSet<&str> = metas.iter().map(|meta| &*meta.name).collect();
        self.looks.retain(|name, _| names.contains(&**name));
        for meta in metas {
            // A permit that has come is not held any longer than the look at one record takes.
            while let Ok(provider) = self.calls.try_recv() {
                self.come(&provider.name).await;
            }
            let now = self.cx.clock.since(self.begun);
            if self.due(&meta).is_some_and(|at| at <= now) && !self.look(&meta, None).await {
                return;
            }
        }
    }

    fn due(&self, meta: &SecretMeta) -> Option<Duration> {
        due(&Live::new(&self.cx, &meta.namespace), meta, &self.looks)
    }

    /// Looks at the record whose turn it is at a provider whose permit has come.
    async fn come(&mut self, provider: &str) {
        let Some(mut place) = self.places.come(provider) else {
            return;
        };
        while place.turn.has_come()
            && let Some(record) = place.next()
        {
            let meta = self.cx.index.at(&self.cx.here.namespace, &record.name);
            if let Some(meta) = meta.filter(|meta| self.due(meta).is_some())
                && !self.look(&meta, Some(Arc::clone(&place.turn))).await
            {
                return;
            }
        }
        if !place.is_empty() {
            let provider = Arc::clone(place.turn.provider());
            place.turn = Places::enqueue(&self.cx.permits, &provider, self.cx.limits_by_uid(&provider));
            self.places.keep(place);
        }
    }

    /// Looks at a record, which may have a place whose permit has come. Whether to go on.
    async fn look(&mut self, meta: &SecretMeta, turn: Option<Arc<Turn>>) -> bool {
        let cx = Arc::clone(&self.cx);
        if cx.stopping.is_cancelled() || !cx.leadership.leads() {
            return false;
        }
        let now = cx.clock.since(self.begun);
        // Nobody waits for it, so it has a turn at the API server of its own.
        let world = Live::new(&cx, &meta.namespace).for_record(&self.places, &meta.name, turn);
        let look = sweep(&world, meta, &mut self.looks, now, cx.chance());
        let settled = tokio::select! {
            settled = look => settled,
            // It waits, and has begun nothing that must end.
            () = world.given_up() => return false,
        };
        if let Some(result) = settled {
            cx.metrics.suspect_settled(result);
            // An own deletion causes no event that wakes it.
            cx.comparisons.settled(owner(meta, |uid| cx.clients.by_uid(uid)));
        }
        true
    }
}

/// The object that a suspect is about, if it lives.
fn owner(meta: &SecretMeta, find: impl Fn(&str) -> Option<Arc<OAuthClient>>) -> Option<Key> {
    meta.concerns().and_then(find).map(|object| Key::of(&object))
}
