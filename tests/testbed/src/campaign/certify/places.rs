//! The providers that take part, and what is left at each.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::campaign::Failure;
use crate::campaign::ground::ledger;
use crate::promises::{self, DELETING, Leftovers};
use crate::providers::{DIALECTS, Dialect, Fault, Traffic};
use crate::site::Site;

/// Dialects that take part: tokens and secrets that change with each call, no deletion, no management.
const TAKE_PART: [&str; 3] = ["both-per-read", "no-delete", "nothing-but-post"];
/// A server that does as the specifications say, but late.
const LATE: Dialect = Dialect {
    name: "late",
    seen_at: "servers under load",
    provider: "",
    quirks: &[],
};
/// How late.
const DELAY: Duration = Duration::from_millis(400);

/// A provider, and what was found there.
pub(super) struct Place {
    pub name: &'static str,
    pub site: Site,
    /// What an honest observer says of it, where the testbed knows.
    pub truth: Option<Value>,
    /// Whether a kill can lose the only token that its answer gave.
    rotates: bool,
    /// Clients that nothing names, and suspects that name none that lives, as earlier rounds have found them.
    pub strays: BTreeSet<String>,
    doubts: BTreeSet<String>,
}

impl Place {
    fn new(name: &'static str, site: Site, rotates: bool) -> Self {
        Self {
            name,
            site,
            truth: None,
            rotates,
            strays: BTreeSet::new(),
            doubts: BTreeSet::new(),
        }
    }

    async fn of_dialect(dialect: &'static Dialect, rotates: bool) -> Result<Self, Failure> {
        Ok(Self {
            truth: Some(dialect.capabilities(Traffic::Certified)),
            ..Self::new(dialect.name, Site::dialect(dialect).await?, rotates)
        })
    }

    /// Name of its provider object.
    pub(super) fn provider(&self) -> String {
        format!("provider-{}", self.name)
    }

    /// Name of the throw-away client.
    pub(super) fn object(&self) -> String {
        format!("certify-{}", self.provider())
    }

    /// What is left of its clients, without what earlier rounds have accounted for.
    pub(super) async fn left(
        &self,
        held: &Leftovers,
        namespace: &str,
        operators_killed: usize,
    ) -> Result<Leftovers, Failure> {
        let (object, mut left) = (format!("{namespace}/{}", self.object()), held.clone());
        left.objects.retain(|object| object.name == self.object());
        left.records.retain(|record| record.object == object);
        left.suspects
            .retain(|suspect| suspect.object == object && !self.doubts.contains(&suspect.attempt));
        left.ledger = ledger(&self.site).await?;
        left.ledger.retain(|id, _| !self.strays.contains(id));
        left.deadly_faults = operators_killed;
        if self.rotates {
            left.excuses.insert("DeletionBlocked".to_owned());
        }
        Ok(left)
    }

    /// What is not as it was promised once the runs have ended.
    pub(super) fn unsound(&self, left: &Leftovers) -> Vec<String> {
        let mut broken = promises::broken(left);
        broken.extend(left.objects.iter().map(|object| format!("{object} is left")));
        let over = |phase: &str| phase != DELETING || !self.rotates;
        let records = left.records.iter().filter(|record| over(&record.phase));
        broken.extend(
            records.map(|record| format!("the record of {} is left in phase {}", record.client_id, record.phase)),
        );
        broken
    }

    /// The next round has nothing to do with what this one has left.
    pub(super) fn account(&mut self, left: &Leftovers) {
        let lives = |id: &String| left.ledger.contains_key(id);
        let doubts = left
            .suspects
            .iter()
            .filter(|suspect| !suspect.client_id.as_ref().is_some_and(lives));
        self.doubts.extend(doubts.map(|suspect| suspect.attempt.clone()));
        let named: BTreeSet<&str> = left
            .records
            .iter()
            .map(|record| record.client_id.as_str())
            .chain(left.suspects.iter().filter_map(|suspect| suspect.client_id.as_deref()))
            .collect();
        let strays = left.ledger.keys().filter(|id| !named.contains(id.as_str()));
        self.strays.extend(strays.cloned());
    }
}

/// A site of each kind.
pub(super) async fn places(keycloak: bool) -> Result<Vec<Place>, Failure> {
    let mut places = vec![Place::new("oidc-provider", Site::oidc_provider().await?, false)];
    if keycloak {
        places.push(Place::new("keycloak", Site::keycloak("campaign").await?, true));
    }
    for dialect in DIALECTS.iter().filter(|dialect| TAKE_PART.contains(&dialect.name)) {
        places.push(Place::of_dialect(dialect, dialect.name == "both-per-read").await?);
    }
    let late = Place::of_dialect(&LATE, false).await?;
    let double = late.site.double().ok_or("no double")?;
    double.script(|_| Some(Fault::Delay(DELAY)));
    places.push(late);
    Ok(places)
}
