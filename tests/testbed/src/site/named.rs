//! Several sites in one namespace: the objects of each have names of their own.

use super::Site;

/// Names of the objects in the manifests of sites.
const NAMES: [&str; 5] = [
    "provider",
    "initial-access-token",
    "wso2-admin",
    "api-token",
    "operator",
];

impl Site {
    /// The manifests with this after each name; the `OAuthProvider` is `provider-<suffix>`.
    #[must_use]
    pub fn manifests_named(&self, suffix: &str) -> String {
        let named = |text: String, name: &&str| {
            let text = text.replace(&format!("name: {name}\n"), &format!("name: {name}-{suffix}\n"));
            text.replace(&format!("name: {name}}}"), &format!("name: {name}-{suffix}}}"))
        };
        NAMES.iter().fold(self.manifests.clone(), named)
    }

    /// An `OAuthClient` at the provider of [`Self::manifests_named`], with what it insists on.
    #[must_use]
    pub fn client_named(&self, suffix: &str, name: &str, spec: &str) -> String {
        let client = self.client(name, spec);
        client.replacen("name: provider\n", &format!("name: provider-{suffix}\n"), 1)
    }
}
