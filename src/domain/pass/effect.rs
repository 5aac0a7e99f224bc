//! What the machine may ask for, and how a pass ends.

use std::fmt;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use serde_json::Value;

use crate::api::{Reason, Suspect};
use crate::domain::adoption::Adoption;
use crate::domain::failure::{Class, Failure};
use crate::domain::marker::Marker;
use crate::domain::metadata::Request;
use crate::domain::record::Record;

use super::row::Row;
pub use crate::domain::verdict::Verdict;

/// What comes next, and by which row.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The row that matched.
    pub row: Row,
    /// What follows.
    pub next: Next,
}

/// What comes next.
#[derive(Clone, Debug)]
pub enum Next {
    /// Do this, hand the answer back, and ask again.
    Do(Effect),
    /// The pass is over: the verdict becomes the status.
    Finish(Verdict),
    /// The pass is over, and the status stays as it is.
    Stop(End),
}

/// End of a pass that says nothing of the object.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// Nothing more to do until something changes.
    Rest,
    /// The object does not exist any more.
    Gone,
    /// The object is looked at again by the rules of the failure's class.
    Retry(Failure),
}

impl Row {
    pub(super) fn does(self, effect: Effect) -> Decision {
        let next = Next::Do(effect);
        Decision { row: self, next }
    }

    pub(super) fn ends(self, verdict: Verdict) -> Decision {
        let next = Next::Finish(verdict);
        Decision { row: self, next }
    }

    pub(super) fn fails(self, failure: Failure) -> Decision {
        self.ends(Verdict::Failed(failure))
    }

    pub(super) fn refuses(self, class: Class, reason: Reason, message: impl Into<String>) -> Decision {
        self.fails(Failure::new(class, reason, message))
    }

    pub(super) fn stops(self, stop: End) -> Decision {
        let next = Next::Stop(stop);
        Decision { row: self, next }
    }
}

/// What has to hold when an effect begins. It is asked last thing before that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Nothing: it reads, completes what was begun, or is safe by its preconditions.
    Free,
    /// A permit of the provider, where that is known.
    Permit,
    /// A permit, and after that the leadership: a successor may have taken over while this pass waited for the permit.
    PermitAndLeadership,
}

