//! Whether a pass waits, so that a stop of the operator gives up one that has sent nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Live;
use crate::controller::permits::Permit;

/// Time between two looks whether a pass waits, while the operator stops.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A pass waits for as long as this lives.
pub(super) struct Waiting<'a>(&'a AtomicBool);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Live<'_> {
    /// Waits until the operator stops while the pass waits and has written nothing. The pass is then to be dropped: thousands
    /// that wait for one slow provider would otherwise hold up the shutdown.
    pub(in crate::controller) async fn given_up(&self) {
        self.stopping.cancelled().await;
        while !self.waits.load(Ordering::Relaxed) || self.has_written() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Notes that the pass waits, until the answer is dropped.
    pub(super) fn waiting(&self) -> Waiting<'_> {
        self.waits.store(true, Ordering::Relaxed);
        Waiting(&self.waits)
    }

    /// Whether the pass has sent something that changes the cluster or the provider.
    pub(super) fn has_written(&self) -> bool {
        self.has_written.load(Ordering::Relaxed)
    }

    /// Notes that the pass sends something that changes the cluster or the provider.
    pub(super) fn begin(&self) {
        self.has_written.store(true, Ordering::Relaxed);
    }

    /// Waits for a turn at the API server; the turn ends when it is dropped.
    pub(super) async fn turn(&self) -> Permit {
        let _waiting = self.waiting();
        self.cx.turn(self.tenant).await
    }

    /// The same for a write: whoever has it is no longer given up.
    pub(super) async fn turn_to_write(&self) -> Permit {
        let turn = self.turn().await;
        self.begin();
        turn
    }
}
