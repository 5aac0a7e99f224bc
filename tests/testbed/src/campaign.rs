//! Long campaigns against the real binary: faults by the hundred under load, and what is left afterwards judged by the
//! promises. `cargo campaign` runs them at full size, the tests run short forms.

#![allow(clippy::cast_precision_loss, reason = "figures for people")]

pub mod certify;
pub mod fairness;
mod ground;
pub mod kills;
mod load;
pub mod rates;
pub mod replicas;
pub mod sick;
pub mod soak;

use std::time::{Duration, Instant};

pub use ground::{Ground, define};

use crate::operator::Operator;
use crate::progress::say;

/// Why a campaign could not be run.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What a campaign found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What was measured, a line each.
    pub figures: Vec<String>,
    /// What is not as it was promised.
    pub violations: Vec<String>,
}

impl Report {
    fn figure(&mut self, line: impl Into<String>) {
        self.figures.push(line.into());
    }

    fn require(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.violations.push(otherwise());
        }
    }
}

/// Numbers that look random and are the same for the same seed.
#[derive(Clone, Debug)]
struct Dice(u64);

impl Dice {
    /// splitmix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// Kills the operator and starts it again, at a time that nothing chose: so many milliseconds from now at most. Most kills come when
/// work is under way, some before the start is over.
async fn strike(operator: &mut Operator, dice: &mut Dice, longest: u64) -> Result<(), Failure> {
    strike_down(operator, dice, longest).await?;
    Ok(operator.relaunch().await?)
}

/// Kills the operator at such a time.
async fn strike_down(operator: &mut Operator, dice: &mut Dice, longest: u64) -> Result<(), Failure> {
    if dice.below(8) > 0 {
        operator.ready().await?;
    }
    tokio::time::sleep(Duration::from_millis(dice.below(longest))).await;
    Ok(operator.kill9().await?)
}

/// Keeps a log for whoever looks into what a campaign found.
fn keep_log(name: &str, log: &str) -> Result<(), Failure> {
    let file = std::env::temp_dir().join(format!("campaign-{name}.log"));
    std::fs::write(&file, log)?;
    say(format!("the log of {name} is kept in {}", file.display()));
    Ok(())
}

/// Waits until something is the case; the error says what was not.
async fn eventually<T>(
    limit: Duration,
    what: &str,
    check: impl AsyncFn() -> Result<Option<T>, Failure>,
) -> Result<T, Failure> {
    let begun = Instant::now();
    loop {
        if let Some(found) = check().await? {
            return Ok(found);
        }
        if begun.elapsed() > limit {
            return Err(format!("not after {} s: {what}", limit.as_secs()).into());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The value below which this share of the values lies.
fn percentile(values: &[Duration], share: usize) -> Duration {
    let mut sorted = values.to_vec();
    sorted.sort();
    sorted
        .get((sorted.len() * share / 100).min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}
