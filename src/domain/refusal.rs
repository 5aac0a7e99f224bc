//! What a refused management call tells.
//!
//! Invariant: a refusal says that this call was refused, and nothing about the client. "Gone" and "bad token" are one answer.

use super::outcome::{CallError, Remark};

/// Whether the provider does not offer what it was asked for.
#[must_use]
pub(crate) fn is_unsupported(error: &CallError) -> bool {
    matches!(error.status, Some(405 | 501))
}

/// Whether the provider does not know the client or does not accept the token. No provider tells the two apart. A page is none
/// of a provider: a router that has lost its way answers 404, a firewall 403.
#[must_use]
pub(crate) fn is_gone_or_unauthorised(error: &CallError) -> bool {
    let code = error.code.as_deref();
    match error.status {
        Some(401 | 410) => true,
        Some(404) => code.is_some(),
        Some(400) => matches!(code, Some("access_denied" | "invalid_token" | "invalid_client")),
        Some(403) => code.is_none() && error.remark.is_none(),
        _ => false,
    }
}

/// Whether a management call was refused in any of the ways that may be about the client or its token. It says that this call was
/// refused, nothing more: absence needs another proof. A page is no answer of a provider.
#[must_use]
pub(crate) fn is_client_refused(error: &CallError) -> bool {
    let unknown = error.remark == Some(Remark::UnknownClient);
    match error.status {
        Some(404) => error.remark != Some(Remark::Page),
        Some(403) => error.code.is_none() && error.remark != Some(Remark::Page),
        Some(400) if matches!(error.code.as_deref(), None | Some("invalid_request")) => unknown,
        Some(422) => unknown,
        _ => is_gone_or_unauthorised(error),
    }
}

/// The same without an empty 404, which a router before the provider answers too: nothing in it is about a client.
#[must_use]
pub(crate) fn is_client_named(error: &CallError) -> bool {
    let is_blank = error.status == Some(404) && error.code.is_none() && error.remark.is_none();
    is_client_refused(error) && !is_blank
}

/// Whether the answer may mean that only this method is not offered: the client has to be looked at before it counts as gone.
#[must_use]
pub(crate) fn is_nowhere(error: &CallError) -> bool {
    error.status == Some(404)
}

/// Whether an update may have been refused for the lack of a `client_secret` in it.
#[must_use]
pub(crate) fn wants_client_secret(error: &CallError) -> bool {
    matches!(error.status, Some(400 | 403 | 422)) && error.remark == Some(Remark::ClientSecret)
}
