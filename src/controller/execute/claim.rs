//! One owner of a client: what a registration was answered with, and what a deregistration may touch.

use std::time::Duration;

use crate::api::{Reason, Suspect};
use crate::domain::claim::{self, Provenance};
use crate::domain::failure::{Class, Failure};
use crate::domain::identity;
use crate::domain::metadata::Request;
use crate::domain::plan::Provider;
use crate::domain::record::Record;
use crate::domain::registration::Registration;

use super::super::pass::Pass;
use super::super::world::World;

/// Why no DELETE may be sent for a client.
pub(in crate::controller) enum Withheld {
    /// The record of the object of this UID uses the client.
    InUse(String),
    /// It cannot be told yet.
    Unknown(Failure),
}

/// Claims a recorded client for its deregistration, once nothing else uses it. `own` is the Secret that says it is to go.
pub(in crate::controller) async fn to_deregister<W: World>(
    world: &W,
    record: &Record,
    own: &str,
) -> Result<W::Claim, Withheld> {
    let busy = |text: &str| Withheld::Unknown(Failure::new(Class::Transient, Reason::ProgressingWithRetry, text));
    let key = identity::client_key(&record.endpoints.issuer, &record.client_id);
    let claimed = world
        .claim(&key)
        .ok_or_else(|| busy("another object is about to record or deregister the same client"))?;
    if !world.is_labelled() {
        return Err(busy(
            "records that an earlier version of the operator wrote are being labelled; nothing is deregistered before that is done",
        ));
    }
    match world.records_naming(&key).await {
        Err(error) => Err(Withheld::Unknown(error.failure("the registration records"))),
        Ok(records) if claim::is_kept(&records, own) => Err(busy(
            "the record was changed while its deletion waited; it is read again",
        )),
        Ok(records) => match claim::in_use(&records, own) {
            Some(user) => Err(Withheld::InUse(user.owner_uid.clone())),
            None => Ok(claimed),
        },
    }
}

impl<W: World> Pass<'_, W> {
    /// Takes a registration's answer in hand, unless its client is somebody else's: then nothing is changed or deregistered, and
    /// the client stays named. `begun` is when the POST was sent.
    pub(super) async fn take_in_hand(
        &mut self,
        registration: Registration,
        provider: &Provider,
        sent: &Request,
        begun: i64,
    ) -> Result<(), Failure> {
        let issuer = self.endpoints.as_ref().map(|endpoints| endpoints.issuer.clone());
        let issuer = issuer.unwrap_or_default();
        let key = identity::client_key(&issuer, &registration.client_id);
        self.claim = self.world.claim(&key);
        if self.claim.is_none() {
            let text = "the provider answered with a client that another object is about to record or deregister; the operator looks again";
            self.suspect_client(&registration.client_id).await;
            return Err(Failure::new(Class::Transient, Reason::AlreadyManaged, text));
        }
        let named = self.world.naming(&key);
        let answer = claim::Answer {
            uid: self.uid(),
            named: &named,
            issued_ago: issued_ago(&registration, self.world.now()),
            first_attempt_ago: self.first_attempt_ago(begun),
            echoed: identity::is_echoed(&registration, sent, &provider.target.knobs),
        };
        let whose = match claim::provenance(&answer) {
            Provenance::Ours => {
                self.memory.registration = Some(registration);
                return Ok(());
            }
            Provenance::Another(uid) => self.world.name_of(&uid).map_or_else(
                || "another OAuthClient".to_owned(),
                |name| format!("the OAuthClient {name}"),
            ),
            Provenance::Leaving => {
                self.claim = None;
                let text = format!(
                    "the provider answered the registration with client {}, which another OAuthClient is about to deregister; the operator tries again when that \
                     is done",
                    registration.client_id
                );
                return Err(Failure::new(Class::Transient, Reason::AlreadyManaged, text));
            }
            Provenance::Earlier => {
                self.suspect_client(&registration.client_id).await;
                "nobody here; it was registered before this OAuthClient asked for one".to_owned()
            }
        };
        self.claim = None;
        let text = format!(
            "the provider answered the registration with client {}, which exists already and belongs to {whose}; nothing was changed. Change spec.clientName \
             or another member by which the provider tells clients apart, or delete this OAuthClient",
            registration.client_id
        );
        Err(Failure::new(Class::Denied, Reason::AlreadyManaged, text))
    }

    async fn suspect_client(&mut self, client_id: &str) {
        let attempt = self.memory.attempt.clone();
        let suspect = Suspect {
            attempt: attempt.unwrap_or_else(|| identity::unknown_attempt(client_id)),
            client_id: Some(client_id.to_owned()),
        };
        self.enter_suspect(suspect, None).await;
    }

    /// How long ago the first attempt began that may have registered a client of this object.
    fn first_attempt_ago(&self, begun: i64) -> Duration {
        let doubts = self.world.suspects_of(self.uid());
        // A doubt is entered later than its attempt began, and no attempt began before the object did.
        let created = self.object.metadata.creation_timestamp.as_ref();
        let created = created.filter(|_| !doubts.is_empty()).map(|time| time.0.as_second());
        self.world
            .age(created.into_iter().chain([begun]).min().unwrap_or(begun))
    }
}

/// How long before its answer a client was issued, by the provider's own clock.
fn issued_ago(registration: &Registration, now: i64) -> Option<Duration> {
    // Some providers write 0 where they know no time.
    let issued = registration.client_id_issued_at.filter(|issued| *issued > 0)?;
    let answered = registration.answered_at.unwrap_or(now);
    Some(Duration::from_secs(
        u64::try_from(answered.saturating_sub(issued)).unwrap_or_default(),
    ))
}
