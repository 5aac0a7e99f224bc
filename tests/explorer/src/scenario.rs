//! The scenarios that are explored: what users do, and what befalls the cluster.

use serde_json::json;

use oauth_client_operator::api::{OAuthClient, OnClientLost, OnUnknownOutcome, names};

use super::cluster::Name;
use super::steps::Step;

/// Namespace of the applications.
pub(super) const APPS: &str = "apps";
/// Namespace of the operator.
pub(super) const HOME: &str = "operator";
/// Namespace of a second installation.
pub(super) const SECOND_HOME: &str = "second-operator";

/// A scenario.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "independent circumstances")]
pub(super) struct Scenario {
    pub name: &'static str,
    pub steps: &'static [Step],
    /// Whether every update issues a new token.
    pub rotates: bool,
    /// Whether the provider manages no clients.
    pub unmanaged: bool,
    /// Whether registrations choose their identifiers, and credentials of the operator's manage them.
    pub chosen: bool,
    /// Whether credentials of the operator's manage clients, and show what their registrations carried.
    pub marked: bool,
    /// Whether credentials of the operator's manage clients, at a URI that leads nowhere and where the provider answers every deletion with
    /// 204.
    pub wrong_template: bool,
    pub policy: OnUnknownOutcome,
    /// What the provider object says about clients that the provider has lost.
    pub lost: OnClientLost,
    pub retain: bool,
    /// Whether two installations of the operator serve the namespace.
    pub second_installation: bool,
    /// Whether the operator watches single namespaces and learns nothing of their end.
    pub namespaced: bool,
    /// Namespace of a second object, if there is one.
    pub second: Option<&'static str>,
    /// Whether a pass over the other object may come in the middle of one.
    pub interleaves: bool,
    /// Which client the provider answers a registration with.
    pub answers: Answers,
    /// How the provider refuses every update, and every deregistration, of clients that it knows.
    pub put: Option<Refusal>,
    pub delete: Option<Refusal>,
    /// Whether every read issues a new token.
    pub reads_rotate: bool,
    /// Whether the provider issues no secrets.
    pub secretless: bool,
    /// Whether the provider states another secret than it has stored.
    pub corrupts: bool,
    /// How often the provider's server that authenticates clients does not know a new one.
    pub lags: u32,
    /// Whether the provider's secrets expire.
    pub expires: bool,
    /// Which values the provider registers otherwise, where its object rejects that.
    pub substitutes: Option<Substituted>,
    /// Whether the provider says when it issued a client.
    pub dates: bool,
    /// Whether the provider may ask for a pause.
    pub pauses: bool,
    /// Whether the process may be told to stop.
    pub stops: bool,
    /// Whether something may happen while a pass waits for its permit.
    pub queues: bool,
    /// Whether it has a dimension beside the faults, which counts as one of them.
    pub wide: bool,
    /// Reasons with which the object may be left at rest.
    pub excuses: &'static [&'static str],
}

/// Which client a registration is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    /// A new one.
    Fresh,
    /// The one that the first registration made, for as long as it lives: the provider takes the two for equal.
    Known,
    /// Somebody else's.
    Theirs,
}

/// Requests whose values a provider registers otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Substituted {
    /// All.
    Every,
    /// That of the second version of the manifest.
    Second,
}

