//! Looks at clients' own credentials: this client's, and another one's to compare with.

use crate::domain::marker;
use crate::domain::probe::{Control, ProbeKind, Probed};
use crate::domain::record::{Phase, Record};
use crate::domain::status;
use crate::provider::{Located, ProbeCall};

use super::super::management;
use super::super::pass::{Pass, Stored};
use super::super::world::World;
use super::stored;

impl<W: World> Pass<'_, W> {
    /// Finds out whether the provider accepts the recorded client's credentials; where it rejects those of a client whose management
    /// token it refused, whether it accepts another client's.
    pub(super) async fn probe(&mut self) {
        if !self.has_permit().await {
            return;
        }
        let Stored::Present { record, .. } = &self.record else {
            return;
        };
        let located = self.located();
        let probed = match ProbeCall::of(&self.as_discovered(record), located) {
            Some(call) => self.world.probe(&call).await,
            None => Probed::Unclear,
        };
        let control = match probed {
            Probed::Rejected(kind) if self.memory.disowned => Some(self.control(kind, record, located).await),
            _ => None,
        };
        self.memory.probed = Some(probed);
        self.memory.control = control;
        self.permit = None;
    }

    fn located(&self) -> Option<Located<'_>> {
        let provider = self.provider.as_ref()?.as_ref().ok()?;
        management::located_by(provider, self.endpoints.as_ref()).ok()?
    }

    /// The record with the endpoints that its provider has now.
    fn as_discovered(&self, record: &Record) -> Record {
        let mut record = record.clone();
        if let Some(found) = self
            .endpoints
            .as_ref()
            .filter(|found| found.issuer == record.endpoints.issuer)
        {
            record.endpoints.clone_from(found);
        }
        record
    }

    /// Looks at another client of this provider that was recorded after this one was last accepted: a store that lags behind may
    /// know older ones only.
    async fn control(&self, kind: ProbeKind, own: &Record, located: Option<Located<'_>>) -> Control {
        let accepted = own
            .accepted
            .or_else(|| status::verified_at(self.object.status.as_ref()))
            .unwrap_or(i64::MAX);
        let mut control = Control::Missing;
        for uid in self.world.companions(&self.object) {
            let name = marker::record_name(&uid);
            let found = self.world.get_secret(&self.world.here().namespace, &name).await;
            let Some(Stored::Present { record, .. }) = found.ok().flatten().as_ref().map(stored) else {
                continue;
            };
            let newer = record.registered_at >= accepted;
            let same_provider = record.endpoints.issuer == own.endpoints.issuer && record.client_id != own.client_id;
            let registered = record.phase == Phase::Registered && same_provider;
            let Some(call) = ProbeCall::of(&self.as_discovered(&record), located).filter(|_| registered) else {
                continue;
            };
            match self.world.probe(&call.only(kind)).await {
                Probed::Accepted(_) if newer => return Control::Accepted,
                Probed::Accepted(_) => {}
                Probed::Rejected(_) | Probed::Unclear => control = Control::NotAccepted,
            }
        }
        control
    }
}
