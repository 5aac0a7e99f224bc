//! The table of dialects: a new one is one row. No code names a row.

use super::quirk::Operation::{Delete, Read, Register, Update};
use super::quirk::{Dialect, Quirk};
use Quirk::{
    Absent, AcceptsAnybody, At, Dates, FormOnly, HeaderOnly, Ignores, IssuesSecret, IssuesToken, Labelled, Lists,
    Merges, Needs, Omits, Overlooks, Refuses, RefusesValue, Relative, Repeats, States, Stores, Success, Unauthorized,
    Unlists,
};

const MANAGED: &[&str] = &["registration_access_token", "registration_client_uri"];
const UNMANAGED: &str = "management: {mode: None}\n";

const fn row(name: &'static str, seen_at: &'static str, quirks: &'static [Quirk]) -> Dialect {
    Dialect {
        name,
        seen_at,
        provider: "",
        quirks,
    }
}

/// A server that offers nothing but registration.
const fn unmanaged(name: &'static str, seen_at: &'static str, quirks: &'static [Quirk]) -> Dialect {
    Dialect {
        provider: UNMANAGED,
        ..row(name, seen_at, quirks)
    }
}

/// Every dialect.
#[rustfmt::skip]
pub const DIALECTS: &[Dialect] = &[
    row("status-200", "glewlwyd", &[Success(Register, 200), Success(Delete, 200), Unauthorized(401, "")]),
    row("status-202", "not seen yet", &[Success(Register, 202), Success(Delete, 202)]),
    row("unauthorized-400-denied", "Authlib, Canaille", &[Unauthorized(400, r#"{"error":"access_denied","error_description":"The resource owner or authorization server denied the request"}"#)]),
    row("unauthorized-400-token", "Gluu, Janssen", &[Unauthorized(400, r#"{"error":"invalid_token","error_description":"The access token is invalid"}"#)]),
    row("unauthorized-404", "Zitadel, for a client that does not exist", &[Unauthorized(404, r#"{"error":"invalid_client","error_description":"client not found"}"#), IssuesToken(Update), Omits(Read, &["client_secret"])]),
    row("unauthorized-403-empty", "MITREid Connect, for another client's token", &[Unauthorized(403, "")]),
    row("unauthorized-403-code", "Gravitee (status; assumed code)", &[Unauthorized(403, r#"{"error":"forbidden","error_description":"Non matching registration_access_token"}"#), IssuesToken(Update)]),
    row("unauthorized-401-html", "idpyoidc", &[Unauthorized(401, r#"{"error":"unauthorized_client","error_description":"Authorization failed"}"#), Labelled("text/html")]),
    row("unauthorized-401-prose", "Ory Hydra", &[Unauthorized(401, r#"{"error":"The request could not be authorized","error_description":"The requested OAuth 2.0 client does not exist or you provided incorrect credentials"}"#)]),
    row("unauthorized-404-empty", "not seen yet", &[Unauthorized(404, "")]),
    row("unauthorized-404-message", "not seen yet", &[Unauthorized(404, r#"{"message":"Client not found"}"#)]),
    row("unauthorized-400-request", "not seen yet", &[Unauthorized(400, r#"{"error":"invalid_request","error_description":"Unknown client"}"#)]),
    row("unauthorized-422-message", "not seen yet", &[Unauthorized(422, r#"{"message":"No such client"}"#)]),
    row("token-per-update", "Keycloak, django-oauth-toolkit", &[IssuesToken(Update)]),
    row("secret-per-update", "glewlwyd, Rauthy", &[IssuesSecret(Update)]),
    row("both-per-update", "IBM Verify Access", &[IssuesSecret(Update), IssuesToken(Update)]),
    row("both-per-read", "Curity", &[IssuesSecret(Update), IssuesToken(Update), IssuesSecret(Read), IssuesToken(Read)]),
    row("secret-in-update", "IBM Verify Access", &[Needs(Update, "client_secret", 400, r#"{"error":"invalid_client_metadata","error_description":"client_secret must be presented"}"#)]),
    row("no-secret-in-update", "Ory Hydra", &[Refuses(Update, "client_secret", 403, r#"{"error":"The request was forbidden"}"#), Omits(Update, &["client_secret", "registration_client_uri"]), Omits(Read, &["client_secret", "registration_client_uri", "registration_access_token"]), IssuesToken(Update)]),
    row("everything-in-update", "Okta (assumed error texts)", &[Needs(Update, "response_types", 400, r#"{"errorCode":"E0000001","errorSummary":"Api validation failed: response_types"}"#), Needs(Update, "application_type", 400, r#"{"errorCode":"E0000001","errorSummary":"Api validation failed: application_type"}"#)]),
    row("merge", "Authlib, Keycloak, Casdoor", &[Merges]),
    row("merge-over-null", "servers that read null as absent", &[Overlooks(&["null"]), Merges]),
    row("merge-without-null", "servers that refuse null", &[RefusesValue(Update, "null", 400, r#"{"error":"invalid_client_metadata","error_description":"null is not allowed"}"#), Merges]),
    row("merge-for-good", "servers that clear no member", &[Overlooks(&["null", r#""""#, "[]"]), Merges]),
    row("no-update", "not seen yet", &[Absent(Update, 405, "")]),
    row("no-delete", "Rauthy (assumed status)", &[Absent(Delete, 405, ""), IssuesSecret(Update)]),
    row("no-delete-400", "idpyoidc", &[Absent(Update, 405, "<h1>Method Not Allowed</h1>"), Absent(Delete, 400, r#"{"error":"unsupported_operation"}"#)]),
    row("no-update-no-delete-404", "oidc-provider without management", &[Absent(Update, 404, "Not Found"), Absent(Delete, 404, "Not Found")]),
    row("read-only-hashed", "Spring Authorization Server (assumed status)", &[Absent(Update, 405, ""), Absent(Delete, 405, ""), States(Read, "client_secret", r#""{bcrypt}$2a$10$abcdefghijklmnopqrstuv""#)]),
    unmanaged("nothing-but-post", "Auth0, Duende, Authentik", &[Omits(Register, MANAGED)]),
    unmanaged("expires", "MCP TypeScript SDK", &[Omits(Register, MANAGED), States(Register, "client_secret_expires_at", "4102444800")]),
    unmanaged("expiry-as-text", "WSO2 5.x", &[Omits(Register, MANAGED), States(Register, "client_secret_expires_at", r#""0""#)]),
    unmanaged("expiry-by-another-name", "LemonLDAP::NG", &[Omits(Register, &["client_secret_expires_at"]), States(Register, "client_id_expires_at", "0"), Omits(Register, MANAGED)]),
    unmanaged("no-management-unasked", "ThunderID", &[Omits(Register, MANAGED), States(Register, "app_id", r#""019""#)]),
    row("no-expiry", "django-oauth-toolkit, Zitadel (assumed)", &[Omits(Register, &["client_secret_expires_at"]), Omits(Update, &["client_secret_expires_at"])]),
    row("milliseconds", "Gravitee", &[States(Register, "client_id_issued_at", "4102444800000"), States(Read, "registration_access_token", "null"), States(Read, "registration_client_uri", "null")]),
    row("strings-as-lists", "glewlwyd", &[Lists(Read, &["token_endpoint_auth_method"]), Lists(Update, &["token_endpoint_auth_method"])]),
    row("lists-as-strings", "IBM Verify Access", &[Unlists(Register, &["redirect_uris", "grant_types"]), Unlists(Update, &["redirect_uris", "grant_types"])]),
    row("noise", "Ory Hydra", &[States(Register, "owner", r#""""#), States(Register, "contacts", "null"), States(Register, "jwks", "{}"), States(Register, "metadata", "{}"), States(Register, "client_uri", r#""""#)]),
    row("another-method", "django-oauth-toolkit, Authentik", &[Stores("token_endpoint_auth_method", r#""client_secret_basic""#)]),
    row("more-grants", "Keycloak, Spring", &[Dates, Stores("grant_types", r#"["client_credentials","refresh_token","authorization_code"]"#), Stores("response_types", r#"["code","none"]"#)]),
    row("forgetful", "Zitadel, Casdoor", &[Ignores(&["client_name", "application_type", "response_types", "scope", "contacts"])]),
    row("strict", "Keycloak", &[Refuses(Register, "client_name#ja", 400, r#"{"error":"Unrecognized field \"client_name#ja\""}"#), Refuses(Register, "client_id", 400, r#"{"error":"invalid_client_metadata","error_description":"Client Identifier included"}"#)]),
    row("query-address", "idpyoidc, Gluu, OpenAM", &[At("/register?client_id={id}")]),
    row("slash-at-the-end", "django-oauth-toolkit", &[At("/register/{id}/")]),
    row("slash-twice", "glewlwyd", &[At("//register/{id}")]),
    row("relative-address", "Cloudflare workers-oauth-provider", &[Relative]),
    row("mislabelled", "idpyoidc", &[Labelled("text/html; charset=utf-8")]),
];

/// Servers whose registrations are not what they seem. No application can use most of them.
#[rustfmt::skip]
pub const DECEPTIVE: &[Dialect] = &[
    row("corrupted-secret", "a proxy that rewrites answers", &[States(Register, "client_secret", r#""corrupted""#)]),
    row("method-ignored", "servers that know one method only", &[FormOnly]),
    row("method-replaced", "servers that register one method only, and say so", &[Stores("token_endpoint_auth_method", r#""client_secret_basic""#), HeaderOnly]),
    row("accepts-anybody", "servers that answer 200 to every revocation", &[AcceptsAnybody]),
    row("another-client", "servers that take two clients for equal", &[Repeats(None)]),
    row("another-client-dated", "the same, with client_id_issued_at", &[Repeats(Some(1_700_000_000))]),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{DECEPTIVE, DIALECTS};

    #[test]
    fn every_dialect_has_a_name_of_its_own_and_a_quirk() {
        let names: BTreeSet<&str> = DIALECTS.iter().map(|dialect| dialect.name).collect();
        assert_eq!(names.len(), DIALECTS.len());
        assert!(
            DIALECTS
                .iter()
                .chain(DECEPTIVE)
                .all(|dialect| !dialect.quirks.is_empty())
        );
    }
}
