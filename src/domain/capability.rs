//! What a provider can do, learned from its answers to the calls that clients need anyway.
//!
//! Invariant: nothing is guessed, so what no answer has told is not set. Of two observations the later variant of each type counts, so
//! that a member changes once or twice in the life of a provider, however many clients it has.

use kube::ResourceExt;
use secrecy::{ExposeSecret, SecretString};

use crate::api::{
    Capabilities, Clearing, ClearingWays, DeleteSupport, Kept, ManagementMode, OAuthClient, ProbeSupport, Probes,
    ProviderStatus, ReadSupport, Rotation, UpdateSupport, names,
};

mod members;

use super::metadata::Request;
use super::outcome::{CallError, Deletion};
use super::probe::{ProbeKind, Probed};
use super::record::Record;
use super::refusal;
use super::registration::Registration;

/// What was seen at an issuer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The issuer: a provider object may come to lead elsewhere.
    pub(crate) issuer: String,
    /// What was seen.
    pub(crate) capabilities: Capabilities,
    /// UID of a throw-away client whose deletion has ended.
    pub(crate) certified: Option<String>,
}

/// Whether an object is the throw-away client of `certify`, with which may be done what an application would suffer from.
#[must_use]
pub(crate) fn is_throw_away(object: &OAuthClient) -> bool {
    object.labels().get(names::CERTIFY).is_some_and(|value| value == "true")
}

/// What is to be written of a provider once this was seen as well, if that is more than its status says and was to be written `before`.
#[must_use]
pub(crate) fn news(status: &ProviderStatus, before: Option<&Seen>, seen: Seen) -> Option<Seen> {
    // Another issuer than the one that the provider object leads to.
    if status.issuer.as_ref().is_some_and(|issuer| *issuer != seen.issuer) {
        return None;
    }
    let before = before.filter(|before| before.issuer == seen.issuer);
    let so_far = before.cloned().unwrap_or_default();
    let shown = merged(&status.capabilities.clone().unwrap_or_default(), &so_far.capabilities);
    let certified_now = so_far.certified.as_ref().or(status.certified.as_ref());
    let is_news = merged(&shown, &seen.capabilities) != shown
        || seen.certified.is_some() && seen.certified.as_ref() != certified_now;
    is_news.then(|| Seen {
        capabilities: merged(&so_far.capabilities, &seen.capabilities),
        certified: seen.certified.or(so_far.certified),
        issuer: seen.issuer,
    })
}

/// Puts into the next status of a provider what was seen at its issuer.
pub(crate) fn show(previous: &ProviderStatus, next: &mut ProviderStatus, seen: Option<&Seen>) {
    let known = previous.capabilities.as_ref();
    let known = known.filter(|_| previous.issuer == next.issuer);
    let seen = seen.filter(|seen| next.issuer.as_ref() == Some(&seen.issuer));
    next.capabilities = both(known, seen.map(|seen| &seen.capabilities), merged);
    if let Some(certified) = seen.and_then(|seen| seen.certified.as_ref()) {
        next.certified = Some(certified.clone());
    }
}

/// What the answer to a registration tells.
#[must_use]
pub(crate) fn of_registration(answer: &Result<Registration, CallError>) -> Capabilities {
    let Ok(answer) = answer else {
        return Capabilities::default();
    };
    let is_offered = answer.registration_access_token.is_some() && answer.registration_client_uri.is_some();
    Capabilities {
        management: Some(if is_offered {
            ManagementMode::RegistrationAccessToken
        } else {
            ManagementMode::None
        }),
        ..Capabilities::default()
    }
}

/// What a registration tells that is known to have made this client, so that the answer is about nothing but the request.
#[must_use]
pub(crate) fn of_own_registration(request: &Request, registration: &Registration) -> Capabilities {
    Capabilities {
        substitutes: members::substitutes(request, &registration.metadata),
        ..Capabilities::default()
    }
}

