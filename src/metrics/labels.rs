//! Labels: closed lists of values. Nothing that a user names becomes one.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};

use crate::api::{ProviderKind, Reason, TokenState};
use crate::domain::breaker::BreakerKind;
use crate::domain::failure::Class;
use crate::domain::outcome::{CallError, Effect};

/// A label of a metric, for the documentation.
#[derive(Clone, Copy, Debug)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// Every value that it can have, or a sentence that says which.
    pub values: Values,
}

/// The values of a label.
#[derive(Clone, Copy, Debug)]
pub enum Values {
    /// These.
    Each(fn() -> Vec<&'static str>),
    /// What the text says.
    Described(&'static str),
}

macro_rules! closed {
    ($(#[doc = $doc:literal])+ $name:ident { $($(#[doc = $text:literal])+ $value:ident,)+ }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[doc = $text])+ $value,)+
        }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$value),+];

            /// The value of the label.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => stringify!($value),)+
                }
            }

            /// Every value of the label.
            #[must_use]
            pub fn names() -> Vec<&'static str> {
                Self::ALL.iter().map(|value| value.as_str()).collect()
            }
        }

        impl EncodeLabelValue for $name {
            fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
                self.as_str().encode(encoder)
            }
        }
    };
}

closed! {
    /// How a pass over one object ended.
    Outcome {
        /// There was nothing more to do.
        Settled,
        /// [`Class::Invalid`].
        Invalid,
        /// [`Class::Denied`].
        Denied,
        /// [`Class::Transient`].
        Transient,
        /// [`Class::Conflict`].
        Conflict,
        /// [`Class::Ambiguous`].
        Ambiguous,
        /// [`Class::Bug`].
        Bug,
    }
}

impl From<Class> for Outcome {
    fn from(class: Class) -> Self {
        match class {
            Class::Invalid => Self::Invalid,
            Class::Denied => Self::Denied,
            Class::Transient => Self::Transient,
            Class::Conflict => Self::Conflict,
            Class::Ambiguous => Self::Ambiguous,
            Class::Bug => Self::Bug,
        }
    }
}

closed! {
    /// What a provider is asked for.
    Operation {
        /// Discovery: WebFinger and metadata documents.
        Discover,
        /// Access token for the calls of the operator (RFC 6749 section 4.4).
        Token,
        /// Registration (RFC 7591).
        Register,
        /// Read of a client (RFC 7592).
        Read,
        /// Search for a client whose answer was lost.
        Find,
        /// Check whether the provider accepts the credentials of a client.
        Probe,
        /// Change of a client (RFC 7592).
        Update,
        /// Deletion of a client (RFC 7592).
        Delete,
    }
}

closed! {
    /// How a provider answered.
    Answer {
        /// As hoped.
        Success,
        /// With a status below 500 that is no success, or it issued no access token to the operator.
        Refused,
        /// With a status of 500 or above.
        Failed,
        /// Not at all, or not understandably.
        None,
        /// Nobody was asked: the operator withheld the call, for lack of consent for example.
        NotSent,
    }
}

impl Answer {
    /// The answer of a call by its HTTP status; `None`: there was none, or it was not understood.
    #[must_use]
    pub const fn of(status: Option<u16>) -> Self {
        match status {
            Some(200..=299) => Self::Success,
            Some(500..) => Self::Failed,
            Some(_) => Self::Refused,
            None => Self::None,
        }
    }

    /// The answer of a call that failed.
    #[must_use]
    pub fn of_failure(error: &CallError) -> Self {
        let unsent =
            error.effect == Effect::NotApplied && matches!(error.failure.class, Class::Denied | Class::Invalid);
        match (error.status, error.failure.reason) {
            (None, Reason::CredentialsRejected) => Self::Refused,
            // A success that was not understood; a handshake that failed, or a certificate that does not fit.
            (Some(200..=299), _) | (None, Reason::CertificateRejected) => Self::None,
            (None, _) if unsent => Self::NotSent,
            (status, _) => Self::of(status),
        }
    }
}

closed! {
    /// What was done to a client at its provider.
    Change {
        /// It was registered.
        Registered,
        /// Its metadata was changed.
        Updated,
        /// It was deregistered.
        Deregistered,
    }
}

closed! {
    /// What is done to an object of the cluster.
    Verb {
        /// POST.
        Create,
        /// PATCH.
        Patch,
        /// DELETE.
        Delete,
    }
}

closed! {
    /// What is written in the cluster.
    Written {
        /// Finalizer and journal of an `OAuthClient`.
        Object,
        /// Status of one of the operator's kinds.
        Status,
        /// A Secret.
        Secret,
        /// An event.
        Event,
    }
}

