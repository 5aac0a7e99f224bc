//! Software statements of a provider object, in requests that hold client metadata.

use std::sync::Arc;

use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};
use url::Url;

use crate::domain::failure::Failure;
use crate::domain::target::SoftwareStatement;

use super::auth;

/// Member of the request (RFC 7591 section 2.3).
const MEMBER: &str = "software_statement";

/// A request with the statement, unless the client has one of its own.
///
/// # Errors
/// The owner of the statement does not allow the origin of `url`.
pub(super) fn stated(
    request: &Map<String, Value>,
    statement: Option<&Arc<SoftwareStatement>>,
    url: &Url,
    origins: &[String],
) -> Result<Map<String, Value>, Failure> {
    let mut request = request.clone();
    if let Some(statement) = statement
        && !request.contains_key(MEMBER)
    {
        auth::check_origin(
            "the software statement of spec.softwareStatement of the provider may not be sent to",
            statement.origins.as_deref(),
            url,
            origins,
        )?;
        request.insert(MEMBER.to_owned(), statement.jwt.expose_secret().into());
    }
    Ok(request)
}
