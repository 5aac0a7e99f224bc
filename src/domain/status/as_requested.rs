//! Whether the provider registered what the manifest asks for: condition `AsRequested`, and the differences.

use crate::api::{OAuthClientStatus, Reason};
use crate::domain::comparison::Stated;
use crate::domain::effective::{self, Difference};
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
        Verdict::Failed(failure) => {
            matches!(
                failure.reason,
                Reason::AuthMethodSubstituted | Reason::SecretNotIssued | Reason::SecretExpired
            )
        }
        Verdict::Nothing | Verdict::Gone | Verdict::Suspended => false,
    };
    if !about_answer {
        return;
    }
    let differences = effective::differences(record);
    let echoed = effective::is_echoed(record);
    let set = metadata::set_members(spec);
    let named = |stated: Stated| -> Vec<&Difference> {
        let set = differences.iter().filter(|difference| set.contains(&difference.member));
        set.filter(|difference| difference.stated == stated).collect()
    };
    let (other, nothing) = (named(Stated::Other), named(Stated::Nothing));
    status.effective = if echoed {
        effective::shown(record, &differences)
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
    } else if !record.cleared.left.is_empty() {
        let left: Vec<String> = record
            .cleared
            .left
            .keys()
            .map(|member| metadata::field_of(member))
            .collect();
        let text = format!(
            "the provider keeps the last values of {}, which the manifest no longer sets, whatever value the operator sends for none; see status.effective. \
             Set them to the values that the application needs, or remove them at the provider",
            listed(&left)
        );
        conditions.set(CONDITION, "False", Reason::MetadataSubstituted, &text);
    } else if !other.is_empty() {
        let text = format!(
            "the provider registered other values of {} than the manifest sets; see status.effective. Change the manifest, or ask the administrator of the \
             provider to allow the requested values",
            fields(&other)
        );
        conditions.set(CONDITION, "False", Reason::MetadataSubstituted, &text);
    } else if !nothing.is_empty() {
        let text = format!(
            "the answer of the provider does not contain {}, so it is unknown whether the provider registered the requested values; check the client there",
            fields(&nothing)
        );
        conditions.set(CONDITION, "Unknown", Reason::MetadataNotStated, &text);
    } else {
        let text = "the provider registered the values that the manifest sets";
        conditions.set(CONDITION, "True", Reason::AsRequested, text);
    }
}

/// An authentication method, as a provider states it, for the status.
pub(super) fn method(stated: &str) -> String {
    stated.chars().take(LONGEST_METHOD).collect()
}

fn fields(differences: &[&Difference]) -> String {
    let fields: Vec<String> = differences
        .iter()
        .map(|difference| metadata::field_of(&difference.member))
        .collect();
    listed(&fields)
}

fn listed(fields: &[String]) -> String {
    let mut listed = fields[..fields.len().min(MOST_NAMED)].join(", ");
    if fields.len() > MOST_NAMED {
        listed = format!("{listed} and {} more", fields.len() - MOST_NAMED);
    }
    listed
}
