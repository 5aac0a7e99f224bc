//! Child processes that never outlive the tests.
//!
//! [`Spec`] says what to run, [`Process`] is it running: in a process group of its own, its output in a
//! log file, ended by drop (SIGTERM, a grace period, SIGKILL for the whole group), and ended by a small
//! reaper even when the test process is killed or keeps the [`Process`] in a static.
//!
//! A [`Process`] belongs to no async runtime, so tests with a runtime each can share one.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use testbed::process::{Scratch, Spec, free_port};
//!
//! let dir = Scratch::new("provider")?;
//! let port = free_port()?;
//! let server = Spec::new("provider", "node")
//!     .args(["server.mjs", &port.to_string()])
//!     .log(dir.path().join("provider.log"))
//!     .spawn()?;
//! server.ready(Duration::from_secs(30), async || {
//!     tokio::net::TcpStream::connect(("127.0.0.1", port)).await.map(drop)
//! }).await?;
//! # Ok(()) }
//! ```

mod reaper;
mod scratch;
mod spec;

use std::fmt::Display;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

pub use rustix::process::Signal;
pub use scratch::Scratch;
pub use spec::Spec;

/// Lines of a log that an error carries.
const TAIL: usize = 25;
/// Pause between two looks at a process or an endpoint.
const POLL: Duration = Duration::from_millis(25);

/// Why a child process could not be started or did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The program is not there or not executable.
    #[error("{name}: cannot start {program}: {source}", program = program.display())]
    Spawn {
        /// Short name of the process.
        name: String,
        /// The program that was to run.
        program: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A file or socket that the process needs could not be made.
    #[error("{name}: {what}: {source}")]
    Io {
        /// Short name of the process.
        name: String,
        /// What was tried.
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// It ended, though it was to stay or to succeed.
    #[error("{name} ended with {status}; the end of its log:\n{tail}")]
    Ended {
        /// Short name of the process.
        name: String,
        /// Its exit status.
        status: ExitStatus,
        /// Last lines of its log.
        tail: String,
    },
    /// It did not become ready, or did not end, in time.
    #[error("{name} {what} within {limit:?}: {last}; the end of its log:\n{tail}")]
    Late {
        /// Short name of the process.
        name: String,
        /// What did not happen, as "was not ready".
        what: &'static str,
        /// Time that it had.
        limit: Duration,
        /// What the last look said.
        last: String,
        /// Last lines of its log.
        tail: String,
    },
}

/// A running child; see the module's text for how it ends.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: u32,
    log: Option<PathBuf>,
    grace: Duration,
    child: Arc<Mutex<Child>>,
}

impl Process {
    /// Process id, which is also the id of its group.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Short name given in the [`Spec`].
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Everything it has written so far; empty without a log file.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.as_deref().map(read_lossy).unwrap_or_default()
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> String {
        tail(&self.log(), lines)
    }

    /// The exit status once it has ended.
    #[must_use]
    pub fn status(&self) -> Option<ExitStatus> {
        locked(&self.child).try_wait().ok().flatten()
    }

    /// Sends a signal to the whole group; without effect once it has ended.
    pub fn signal(&self, signal: Signal) {
        signal_group(&mut locked(&self.child), signal);
    }

    /// A handle that others may hold to kill this process.
    #[must_use]
    pub fn kill_switch(&self) -> KillSwitch {
        let switch = KillSwitch::default();
        switch.arm(self);
        switch
    }

