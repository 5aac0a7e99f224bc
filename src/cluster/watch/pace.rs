//! What the watches do by time: they begin without those that cannot list, and every client is looked at once in a while.

use super::hub::Hub;
use super::{Cause, PARTS, PATIENCE, RESYNC};

impl Hub {
    /// Begins without the watches that cannot list.
    pub(super) async fn open_in_time(&self) {
        let mut opened = self.open.subscribe();
        tokio::select! {
            () = self.tasks.stopping().cancelled() => {}
            _ = opened.wait_for(|open| *open) => {}
            () = tokio::time::sleep(PATIENCE) => {
                if let Err(missing) = self.watches.health.ready() {
                    tracing::warn!("beginning without some watches: {missing}");
                }
                self.open();
            }
        }
    }

    /// Looks at every client once in [`RESYNC`], a part at a time.
    pub(super) async fn resync(&self) {
        let pause = RESYNC / u32::try_from(PARTS).unwrap_or(u32::MAX);
        for part in (0..PARTS).cycle() {
            tokio::select! {
                () = self.tasks.stopping().cancelled() => return,
                () = self.clock.sleep(pause) => {}
            }
            for key in self.watches.clients.part(part, PARTS) {
                self.trigger(key, Cause::Resync);
            }
        }
    }
}
