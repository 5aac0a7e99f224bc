//! Supervision of the tasks that run as long as the process does.
//!
//! Each has a name. The first one that ends by itself, by a return, an error or a panic, ends the process: a watch or an
//! election that stopped unseen would leave an operator that looks alive and does nothing.

use std::convert::Infallible;
use std::fmt::Display;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures::FutureExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Starts tasks and notices when one ends. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Supervisor {
    stopping: CancellationToken,
    ended: mpsc::UnboundedSender<TaskEnded>,
}

/// Where the end of a task is reported.
#[derive(Debug)]
pub struct Endings(mpsc::UnboundedReceiver<TaskEnded>);

/// A task that has to run as long as the process does has ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("task \"{name}\" {reason}")]
pub struct TaskEnded {
    /// Name of the task.
    pub name: String,
    /// How it ended.
    pub reason: String,
}

/// What a supervised task returns.
pub trait TaskResult {
    /// How the task ended.
    fn reason(self) -> String;
}

impl TaskResult for () {
    fn reason(self) -> String {
        "returned although the operator is not stopping".to_owned()
    }
}

impl TaskResult for Infallible {
    fn reason(self) -> String {
        match self {}
    }
}

impl<E: Display> TaskResult for Result<Infallible, E> {
    fn reason(self) -> String {
        match self {
            Ok(never) => match never {},
            Err(error) => format!("failed: {error}"),
        }
    }
}

impl Supervisor {
    /// Reports no end once `stopping` is cancelled: the tasks are then supposed to end.
    #[must_use]
    pub fn new(stopping: CancellationToken) -> (Self, Endings) {
        let (ended, endings) = mpsc::unbounded_channel();
        (Self { stopping, ended }, Endings(endings))
    }

    /// Cancelled when the operator stops.
    #[must_use]
    pub const fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Starts a task.
    pub fn spawn<F>(&self, name: impl Into<String>, task: F) -> JoinHandle<()>
    where
        F: Future<Output: TaskResult> + Send + 'static,
    {
        let (supervisor, name) = (self.clone(), name.into());
        #[cfg(debug_assertions)]
        let task = tripwire::before(&name, task);
        tokio::spawn(async move {
            let reason = match AssertUnwindSafe(task).catch_unwind().await {
                Ok(result) => result.reason(),
                // The panic hook has printed where. What a panic says may hold anything, so it is not repeated.
                Err(_) => "panicked".to_owned(),
            };
            if !supervisor.stopping.is_cancelled() {
                let _ = supervisor.ended.send(TaskEnded { name, reason });
            }
        })
    }
}

impl Endings {
    /// Waits for the first task that ends by itself.
    pub async fn first(&mut self) -> TaskEnded {
        match self.0.recv().await {
            Some(ended) => ended,
            None => std::future::pending().await,
        }
    }
}

/// A task that panics, so that tests can see what becomes of the process. Release builds have none.
#[cfg(debug_assertions)]
mod tripwire {
    use std::time::Duration;

    /// Name of a task that panics a moment after its start.
    const VARIABLE: &str = "OAUTH_CLIENT_OPERATOR_TASK_PANIC";

    #[allow(clippy::panic, reason = "this is what it is for")]
    pub(super) async fn run<F: Future>(armed: bool, task: F) -> F::Output {
        if armed {
            tokio::time::sleep(Duration::from_secs(2)).await;
            panic!("{VARIABLE} asked for it");
        }
        task.await
    }

    pub(super) fn before<F: Future>(name: &str, task: F) -> impl Future<Output = F::Output> + use<F> {
        run(std::env::var(VARIABLE).is_ok_and(|wanted| wanted == name), task)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn supervisor() -> (Supervisor, Endings) {
        Supervisor::new(CancellationToken::new())
    }

    #[tokio::test]
    async fn t117_a_task_that_returns_is_reported_with_its_name() {
        let (tasks, mut endings) = supervisor();
        let _other = tasks.spawn("other", std::future::pending::<()>());
        tasks.spawn("watch of Secret", async {});
        let ended = endings.first().await;
        assert_eq!(
            ended.to_string(),
            "task \"watch of Secret\" returned although the operator is not stopping"
        );
    }

    #[tokio::test]
    async fn t117_a_task_that_fails_is_reported_with_its_error() {
        let (tasks, mut endings) = supervisor();
        tasks.spawn("admin port", async { Err::<Infallible, _>("out of file descriptors") });
        let ended = endings.first().await;
        assert_eq!(ended.to_string(), "task \"admin port\" failed: out of file descriptors");
    }

    #[tokio::test]
    #[allow(clippy::panic, reason = "the panic is what is tested")]
    async fn t117_a_task_that_panics_is_reported_and_what_it_said_is_not_repeated() {
        let (tasks, mut endings) = supervisor();
        tasks.spawn("leader election", async {
            let fail: fn() = || panic!("a value that nobody may see");
            tokio::task::yield_now().await;
            fail();
        });
        assert_eq!(endings.first().await.to_string(), "task \"leader election\" panicked");
    }

    #[tokio::test(start_paused = true)]
    async fn t117_tasks_that_end_while_the_operator_stops_are_not_reported() {
        let (tasks, mut endings) = supervisor();
        let stopping = tasks.stopping().clone();
        let task = tasks.spawn("sweeper", stopping.clone().cancelled_owned());
        stopping.cancel();
        task.await.unwrap();
        let first = tokio::time::timeout(Duration::from_secs(1), endings.first()).await;
        assert!(first.is_err(), "{first:?}");
    }
}
