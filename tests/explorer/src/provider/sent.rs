//! A management call as it arrives.

use oauth_client_operator::domain::target::AuthScheme;
use oauth_client_operator::provider::ManagementCall;

/// A management call as it arrives.
pub(crate) struct Sent<'a> {
    pub uri: &'a str,
    pub scheme: &'a AuthScheme,
}

impl<'a> Sent<'a> {
    pub(crate) fn of(call: &'a ManagementCall) -> Self {
        Self {
            uri: call.uri(),
            scheme: call.scheme(),
        }
    }
}
