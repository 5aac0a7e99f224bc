//! Tells on stderr what the testbed is doing, so that nobody waits before a silent terminal.
//!
//! On a terminal, one line is redrawn with everything that is under way and how long it has taken. Elsewhere each part is a line when it
//! begins, and one when it has ended, with one a minute in between.
//!
//! Lines go straight to the process's stderr: the test harness captures `eprintln!`, and a build that
//! takes minutes must be seen under a plain `cargo test` too.
//!
//! ```
//! let step = testbed::progress::Step::begin("starting the control plane");
//! // ... work; its elapsed time is shown ...
//! step.done();
//! ```

use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A step shorter than this prints nothing but its own first line.
const FIRST_LINE: Duration = Duration::from_secs(5);
/// Pause between further lines with the elapsed time, where lines cannot be redrawn.
const NEXT_LINES: Duration = Duration::from_mins(1);
/// Pause between two drawings of the line on a terminal.
const REDRAW: Duration = Duration::from_millis(500);
/// Columns of the line that is redrawn; a longer one would wrap, and a wrapped line cannot be drawn over.
const COLUMNS: usize = 78;

/// What is under way, in the order of its beginning.
static UNDER_WAY: Mutex<Vec<(Instant, String)>> = Mutex::new(Vec::new());

fn under_way() -> MutexGuard<'static, Vec<(Instant, String)>> {
    UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The line that a terminal shows for what is under way.
fn drawn(steps: &[(Instant, String)], now: Instant) -> String {
    let parts = steps
        .iter()
        .map(|(begun, label)| (now.saturating_duration_since(*begun), label))
        .filter(|(elapsed, _)| *elapsed >= REDRAW)
        .map(|(elapsed, label)| format!("{label} {} s", elapsed.as_secs()));
    let line = parts.collect::<Vec<_>>().join(" | ");
    match line.char_indices().nth(COLUMNS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Prints one line on stderr. A closed stderr is no reason to fail a test, so errors are dropped.
pub fn say(message: impl Display) {
    let mut stderr = std::io::stderr().lock();
    let erase = if stderr.is_terminal() { "\r\x1b[K" } else { "" };
    let _ = stderr.write_all(format!("{erase}testbed: {message}\n").as_bytes());
}

fn redraw() {
    let line = drawn(&under_way(), Instant::now());
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(format!("\r\x1b[K{line}").as_bytes());
    let _ = stderr.flush();
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
        let terminal = std::io::stderr().is_terminal();
        under_way().push((started, label.clone()));
        let ticker = std::thread::spawn(move || {
            let mut pause = if terminal { REDRAW } else { FIRST_LINE };
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                if terminal {
                    redraw();
                } else {
                    say(format_args!("  … {name}: {} s", started.elapsed().as_secs()));
                    pause = NEXT_LINES;
                }
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
        {
            let mut steps = under_way();
            let place = steps
                .iter()
                .position(|(begun, label)| *begun == self.started && *label == self.label);
            if let Some(place) = place {
                steps.remove(place);
            }
        }
        if std::io::stderr().is_terminal() {
            redraw();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t134_the_line_names_everything_that_is_under_way_and_fits_a_terminal() {
        let begin = Instant::now();
        let now = begin + Duration::from_secs(61);
        let steps = [
            (begin, "etcd".to_owned()),
            (begin + Duration::from_secs(40), "kubernetes".to_owned()),
            (now, "just begun".to_owned()),
        ];
        assert_eq!(drawn(&steps, now), "etcd 61 s | kubernetes 21 s");
        let long = [(begin, "é".repeat(200))];
        assert_eq!(drawn(&long, now).chars().count(), COLUMNS + 1);
        assert_eq!(drawn(&[], now), "");
    }
}
