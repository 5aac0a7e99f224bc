//! Members that are not sent to a provider any more because of its object, not because of the manifest.

use serde_json::{Map, Value};

use crate::api::OAuthClientSpec;
use crate::domain::target::Knobs;

use super::{AUTH_METHOD, Request, defaults};

/// What decides about them.
pub struct Unsent<'a> {
    /// The manifest.
    pub spec: &'a OAuthClientSpec,
    /// Name of the client, where the manifest sets none.
    pub default_name: String,
    /// Authentication method that the operator chose for the client.
    pub chosen: Option<&'a str>,
    /// Settings of the provider object.
    pub knobs: &'a Knobs,
}

impl Unsent<'_> {
    /// Whether a request that was accepted is the wanted one. A default that the provider object does not send any more, or that an
    /// earlier version of its profile sent, is no reason for an update. `is_fixed`: there are no updates. Then a member that is not sent
    /// any more is no reason either: the provider object would make every client of it fail.
    #[must_use]
    pub fn is_same(&self, accepted: &Request, wanted: &Request, is_fixed: bool) -> bool {
        let unsent = |name: &String, value: &Value| {
            !wanted.contains_key(name)
                && (self.is_default(name, value) || is_fixed && self.knobs.omit_members.contains(name))
        };
        accepted == wanted || accepted.iter().filter(|(name, value)| !unsent(name, value)).eq(wanted)
    }

    /// Those of members that are to be cleared: what the provider object does not send is not sent as an empty value either.
    #[must_use]
    pub fn clearable(&self, members: Map<String, Value>) -> Map<String, Value> {
        let members = self.wanted(members).into_iter();
        let is_sent = |name: &String| !self.knobs.omit_members.contains(name);
        members.filter(|(name, _)| is_sent(name)).collect()
    }

    /// Those of members that the manifest has set.
    #[must_use]
    pub fn wanted(&self, members: Map<String, Value>) -> Map<String, Value> {
        let omitted = |name: &String| self.knobs.omit_members.contains(name);
        let own = |name: &String, value: &Value| {
            self.is_default(name, value) || omitted(name) && self.is_own_choice(name, value)
        };
        members.into_iter().filter(|(name, value)| !own(name, value)).collect()
    }

    /// Whether this is a default that the provider object does not send.
    fn is_default(&self, name: &String, value: &Value) -> bool {
        self.knobs.omit_defaults.contains(name) && self.is_own_choice(name, value)
    }

    /// Whether the operator has chosen this value, and not the manifest.
    fn is_own_choice(&self, name: &str, value: &Value) -> bool {
        let chosen = || {
            let is_unset = self.spec.metadata.token_endpoint_auth_method.is_none();
            name == AUTH_METHOD && is_unset && self.chosen.is_some() && self.chosen == value.as_str()
        };
        let is_default = || defaults(self.spec, &self.default_name).get(name) == Some(value);
        is_default() || chosen()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::Profile;
    use crate::domain::metadata::request;
    use crate::domain::profile::knobs;

    fn shop(method: Option<&str>) -> OAuthClientSpec {
        let spec = json!({
            "providerRef": {"name": "p"}, "redirectURIs": ["https://a/cb"], "contacts": ["a@b"], "tokenEndpointAuthMethod": method,
        });
        serde_json::from_value(spec).unwrap()
    }

    fn unsent<'a>(spec: &'a OAuthClientSpec, knobs: &'a Knobs) -> Unsent<'a> {
        Unsent {
            spec,
            default_name: "n".to_owned(),
            chosen: None,
            knobs,
        }
    }

    #[test]
    fn t271_a_default_that_an_earlier_version_sent_is_no_difference() {
        let (wso2, plain, shop) = (knobs(Profile::Wso2), knobs(Profile::Rfc7592), shop(None));
        let wanted = request(&shop, "n", &wso2).unwrap();
        let same = |accepted: &Request, knobs| unsent(&shop, knobs).is_same(accepted, &wanted, false);
        let mut before = wanted.clone();
        before.insert("token_endpoint_auth_method".to_owned(), json!("client_secret_basic"));
        assert!(same(&wanted, &wso2) && same(&before, &wso2));
        assert!(!same(&before, &plain));
        before.insert("token_endpoint_auth_method".to_owned(), json!("client_secret_post"));
        assert!(!same(&before, &wso2), "the manifest set it, and does not any more");
        let chosen = Unsent {
            chosen: Some("client_secret_post"),
            ..unsent(&shop, &wso2)
        };
        assert!(chosen.is_same(&before, &wanted, false), "the operator chose it");
        before.remove("token_endpoint_auth_method");
        before.insert("scope".to_owned(), json!("openid"));
        assert!(!same(&before, &wso2));
    }

    #[test]
    fn t290_a_member_that_is_not_sent_any_more_is_no_difference_where_nothing_can_be_updated() {
        let (shop, mut knobs) = (shop(None), knobs(Profile::Rfc7592));
        let mut before = request(&shop, "n", &knobs).unwrap();
        knobs.omit_members = vec!["contacts".to_owned(), "scope".to_owned()];
        let wanted = request(&shop, "n", &knobs).unwrap();
        let same = |before: &Request, is_fixed| unsent(&shop, &knobs).is_same(before, &wanted, is_fixed);
        assert!(same(&before, true) && !same(&before, false), "an update removes it");
        before.insert("logo_uri".to_owned(), json!("https://a/l"));
        assert!(!same(&before, true), "the manifest set it, and does not any more");
    }

    #[test]
    fn w114_what_the_provider_object_does_not_send_is_not_cleared() {
        let (shop, mut knobs) = (shop(None), knobs(Profile::Rfc7592));
        knobs.omit_members = vec!["contacts".to_owned()];
        knobs.omit_defaults = vec!["client_name".to_owned()];
        let members = |name: &str| {
            let members = json!({"contacts": ["a@b"], "client_name": name, "logo_uri": "https://a/l"});
            members.as_object().unwrap().clone()
        };
        let clearable = |name| Value::Object(unsent(&shop, &knobs).clearable(members(name)));
        assert_eq!(clearable("n"), json!({"logo_uri": "https://a/l"}), "a default");
        assert_eq!(
            clearable("own"),
            json!({"client_name": "own", "logo_uri": "https://a/l"}),
            "the manifest set it"
        );
    }
}
