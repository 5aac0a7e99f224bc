//! The rows of the decision table that schedules reach.

use std::sync::atomic::{AtomicBool, Ordering};

use oauth_client_operator::domain::pass::Row;

static REACHED: [AtomicBool; Row::ALL.len()] = [const { AtomicBool::new(false) }; Row::ALL.len()];

/// Rows that lead to others and decide nothing themselves.
const LEAD_ON: [Row; 9] = [
    Row::A4,
    Row::A13,
    Row::A14,
    Row::T4,
    Row::K2a,
    Row::K2,
    Row::K7,
    Row::K11,
    Row::K11a,
];

/// Rows that nothing in this world leads to yet. Each has a test beside its part, or one on real parts.
pub(super) const SHOWN_ELSEWHERE: [Row; 11] = [
    Row::T1,
    Row::C8a,
    Row::C8c,
    Row::C10a,
    Row::K10d,
    Row::K10b,
    Row::K11c,
    Row::K15d,
    Row::K16c,
    Row::R4c,
    Row::D4a,
];

/// A row decided.
pub(super) fn reached(row: Row) {
    REACHED[row as usize].store(true, Ordering::Relaxed);
}

/// Rows that no schedule reached.
pub(super) fn unreached() -> Vec<Row> {
    let is_unreached = |row: &&Row| !REACHED[**row as usize].load(Ordering::Relaxed);
    let decides = |row: &&Row| !LEAD_ON.contains(row);
    Row::ALL.iter().filter(is_unreached).filter(decides).copied().collect()
}
