//! Tells on stderr what the testbed is doing, so that nobody waits before a silent terminal.
//!
//! Lines go straight to the process's stderr: the test harness captures `eprintln!`, and a build that
//! takes minutes must be seen under a plain `cargo test` too.
//!
//! ```
//! let step = testbed::progress::Step::begin("starting the control plane");
//! // ... work; after 5 s a line with the elapsed time appears, and again every 10 s ...
//! step.done();
//! ```

use std::fmt::Display;
use std::io::Write as _;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A step shorter than this prints nothing but its own first line.
const FIRST_LINE: Duration = Duration::from_secs(5);
/// Pause between further lines with the elapsed time.
const NEXT_LINES: Duration = Duration::from_secs(10);

/// Prints one line on stderr. A closed stderr is no reason to fail a test, so errors are dropped.
pub fn say(message: impl Display) {
    let line = format!("testbed: {message}\n");
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

/// A piece of work whose elapsed time is shown while it runs.
///
/// Ends by [`Step::done`]; dropped without it, the step is reported as not finished.
#[derive(Debug)]
pub struct Step {
    label: String,
    started: Instant,
    finished: bool,
    ticker: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Step {
    /// Says that the work begins and starts the elapsed-time lines.
    pub fn begin(label: impl Into<String>) -> Self {
        let label = label.into();
        say(&label);
        Self::ticking(label)
    }

    /// Like [`Step::begin`], but silent unless the work takes over five seconds.
    pub fn quiet(label: impl Into<String>) -> Self {
        Self::ticking(label.into())
    }

    fn ticking(label: String) -> Self {
        let started = Instant::now();
        let (stop, stopped) = mpsc::channel();
        let name = label.clone();
        let ticker = std::thread::spawn(move || {
            let mut pause = FIRST_LINE;
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                say(format_args!("  … {name}: {} s", started.elapsed().as_secs()));
                pause = NEXT_LINES;
            }
        });
        Self {
            label,
            started,
            finished: false,
            ticker: Some((stop, ticker)),
        }
    }

    /// Time since the step began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Ends the step; a long one gets a closing line with its duration.
    pub fn done(mut self) {
        self.finished = true;
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some((stop, ticker)) = self.ticker.take() {
            drop(stop);
            let _ = ticker.join();
        }
        let elapsed = self.started.elapsed();
        if !self.finished {
            say(format_args!(
                "{}: not finished after {:.1} s",
                self.label,
                elapsed.as_secs_f64()
            ));
        } else if elapsed >= FIRST_LINE {
            say(format_args!("{}: done in {:.1} s", self.label, elapsed.as_secs_f64()));
        }
    }
}
