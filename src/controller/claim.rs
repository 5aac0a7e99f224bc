//! One owner: a client is claimed before its DELETE, and what uses it is found out.

use crate::domain::claim::{self, Withheld};
use crate::domain::identity;
use crate::domain::pass::Claimed;
use crate::domain::record::Record;

use super::world::World;

/// Claims a recorded client for its deregistration, and finds out what names it.
pub(super) async fn claim<W: World>(world: &W, record: &Record) -> (Option<W::Claim>, Claimed) {
    let key = identity::client_key(&record.endpoints.issuer, &record.client_id);
    let Some(claimed) = world.claim(&key) else {
        return (None, Claimed::Busy);
    };
    if !world.is_labelled() {
        return (None, Claimed::Unlabelled);
    }
    (Some(claimed), Claimed::Named(world.records_naming(&key).await))
}

/// The same for what outlived its object. `own` is the Secret that says it is to go.
pub(super) async fn to_deregister<W: World>(
    world: &W,
    record: &Record,
    own: &str,
) -> Result<Option<W::Claim>, Withheld> {
    let (claimed, found) = claim(world, record).await;
    claim::judge(found, own).map(|()| claimed)
}
