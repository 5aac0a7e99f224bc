//! Manifests of provider objects, clients and Secrets, as texts.

/// The member `tls` with this authority, or nothing.
#[must_use]
pub fn ca_bundle(ca: Option<&str>) -> String {
    let indented = |ca: &str| ca.lines().fold(String::new(), |text, line| text + "    " + line + "\n");
    ca.map_or_else(String::new, |ca| format!("tls:\n  caBundle: |\n{}", indented(ca)))
}

/// An `OAuthProvider` named `provider`.
#[must_use]
pub fn oauth_provider(spec: &str) -> String {
    object("OAuthProvider", "provider", spec)
}

/// An `OAuthClient` at `provider`.
#[must_use]
pub fn oauth_client(name: &str, spec: &str) -> String {
    object("OAuthClient", name, &format!("providerRef:\n  name: provider\n{spec}"))
}

fn object(kind: &str, name: &str, spec: &str) -> String {
    let spec = indented(spec.lines());
    format!(
        "apiVersion: oauth-client-operator.dev/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\nspec:\n{spec}---\n"
    )
}

/// A Secret whose owner consents to its being sent to an origin.
#[must_use]
pub fn consented(name: &str, origin: &str, data: &[(&str, &str)]) -> String {
    with_consent("Secret", "stringData", name, origin, data)
}

/// A ConfigMap whose owner consents to its authorities being used for an origin.
#[must_use]
pub fn trusted(name: &str, origin: &str, data: &[(&str, &str)]) -> String {
    with_consent("ConfigMap", "data", name, origin, data)
}

fn with_consent(kind: &str, member: &str, name: &str, origin: &str, data: &[(&str, &str)]) -> String {
    let data = indented(data.iter().map(|(key, value)| format!("{key}: \"{value}\"")));
    format!(
        "apiVersion: v1\nkind: {kind}\nmetadata:\n  name: {name}\n  labels:\n    oauth-client-operator.dev/provider-credentials: \
         \"true\"\n  annotations:\n    oauth-client-operator.dev/allowed-origins: {origin}\n{member}:\n{data}---\n"
    )
}

/// Credentials of a provider: a bearer token in a Secret.
#[must_use]
pub fn bearer(field: &str, secret: &str) -> String {
    format!("{field}:\n  bearer:\n    secretRef:\n      name: {secret}\n")
}

/// Credentials of a provider: user name and password in a Secret.
#[must_use]
pub fn basic(field: &str, secret: &str) -> String {
    format!("{field}:\n  basic:\n    secretRef:\n      name: {secret}\n")
}

/// Credentials of a provider: client identifier and secret in a Secret.
#[must_use]
pub fn client_credentials(field: &str, secret: &str) -> String {
    format!("{field}:\n  clientCredentials:\n    secretRef:\n      name: {secret}\n")
}

fn indented(lines: impl Iterator<Item = impl AsRef<str>>) -> String {
    lines.fold(String::new(), |text, line| text + "  " + line.as_ref() + "\n")
}