closed! {
    /// A kind of object that is watched. Secrets are watched by two labels, ConfigMaps by one of them.
    Watched {
        /// `OAuthClient`.
        OAuthClient,
        /// `OAuthProvider`.
        OAuthProvider,
        /// `ClusterOAuthProvider`.
        ClusterOAuthProvider,
        /// Namespace.
        Namespace,
        /// Secrets that the operator wrote.
        Secret,
        /// Secrets that may be used as a provider's credentials.
        ProviderCredentials,
        /// ConfigMaps that may be used as a provider's authorities.
        ConfigMap,
    }
}

closed! {
    /// How the sweeper settled a suspect.
    SuspectResult {
        /// Its client is deregistered.
        Deregistered,
        /// The record of an `OAuthClient` uses its client.
        InUse,
    }
}

closed! {
    /// What an object that is not at rest waits for.
    Work {
        /// The beginning of its pass.
        Queued,
        /// The end of its pass, answers included.
        Running,
        /// A permit to call its provider, for longer than a moment.
        Waiting,
        /// The next try after a failure.
        Backoff,
    }
}

closed! {
    /// What a permit is for.
    Pool {
        /// A call to a provider.
        Provider,
        /// A call to the API server.
        ApiServer,
    }
}

closed! {
    /// Whether a permit is there.
    Permitted {
        /// It is in use.
        InUse,
        /// A pass waits for it.
        Waiting,
    }
}

/// The reason of a condition; `None`: one that this version does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReasonLabel(pub Option<Reason>);

impl ReasonLabel {
    /// Every value of the label.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        Reason::ALL
            .iter()
            .map(|reason| reason.as_str())
            .chain(["Other"])
            .collect()
    }
}

impl EncodeLabelValue for ReasonLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.map_or("Other", Reason::as_str).encode(encoder)
    }
}

/// A kind of provider object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ProviderKindLabel(pub ProviderKind);

impl ProviderKindLabel {
    const fn as_str(self) -> &'static str {
        match self.0 {
            ProviderKind::OAuthProvider => "OAuthProvider",
            ProviderKind::ClusterOAuthProvider => "ClusterOAuthProvider",
        }
    }

    /// Every value of the label.
    #[must_use]
    pub(super) fn names() -> Vec<&'static str> {
        let kinds = [ProviderKind::OAuthProvider, ProviderKind::ClusterOAuthProvider];
        kinds.map(|kind| Self(kind).as_str()).to_vec()
    }
}

impl EncodeLabelValue for ProviderKindLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.as_str().encode(encoder)
    }
}

/// What is known of a token of `registrationAuth`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TokenLabel(pub TokenState);

impl TokenLabel {
    /// Every value of the label.
    #[must_use]
    pub(super) fn names() -> Vec<&'static str> {
        TokenState::ALL.map(TokenState::as_str).to_vec()
    }
}

impl EncodeLabelValue for TokenLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.as_str().encode(encoder)
    }
}

/// What opens a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct BreakerLabel(pub BreakerKind);

impl BreakerLabel {
    /// Every breaker.
    pub(super) const ALL: [BreakerKind; 2] = [BreakerKind::UnknownOutcome, BreakerKind::Recreation];

    const fn as_str(self) -> &'static str {
        match self.0 {
            BreakerKind::UnknownOutcome => "UnknownOutcome",
            BreakerKind::Recreation => "Recreation",
        }
    }

    /// Every value of the label.
    #[must_use]
    pub(super) fn names() -> Vec<&'static str> {
        Self::ALL.map(|counted| Self(counted).as_str()).to_vec()
    }
}

impl EncodeLabelValue for BreakerLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.as_str().encode(encoder)
    }
}

macro_rules! sets {
    ($($name:ident { $($label:ident: $type:ty),+ })+) => {
        $(
            #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
            pub(super) struct $name {
                $(pub $label: $type,)+
            }
        )+
    };
}

sets! {
    OutcomeLabel { outcome: Outcome }
    RequestLabels { operation: Operation, result: Answer }
    OperationLabel { operation: Operation }
    ChangeLabel { change: Change }
    WriteLabels { verb: Verb, kind: Written, success: bool }
    ClientLabels { ready: bool, reason: ReasonLabel }
    ProviderLabels { kind: ProviderKindLabel, ready: bool, reason: ReasonLabel }
    KindLabel { kind: Watched }
    KindOfProviderLabel { kind: ProviderKindLabel }
    RecordLabel { record: bool }
    SuspectLabel { result: SuspectResult }
    WorkLabel { state: Work }
    PermitLabels { pool: Pool, state: Permitted }
    BreakerLabels { cause: BreakerLabel }
    TokenLabels { state: TokenLabel }
}
