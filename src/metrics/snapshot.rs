//! Values that are looked up when they are asked for.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::api::{ProviderKind, TokenState};

use super::labels::{Permitted, Pool, ReasonLabel, Watched, Work};

/// What is looked up of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Whether this process leads.
    pub leads: bool,
    /// Number of watches whose last word was an error.
    pub failing_watches: usize,
    /// For each kind, how long the watch that heard nothing for longest has heard nothing.
    pub watch_ages: BTreeMap<Watched, Duration>,
    /// Objects that are not at rest: how many, and since when the oldest of them.
    pub work: BTreeMap<Work, (usize, Duration)>,
    /// Permits.
    pub permits: BTreeMap<(Pool, Permitted), usize>,
    /// Providers at which too many registrations had an unknown outcome.
    pub unknown_outcome_breakers: usize,
    /// Providers at which too many clients were registered anew.
    pub recreation_breakers: usize,
    /// Providers that asked for a pause that lasts.
    pub pauses: usize,
    /// What the leader counts.
    pub census: Option<Census>,
}

/// What is counted once in a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// `OAuthClient` objects.
    pub clients: BTreeMap<(bool, ReasonLabel), usize>,
    /// Provider objects.
    pub providers: BTreeMap<(ProviderKind, bool, ReasonLabel), usize>,
    /// When the next client secret expires, in seconds since the epoch, by the kind of its provider.
    pub secret_expiries: BTreeMap<ProviderKind, i64>,
    /// Tokens for registrations.
    pub tokens: BTreeMap<TokenState, usize>,
    /// When the first provider object of a kind runs out of them, in seconds since the epoch.
    pub token_expiries: BTreeMap<ProviderKind, i64>,
    /// What outlived its object.
    pub leftovers: Leftovers,
}

/// How many records and suspects outlived their object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Suspects that hold a record, so that the sweeper can try to deregister their client.
    pub suspects_with_record: usize,
    /// Suspects that only a person can settle.
    pub suspects_without_record: usize,
    /// Clients that a deletion left at a provider that deregisters none.
    pub left_clients: usize,
    /// Records of deletions that outlived their object.
    pub tombstones: usize,
    /// Records of clients that are registered, and whose object is not seen.
    pub unmatched: usize,
}
