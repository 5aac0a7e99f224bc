//! The provider object, as the operator reads it: which provider it leads to, and with which settings.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use oauth_client_operator::api::{ManagementMode, OnClientLost, OnUnknownOutcome, Profile, Substitutions, Verify};
use oauth_client_operator::domain::pass::Provider;
use oauth_client_operator::domain::profile;
use oauth_client_operator::domain::target::{AuthScheme, Credentials, Deadlines, Endpoints, Knobs, Location, Target};

use super::scenario::Scenario;

/// Issuer of the provider.
pub(super) const ISSUER: &str = "https://provider.example/realms/apps";
/// Where its clients are managed.
pub(super) const REGISTRATION: &str = "https://provider.example/register";
/// Its token endpoint, and where that may move.
pub(super) const TOKEN: &str = "https://provider.example/token";
pub(super) const MOVED_TOKEN: &str = "https://provider.example/moved/token";
/// Issuer of another provider.
const OTHER_ISSUER: &str = "https://other.example/realms/apps";
/// Where the other one's clients are managed.
pub(super) const OTHER_REGISTRATION: &str = "https://other.example/register";
/// What the other one's administrators authenticate with.
pub(super) const OTHER_TOKEN: &str = "token-of-the-other-administrator";
/// A member that the provider object can leave out.
pub(super) const OMITTED: &str = "application_type";

/// A provider object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Offered {
    /// Whether it leads to the other provider.
    pub other: bool,
    /// How often it was made anew: each has a UID of its own.
    pub made: usize,
    /// Whether it has a member left out of every request.
    pub omits: bool,
    /// Whether the metadata names another token endpoint.
    pub moved: bool,
}

impl Offered {
    pub(super) const FIRST: Self = Self {
        other: false,
        made: 0,
        omits: false,
        moved: false,
    };

    pub(super) fn uid(self) -> String {
        match self.made {
            0 => "provider".to_owned(),
            made => format!("provider-{made}"),
        }
    }

    /// With its settings applied and its credentials read.
    pub(super) fn read(self, scenario: &Scenario) -> Arc<Provider> {
        static FIRST: OnceLock<[Arc<Provider>; 9]> = OnceLock::new();
        static LATER: Mutex<BTreeMap<(Offered, usize), Arc<Provider>>> = Mutex::new(BTreeMap::new());
        let which = match scenario.policy {
            _ if scenario.chosen && scenario.substitutes.is_some() => 8,
            _ if scenario.chosen => 2,
            _ if scenario.substitutes.is_some() => 7,
            _ if scenario.wrong_template => 6,
            _ if scenario.lost == OnClientLost::Hold => 5,
            OnUnknownOutcome::Register if scenario.marked => 3,
            OnUnknownOutcome::Hold if scenario.marked => 4,
            OnUnknownOutcome::Register => 0,
            OnUnknownOutcome::Hold => 1,
        };
        if self == Self::FIRST {
            return FIRST.get_or_init(|| [0, 1, 2, 3, 4, 5, 6, 7, 8].map(|which| Arc::new(self.kind(which))))[which]
                .clone();
        }
        let mut later = LATER.lock().unwrap_or_else(PoisonError::into_inner);
        let read = later.entry((self, which)).or_insert_with(|| Arc::new(self.kind(which)));
        read.clone()
    }

    fn kind(self, which: usize) -> Provider {
        let plain = || profile::knobs(Profile::Rfc7592);
        match which {
            0 => self.resolved(OnUnknownOutcome::Register, plain()),
            1 => self.resolved(OnUnknownOutcome::Hold, plain()),
            2 => self.resolved(OnUnknownOutcome::Register, profile::knobs(Profile::Wso2)),
            3 => self.resolved(OnUnknownOutcome::Register, marking()),
            4 => self.resolved(OnUnknownOutcome::Hold, marking()),
            6 => self.resolved(
                OnUnknownOutcome::Register,
                Knobs {
                    management: ManagementMode::Credentials,
                    uri_template: "{registration_endpoint}/app-{client_id}".to_owned(),
                    ..plain()
                },
            ),
            7 => rejecting(self.resolved(OnUnknownOutcome::Register, plain())),
            8 => rejecting(self.resolved(OnUnknownOutcome::Register, profile::knobs(Profile::Wso2))),
            _ => {
                let mut provider = self.resolved(OnUnknownOutcome::Register, plain());
                provider.target.on_client_lost = OnClientLost::Hold;
                provider
            }
        }
    }

    fn resolved(self, policy: OnUnknownOutcome, mut knobs: Knobs) -> Provider {
        if self.omits {
            knobs.omit_members.push(OMITTED.to_owned());
        }
        let management = if self.other {
            Credentials {
                scheme: AuthScheme::Bearer(OTHER_TOKEN.into()),
                ..Credentials::default()
            }
        } else {
            Credentials::default()
        };
        let mut provider = Provider {
            target: Target {
                uid: self.uid(),
                namespaced: true,
                location: Location::Issuer(if self.other { OTHER_ISSUER } else { ISSUER }.to_owned()),
                expected_issuer: None,
                registration_endpoint: None,
                allowed_origins: Vec::new(),
                discovery: Credentials::default(),
                registration: Credentials::default(),
                management,
                knobs,
                on_unknown_outcome: policy,
                on_client_lost: OnClientLost::Register,
                substitutions: Substitutions::Accept,
                verify: Verify::Auto,
                ca_bundle: None,
                presented: oauth_client_operator::domain::target::Presented::default(),
                deadlines: Deadlines {
                    connect: Duration::ZERO,
                    request: Duration::ZERO,
                },
            },
            uid: self.uid(),
            fingerprint: if self == Self::FIRST {
                "1".to_owned()
            } else {
                format!("{self:?}")
            },
            known: None,
        };
        let mut known = endpoints(&provider);
        if self.moved && !self.other {
            known.token = Some(MOVED_TOKEN.to_owned());
        }
        provider.known = Some(Arc::new(known));
        provider
    }
}

/// What discovery finds for a provider object.
pub(super) fn endpoints(provider: &Provider) -> Endpoints {
    if let Some(known) = &provider.known {
        return Endpoints::clone(known);
    }
    if matches!(&provider.target.location, Location::Issuer(issuer) if issuer == OTHER_ISSUER) {
        return Endpoints {
            issuer: OTHER_ISSUER.to_owned(),
            registration: OTHER_REGISTRATION.to_owned(),
            token: Some("https://other.example/token".to_owned()),
            ..Endpoints::default()
        };
    }
    Endpoints {
        issuer: ISSUER.to_owned(),
        registration: REGISTRATION.to_owned(),
        token: Some(TOKEN.to_owned()),
        ..Endpoints::default()
    }
}

/// The same, whose object rejects what the provider registers otherwise.
fn rejecting(mut provider: Provider) -> Provider {
    provider.target.substitutions = Substitutions::Reject;
    provider
}

/// Settings of a provider that shows marks to its administrators, with such credentials.
fn marking() -> Knobs {
    Knobs {
        management: ManagementMode::Credentials,
        ..profile::knobs(Profile::Keycloak)
    }
}
