//! The journal of a pass: what it did, and what it must not forget.
//!
//! Everything else is observed anew at every step. What is kept here, and why: a client that a provider issued and nothing holds (it
//! is the only copy of its credentials), the attempt that is open (whether its request was sent decides whether it is a doubt),
//! what was refused (so that it is not asked twice in one pass), and what was found out by a call that a pass makes once.

use std::time::Duration;

use crate::api::AttemptOutcome;
use crate::domain::adoption::Adoption;
use crate::domain::failure::Failure;
use crate::domain::metadata::Request;
use crate::domain::outcome::CallError;
use crate::domain::probe::{Control, Probed};
use crate::domain::provider::Queued;
use crate::domain::record::Record;
use crate::domain::registration::Registration;
use crate::domain::restore::Earlier;
use crate::domain::secret::SecretRevision;
use crate::domain::uri_template::Shown;

/// What a pass has done so far and must not forget.
#[derive(Clone, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts of a pass")]
pub struct Journal {
    /// Whether the API server itself showed the object in this pass.
    pub object_read: bool,
    /// What the last answer calls for, before anything else is decided.
    pub follow_up: Option<FollowUp>,
    /// Attempt opened in this pass.
    pub attempt: Option<String>,
    /// The request that was sent in this pass.
    pub sent: Request,
    /// Attempt whose outcome this process knows.
    pub outcome: Option<(String, AttemptOutcome)>,
    /// Version of the record's form, where that is newer than this program's.
    pub newer_schema: Option<u32>,
    /// Whether the dry runs succeeded.
    pub proven: bool,
    /// A client that the provider issued and that no record holds.
    pub registration: Option<Registration>,
    /// Why that client cannot be recorded.
    pub unrecordable: Option<Failure>,
    /// Whether that is because the provider substituted values, by the digest of the request and of the provider.
    pub rejects: Option<String>,
    /// How far the deregistration of that client has come.
    pub compensation: Compensation,
    /// The client of an answer that cannot be taken over.
    pub disputed: Option<Box<Disputed>>,
    /// A registration's answer that nobody has claimed yet.
    pub answered: Option<Box<Answered>>,
    /// Whether that client was found at the provider, by the identifier that the operator chose or by the attempt's mark.
    pub adopted: bool,
    /// What `spec.adopt` and its Secret say, once read.
    pub adoption: Option<Box<Result<Adoption, Failure>>>,
    /// Digest of the adoption whose client or token is in hand.
    pub adopts: Option<String>,
    /// Records and entries of the adopted client whose objects gave it up, by the names of their Secrets.
    pub superseded: Vec<String>,
    /// The records of earlier objects of this name, once read.
    pub earlier: Option<Box<Earlier>>,
    /// What a look for the client found.
    pub look_up: Option<LookUp>,
    /// Identifier of the client that carries the mark of the open attempt.
    pub marked_client: Option<String>,
    /// Attempt whose record the registration in hand replaces, because the provider has lost its client.
    pub replaces: Option<String>,
    /// The update of this pass was answered as if the client were gone or its token void, and nothing was in flight before.
    pub disowned: bool,
    /// Whether this pass has kept the recorded client as a suspect.
    pub kept: bool,
    /// The entry of a suspect as it was before a live list confirmed that the record names its client.
    pub confirmed: Option<SecretRevision>,
    /// Whether the record was touched since, so that no other pass replaces it unseen.
    pub touched: bool,
    /// An update of this pass that was overtaken by one of another replica, and answered after that one had begun.
    pub overtaken: Option<String>,
    /// The record that an answer in hand was to replace, as it was before.
    pub base: Option<Box<Record>>,
    /// The record with the credentials that an overtaken update brought, which no other answer has replaced.
    pub brought: Option<Box<Record>>,
    /// What the client's own credentials told.
    pub probed: Option<Probed>,
    /// What a try of the client's new credentials told.
    pub tried: Option<Probed>,
    /// Whether this pass has stored other credentials, or another way to use them, than the record held before.
    pub renewed: bool,
    /// What a look at another client's credentials told, after this one's were rejected.
    pub control: Option<Control>,
    /// An accepted update: the request and what the provider answered.
    pub answer: Option<Box<(Request, Registration)>>,
    /// The attempt under which this pass has marked an update as in flight.
    pub marked: Option<String>,
    /// Whether the provider refused an update for good.
    pub refused: bool,
    /// Whether the provider accepted an update.
    pub accepted: bool,
    /// The update of this pass that cleared a member, and that the provider refused for it, by the attempt of its mark.
    pub clearing_refused: Option<String>,
    /// Whether the update is to be sent again with the client's secret in it.
    pub with_secret: bool,
    /// The update or the deregistration that was answered with 404, which may only mean that it is not offered.
    pub nowhere: Option<Box<Nowhere>>,
    /// Whether the client is claimed for its deregistration, and nothing else uses it.
    pub claimed: bool,
    /// What a read at the URI of the claimed client showed, where that URI is made from a template.
    pub shown: Option<Shown>,
    /// How the deregistration of this pass ended.
    pub deregistration: Option<Deregistration>,
    /// What this pass waits for before it may call the provider: it ends, and another one begins with the permit.
    pub queued: Option<Queued>,
    /// Whether the finalizer could not be removed.
    pub not_let_go: bool,
    /// The step that failed last.
    pub failure: Option<Failure>,
}