/// Status and OAuth error code of a refusal.
pub(super) type Refusal = (u16, &'static str);

const PLAIN: Scenario = Scenario {
    name: "",
    steps: &[],
    rotates: false,
    unmanaged: false,
    chosen: false,
    marked: false,
    wrong_template: false,
    policy: OnUnknownOutcome::Register,
    lost: OnClientLost::Register,
    retain: false,
    second_installation: false,
    namespaced: false,
    second: None,
    interleaves: false,
    answers: Answers::Fresh,
    put: None,
    delete: None,
    reads_rotate: false,
    secretless: false,
    corrupts: false,
    lags: 0,
    expires: false,
    substitutes: None,
    dates: false,
    pauses: false,
    stops: false,
    queues: false,
    wide: false,
    excuses: &[],
};

use Step::{
    Abandon, AllowRestore, Apply, ApplyBoth, ApplyHeld, ApplyInClone, ApplySecond, ApplySuspended, ApplyWrong,
    AskPause, CloneCluster, CorruptRecord, Crowd, Delete, DeleteInClone, DeleteSecond, DeleteSecret, Edit,
    EditProvider, ForeignSecret, Free, Hold, LoseFirst, LoseProvider, LoseRecords, MendRecord, MoveEndpoints, Narrow,
    OmitMember, OthersFail, Recover, Regenerate, Release, RemakeElsewhere, RemakeProvider, RemoveProvider, Rename,
    Replace, ReplaceClient, Restore, RestoreAll, RestoreElsewhere, RestoreUnlabelled, RevertProvider, Sicken,
    Terminate, Vanish, Widen, WipeStatus,
};

macro_rules! scenarios {
    ($($name:literal: [$($step:expr),+] $(, $field:ident: $value:expr)*;)+) => {
        /// Every scenario.
        pub(super) static ALL: &[Scenario] = &[
            $(Scenario { name: $name, steps: &[$($step),+], $($field: $value,)* ..PLAIN },)+
        ];
    };
}

scenarios! {
    "create": [Apply(1)];
    "create, hold unknown outcomes": [Apply(1)], policy: OnUnknownOutcome::Hold;
    "create and delete": [Apply(1), Delete];
    "create and delete, unmanaged": [Apply(1), Delete], unmanaged: true;
    "create and delete, retained": [Apply(1), Delete], retain: true;
    "create and delete, held by another finalizer": [ApplyHeld(1), Delete, Release];
    "update": [Apply(1), Apply(2)];
    "update, unmanaged": [Apply(1), Apply(2)], unmanaged: true, excuses: &["UpdateUnsupported"];
    "update with rotation": [Apply(1), Apply(2)], rotates: true;
    "update and delete with rotation": [Apply(1), Apply(2), Delete], rotates: true;
    "create with a chosen identifier": [Apply(1)], chosen: true;
    "update and delete with a chosen identifier": [Apply(1), Apply(2), Delete], chosen: true;
    "provider lost with a chosen identifier": [Apply(1), LoseProvider, Apply(2)], chosen: true, excuses: &["ManagementLost", "ClientMissing"];
    "create with a mark": [Apply(1)], marked: true;
    "create with a mark, hold unknown outcomes": [Apply(1)], marked: true, policy: OnUnknownOutcome::Hold;
    "update and delete with a mark": [Apply(1), Apply(2), Delete], marked: true;
    "provider lost with a mark": [Apply(1), LoseProvider, Apply(2)], marked: true, excuses: &["ManagementLost", "ClientMissing"];
    "edit of the Secret": [Apply(1), Edit];
    "deletion of the Secret": [Apply(1), DeleteSecret];
    "rename of the Secret": [Apply(1), Rename];
    "rename of the Secret and delete": [Apply(1), Rename, Delete];
    "foreign Secret": [ForeignSecret, Apply(1)], excuses: &["SecretConflict"];
    "recreation under the same name": [Apply(1), Delete, Apply(2)];
    "replace by a bare manifest": [Apply(1), Replace];
    "replace by a bare manifest and delete": [Apply(1), Replace, Delete];
    "replace by a bare manifest and delete, unmanaged": [Apply(1), Replace, Delete], unmanaged: true;
    "status wiped": [Apply(1), WipeStatus];
    "namespace deleted": [Apply(1), Terminate];
    "namespace deleted, unseen": [Apply(1), Terminate], namespaced: true;
    "records lost": [Apply(1), LoseRecords, Apply(2), Delete], excuses: &["RecordLost"];
    "restored from a backup": [Apply(1), Restore];
    "restored from a backup with its status": [Apply(1), RestoreAll];
    "restored from a backup and delete": [Apply(1), Restore, Delete], wide: true;
    "restored twice": [Apply(1), Restore, Restore], excuses: &["RestoreRefused"];
    "restored, records of an earlier version": [Apply(1), RestoreUnlabelled], wide: true;
    "restored, another provider": [Apply(1), EditProvider, Restore, RevertProvider], wide: true, excuses: &["ProviderChanged", "RestoreRefused"];
    "restored in a namespace made again": [Apply(1), RestoreElsewhere], wide: true, excuses: &["RestoreRefused"];
    "restored in a namespace made again and delete": [Apply(1), RestoreElsewhere, Delete], wide: true, excuses: &["RestoreRefused"];
    "restored in a namespace made again, allowed": [Apply(1), RestoreElsewhere, AllowRestore], wide: true;
    "restored where namespaces cannot be read": [Apply(1), Restore, AllowRestore], wide: true, namespaced: true;
    "cloned cluster": [Apply(1), CloneCluster, ApplyInClone(2), DeleteInClone];
    "two installations": [Apply(1), Apply(2)], second_installation: true, excuses: &["ManagedElsewhere"];
    "two installations and delete": [Apply(1), Delete], second_installation: true, excuses: &["ManagedElsewhere"];
    "narrowed namespaces": [Apply(1), Narrow, Widen, Apply(2)];
    "deleted while narrowed": [Apply(1), Narrow, Delete, Widen];
    "sick provider": [Apply(1), Sicken, Apply(2), Recover];
    "provider lost": [Apply(1), LoseProvider, Apply(2)], excuses: &["ManagementLost", "ClientMissing"];
    "token and secret regenerated": [Apply(1), Regenerate, Apply(2)], excuses: &["ManagementLost", "ClientMissing"];
    "token and secret regenerated, and delete": [Apply(1), Regenerate, Delete];
    "token and secret regenerated, update and delete": [Apply(1), Regenerate, Apply(2), Delete], excuses: &["ManagementLost", "ClientMissing", "DeletionBlocked"];
    "provider lost and delete": [Apply(1), LoseProvider, Delete];
    "provider and credentials deleted first": [Apply(1), RemoveProvider, Delete], chosen: true;
    "provider and credentials deleted first, with a token": [Apply(1), RemoveProvider, Delete];
    "provider and credentials deleted first, and the namespace": [Apply(1), RemoveProvider, Terminate], chosen: true;
    "provider gone for good": [Apply(1), Vanish, Delete], excuses: &["DeletionBlocked"];
    "two objects": [Apply(1), ApplySecond(1), Delete], wide: true, second: Some(APPS), interleaves: true;
    "two objects, one client, first deleted": [Apply(1), ApplySecond(1), Delete], wide: true, second: Some(APPS), interleaves: true, answers: Answers::Known, excuses: &["AlreadyManaged"];
    "two objects, one client, second deleted": [Apply(1), ApplySecond(1), DeleteSecond], wide: true, second: Some(APPS), interleaves: true, answers: Answers::Known, excuses: &["AlreadyManaged"];
    "two objects at once, one client": [ApplyBoth, Delete], wide: true, second: Some(APPS), interleaves: true, answers: Answers::Known, excuses: &["AlreadyManaged"];
    "a client of others": [Apply(1), Delete], wide: true, answers: Answers::Theirs, excuses: &["AlreadyManaged"];
    "an object in the operator's namespace": [ApplySecond(1), Apply(1), DeleteSecond], wide: true, second: Some(HOME), excuses: &["NamespaceNotAllowed"];
    "updates answered with 404": [Apply(1), Apply(2), Delete], wide: true, put: Some((404, "")), excuses: &["UpdateUnsupported"];
    "updates answered with 404, new tokens": [Apply(1), Apply(2), Delete], wide: true, put: Some((404, "")), reads_rotate: true, excuses: &["UpdateUnsupported"];
    "updates answered with 410": [Apply(1), Apply(2)], wide: true, put: Some((410, "")), excuses: &["ManagementLost"];
    "updates answered with 403": [Apply(1), Apply(2)], wide: true, put: Some((403, "")), excuses: &["ManagementLost"];
    "deletions answered with 404": [Apply(1), Delete], wide: true, delete: Some((404, ""));
    "deletions answered with 404, new tokens": [Apply(1), Delete], wide: true, delete: Some((404, "")), reads_rotate: true;
    "deletions answered with 404 and a code": [Apply(1), Delete], wide: true, delete: Some((404, "invalid_token"));
    "deletions answered with 410": [Apply(1), Delete], wide: true, delete: Some((410, ""));
    "deletions answered with 403": [Apply(1), Delete], wide: true, delete: Some((403, "")), excuses: &["DeletionBlocked"];
    "clients without secrets": [Apply(1), Delete], wide: true, secretless: true, excuses: &["SecretNotIssued"];
    "secret that is another at the provider": [Apply(1), Apply(2), Delete], wide: true, corrupts: true, excuses: &["SecretRejected"];
    "secret that is another at the provider, client replaced": [Apply(1), ReplaceClient], wide: true, corrupts: true, excuses: &["SecretRejected"];
    "values rejected": [Apply(1)], wide: true, substitutes: Some(Substituted::Every), dates: true, excuses: &["SubstitutionRejected"];
    "values rejected, and delete": [Apply(1), Delete], wide: true, substitutes: Some(Substituted::Every), dates: true, excuses: &["SubstitutionRejected"];
    "values rejected, with a chosen identifier": [Apply(1), Delete], wide: true, chosen: true, substitutes: Some(Substituted::Every), excuses: &["SubstitutionRejected"];
    "values rejected of a client that may be in use": [Apply(1), Delete], wide: true, substitutes: Some(Substituted::Every), excuses: &["SubstitutionRejected"];
    "values rejected of a client of others": [Apply(1), Delete], wide: true, answers: Answers::Theirs, substitutes: Some(Substituted::Every), dates: true, excuses: &["AlreadyManaged"];
    "values rejected of another object's client": [Apply(1), ApplySecond(2)], wide: true, second: Some(APPS), interleaves: true, answers: Answers::Known, substitutes: Some(Substituted::Second), dates: true, excuses: &["AlreadyManaged", "SubstitutionRejected"];
    "values of an update rejected": [Apply(1), Apply(2)], wide: true, substitutes: Some(Substituted::Second), dates: true, excuses: &["SubstitutionRejected"];
    "values of an update rejected, new tokens": [Apply(1), Apply(2), Delete], wide: true, rotates: true, substitutes: Some(Substituted::Second), dates: true, excuses: &["SubstitutionRejected"];
    "values of an update rejected, then another": [Apply(1), Apply(2), Apply(3)], wide: true, substitutes: Some(Substituted::Second), dates: true;
    "values of an update rejected, client replaced": [Apply(1), Regenerate, Apply(2), ReplaceClient], wide: true, substitutes: Some(Substituted::Second), dates: true, excuses: &["ManagementLost", "ClientMissing", "SubstitutionRejected"];
    "servers that lag behind": [Apply(1), Apply(2), Delete], wide: true, lags: 3;
    "secret that expires": [Apply(1), Apply(2), Delete], wide: true, expires: true, excuses: &["SecretExpired"];
    "secret that expires, client replaced": [Apply(1), ReplaceClient], wide: true, expires: true, excuses: &["SecretExpired"];
    "pauses": [AskPause, Apply(1), Apply(2), Delete], wide: true, pauses: true;
    "pause before an update": [Apply(1), AskPause, Apply(2), Apply(3)], wide: true;
    "registrations denied": [OthersFail, Apply(1)], wide: true;
    "replacement denied": [Apply(1), ApplySecond(1), LoseFirst, OthersFail, Apply(2)], wide: true, second: Some(APPS), excuses: &["ManagementLost", "ClientMissing"];
    "template that leads nowhere": [Apply(1), Delete], wide: true, wrong_template: true;
    "template that leads nowhere, deleted while nobody looks": [Apply(1), Replace, Delete], wide: true, wrong_template: true;
    "lost client held": [Apply(1), ApplySecond(1), LoseFirst, Apply(2)], wide: true, second: Some(APPS), lost: OnClientLost::Hold, excuses: &["ManagementLost", "ClientMissing", "ClientLost"];
    "lost client held and replaced": [Apply(1), ApplySecond(1), LoseFirst, Apply(2), ReplaceClient], wide: true, second: Some(APPS), lost: OnClientLost::Hold, excuses: &["ManagementLost", "ClientMissing", "ClientLost"];
    "operator stopped": [Apply(1), Apply(2), Delete], wide: true, stops: true;
    "waiting for a permit": [Apply(1), Apply(2), Delete], wide: true, queues: true;
    "deletion whose permit does not come": [Apply(1), Crowd, Delete], wide: true, queues: true;
    "update and deletion whose permit does not come": [Apply(1), Crowd, Apply(2), Crowd, Delete], wide: true, queues: true;
    "suspended": [Apply(1), ApplySuspended(2), Apply(2)], wide: true, excuses: &["Suspended"];
    "suspended, changed and resumed": [Apply(1), ApplySuspended(1), Apply(2)], wide: true;
    "client replaced": [Apply(1), Regenerate, ReplaceClient, Delete], wide: true;
    "missing client, change undone": [Apply(1), Regenerate, Apply(2), Apply(1)], wide: true, excuses: &["ManagementLost", "ClientMissing", "SecretRejected"];
    "records lost and abandoned": [Apply(1), LoseRecords, Apply(2), Abandon], wide: true, excuses: &["RecordLost"];
    "manifest corrected": [ApplyWrong, Apply(1), ApplyWrong, Apply(2)], wide: true;
    "record corrupted and mended": [Apply(1), CorruptRecord, Apply(2), MendRecord], wide: true;
    "record corrupted, and delete": [Apply(1), CorruptRecord, Delete], wide: true;
    "installation held": [Apply(1), Hold, Apply(2), Free], wide: true;
    "installation held, and delete": [Apply(1), Hold, Delete], wide: true, excuses: &["ObjectVanished"];
    "provider edited": [Apply(1), EditProvider, Apply(2), Delete], wide: true, excuses: &["ProviderChanged"];
    "provider edited and reverted": [Apply(1), EditProvider, Apply(2), RevertProvider], wide: true, excuses: &["ProviderChanged"];
    "provider edited, with credentials": [Apply(1), EditProvider, Apply(2), Delete], wide: true, chosen: true, excuses: &["ProviderChanged", "DeletionBlocked"];
    "provider edited, with a mark": [Apply(1), EditProvider, Apply(2), Delete], wide: true, marked: true, excuses: &["ProviderChanged", "DeletionBlocked"];
    "provider made anew": [Apply(1), RemakeProvider, Apply(2), Delete], wide: true;
    "provider made anew, with credentials": [Apply(1), RemakeProvider, Apply(2), Delete], wide: true, chosen: true;
    "provider made anew elsewhere": [Apply(1), RemakeElsewhere, Delete], wide: true, excuses: &["ProviderChanged"];
    "provider made anew elsewhere, with credentials": [Apply(1), RemakeElsewhere, Delete], wide: true, chosen: true, excuses: &["ProviderChanged", "DeletionBlocked"];
    "provider leaves a member out": [Apply(1), OmitMember], wide: true;
    "endpoints move": [Apply(1), MoveEndpoints];
    "endpoints move, update and delete": [Apply(1), MoveEndpoints, Apply(2), Delete], wide: true, rotates: true;
}

/// The redirect URI of a version of the manifest.
pub(super) fn redirect_uri(version: u32) -> String {
    format!("https://app.example/callback/{version}")
}

/// Name of the object.
pub(super) fn name() -> Name {
    (APPS.to_owned(), "app".to_owned())
}

impl Scenario {
    /// Tries of rejected credentials, which come before rest.
    pub(super) fn tries(&self) -> u32 {
        if self.corrupts { 3 } else { 0 }
    }

    /// The scenario of this name.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|scenario| scenario.name == name)
    }

    pub(super) fn does(&self, step: Step) -> bool {
        self.steps.contains(&step)
    }

    /// How many objects there are.
    pub(super) fn objects(&self) -> usize {
        1 + usize::from(self.second.is_some())
    }

    /// Name of an object.
    pub(super) fn object(&self, what: usize) -> Name {
        match self.second {
            Some(namespace) if what == 1 => (namespace.to_owned(), "second".to_owned()),
            _ => name(),
        }
    }

    pub(super) fn manifest_of(&self, what: usize, version: u32) -> OAuthClient {
        let mut manifest = self.manifest(version);
        let (namespace, name) = self.object(what);
        manifest.metadata.namespace = Some(namespace);
        manifest.metadata.name = Some(name);
        manifest
    }

    pub(super) fn manifest(&self, version: u32) -> OAuthClient {
        let policy = if self.retain { "Retain" } else { "Delete" };
        serde_json::from_value(json!({
            "apiVersion": names::API_VERSION, "kind": "OAuthClient",
            "metadata": {"name": "app", "namespace": APPS},
            "spec": {
                "providerRef": {"name": "provider"},
                "redirectURIs": [redirect_uri(version)],
                "deletionPolicy": policy,
            },
        }))
        .unwrap()
    }
}
