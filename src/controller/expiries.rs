//! Client secrets that expire: each object is looked at when its secret does, and not before.

use std::sync::Arc;
use std::time::Duration;

use super::context::Context;

/// Longest wait without a look at the time of day, which somebody may set.
const LONGEST: Duration = Duration::from_hours(1);

/// Waits for the secrets that expire, the soonest first. At rest it does nothing but that.
pub(super) async fn run(cx: Arc<Context>) {
    loop {
        let now = cx.clock.now();
        let wait = cx.clients.next_expiry().map(|at| {
            // The time comes from the provider, so it is not scaled.
            Duration::from_secs(u64::try_from(at.saturating_sub(now)).unwrap_or_default()).min(LONGEST)
        });
        tokio::select! {
            () = cx.stopping.cancelled() => return,
            () = cx.clients.expiry_changed() => {}
            () = sleep(wait) => {}
        }
        cx.comparisons.expired(cx.clients.take_expired(cx.clock.now()));
    }
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