/// What the answer to a read of a recorded client tells.
#[must_use]
pub(crate) fn of_read(record: &Record, answer: &Result<Registration, CallError>) -> Capabilities {
    match answer {
        Ok(answer) if answer.client_id == record.client_id => Capabilities {
            management: managed(record),
            read: Some(ReadSupport::Supported),
            registration_access_token: on_read(token(record, answer)),
            client_secret: on_read(secret(record, answer)),
            ..Capabilities::default()
        },
        Err(error) if refusal::is_unsupported(error) => Capabilities {
            read: Some(ReadSupport::Unsupported),
            ..Capabilities::default()
        },
        Ok(_) | Err(_) => Capabilities::default(),
    }
}

/// What the answer to an update of a recorded client tells. `request`: what was asked for. `body`: what was sent, which also has what
/// takes members out.
#[must_use]
pub(crate) fn of_update(
    record: &Record,
    request: &Request,
    body: &Request,
    answer: &Result<Registration, CallError>,
) -> Capabilities {
    match answer {
        Ok(answer) if answer.client_id == record.client_id => Capabilities {
            management: managed(record),
            update: Some(if body.contains_key("client_secret") {
                UpdateSupport::PutWithSecret
            } else {
                UpdateSupport::Put
            }),
            omitted_members: members::omitted(record, body, &answer.metadata),
            clearing: members::clearing(record, body, &answer.metadata),
            substitutes: members::substitutes(request, &answer.metadata),
            registration_access_token: on_update(token(record, answer)),
            client_secret: on_update(secret(record, answer)),
            ..Capabilities::default()
        },
        Err(error) if refusal::is_unsupported(error) => no_updates(),
        Ok(_) | Err(_) => Capabilities::default(),
    }
}

/// A refused update that asked for nothing but to take members out in this way.
#[must_use]
pub(crate) fn refused_clearing(way: Clearing) -> Capabilities {
    Capabilities {
        clearing: Some(members::failed(way)),
        ..Capabilities::default()
    }
}

/// What the answer to a deregistration tells. `counts`: whether a success means that the client is gone.
#[must_use]
pub(crate) fn of_deletion(record: &Record, counts: bool, answer: &Result<Deletion, CallError>) -> Capabilities {
    let delete = match answer {
        Ok(Deletion::Done) if counts => DeleteSupport::Supported,
        Ok(_) => DeleteSupport::Unproven,
        Err(error) if refusal::is_unsupported(error) => DeleteSupport::Unsupported,
        Err(_) => return Capabilities::default(),
    };
    Capabilities {
        management: managed(record).filter(|_| delete == DeleteSupport::Supported),
        delete: Some(delete),
        ..Capabilities::default()
    }
}

/// An update that was answered with 404 although the client is there.
#[must_use]
pub(crate) fn no_updates() -> Capabilities {
    Capabilities {
        update: Some(UpdateSupport::Unsupported),
        ..Capabilities::default()
    }
}

/// A deregistration that was answered with 404 although the client is there.
#[must_use]
pub(crate) fn no_deletions() -> Capabilities {
    Capabilities {
        delete: Some(DeleteSupport::Unsupported),
        ..Capabilities::default()
    }
}

/// What a try of a client's own credentials tells. A rejection is about these credentials.
#[must_use]
pub(crate) fn of_probe(probed: Probed) -> Capabilities {
    let (kind, tells) = match probed {
        Probed::Accepted(kind) => (kind, ProbeSupport::TellsClients),
        Probed::AcceptsAnybody(kind) => (kind, ProbeSupport::AcceptsAnybody),
        Probed::Rejected(_) | Probed::Unclear | Probed::NoAnswer => return Capabilities::default(),
    };
    of_endpoint(kind, tells)
}

/// What the endpoint that accepted the credentials of a throw-away client says to a wrong secret of that client.
#[must_use]
pub(crate) fn of_wrong_secret(kind: ProbeKind, answer: Probed) -> Capabilities {
    match answer {
        Probed::Rejected(_) => of_endpoint(kind, ProbeSupport::TellsSecrets),
        Probed::Accepted(_) | Probed::AcceptsAnybody(_) => of_endpoint(kind, ProbeSupport::AcceptsAnySecret),
        Probed::Unclear | Probed::NoAnswer => Capabilities::default(),
    }
}