    /// Waits until it has ended.
    pub async fn wait(&self, limit: Duration) -> Result<ExitStatus, ProcessError> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.status() {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                return Err(self.late("did not end", limit, "it still runs"));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// SIGTERM, and SIGKILL after the grace period; returns the exit status.
    pub async fn stop(&self) -> Result<ExitStatus, ProcessError> {
        self.signal(Signal::TERM);
        if let Ok(status) = self.wait(self.grace).await {
            return Ok(status);
        }
        self.kill().await
    }

    /// SIGKILL for the group; returns when the process is gone.
    pub async fn kill(&self) -> Result<ExitStatus, ProcessError> {
        self.signal(Signal::KILL);
        self.wait(Duration::from_secs(10)).await
    }

    /// Waits until `probe` succeeds; fails at once when the process ends. Errors carry the log's tail.
    pub async fn ready<T, E: Display>(
        &self,
        limit: Duration,
        mut probe: impl AsyncFnMut() -> Result<T, E>,
    ) -> Result<T, ProcessError> {
        let deadline = Instant::now() + limit;
        loop {
            let last = match tokio::time::timeout(Duration::from_secs(5), probe()).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer for 5 s".to_owned(),
            };
            if let Some(status) = self.status() {
                return Err(self.ended(status));
            }
            if Instant::now() >= deadline {
                return Err(self.late("was not ready", limit, &last));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn ended(&self, status: ExitStatus) -> ProcessError {
        ProcessError::Ended {
            name: self.name.clone(),
            status,
            tail: self.log_tail(TAIL),
        }
    }

    fn late(&self, what: &'static str, limit: Duration, last: &str) -> ProcessError {
        ProcessError::Late {
            name: self.name.clone(),
            what,
            limit,
            last: last.to_owned(),
            tail: self.log_tail(TAIL),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut child = locked(&self.child);
        signal_group(&mut child, Signal::TERM);
        let deadline = Instant::now() + self.grace;
        while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(POLL);
        }
        // Also after a clean end: the leader may have left children in its group.
        if let Some(group) = group_id(self.pid) {
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
        let _ = child.wait();
        reaper::forget(self.pid);
    }
}

/// Kills a process that may be started only later, or again and again: the one armed last.
#[derive(Clone, Debug, Default)]
pub struct KillSwitch(Arc<Mutex<Weak<Mutex<Child>>>>);

impl KillSwitch {
    /// Points the switch at a process.
    pub fn arm(&self, process: &Process) {
        *locked(&self.0) = Arc::downgrade(&process.child);
    }

    /// SIGKILL to the armed process, and returns when the kernel has ended it; false if none runs.
    #[must_use = "false means that nothing was killed"]
    pub fn kill(&self) -> bool {
        let Some(child) = locked(&self.0).upgrade() else {
            return false;
        };
        let mut child = locked(&child);
        let killed = signal_group(&mut child, Signal::KILL);
        let _ = child.wait();
        killed
    }
}

/// A TCP port of 127.0.0.1 that was free a moment ago.
pub fn free_port() -> Result<u16, ProcessError> {
    use std::sync::atomic::{AtomicU16, Ordering};
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    /// Below the ports that systems give to outgoing connections: one of those may take a port between this look and the bind of
    /// the server that it is for.
    const RANGE: std::ops::Range<u16> = 20_000..32_000;
    // Processes that run side by side begin at different places.
    let begin = std::process::id().wrapping_mul(61);
    let mut error = None;
    for _ in RANGE {
        let offset =
            begin.wrapping_add(u32::from(TAKEN.fetch_add(1, Ordering::Relaxed))) % u32::from(RANGE.end - RANGE.start);
        let port = RANGE.start + u16::try_from(offset).unwrap_or_default();
        match std::net::TcpListener::bind(("127.0.0.1", port)) {
            Ok(_) => return Ok(port),
            Err(refused) => error = Some(refused),
        }
    }
    Err(ProcessError::Io {
        name: "testbed".into(),
        what: "cannot find a free port on 127.0.0.1".into(),
        source: error.unwrap_or_else(|| std::io::ErrorKind::AddrInUse.into()),
    })
}

/// The last lines of a text.
#[must_use]
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Signals the group of a child that has not been waited for, so that its number is surely still its own.
fn signal_group(child: &mut Child, signal: Signal) -> bool {
    if !matches!(child.try_wait(), Ok(None)) {
        return false;
    }
    group_id(child.id()).is_some_and(|group| rustix::process::kill_process_group(group, signal).is_ok())
}

fn group_id(pid: u32) -> Option<rustix::process::Pid> {
    i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn read_lossy(path: &Path) -> String {
    let mut bytes = Vec::new();
    if let Ok(mut file) = std::fs::File::open(path) {
        let _ = file.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests;
