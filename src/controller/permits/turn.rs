//! The place of one waiter in the queue for a permit.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use crate::cluster::Key;
use crate::controller::context::lock;

use super::Permit;

/// A place in the queue. Dropping it gives up the place, and the permit that came meanwhile.
#[derive(Debug)]
pub(in crate::controller) struct Turn {
    provider: Arc<str>,
    state: Mutex<State>,
    came: Notify,
}

#[derive(Debug, Default)]
struct State {
    permit: Option<Permit>,
    calls: Option<Calls>,
}

/// Who is called when the permit comes, for a waiter that does something else meanwhile.
#[derive(Clone, Debug)]
pub(in crate::controller) struct Calls {
    /// The object that the permit is for.
    pub key: Key,
    /// Where its key is sent.
    pub sender: mpsc::UnboundedSender<Key>,
}

impl Turn {
    pub(super) fn new(provider: Arc<str>) -> Self {
        Self {
            provider,
            state: Mutex::default(),
            came: Notify::new(),
        }
    }

    /// The provider that it is for.
    pub(in crate::controller) fn provider(&self) -> &Arc<str> {
        &self.provider
    }

    /// Whether the permit has come, and nobody has taken it.
    pub(in crate::controller) fn has_come(&self) -> bool {
        lock(&self.state).permit.is_some()
    }

    /// Whether it is for a permit of this provider.
    pub(in crate::controller) fn is_of(&self, provider: &str) -> bool {
        *self.provider == *provider
    }

    /// The permit, if it has come.
    pub(in crate::controller) fn take(&self) -> Option<Permit> {
        lock(&self.state).permit.take()
    }

    /// Waits for the permit.
    pub(in crate::controller) async fn wait(&self) -> Permit {
        loop {
            if let Some(permit) = self.take() {
                return permit;
            }
            self.came.notified().await;
        }
    }

    /// The same, not longer than this.
    pub(in crate::controller) async fn wait_within(&self, longest: Duration) -> Option<Permit> {
        tokio::time::timeout(longest, self.wait()).await.ok()
    }

    /// Has the waiter called when the permit comes; it need not wait here any longer. `Some`: it has come.
    pub(in crate::controller) fn or_call(&self, calls: Calls) -> Option<Permit> {
        let mut state = lock(&self.state);
        state.calls = Some(calls);
        state.permit.take()
    }

    /// The same; if it has come, the waiter is called now.
    pub(in crate::controller) fn call(&self, calls: Calls) {
        if let Some(permit) = self.or_call(calls) {
            self.give(permit);
        }
    }

    pub(super) fn give(&self, permit: Permit) {
        let mut state = lock(&self.state);
        state.permit = Some(permit);
        if let Some(Calls { key, sender }) = &state.calls {
            // Nobody listens any more when the operator stops.
            let _ = sender.send(key.clone());
        }
        self.came.notify_one();
    }
}
