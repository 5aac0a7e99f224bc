//! Whether the provider registered what the manifest asks for: condition `AsRequested`, and the differences.

use crate::api::{OAuthClientStatus, Reason};
use crate::domain::comparison::Stated;
use crate::domain::effective;
use crate::domain::metadata;

use super::{Conditions, Facts, Verdict};

const CONDITION: &str = "AsRequested";
/// Most members that a message names; all of them stand in the status.
const MOST_NAMED: usize = 8;
/// Longest authentication method that the status holds, in characters.
const LONGEST_METHOD: usize = 128;

/// Tells what the record says. A verdict about a request that the provider has not accepted leaves what was told before: the answer in
/// the record is about another one.
pub(super) fn tell(status: &mut OAuthClientStatus, verdict: &Verdict, facts: &Facts<'_>) {
    let (Some(record), Some(spec)) = (facts.record, facts.spec) else {
        return;
    };
    let about_answer = match verdict {
        Verdict::Ready => true,
        // What a client keeps is what the answer says.
        Verdict::Failed(failure) if failure.reason == Reason::SubstitutionRejected => record
            .rejected
            .as_ref()
            .is_some_and(|rejected| rejected.kept && rejected.former.is_none()),
        Verdict::Failed(failure) => {
            matches!(
                failure.reason,
                Reason::AuthMethodSubstituted
                    | Reason::SecretNotIssued
                    | Reason::SecretExpired
                    | Reason::SecretRejected
            )
        }
        Verdict::Nothing | Verdict::Gone | Verdict::Suspended => false,
    };
    if !about_answer {
        return;
    }
    let differences = effective::differences(record, spec);
    let echoed = effective::is_echoed(record);
    let set = metadata::set_members(spec);
    let named = |stated: Stated| -> Vec<&str> {
        let set = differences.iter().filter(|difference| set.contains(&difference.member));
        let named = set.filter(|difference| difference.stated == stated);
        named.map(|difference| difference.member.as_str()).collect()
    };
    let (other, nothing) = (named(Stated::Other), named(Stated::Nothing));
    let left = effective::left(record, spec);
    status.effective = if echoed {
        effective::shown(record, &left, &differences)
    } else {
        Vec::new()
    };
    let mut conditions = Conditions {
        status: &mut status.conditions,
        generation: facts.generation,
        now: facts.now,
    };
    if !echoed {
        let text = "the answer of the provider contains none of the requested members, so it is unknown which values it registered";
        conditions.set(CONDITION, "Unknown", Reason::MetadataNotStated, text);
        return;
    }
    let (status, reason) = match (left.len() + other.len(), nothing.len()) {
        (0, 0) => ("True", Reason::AsRequested),
        (0, _) => ("Unknown", Reason::MetadataNotStated),
        _ => ("False", Reason::MetadataSubstituted),
    };
    let mut text = Vec::new();
    if !left.is_empty() {
        text.push(format!(
            "the provider keeps the last values of {}, which the manifest no longer sets; see status.effective. Set them to the values that the application needs, or remove them at the provider",
            fields(&left)
        ));
    }
    if !other.is_empty() {
        text.push(format!(
            "the provider registered other values of {} than the manifest sets; see status.effective. Change the manifest, or ask the administrator of the \
             provider to allow the requested values",
            fields(&other)
        ));
    }
    if !nothing.is_empty() {
        text.push(format!(
            "the answer of the provider does not contain {}, so it is unknown whether the provider registered the requested values; check the client there",
            fields(&nothing)
        ));
    }
    let named = other.into_iter().chain(nothing);
    let unsent: Vec<&str> = named.filter(|member| !record.request.contains_key(*member)).collect();
    if !unsent.is_empty() {
        text.push(format!(
            "the operator does not send {} to this provider, by spec.omitMembers or the profile of the provider object",
            fields(&unsent)
        ));
    }
    if text.is_empty() {
        text.push("the provider registered the values that the manifest sets".to_owned());
    }
    conditions.set(CONDITION, status, reason, &text.join(". "));
}

/// An authentication method, as a provider states it, for the status.
pub(super) fn method(stated: &str) -> String {
    stated.chars().take(LONGEST_METHOD).collect()
}

/// The paths of members in the manifest.
fn fields(members: &[&str]) -> String {
    let named = members.iter().take(MOST_NAMED).map(|member| metadata::field_of(member));
    let listed = named.collect::<Vec<_>>().join(", ");
    match members.len().saturating_sub(MOST_NAMED) {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}
