//! Locks the operator of a namespace out: its Lease is held by a name that is no replica's, for good.
//!
//! Invariant: the Lease is taken only when nothing that a replica began can still be under way: it was given back, which happens after
//! the drain, or nobody has renewed it for its duration and the longest time that an answer may take.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease as Object;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::Instant;

use super::connect::within;
use super::election::{NAME, object_of, read};
use super::error::ApiError;
use crate::domain::lease::{LOOK, Lease};
use crate::domain::relocation::{FOR_GOOD, Holder};

/// Time in which an answer that was under way is stored, whoever leads: the deadline of a provider call and that of the record.
const UNDER_WAY: Duration = Duration::from_mins(1);

/// The Lease of one namespace.
pub(super) struct Fence {
    api: Api<Object>,
}

/// Why the Lease could not be taken.
pub(super) enum Refused {
    /// Its holder is not gone, or not long enough.
    HeldBy(String),
    /// Another move holds it.
    OtherMove(String),
    /// The API server did not do it.
    Api(ApiError),
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl Fence {
    pub(super) fn new(client: &Client, namespace: &str) -> Self {
        Self {
            api: Api::namespaced(client.clone(), namespace),
        }
    }

    /// Who holds the Lease now.
    pub(super) async fn holder(&self) -> Result<Option<String>, ApiError> {
        let lease = within(self.api.get_opt(NAME)).await?;
        Ok(lease.map(|lease| read(&lease).holder))
    }

    /// Takes the Lease for good. Waits for an operator that stops, at most for `patience`. Whether it was not held before.
    pub(super) async fn close(
        &self,
        holder: &str,
        judge: impl Fn(&str) -> Holder,
        patience: Duration,
    ) -> Result<bool, Refused> {
        let begun = Instant::now();
        let mut unchanged: Option<(Lease, Instant)> = None;
        loop {
            let found = within(self.api.get_opt(NAME)).await?;
            let Some(object) = found else {
                match within(self.api.create(&PostParams::default(), &closed(holder, None))).await {
                    Ok(_) => return Ok(true),
                    Err(ApiError::AlreadyExists) => continue,
                    Err(error) => return Err(error.into()),
                }
            };
            let lease = read(&object);
            let may_take = match judge(&lease.holder) {
                Holder::Own => return Ok(false),
                Holder::OtherMove => return Err(Refused::OtherMove(lease.holder)),
                Holder::Free => true,
                Holder::Operator => {
                    if unchanged.as_ref().is_none_or(|(seen, _)| *seen != lease) {
                        unchanged = Some((lease.clone(), Instant::now()));
                    }
                    let since = unchanged.as_ref().map_or(Duration::ZERO, |(_, since)| since.elapsed());
                    since >= lease.duration + UNDER_WAY
                }
            };
            if may_take {
                let next = closed(holder, Some(object));
                match within(self.api.replace(NAME, &PostParams::default(), &next)).await {
                    Ok(_) => return Ok(true),
                    Err(ApiError::Conflict | ApiError::NotFound) => continue,
                    Err(error) => return Err(error.into()),
                }
            }
            if begun.elapsed() >= patience {
                return Err(Refused::HeldBy(lease.holder));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Gives the Lease back, if `holder` has it.
    pub(super) async fn open(&self, holder: &str) -> Result<bool, ApiError> {
        let Some(object) = within(self.api.get_opt(NAME)).await? else {
            return Ok(false);
        };
        let lease = read(&object);
        if lease.holder != holder {
            return Ok(false);
        }
        let free = Lease {
            holder: String::new(),
            duration: Duration::from_secs(1),
            ..lease
        };
        let next = object_of(&free, Some(object));
        within(self.api.replace(NAME, &PostParams::default(), &next)).await?;
        Ok(true)
    }
}

fn closed(holder: &str, old: Option<Object>) -> Object {
    let before = old.as_ref().map(read).unwrap_or_default();
    let lease = Lease {
        holder: holder.to_owned(),
        duration: FOR_GOOD,
        transitions: before.transitions + 1,
        ..before
    };
    object_of(&lease, old)
}