fn of_endpoint(kind: ProbeKind, tells: ProbeSupport) -> Capabilities {
    let at = |own: ProbeKind| (own == kind).then_some(tells);
    Capabilities {
        probes: Some(Probes {
            revocation: at(ProbeKind::Revocation),
            introspection: at(ProbeKind::Introspection),
            token: at(ProbeKind::Token),
        }),
        ..Capabilities::default()
    }
}

/// Both together.
fn merged(known: &Capabilities, seen: &Capabilities) -> Capabilities {
    let rotation = |known: &Option<Rotation>, seen: &Option<Rotation>| {
        both(known.as_ref(), seen.as_ref(), |known, seen| Rotation {
            on_read: known.on_read.max(seen.on_read),
            on_update: known.on_update.max(seen.on_update),
        })
    };
    Capabilities {
        management: match (known.management, seen.management) {
            (Some(known), Some(seen)) if rank(known) >= rank(seen) => Some(known),
            (known, seen) => seen.or(known),
        },
        // `None` is less than everything.
        read: known.read.max(seen.read),
        update: known.update.max(seen.update),
        delete: known.delete.max(seen.delete),
        omitted_members: known.omitted_members.max(seen.omitted_members),
        clearing: both(known.clearing.as_ref(), seen.clearing.as_ref(), |known, seen| {
            let fails = members::all(&known.fails, &seen.fails);
            let mut works = members::all(&known.works, &seen.works);
            works.retain(|way| !fails.contains(way));
            ClearingWays { works, fails }
        }),
        substitutes: both(known.substitutes.as_ref(), seen.substitutes.as_ref(), |known, seen| {
            members::all(known, seen)
        }),
        registration_access_token: rotation(&known.registration_access_token, &seen.registration_access_token),
        client_secret: rotation(&known.client_secret, &seen.client_secret),
        probes: both(known.probes.as_ref(), seen.probes.as_ref(), |known, seen| Probes {
            revocation: known.revocation.max(seen.revocation),
            introspection: known.introspection.max(seen.introspection),
            token: known.token.max(seen.token),
        }),
    }
}

fn both<T: Clone>(known: Option<&T>, seen: Option<&T>, merge: impl Fn(&T, &T) -> T) -> Option<T> {
    match (known, seen) {
        (Some(known), Some(seen)) => Some(merge(known, seen)),
        (known, seen) => seen.or(known).cloned(),
    }
}

const fn rank(mode: ManagementMode) -> u8 {
    match mode {
        ManagementMode::None => 0,
        ManagementMode::Credentials => 1,
        ManagementMode::RegistrationAccessToken => 2,
    }
}

/// How the recorded client was managed just now, if not as its registration told.
fn managed(record: &Record) -> Option<ManagementMode> {
    (record.management.mode == ManagementMode::Credentials).then_some(ManagementMode::Credentials)
}

fn on_read(kept: Option<Kept>) -> Option<Rotation> {
    kept.map(|kept| Rotation {
        on_read: Some(kept),
        on_update: None,
    })
}

fn on_update(kept: Option<Kept>) -> Option<Rotation> {
    kept.map(|kept| Rotation {
        on_read: None,
        on_update: Some(kept),
    })
}

fn token(record: &Record, answer: &Registration) -> Option<Kept> {
    let before = record.registration_access_token.as_ref()?;
    Some(kept(before, answer.registration_access_token.as_ref()))
}

fn secret(record: &Record, answer: &Registration) -> Option<Kept> {
    let before = record.client_secret.as_ref()?;
    Some(kept(before, answer.client_secret.as_ref()))
}

/// An answer that does not repeat a value does not change it.
fn kept(before: &SecretString, after: Option<&SecretString>) -> Kept {
    match after {
        Some(after) if after.expose_secret() != before.expose_secret() => Kept::Changed,
        _ => Kept::Same,
    }
}

#[cfg(test)]
mod tests;
