//! A model of a provider, with a ledger of every client that it ever registered.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use oauth_client_operator::domain::outcome::CallError;
use oauth_client_operator::domain::probe::{ProbeKind, Probed};
use oauth_client_operator::domain::registration::Registration;
use oauth_client_operator::domain::target::AuthScheme;
use oauth_client_operator::provider::{MarkedCall, ProbeCall, testing::made_of};

use super::digest;
use super::offered::{OTHER_REGISTRATION, OTHER_TOKEN, REGISTRATION};
use super::process::UNAVAILABLE;
use super::scenario::{Answers, Refusal, Scenario, Substituted, redirect_uri};

mod befallen;
mod sent;

pub(super) use sent::Sent;

/// Member by which a registration chooses its identifier.
const CHOICE: &str = "ext_param_client_id";
/// Member by which a registration is marked.
const MARK: &str = "tls_client_auth_subject_dn";
/// A client of somebody else, registered before anything here began.
pub(super) const THEIRS: &str = "client-of-others";

/// A client in the ledger.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The attempt under which it was registered.
    pub attempt: String,
    /// The mark that its registration carried, which no update changes.
    pub mark: Option<String>,
    pub secret: String,
    pub token: String,
    pub metadata: Map<String, Value>,
    pub alive: bool,
    /// Whether the secret that was issued is void.
    pub regenerated: bool,
    /// How often its server that authenticates clients does not know it yet.
    pub unseen: u32,
    /// When it was issued, if the provider says so.
    pub issued_at: Option<i64>,
    /// When the secret expires, as its answer says.
    pub expires_at: Option<i64>,
    /// Updates that took place.
    pub updates: usize,
    /// Reads that issued another token.
    pub reads: usize,
}

/// Seconds for which a secret is good, where secrets expire.
const LIFETIME: i64 = 24 * 3600;

/// What the provider registers in the place of a redirect URI.
pub(super) const SUBSTITUTE: &str = "https://app.example/substitute";

/// What the identifiers of the other provider's clients begin with.
const OTHER: &str = "other-";

/// A provider.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "independent habits of a provider")]
pub(super) struct Provider {
    pub ledger: BTreeMap<String, Arc<Entry>>,
    /// Whether every update issues a new token.
    pub rotates: bool,
    /// Whether it manages registered clients at all.
    pub unmanaged: bool,
    /// Whether registrations choose their identifiers, and credentials of the operator's manage them.
    pub chosen: bool,
    /// Whether credentials of the operator's manage clients, and show what their registrations carried.
    pub marked: bool,
    /// Whether such credentials manage them, and every deletion is answered with 204, whatever it is about.
    wrong_template: bool,
    /// Which client it answers a registration with.
    answers: Answers,
    /// How it refuses updates and deregistrations of clients that it knows.
    put: Option<Refusal>,
    delete: Option<Refusal>,
    /// Whether every read issues a new token.
    reads_rotate: bool,
    /// Whether it issues no secrets.
    secretless: bool,
    /// Whether it states another secret than it has stored.
    corrupts: bool,
    /// How often the server that authenticates clients does not know a new one.
    lags: u32,
    /// Whether secrets expire, a day after the last registration or update.
    expires: bool,
    /// Which values it registers otherwise.
    substitutes: Option<Substituted>,
    /// Whether it says when it issued a client.
    dates: bool,
    /// What its clock says.
    pub now: i64,
    /// Until when it asks to be left alone.
    pub pause_until: Option<i64>,
    /// Status with which it answers everything.
    pub refuses: Option<u16>,
    /// The client that it lost alone.
    pub lost: Option<String>,
    /// When its object and the Secret of its credentials were deleted.
    pub removed: Option<i64>,
    /// Changes with the provider object and its credentials.
    pub revision: usize,
    /// Whether a management token was ever shown to another client's URI.
    pub misdirected: bool,
    pub issued: usize,
    /// Digest of the ledger.
    pub digest: u64,
}

