//! A model of a provider, with a ledger of every client that it ever registered.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use crate::api::Reason;
use crate::domain::failure::{Class, Failure};
use crate::domain::outcome::{CallError, Effect};
use crate::domain::plan::Known;
use crate::domain::registration::Registration;
use crate::domain::target::AuthScheme;
use crate::provider::{ManagementCall, ProbeCall};

/// Where the model's clients are managed.
pub(super) const REGISTRATION: &str = "https://provider.example/register";

/// Member by which a registration chooses its identifier.
pub(super) const CHOICE: &str = "ext_param_client_id";

/// A client in the ledger.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Object UID and attempt of the marker under which it was registered.
    pub attempt: (String, String),
    pub secret: String,
    pub token: String,
    pub metadata: Map<String, Value>,
    pub alive: bool,
    /// Updates that took place.
    pub updates: usize,
}

/// A provider.
#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "independent habits of a provider")]
pub(super) struct Provider {
    pub ledger: BTreeMap<String, Entry>,
    /// Whether every update issues a new token.
    pub rotates: bool,
    /// Whether it manages registered clients at all.
    pub unmanaged: bool,
    /// Whether registrations choose their identifiers, and credentials of the operator's manage them.
    pub chosen: bool,
    /// Whether it answers 401 for everything.
    pub refuses: bool,
    /// Whether a management token was ever shown to another client's URI.
    pub misdirected: bool,
    pub issued: usize,
}

impl Provider {
    pub(super) fn alive(&self) -> impl Iterator<Item = (&String, &Entry)> {
        self.ledger.iter().filter(|(_, entry)| entry.alive)
    }

    pub(super) fn register(
        &mut self,
        attempt: (String, String),
        request: &Map<String, Value>,
    ) -> Result<Registration, CallError> {
        if self.refuses {
            return Err(unauthorized());
        }
        let wish = request.get(CHOICE).and_then(Value::as_str).filter(|_| self.chosen);
        if wish.is_some_and(|id| self.ledger.get(id).is_some_and(|entry| entry.alive)) {
            return Err(rejected());
        }
        self.issued += 1;
        let id = wish.map_or_else(|| format!("client-{}", self.issued), str::to_owned);
        let entry = Entry {
            attempt,
            secret: format!("secret-{}-of-{id}", self.issued),
            token: format!("token-0-of-{id}"),
            metadata: request.clone(),
            alive: true,
            updates: 0,
        };
        let answer = self.answer(&id, &entry);
        self.ledger.insert(id, entry);
        Ok(answer)
    }

    pub(super) fn read(&mut self, call: &ManagementCall) -> Result<Registration, CallError> {
        let id = self.authorized(call)?;
        let entry = self.ledger.get(&id).cloned().ok_or_else(unauthorized)?;
        Ok(self.answer(&id, &entry))
    }

    /// What the token endpoint says of a client's own credentials.
    pub(super) fn knows(&self, call: &ProbeCall) -> Known {
        let entry = self.ledger.get(&call.client_id);
        match (self.refuses, entry.is_some_and(|entry| entry.alive)) {
            (true, _) => Known::Unclear,
            (false, true) => Known::Yes,
            (false, false) => Known::No,
        }
    }

    /// Loses every client, as a restore of an old backup does.
    pub(super) fn lose(&mut self) {
        for entry in self.ledger.values_mut() {
            entry.alive = false;
        }
    }

    pub(super) fn update(
        &mut self,
        call: &ManagementCall,
        request: &Map<String, Value>,
    ) -> Result<Registration, CallError> {
        let id = self.authorized(call)?;
        let rotates = self.rotates;
        let Some(entry) = self.ledger.get_mut(&id) else {
            return Err(unauthorized());
        };
        entry.metadata = request.clone();
        entry.metadata.remove("client_id");
        entry.updates += 1;
        if rotates {
            entry.token = format!("token-{}-of-{id}", entry.updates);
        }
        let entry = entry.clone();
        Ok(self.answer(&id, &entry))
    }

    pub(super) fn deregister(&mut self, call: &ManagementCall) -> Result<(), CallError> {
        let id = self.authorized(call)?;
        if let Some(entry) = self.ledger.get_mut(&id) {
            entry.alive = false;
        }
        Ok(())
    }

    /// Who a management call is about, if its token is that client's.
    fn authorized(&mut self, call: &ManagementCall) -> Result<String, CallError> {
        let id = call.uri.rsplit('/').next().unwrap_or_default().to_owned();
        if self.chosen {
            let known = self.ledger.get(&id).is_some_and(|entry| entry.alive) && !self.refuses;
            return if known { Ok(id) } else { Err(unauthorized()) };
        }
        let AuthScheme::Bearer(token) = &call.credentials.scheme else {
            return Err(unauthorized());
        };
        let token = token.expose_secret();
        if !token.ends_with(&format!("-of-{id}")) {
            self.misdirected = true;
        }
        match self.ledger.get(&id) {
            Some(entry) if entry.alive && !self.refuses && entry.token == token => Ok(id),
            _ => Err(unauthorized()),
        }
    }

    fn answer(&self, id: &str, entry: &Entry) -> Registration {
        Registration {
            client_id: id.to_owned(),
            client_secret: Some(entry.secret.clone().into()),
            client_secret_expires_at: None,
            client_id_issued_at: None,
            registration_access_token: (!self.unmanaged && !self.chosen).then(|| entry.token.clone().into()),
            registration_client_uri: (!self.unmanaged && !self.chosen).then(|| format!("{REGISTRATION}/{id}")),
            metadata: entry.metadata.clone(),
        }
    }
}

fn unauthorized() -> CallError {
    error(Some(401), Effect::NotApplied)
}

/// The identifier is taken.
fn rejected() -> CallError {
    error(Some(400), Effect::NotApplied)
}

/// 503: the provider did nothing.
pub(super) fn busy() -> CallError {
    error(Some(503), Effect::NotApplied)
}

/// No answer.
pub(super) fn silence() -> CallError {
    error(None, Effect::Unknown)
}

fn error(status: Option<u16>, effect: Effect) -> CallError {
    let (class, reason) = match (status, effect) {
        (Some(400), _) => (Class::Invalid, Reason::RegistrationRejected),
        (Some(401), _) => (Class::Denied, Reason::CredentialsRejected),
        (_, Effect::Unknown) => (Class::Ambiguous, Reason::OutcomeUnknown),
        _ => (Class::Transient, Reason::ProviderUnavailable),
    };
    CallError {
        failure: Failure::new(class, reason, "the model says so"),
        status,
        code: None,
        remark: None,
        effect,
    }
}
