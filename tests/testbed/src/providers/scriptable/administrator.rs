//! What an administrator does at the provider, behind everyone's back.

use serde_json::{Map, Value, json};

use super::ScriptableProvider;

impl ScriptableProvider {
    /// Removes a client; false if there was none.
    #[must_use = "false means that there was no such client"]
    pub fn remove_client(&self, client_id: &str) -> bool {
        let mut state = self.lock();
        state.tokens.remove(client_id);
        state.clients.remove(client_id).is_some()
    }

    /// Restores a removed client from what [`Self::registration_of`] said of it.
    pub fn restore_client(&self, registration: &Value) {
        let mut client = registration.clone();
        let token = client["registration_access_token"].take();
        let mut state = self.lock();
        if let (Some(id), Some(token)) = (registration["client_id"].as_str(), token.as_str()) {
            state.tokens.insert(id.to_owned(), token.to_owned());
            state.clients.insert(id.to_owned(), client);
        }
    }

    /// Regenerates the registration access token of a client: the one that was issued is void.
    pub fn regenerate_token(&self, client_id: &str) {
        let mut state = self.lock();
        let token = super::fresh("regenerated-token");
        state.tokens.insert(client_id.to_owned(), token);
    }

    /// Puts a registration access token in force, an earlier one for example.
    pub fn set_token(&self, client_id: &str, token: &str) {
        self.lock().tokens.insert(client_id.to_owned(), token.to_owned());
    }

    /// Regenerates the secret of a client: the one that was issued is void.
    pub fn regenerate_secret(&self, client_id: &str) {
        let mut state = self.lock();
        let secret = super::fresh("regenerated-secret");
        if let Some(client) = state.clients.get_mut(client_id) {
            client["client_secret"] = json!(secret);
        }
    }

    /// Registers a client of this identifier that nobody asked for.
    pub fn add_client(&self, client_id: &str, metadata: Map<String, Value>) {
        let mut state = self.lock();
        let (secret, token) = (super::fresh("secret"), super::fresh("token"));
        let mut client = Value::Object(metadata);
        client["client_id"] = json!(client_id);
        client["client_secret"] = json!(secret);
        state.clients.insert(client_id.to_owned(), client);
        state.tokens.insert(client_id.to_owned(), token);
    }

    /// Everything that a registration of this client is answered with: for an answer that shows a client that exists.
    #[must_use]
    pub fn registration_of(&self, client_id: &str) -> Value {
        let state = self.lock();
        super::plain::with_management(&state, client_id, state.clients[client_id].clone())
    }
}
