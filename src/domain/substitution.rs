//! Providers that register other values than a manifest sets, where their object rejects that: a client that was just registered is not
//! used, and an update is taken back once.

use std::collections::BTreeMap;

use crate::api::{ManagementMode, OAuthClientSpec, Reason, Substitutions, names};

use super::effective;
use super::failure::{Class, Failure};
use super::metadata::{self, Request};
use super::provider::Provider;
use super::record::{Record, RefusedFormer, Rejected};
use super::registration::Registration;

/// Most members that a message names.
const MOST_NAMED: usize = 8;
/// Longest refusal that a record keeps, in characters.
const LONGEST: usize = 400;

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

/// Why a client that was just registered is not used. `is_new`: it is known that nobody else uses it.
#[must_use]
pub(crate) fn of_registration(
    spec: &OAuthClientSpec,
    sent: &Request,
    answer: &Registration,
    provider: &Provider,
    is_new: bool,
) -> Option<Failure> {
    if provider.target.substitutions == Substitutions::Accept {
        return None;
    }
    let members = effective::substituted(spec, sent, &answer.metadata);
    let credentials = [&answer.client_secret, &answer.registration_access_token].map(Option::as_ref);
    (!members.is_empty()).then(|| {
        let told = effective::told(&answer.metadata, credentials, members);
        let client_id = &answer.client_id;
        if is_new {
            return failure(&told, "so the new client is not used");
        }
        let text = format!(
            "so client {client_id} is not used. The answer does not show that it is new, so it was not deregistered: it is a suspect; delete it at the \
             provider if nobody uses it"
        );
        failure(&told, &text)
    })
}

/// The same for a client that an application gets whatever its values are: another one, in the place of one that was lost.
#[must_use]
pub(crate) fn of_kept(
    spec: &OAuthClientSpec,
    sent: &Request,
    answer: &Registration,
    provider: &Provider,
) -> Option<Rejected> {
    if provider.target.substitutions == Substitutions::Accept {
        return None;
    }
    let members = effective::substituted(spec, sent, &answer.metadata);
    let credentials = [&answer.client_secret, &answer.registration_access_token].map(Option::as_ref);
    (!members.is_empty()).then(|| Rejected {
        hash: hash(spec, sent, provider),
        members: effective::told(&answer.metadata, credentials, members),
        kept: true,
        ..Rejected::default()
    })
}

/// The record after an update whose values the provider substituted; the record before it has the request to go back to. What it
/// substituted before counts only if it was rejected then, or asked for another value now.
#[must_use]
pub(crate) fn of_update(
    spec: &OAuthClientSpec,
    before: &Record,
    after: &Record,
    provider: &Provider,
) -> Option<Rejected> {
    let former = before.rejected.as_ref().and_then(|rejected| rejected.former.as_ref());
    if former == Some(&after.request) {
        return before.rejected.clone().map(Rejected::settled);
    }
    if provider.target.substitutions == Substitutions::Accept {
        return None;
    }
    // It clears what is left of another one.
    if before.request == after.request {
        return before.rejected.clone();
    }
    let had = effective::substituted(spec, &before.request, &before.metadata);
    let known = |member: &String| had.contains(member) && before.request.get(member) == after.request.get(member);
    let kept = before.rejected.as_ref().filter(|rejected| rejected.kept);
    let is_kept = |member: &String| kept.is_some_and(|kept| kept.members.contains_key(member));
    let mut members = effective::substituted(spec, &after.request, &after.metadata);
    members.retain(|member| !known(member) || is_kept(member));
    // Of a client that was taken over, nothing is known that could be sent again, and doing that does not change what was kept before.
    let takes_back = !before.request.is_empty() && !members.iter().all(known);
    let kept = !takes_back || members.iter().any(is_kept);
    let credentials = [&after.client_secret, &after.registration_access_token];
    (!members.is_empty()).then(|| Rejected {
        hash: hash(spec, &after.request, provider),
        members: effective::told(&after.metadata, credentials.map(Option::as_ref), members),
        former: takes_back.then(|| former.unwrap_or(&before.request).clone()),
        kept,
        rotated: !before.same_secret(after),
        refused: None,
    })
}

/// The same after the provider has refused the update in flight: the request to go back to is not sent again if it is that.
#[must_use]
pub(crate) fn after_refusal(record: &Record, failure: &Failure, provider: &Provider) -> Option<Rejected> {
    let mut rejected = record.rejected.clone()?;
    let in_flight = record
        .in_flight
        .as_ref()
        .map(|in_flight| in_flight.request_hash.as_str());
    let hash = rejected.former.as_ref().map(|former| of_former(former, provider));
    // What a policy refused may be allowed without a change here.
    if failure.class == Class::Invalid
        && let Some(hash) = hash.filter(|hash| in_flight == Some(hash.as_str()))
    {
        let message = failure.message.chars().take(LONGEST).collect();
        rejected.refused = Some(RefusedFormer { hash, message });
    }
    Some(rejected)
}

/// Digest of a request to go back to.
#[must_use]
pub(crate) fn of_former(former: &Request, provider: &Provider) -> String {
    metadata::fingerprint(former, &[&provider.fingerprint])
}

/// Why an update is not sent again. `left`: members of it that the provider keeps.
#[must_use]
pub(crate) fn of_rejected(rejected: &Rejected, left: &[String]) -> Failure {
    let therefore = match &rejected.refused {
        Some(refused) => format!(
            "but the provider keeps them, because it refused the former values that the operator sent again: {}",
            refused.message
        ),
        None if rejected.kept => {
            "but the provider keeps them, because no former values are known that could be sent again".to_owned()
        }
        None if left.is_empty() => "so the operator sent the former values again".to_owned(),
        None => format!(
            "so the operator sent the former values again. The provider keeps the rejected values of {}, which had none before: remove them there",
            fields(left)
        ),
    };
    failure(&rejected.members, &therefore)
}

/// Why a registration is not sent again, where the status tells of another failure by now.
#[must_use]
pub(crate) fn of_former_attempt() -> Failure {
    let text = format!(
        "the provider registered other values than the manifest sets when this request was sent, and spec.substitutions of the provider is Reject, so it is \
         not sent again. Change the manifest, ask the owner of the provider object to set substitutions to Accept, or set the annotation {} to a new value \
         to send the request again; the condition then names the values",
        names::RECONCILE
    );
    Failure::new(Class::Invalid, Reason::SubstitutionRejected, text)
}

fn failure(members: &BTreeMap<String, String>, therefore: &str) -> Failure {
    let named = members.iter().take(MOST_NAMED);
    let told: Vec<String> = named
        .map(|(member, value)| format!("{} ({value})", metadata::field_of(member)))
        .collect();
    let text = format!(
        "the provider registered other values than the manifest sets: {}; and spec.substitutions of the provider is Reject, {therefore}. Change these \
         fields, or ask the owner of the provider object to set substitutions to Accept",
        told.join(", ")
    );
    Failure::new(Class::Invalid, Reason::SubstitutionRejected, text)
}

fn fields(members: &[String]) -> String {
    let named = members.iter().take(MOST_NAMED).map(|member| metadata::field_of(member));
    named.collect::<Vec<_>>().join(", ")
}
