//! What the planner may say.

use std::fmt;

use k8s_openapi::api::core::v1::Secret;
use serde_json::Value;

use crate::api::Suspect;
use crate::domain::failure::Failure;
use crate::domain::marker::Marker;
use crate::domain::metadata::Request;
use crate::domain::record::Record;

/// One thing to do.
#[derive(Clone)]
pub enum Effect {
    /// Read the record from the API server.
    ReadRecord,
    /// Read the credentials Secret from the API server.
    ReadCredentials,
    /// Read the object itself from the API server.
    ReadObject,
    /// Look up the provider object, its profile and its credentials.
    ResolveProvider,
    /// The same in order to deregister the recorded client: credentials that vanished count for as long as they are kept.
    ResolveForDeletion,
    /// Find the provider's endpoints.
    Discover,
    /// Take a permit of the provider, then dry-run the creation of both Secrets.
    ProveWritable,
    /// Write an entry of a possible stray client.
    EnterSuspect(Suspect),
    /// Write the entry of a suspect that holds this record whole.
    KeepSuspect(Box<Record>),
    /// Remove the suspect entry of this attempt.
    RemoveSuspect(String),
    /// Patch finalizer and marker onto the object.
    OpenAttempt(Marker<'static>),
    /// Register the client: one POST.
    Register(Request),
    /// Ask the provider for the client of the chosen identifier, or of the open attempt's mark.
    LookUp,
    /// Ask the provider's token endpoint whether it knows the client.
    Probe,
    /// Create the record of the registration in hand.
    StoreRecord,
    /// Replace the record of a client that the provider has lost by the registration in hand.
    ReplaceRecord,
    /// Deregister the registration in hand, because it cannot be recorded.
    Compensate,
    /// Put the finalizer back.
    AddFinalizer,
    /// Create the credentials Secret.
    CreateCredentials(Box<Secret>),
    /// Patch the credentials Secret.
    PatchCredentials(Value),
    /// Delete the credentials Secret and create it anew.
    ReplaceCredentials(Box<Secret>),
    /// Delete our credentials Secret of this former name.
    DeleteFormer(String),
    /// Take the owner reference off the credentials Secret.
    ReleaseCredentials,
    /// Replace the record.
    SaveRecord(Box<Record>),
    /// Change the client at the provider: one PUT.
    Update(Request),
    /// Deregister the client: one DELETE.
    Deregister,
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
            Self::ReadRecord => "ReadRecord",
            Self::ReadCredentials => "ReadCredentials",
            Self::ReadObject => "ReadObject",
            Self::ResolveProvider => "ResolveProvider",
            Self::ResolveForDeletion => "ResolveForDeletion",
            Self::Discover => "Discover",
            Self::ProveWritable => "ProveWritable",
            Self::EnterSuspect(_) => "EnterSuspect",
            Self::KeepSuspect(_) => "KeepSuspect",
            Self::RemoveSuspect(_) => "RemoveSuspect",
            Self::OpenAttempt(_) => "OpenAttempt",
            Self::Register(_) => "Register",
            Self::LookUp => "LookUp",
            Self::Probe => "Probe",
            Self::StoreRecord => "StoreRecord",
            Self::ReplaceRecord => "ReplaceRecord",
            Self::Compensate => "Compensate",
            Self::AddFinalizer => "AddFinalizer",
            Self::CreateCredentials(_) => "CreateCredentials",
            Self::PatchCredentials(_) => "PatchCredentials",
            Self::ReplaceCredentials(_) => "ReplaceCredentials",
            Self::DeleteFormer(_) => "DeleteFormer",
            Self::ReleaseCredentials => "ReleaseCredentials",
            Self::SaveRecord(_) => "SaveRecord",
            Self::Update(_) => "Update",
            Self::Deregister => "Deregister",
            Self::RemoveFinalizer => "RemoveFinalizer",
            Self::RemoveRecord => "RemoveRecord",
        }
    }
}

/// End of a pass.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Nothing to say that has not been said.
    Nothing,
    /// The object is being let go, or is gone.
    Gone,
    /// The operator was told to do nothing.
    Suspended,
    /// Everything is as the manifest asks.
    Ready,
    /// Something is not.
    Failed(Failure),
}

/// What comes next.
#[derive(Clone, Debug)]
pub enum Next {
    /// Do this and look again.
    Do(Effect),
    /// The pass is over.
    Finish(Verdict),
}

impl From<Effect> for Next {
    fn from(effect: Effect) -> Self {
        Self::Do(effect)
    }
}