impl Provider {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let mut provider = Self {
            ledger: BTreeMap::new(),
            rotates: scenario.rotates,
            unmanaged: scenario.unmanaged,
            chosen: scenario.chosen,
            marked: scenario.marked,
            wrong_template: scenario.wrong_template,
            answers: scenario.answers,
            put: scenario.put,
            delete: scenario.delete,
            reads_rotate: scenario.reads_rotate,
            secretless: scenario.secretless,
            corrupts: scenario.corrupts,
            lags: scenario.lags,
            expires: scenario.expires,
            substitutes: scenario.substitutes,
            dates: scenario.dates,
            now: 0,
            pause_until: None,
            refuses: None,
            lost: None,
            removed: None,
            revision: 1,
            misdirected: false,
            issued: 0,
            digest: 0,
        };
        provider.put(
            THEIRS,
            Entry {
                attempt: String::new(),
                mark: None,
                secret: "secret-of-others".to_owned(),
                token: format!("token-of-{THEIRS}"),
                metadata: Map::new(),
                alive: true,
                regenerated: false,
                unseen: 0,
                issued_at: Some(1),
                expires_at: None,
                updates: 0,
                reads: 0,
            },
        );
        provider
    }

    /// Registers a client at the provider of this endpoint.
    pub(super) fn register(
        &mut self,
        at: &str,
        attempt: &str,
        request: &Map<String, Value>,
    ) -> Result<Registration, CallError> {
        self.refusal()?;
        let known = match self.answers {
            Answers::Fresh => None,
            Answers::Theirs => Some(THEIRS),
            Answers::Known => {
                let mut known = self.ledger.iter().filter(|(id, entry)| *id != THEIRS && entry.alive);
                known.next().map(|(id, _)| id.as_str())
            }
        };
        if let Some((id, entry)) = known.and_then(|id| self.ledger.get_key_value(id)) {
            return Ok(self.answer(id, entry));
        }
        let wish = request.get(CHOICE).and_then(Value::as_str).filter(|_| self.chosen);
        if wish.is_some_and(|id| self.ledger.get(id).is_some_and(|entry| entry.alive)) {
            return Err(made_of(Some(400), r#"{"error": "invalid_client_metadata"}"#));
        }
        self.issued += 1;
        let prefix = if at == REGISTRATION { "" } else { OTHER };
        let id = wish.map_or_else(|| format!("{prefix}client-{}", self.issued), str::to_owned);
        let mark = request.get(MARK).and_then(Value::as_str).map(str::to_owned);
        let entry = Entry {
            attempt: attempt.to_owned(),
            mark: mark.filter(|_| self.marked),
            secret: format!("secret-{}-of-{id}", self.issued),
            token: format!("token-0-of-{id}"),
            metadata: self.registered(request),
            alive: true,
            regenerated: self.corrupts,
            unseen: self.lags,
            issued_at: self.dates.then_some(self.now),
            expires_at: self.expires_at(),
            updates: 0,
            reads: 0,
        };
        let answer = self.answer(&id, &entry);
        self.put(&id, entry);
        Ok(answer)
    }

    pub(super) fn read(&mut self, call: &Sent<'_>) -> Result<Registration, CallError> {
        let (id, mut entry) = self.authorized(call)?;
        if self.reads_rotate {
            entry.reads += 1;
            entry.token = format!("token-read-{}-of-{id}", entry.reads);
        }
        let answer = self.answer(&id, &entry);
        if self.reads_rotate {
            self.put(&id, entry);
        }
        Ok(answer)
    }

    /// The client whose registration carried this mark.
    pub(super) fn marked(&self, call: &MarkedCall) -> Result<Option<String>, CallError> {
        self.refusal()?;
        let carries = |entry: &Entry| entry.mark.as_deref() == Some(call.value());
        let mut found = self.ledger.iter().filter(|(_, entry)| entry.alive && carries(entry));
        Ok(found.next().map(|(id, _)| id.clone()))
    }

    /// What the token endpoint says of a client's own credentials.
    pub(super) fn knows(&mut self, call: &ProbeCall) -> Probed {
        match self.ledger.get(call.client_id()) {
            _ if self.refuses.is_some() => Probed::Unclear,
            Some(entry) if entry.unseen > 0 => {
                let entry = Entry::clone(entry);
                let unseen = entry.unseen - 1;
                self.put(call.client_id(), Entry { unseen, ..entry });
                Probed::Rejected(ProbeKind::Token)
            }
            Some(entry) if entry.alive && !entry.regenerated => Probed::Accepted(ProbeKind::Token),
            _ => Probed::Rejected(ProbeKind::Token),
        }
    }

    pub(super) fn update(&mut self, call: &Sent<'_>, request: &Map<String, Value>) -> Result<Registration, CallError> {
        let (id, mut entry) = self.authorized(call)?;
        refused(self.put)?;
        entry.metadata = self.registered(request);
        entry.metadata.remove("client_id");
        entry.updates += 1;
        entry.expires_at = self.expires_at();
        if self.rotates {
            entry.token = format!("token-{}-of-{id}", entry.updates);
        }
        let answer = self.answer(&id, &entry);
        self.put(&id, entry);
        Ok(answer)
    }

    pub(super) fn deregister(&mut self, call: &Sent<'_>) -> Result<(), CallError> {
        let found = self.authorized(call);
        if self.wrong_template && self.refuses.is_none() && found.is_err() {
            return Ok(());
        }
        let (id, mut entry) = found?;
        refused(self.delete)?;
        entry.alive = false;
        self.put(&id, entry);
        Ok(())
    }

    /// Number of clients that exist.
    pub(super) fn living(&self) -> usize {
        self.ledger.values().filter(|entry| entry.alive).count()
    }

    fn put(&mut self, id: &str, entry: Entry) {
        self.ledger.insert(id.to_owned(), Arc::new(entry));
        let facts = self.ledger.iter();
        let facts: Vec<_> = facts
            .map(|(id, entry)| {
                (
                    id,
                    &entry.attempt,
                    &entry.secret,
                    &entry.token,
                    (entry.alive, entry.regenerated, entry.unseen),
                    entry.metadata.get("redirect_uris"),
                )
            })
            .collect();
        self.digest = digest::of(format!("{facts:?}"));
    }

    /// Who a management call is about, if its token is that client's.
    fn authorized(&mut self, call: &Sent<'_>) -> Result<(String, Entry), CallError> {
        self.refusal()?;
        let id = call.uri.rsplit('/').next().unwrap_or_default().to_owned();
        // What only the other provider's administrators hold is for the other provider.
        let theirs = matches!(call.scheme, AuthScheme::Bearer(token) if token.expose_secret() == OTHER_TOKEN);
        if theirs && !call.uri.starts_with(OTHER_REGISTRATION) {
            self.misdirected = true;
            return Err(unauthorized());
        }
        if self.chosen || self.marked || self.wrong_template {
            let living = self.ledger.get(&id).filter(|entry| entry.alive);
            return living.map(|entry| (id, Entry::clone(entry))).ok_or_else(unauthorized);
        }
        let AuthScheme::Bearer(token) = call.scheme else {
            return Err(unauthorized());
        };
        let token = token.expose_secret();
        if !token.ends_with(&format!("-of-{id}")) {
            self.misdirected = true;
        }
        match self.ledger.get(&id) {
            Some(entry) if entry.alive && entry.token == token => Ok((id, Entry::clone(entry))),
            _ => Err(unauthorized()),
        }
    }

    /// What it makes of a request.
    fn registered(&self, request: &Map<String, Value>) -> Map<String, Value> {
        let mut registered = request.clone();
        let otherwise = match self.substitutes {
            None => false,
            Some(Substituted::Every) => true,
            Some(Substituted::Second) => request["redirect_uris"][0] == redirect_uri(2),
        };
        if otherwise {
            registered.insert("redirect_uris".to_owned(), [SUBSTITUTE].as_slice().into());
        }
        registered
    }

    fn expires_at(&self) -> Option<i64> {
        self.expires.then_some(self.now + LIFETIME)
    }

    fn refusal(&self) -> Result<(), CallError> {
        match self.refuses {
            None => Ok(()),
            Some(401) => Err(unauthorized()),
            Some(status) => Err(made_of(Some(status), UNAVAILABLE)),
        }
    }

    fn answer(&self, id: &str, entry: &Entry) -> Registration {
        let token = !self.unmanaged && !self.chosen && !self.marked && !self.wrong_template;
        Registration {
            client_id: id.to_owned(),
            client_secret: (!self.secretless).then(|| entry.secret.clone().into()),
            client_secret_expires_at: entry.expires_at,
            client_id_issued_at: entry.issued_at,
            answered_at: self.dates.then_some(self.now),
            registration_access_token: token.then(|| entry.token.clone().into()),
            registration_client_uri: token.then(|| {
                let at = if id.starts_with(OTHER) {
                    OTHER_REGISTRATION
                } else {
                    REGISTRATION
                };
                format!("{at}/{id}")
            }),
            metadata: entry.metadata.clone(),
        }
    }
}

fn refused(refusal: Option<Refusal>) -> Result<(), CallError> {
    match refusal {
        None => Ok(()),
        Some((status, "")) => Err(made_of(Some(status), "")),
        Some((status, code)) => Err(made_of(Some(status), &format!(r#"{{"error": "{code}"}}"#))),
    }
}

fn unauthorized() -> CallError {
    made_of(Some(401), r#"{"error": "invalid_token"}"#)
}
