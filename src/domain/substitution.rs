//! Providers that register other values than a manifest sets, where their object rejects that: a client that was just registered is not
//! used, and an update is taken back once.

use crate::api::{ManagementMode, OAuthClientSpec, Reason, Substitutions};

use super::effective;
use super::failure::{Class, Failure};
use super::metadata::{self, Request};
use super::provider::Provider;
use super::record::{Record, Rejected};
use super::registration::Registration;

/// Digest of all that decides whether a substitution is rejected: what the provider chose for a member that the manifest does not set is
/// none.
#[must_use]
pub(crate) fn hash(spec: &OAuthClientSpec, request: &Request, provider: &Provider) -> String {
    let set: Vec<String> = metadata::set_members(spec).into_iter().collect();
    metadata::fingerprint(request, &[&provider.fingerprint, &set.join(" ")])
}

/// Why nothing can be registered: what is rejected could not be taken back.
#[must_use]
pub(crate) fn unsupported(provider: &Provider) -> Option<Failure> {
    let rejects = provider.target.substitutions == Substitutions::Reject;
    (rejects && provider.target.knobs.management == ManagementMode::None).then(|| {
        let text = "spec.substitutions of the provider is Reject, and its management.mode is None, so the operator could not deregister a client that it \
                    rejects; set substitutions to Accept, or set a management.mode that the provider offers";
        Failure::new(Class::Denied, Reason::InvalidSpec, text)
    })
}

/// Why a client that was just registered is not used.
#[must_use]
pub(crate) fn of_registration(
    spec: &OAuthClientSpec,
    sent: &Request,
    answer: &Registration,
    provider: &Provider,
) -> Option<Failure> {
    if provider.target.substitutions == Substitutions::Accept {
        return None;
    }
    let members = effective::substituted(spec, sent, &answer.metadata);
    (!members.is_empty()).then(|| failure(&members, "so the new client is not used"))
}

/// The record after an update whose values the provider substituted; the record before it has the request to go back to. What it
/// substituted before counts only if it was asked for another value now.
#[must_use]
pub(crate) fn of_update(
    spec: &OAuthClientSpec,
    before: &Record,
    after: &Record,
    provider: &Provider,
) -> Option<Rejected> {
    let goes_back = before
        .rejected
        .as_ref()
        .is_some_and(|rejected| rejected.former.is_some());
    if goes_back {
        return before.rejected.clone().map(Rejected::settled);
    }
    // Of a client that was taken over, nothing is known that could be sent again.
    let knows_former = !before.request.is_empty() && before.request != after.request;
    if provider.target.substitutions == Substitutions::Accept || !knows_former {
        return None;
    }
    let had = effective::substituted(spec, &before.request, &before.metadata);
    let known = |member: &String| had.contains(member) && before.request.get(member) == after.request.get(member);
    let mut members = effective::substituted(spec, &after.request, &after.metadata);
    members.retain(|member| !known(member));
    (!members.is_empty()).then(|| Rejected {
        hash: hash(spec, &after.request, provider),
        members,
        former: Some(before.request.clone()),
    })
}

/// Why an update is not sent again.
#[must_use]
pub(crate) fn of_rejected(rejected: &Rejected) -> Failure {
    failure(&rejected.members, "so the operator sent the former values again")
}

fn failure(members: &[String], therefore: &str) -> Failure {
    let fields: Vec<String> = members
        .iter()
        .take(8)
        .map(|member| metadata::field_of(member))
        .collect();
    let text = format!(
        "the provider registered other values of {} than the manifest sets, and spec.substitutions of the provider is Reject, {therefore}. Change these \
         fields, or ask the owner of the provider object to set substitutions to Accept. Nothing is sent again before that",
        fields.join(", ")
    );
    Failure::new(Class::Invalid, Reason::SubstitutionRejected, text)
}