/// What an answer calls for at once.
#[derive(Clone, Debug)]
pub enum FollowUp {
    /// Time has to pass, and then this is to be done.
    Wait(Duration, Option<Box<FollowUp>>),
    /// The object is not what this pass took it for. `told`: its status was about to be written.
    StartOver {
        /// Whether the pass was about to end.
        told: bool,
    },
    /// A write of the credentials Secret found another version of it.
    ReadCredentials,
    /// The same of the record.
    ReadRecord,
    /// The name of the record of the registration in hand is taken.
    Collided,
    /// A save of this record found another version.
    Reread(Box<Record>),
    /// This record, which holds an answer, went meanwhile.
    Vanished(Box<Record>),
    /// The same; it is created anew. `gone`: its object is gone, too.
    Restore {
        /// The record.
        wanted: Box<Record>,
        /// Whether its object is gone.
        gone: bool,
    },
    /// It could not be created, because there is one again.
    Restored {
        /// The record.
        wanted: Box<Record>,
        /// Whether its object is gone.
        gone: bool,
    },
    /// A read brought other credentials.
    Save(Box<Record>),
    /// The same, and the record is another one meanwhile.
    Merge(Box<Record>),
    /// The pass cannot go on.
    Stop(Failure),
}

impl FollowUp {
    /// Whether it is the only copy of credentials that a provider has issued.
    pub(super) fn holds_credentials(&self) -> bool {
        match self {
            Self::Save(_) | Self::Merge(_) | Self::Vanished(_) | Self::Restore { .. } | Self::Restored { .. } => true,
            Self::Wait(_, then) => then.as_ref().is_some_and(|then| then.holds_credentials()),
            _ => false,
        }
    }
}

/// How far the deregistration of a client that cannot be recorded has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compensation {
    /// It has not begun.
    #[default]
    Begin,
    /// No record holds the client.
    Unrecorded,
    /// Nothing else uses it.
    Claimed,
    /// It is not deregistered.
    Failed,
}

/// A registration's answer as it came.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The client.
    pub registration: Registration,
    /// What was sent.
    pub sent: Request,
    /// When that was, in seconds since the epoch.
    pub begun: i64,
    /// Digest of the request and of the provider.
    pub hash: String,
}

/// A registration's answer whose client is not this object's.
#[derive(Clone, Debug)]
pub struct Disputed {
    /// Why, and what to do.
    pub failure: Failure,
    /// The client, if no record names it, so that it has to become a suspect. The provider may have issued a token for it that nobody
    /// else has.
    pub suspect: Option<Box<Registration>>,
    /// Digest of the request and of the provider.
    pub hash: String,
}

/// A call that was answered with 404.
#[derive(Clone, Debug)]
pub enum Nowhere {
    /// An update, by the refusal and with this digest of the request.
    Update(CallError, String),
    /// A deregistration.
    Deregistration(CallError),
}

/// End of a deregistration that is an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deregistration {
    /// The client is gone.
    Done,
    /// The provider does not delete clients.
    Unsupported,
    /// The provider refused the call: the client may be gone, or its token not accepted, or the call not offered.
    Refused,
    /// The provider answered that it deregistered the client, at a URI that never showed it.
    Unproven,
    /// Nothing was sent: the URI shows another client.
    Misdirected,
    /// Nothing was sent: another object's record names this client.
    HeldByAnother,
}

/// What a look for the client of a registration whose answer was lost found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookUp {
    /// The client; it is the registration in hand.
    Found,
    /// No client of the chosen identifier: there is none.
    Absent,
    /// No client of this mark: it may still come.
    NotSeen,
}
