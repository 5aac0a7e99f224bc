//! Servers that have a profile and come as no package that a test could fetch: each as the deviations that are known of it, from its
//! documentation or its source. No code names a row.

use super::quirk::Operation::{Delete, Read, Register, Update};
use super::quirk::{Dialect, Quirk};
use Quirk::{
    Absent, Administered, At, Bought, Hidden, Ignores, IssuesSecret, IssuesToken, Needs, Omits, Refuses, States,
    Stores, Success, Unauthorized, UniqueNames, Unlists,
};

const MANAGED: &[&str] = &["registration_access_token", "registration_client_uri"];

/// `source`: where its deviations are known from; what is assumed is named.
const fn server(name: &'static str, source: &'static str, provider: &'static str, quirks: &'static [Quirk]) -> Dialect {
    Dialect {
        name,
        seen_at: source,
        provider,
        quirks,
    }
}

/// Every server. Its name is that of its profile.
#[rustfmt::skip]
pub const PROFILES: &[Dialect] = &[
    server("auth0", "documentation", "profile: auth0\n", &[Omits(Register, MANAGED)]),
    server("authentik", "documentation", "profile: authentik\nregistrationAuth:\n  clientCredentials:\n    scopes: [goauthentik.io/oidc/dcr]\n    secretRef: {name: operator}\n", &[Bought("goauthentik.io/oidc/dcr"), Omits(Register, MANAGED), Stores("token_endpoint_auth_method", r#""client_secret_basic""#), Ignores(&["scope", "contacts", "application_type"])]),
    server("curity", "documentation", "profile: curity\nregistrationAuth:\n  clientCredentials:\n    scopes: [dcr]\n    tokenReuse: Never\n    secretRef: {name: operator}\n", &[Bought("dcr"), IssuesSecret(Update), IssuesToken(Update), IssuesSecret(Read), IssuesToken(Read), States(Register, "registration_access_token_expires_in", "31536000")]),
    server("gluu", "source", "profile: gluu\n", &[At("/register?client_id={id}"), Unauthorized(400, r#"{"error":"invalid_token","error_description":"The access token is invalid"}"#)]),
    server("hydra", "source", "profile: hydra\n", &[Hidden("/oauth2/register"), Refuses(Update, "client_secret", 403, r#"{"error":"The request was forbidden"}"#), Omits(Update, &["client_secret", "registration_client_uri"]), Omits(Read, &["client_secret", "registration_client_uri", "registration_access_token"]), IssuesToken(Update), Unauthorized(401, r#"{"error":"The request could not be authorized"}"#), States(Register, "owner", r#""""#), States(Register, "metadata", "{}")]),
    server("ibm-isva", "documentation", "profile: ibm-isva\n", &[Success(Register, 200), At("/register?client_id={id}"), IssuesSecret(Update), IssuesToken(Update), Needs(Update, "client_secret", 400, r#"{"error":"invalid_request"}"#), Unlists(Register, &["redirect_uris", "grant_types"]), Unlists(Update, &["redirect_uris", "grant_types"])]),
    server("okta", "documentation (assumed: error texts)", "profile: okta\nregistrationAuth:\n  header:\n    name: Authorization\n    secretRef: {name: api-token}\n", &[Administered("SSWS of-a-test"), States(Register, "subject_type", r#""public""#), States(Update, "subject_type", r#""public""#), Needs(Update, "subject_type", 400, r#"{"errorCode":"E0000001","errorSummary":"Api validation failed: subject_type"}"#), Unauthorized(404, r#"{"errorCode":"E0000007","errorSummary":"Not found"}"#), Omits(Read, &["client_secret"])]),
    server("pingfederate", "documentation (assumed: status of a refused deletion)", "profile: pingfederate\n", &[Absent(Delete, 405, ""), IssuesSecret(Update), IssuesToken(Update), Omits(Read, &["client_secret"])]),
    server("rauthy", "source (assumed: status of a deletion)", "profile: rauthy\n", &[Absent(Delete, 405, ""), IssuesSecret(Update), Omits(Read, MANAGED)]),
    server("spring", "source (assumed: status of an update)", "profile: spring\nregistrationAuth:\n  clientCredentials:\n    scopes: [client.create]\n    tokenReuse: Never\n    secretRef: {name: operator}\n", &[Bought("client.create"), At("/register?client_id={id}"), Absent(Update, 405, ""), Absent(Delete, 405, ""), States(Read, "client_secret", r#""{bcrypt}$2a$10$abcdefghijklmnopqrstuv""#), Stores("response_types", r#"["code"]"#)]),
    server("thunder", "1.0.0, tried by hand", "profile: thunder\n", &[UniqueNames(400, r#"{"error":"invalid_client_metadata","error_description":"An application with the same name already exists"}"#), Omits(Register, MANAGED), States(Register, "app_id", r#""019""#)]),
    server("zitadel", "source, with pull request 12315", "profile: zitadel\n", &[Unauthorized(404, r#"{"error":"invalid_client","error_description":"client not found"}"#), IssuesToken(Update), Omits(Read, &["client_secret"]), Omits(Register, &["client_secret_expires_at"]), Ignores(&["client_name", "application_type", "response_types", "scope", "contacts"])]),
];

#[cfg(test)]
mod tests {
    use super::PROFILES;

    #[test]
    fn every_server_uses_the_profile_of_its_name() {
        for server in PROFILES {
            assert!(
                server.provider.starts_with(&format!("profile: {}\n", server.name)),
                "{}",
                server.name
            );
        }
    }
}