/// One call, or one thing to find out.
#[derive(Clone)]
pub enum Effect {
    /// Let this time pass.
    Wait(Duration),
    /// Read the object, and take over what the watches know of its surroundings.
    StartOver,
    /// Read the record from the API server.
    ReadRecord,
    /// Read the credentials Secret from the API server.
    ReadCredentials,
    /// Read the object itself from the API server.
    ReadObject,
    /// Read what the API server has under the object's name, to find out whether the object is gone.
    ReadOwner,
    /// Look up the provider object, its profile and its credentials.
    ResolveProvider,
    /// The same in order to deregister the recorded client: credentials that vanished count for as long as they are kept.
    ResolveForDeletion,
    /// Find the provider's endpoints.
    Discover,
    /// Dry-run the creation of both Secrets.
    ProveWritable,
    /// Write an entry of a possible stray client.
    EnterSuspect(Suspect),
    /// Write the entry of a suspect that holds this record whole; one that exists is written again.
    KeepSuspect(Box<Record>),
    /// Note which version the entry of this attempt has, and list the records that name the recorded client.
    ConfirmRecord(String),
    /// Remove the suspect entry of this attempt.
    RemoveSuspect(String),
    /// Patch finalizer and marker onto the object.
    OpenAttempt(Marker<'static>),
    /// Register the client: one POST.
    Register {
        /// What the manifest asks for.
        request: Request,
        /// What is sent: that, and by what the client is found again.
        body: Request,
    },
    /// Claim the client of a registration's answer, and find out what names it.
    ClaimAnswer,
    /// Ask the provider for the client that carries the mark of this attempt.
    FindMarked(String),
    /// Ask the provider for the client of this identifier.
    LookUp(String),
    /// Read the Secret that `spec.adopt` names.
    ReadAdoption,
    /// Read a client with a token that its owner gave: one GET.
    Adopt(Box<Adoption>),
    /// Remove a record or an entry of the client that was taken over, by the name of its Secret.
    RemoveSuperseded(String),
    /// Ask whether the provider accepts the client's own credentials.
    Probe,
    /// Create the record of the registration in hand.
    StoreRecord(Box<Record>),
    /// Put the registration in hand in the place of the record of the client that the provider has lost.
    ReplaceRecord(Box<Record>),
    /// Claim the client of this record for its deregistration, and find out what names it. `compensates`: it is the registration in
    /// hand.
    Claim {
        /// The record.
        record: Box<Record>,
        /// Whether it is the registration in hand.
        compensates: bool,
    },
    /// Deregister the client that was claimed, which is the registration in hand: one DELETE.
    Compensate,
    /// Deregister the client that was claimed: one DELETE.
    Deregister,
    /// Put the finalizer back.
    AddFinalizer,
    /// Patch the finalizer and the marker of a client that is registered onto the object.
    Mark(Marker<'static>),
    /// Create the credentials Secret.
    CreateCredentials(Box<Secret>),
    /// Patch the credentials Secret.
    PatchCredentials(Value),
    /// Delete the credentials Secret, so that it can be created with another type.
    DeleteCredentials,
    /// Delete our credentials Secret of this former name.
    DeleteFormer(String),
    /// Take the owner reference off the credentials Secret.
    ReleaseCredentials,
    /// Replace the record.
    SaveRecord(Box<Record>),
    /// Save the record with the mark of an update. The update follows without a wait between them: a mark of which no update went out
    /// looks like one whose answer was lost.
    MarkUpdate(Box<Record>),
    /// Create the record anew that went while its update was under way.
    RestoreRecord(Box<Record>),
    /// Change the client at the provider: one PUT.
    Update {
        /// What the manifest asks for.
        request: Request,
        /// What is sent (RFC 7592 section 2.2).
        body: Request,
    },
    /// Read the recorded client: one GET.
    ReadClient,
    /// Reads the client in hand, before it is deregistered.
    ReadUnrecorded,
    /// Find the records of registered clients that belong to other objects of this namespace and name.
    FindEarlier,
    /// Mark the record of the earlier object as taken over by this one.
    MarkEarlier(Box<Record>),
    /// Create the record of this object from the one of the earlier object.
    TakeOver(Box<Record>),
    /// Remove the record of the object of this UID, which this one has taken over.
    RemoveEarlier(String),
    /// Let the object go.
    RemoveFinalizer,
    /// Delete the record.
    RemoveRecord,
}

impl fmt::Debug for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

impl Effect {
    /// Name of the effect: what it carries may hold secrets, so nothing else of it is ever printed.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Wait(_) => "Wait",
            Self::StartOver => "StartOver",
            Self::ReadRecord => "ReadRecord",
            Self::ReadCredentials => "ReadCredentials",
            Self::ReadObject => "ReadObject",
            Self::ReadOwner => "ReadOwner",
            Self::ResolveProvider => "ResolveProvider",
            Self::ResolveForDeletion => "ResolveForDeletion",
            Self::Discover => "Discover",
            Self::ProveWritable => "ProveWritable",
            Self::EnterSuspect(_) => "EnterSuspect",
            Self::KeepSuspect(_) => "KeepSuspect",
            Self::ConfirmRecord(_) => "ConfirmRecord",
            Self::RemoveSuspect(_) => "RemoveSuspect",
            Self::OpenAttempt(_) => "OpenAttempt",
            Self::Register { .. } => "Register",
            Self::ClaimAnswer => "ClaimAnswer",
            Self::FindMarked(_) => "FindMarked",
            Self::LookUp(_) => "LookUp",
            Self::ReadAdoption => "ReadAdoption",
            Self::Adopt(_) => "Adopt",
            Self::RemoveSuperseded(_) => "RemoveSuperseded",
            Self::Probe => "Probe",
            Self::StoreRecord(_) => "StoreRecord",
            Self::ReplaceRecord(_) => "ReplaceRecord",
            Self::Claim { .. } => "Claim",
            Self::Compensate => "Compensate",
            Self::Deregister => "Deregister",
            Self::AddFinalizer => "AddFinalizer",
            Self::Mark(_) => "Mark",
            Self::CreateCredentials(_) => "CreateCredentials",
            Self::PatchCredentials(_) => "PatchCredentials",
            Self::DeleteCredentials => "DeleteCredentials",
            Self::DeleteFormer(_) => "DeleteFormer",
            Self::ReleaseCredentials => "ReleaseCredentials",
            Self::SaveRecord(_) => "SaveRecord",
            Self::MarkUpdate(_) => "MarkUpdate",
            Self::RestoreRecord(_) => "RestoreRecord",
            Self::Update { .. } => "Update",
            Self::ReadClient => "ReadClient",
            Self::ReadUnrecorded => "ReadUnrecorded",
            Self::FindEarlier => "FindEarlier",
            Self::MarkEarlier(_) => "MarkEarlier",
            Self::TakeOver(_) => "TakeOver",
            Self::RemoveEarlier(_) => "RemoveEarlier",
            Self::RemoveFinalizer => "RemoveFinalizer",
            Self::RemoveRecord => "RemoveRecord",
        }
    }

    /// What has to hold when it begins.
    #[must_use]
    pub const fn admission(&self) -> Admission {
        match self {
            // The POST follows the marker without a wait between them, and the PUT the mark.
            Self::OpenAttempt(_)
            | Self::MarkUpdate(_)
            | Self::Register { .. }
            | Self::Update { .. }
            | Self::Probe
            | Self::Adopt(_)
            | Self::Claim { compensates: false, .. }
            | Self::Deregister => Admission::PermitAndLeadership,
            Self::ProveWritable | Self::FindMarked(_) | Self::LookUp(_) | Self::ReadClient => Admission::Permit,
            _ => Admission::Free,
        }
    }
}
