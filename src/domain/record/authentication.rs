//! How a registered client authenticates.

use serde_json::{Map, Value};

use crate::domain::auth_method;

use super::Record;

impl Record {
    /// How the client authenticates at the token endpoint: as the provider states it, else as it was asked for.
    #[must_use]
    pub fn auth_method(&self) -> Option<&str> {
        self.stated_auth_method().or_else(|| method_in(&self.request))
    }

    /// How its application authenticates: by the method that the manifest sets, where the provider states another one that many providers
    /// accept from the same client; else as the provider states it.
    #[must_use]
    pub fn applied_auth_method(&self) -> Option<&str> {
        let stated = self.auth_method();
        let set = method_in(&self.request).filter(|_| self.auth_method.is_none());
        set.filter(|set| stated.is_some_and(|stated| auth_method::are_alike(set, stated)))
            .or(stated)
    }

    /// What is known of it, for the next request.
    #[must_use]
    pub fn former_auth_method(&self) -> auth_method::Former<'_> {
        auth_method::Former {
            requested: self.request.get(auth_method::MEMBER),
            chosen: self.auth_method.as_deref(),
            stated: self.stated_auth_method(),
        }
    }

    /// The same, if the provider states it.
    #[must_use]
    pub fn stated_auth_method(&self) -> Option<&str> {
        method_in(&self.metadata)
    }

    /// Whether the client has to authenticate with a secret that the provider never issued: what an application got would be
    /// half a credential.
    #[must_use]
    pub fn lacks_secret(&self) -> bool {
        self.client_secret.is_none()
            && self
                .auth_method()
                .is_some_and(|method| method.starts_with("client_secret"))
    }
}

fn method_in(members: &Map<String, Value>) -> Option<&str> {
    match members.get("token_endpoint_auth_method")? {
        Value::String(method) => Some(method.as_str()),
        // Some providers wrap it into a list.
        Value::Array(list) if list.len() == 1 => list[0].as_str(),
        _ => None,
    }
}
