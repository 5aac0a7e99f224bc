//! The registration request: client metadata as it goes over the wire (RFC 7591 section 2).

use std::collections::BTreeSet;

use ring::digest::{SHA256, digest};
use serde_json::{Map, Value, json};

use crate::api::metadata::{ClientMetadata, RESPONSE_ONLY, RareMetadata};
use crate::api::{OAuthClientSpec, Reason};

use super::failure::{Class, Failure};
use super::target::Knobs;

mod unsent;

pub use unsent::Unsent;

/// Wire name of the member that says how the client authenticates at the token endpoint.
pub(crate) const AUTH_METHOD: &str = "token_endpoint_auth_method";

/// Members of a request, under their wire names.
pub type Request = Map<String, Value>;

/// Builds the request of a client.
///
/// Members whose defaults differ from server to server are always sent: `token_endpoint_auth_method`, `grant_types`,
/// `response_types`, `redirect_uris` and `application_type`, unless the provider object says otherwise. Everything else is sent only if it
/// is set.
///
/// # Errors
/// `Invalid` if `extraMetadata` names a member that has a field, belongs to answers or is reserved by the provider, or if
/// the credentials Secret cannot be written as the spec asks.
pub fn request(spec: &OAuthClientSpec, default_name: &str, knobs: &Knobs) -> Result<Request, Failure> {
    super::secret::check(spec)?;
    let mut request = of_manifest(spec);
    if request.get("grant_types") == Some(&json!([])) {
        request.remove("grant_types");
    }
    for (name, value) in defaults(spec, default_name) {
        if !knobs.omit_defaults.contains(&name) {
            request.entry(name).or_insert(value);
        }
    }
    for (name, value) in spec.extra_metadata.iter().flatten() {
        check_extra(name, knobs)?;
        if request.insert(name.clone(), value.clone()).is_some() {
            let fault =
                format!("spec.extraMetadata.{name}: spec.localized sets this member as well; remove one of them");
            return Err(Failure::new(Class::Invalid, Reason::InvalidSpec, fault));
        }
    }
    request.retain(|name, _| !knobs.omit_members.iter().any(|omitted| omitted == name));
    Ok(request)
}

/// The members that the manifest sets itself, without those of `extraMetadata`.
#[must_use]
pub fn of_manifest(spec: &OAuthClientSpec) -> Request {
    let mut request = Map::new();
    spec.metadata.write_to(&mut request);
    if let Some(rare) = &spec.rare {
        rare.write_to(&mut request);
    }
    translate(&mut request);
    request
}

/// Wire names of the members that a manifest sets; all others of a request are defaults of the operator.
#[must_use]
pub fn set_members(spec: &OAuthClientSpec) -> BTreeSet<String> {
    let extra = spec.extra_metadata.iter().flatten().map(|(name, _)| name.clone());
    of_manifest(spec)
        .into_iter()
        .map(|(name, _)| name)
        .chain(extra)
        .collect()
}

/// Whether the operator sends a value of this member where the manifest sets none.
#[must_use]
pub(crate) fn has_default(spec: &OAuthClientSpec, member: &str) -> bool {
    defaults(spec, "").contains_key(member)
}

/// The path of a member in the manifest.
#[must_use]
pub fn field_of(member: &str) -> String {
    let mut members = ClientMetadata::MEMBERS.iter().chain(RareMetadata::MEMBERS);
    let localized = || {
        let (name, tag) = member.split_once('#')?;
        let fields = crate::api::metadata::Localized::MEMBERS;
        let (manifest, _) = fields.iter().find(|(_, wire)| *wire == name)?;
        Some(format!("spec.localized.{manifest}.{tag}"))
    };
    members
        .find(|(_, wire)| *wire == member)
        .map(|(manifest, _)| format!("spec.{manifest}"))
        .or_else(localized)
        .unwrap_or_else(|| format!("spec.extraMetadata.{member}"))
}

/// `scope` is one string on the wire; translations are members of their own, `name#tag` (RFC 7591 section 2.2).
fn translate(request: &mut Request) {
    if let Some(Value::Array(scopes)) = request.get("scope") {
        let joined = scopes.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
        request.insert("scope".to_owned(), Value::String(joined));
    }
    if let Some(Value::Object(localized)) = request.remove("localized") {
        let fields = crate::api::metadata::Localized::MEMBERS;
        for (wire, by_tag) in fields
            .iter()
            .filter_map(|(manifest, wire)| Some((wire, localized.get(*manifest)?)))
        {
            for (tag, text) in by_tag.as_object().into_iter().flatten() {
                request.insert(format!("{wire}#{tag}"), text.clone());
            }
        }
    }
}

/// What is sent of the members whose defaults differ from server to server, if the manifest does not set them.
fn defaults(spec: &OAuthClientSpec, default_name: &str) -> Request {
    let grants = match &spec.metadata.grant_types {
        Some(grants) if !grants.is_empty() => grants.clone(),
        _ => vec!["authorization_code".to_owned()],
    };
    let code = grants.iter().any(|grant| grant == "authorization_code");
    let redirects = code || grants.iter().any(|grant| grant == "implicit");
    let mut defaults = Map::new();
    let mut default = |name: &str, value: Value| defaults.insert(name.to_owned(), value);
    default("client_name", json!(default_name));
    default("token_endpoint_auth_method", json!("client_secret_basic"));
    default("application_type", json!("web"));
    default("response_types", if code { json!(["code"]) } else { json!([]) });
    if !redirects {
        default("redirect_uris", json!([]));
    }
    default("grant_types", json!(grants));
    defaults
}

fn check_extra(name: &str, knobs: &Knobs) -> Result<(), Failure> {
    let field = ClientMetadata::MEMBERS
        .iter()
        .chain(RareMetadata::MEMBERS)
        .find(|(_, wire)| *wire == name);
    let fault = if let Some((manifest, _)) = field {
        format!("spec.extraMetadata.{name}: this member has a field of its own; set spec.{manifest} instead")
    } else if RESPONSE_ONLY.contains(&name) {
        format!("spec.extraMetadata.{name}: only the provider sets this member; remove it")
    } else if knobs.client_id_member.as_deref() == Some(name) {
        format!(
            "spec.extraMetadata.{name}: the operator chooses the client_id by this member at this provider; remove it"
        )
    } else if knobs.reserved_members.iter().any(|reserved| reserved == name) {
        format!("spec.extraMetadata.{name}: this member is reserved at this provider; remove it")
    } else {
        return Ok(());
    };
    Err(Failure::new(Class::Invalid, Reason::InvalidSpec, fault))
}

/// Whether the client authenticates without a secret of its own.
#[must_use]
pub fn is_public(spec: &OAuthClientSpec) -> bool {
    spec.metadata.token_endpoint_auth_method.as_deref() == Some("none")
}

/// Digest of a request together with whatever else decides about its acceptance, 32 hexadecimal digits.
#[must_use]
pub fn fingerprint(request: &Request, circumstances: &[&str]) -> String {
    // Maps of serde_json are sorted by name, so equal requests have equal text.
    let mut text = serde_json::to_vec(request).unwrap_or_default();
    for circumstance in circumstances {
        text.push(b'\n');
        text.extend_from_slice(circumstance.as_bytes());
    }
    hex(digest(&SHA256, &text).as_ref().get(..16).unwrap_or_default())
}

/// Lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "json! literals read best by value")]
mod tests {
    use super::*;
    use crate::api::Profile;
    use crate::domain::profile::knobs;

    fn spec(value: Value) -> OAuthClientSpec {
        let mut base = json!({"providerRef": {"name": "p"}});
        base.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
        serde_json::from_value(base).unwrap()
    }

    fn built(value: Value, profile: Profile) -> Value {
        Value::Object(request(&spec(value), "ns.app", &knobs(profile)).unwrap())
    }

    #[test]
    fn bytes_in_hexadecimal_are_two_lower_case_digits_each() {
        assert_eq!(hex(&[0x00, 0x0a, 0xf5, 0xff]), "000af5ff");
    }

    #[test]
    fn a_web_app_states_every_default() {
        assert_eq!(
            built(
                json!({"redirectURIs": ["https://a/cb"], "scopes": ["openid", "email"]}),
                Profile::Rfc7592
            ),
            json!({
                "redirect_uris": ["https://a/cb"], "client_name": "ns.app", "scope": "openid email",
                "token_endpoint_auth_method": "client_secret_basic", "application_type": "web",
                "grant_types": ["authorization_code"], "response_types": ["code"],
            })
        );
    }

    #[test]
    fn a_machine_client_says_that_it_has_no_redirects() {
        let request = built(json!({"grantTypes": ["client_credentials"]}), Profile::Rfc7592);
        assert_eq!(request["redirect_uris"], json!([]));
        assert_eq!(request["response_types"], json!([]));
    }

    #[test]
    fn an_empty_list_of_grants_is_the_default_one() {
        let request = built(
            json!({"grantTypes": [], "redirectURIs": ["https://a/cb"]}),
            Profile::Rfc7592,
        );
        assert_eq!(request["grant_types"], json!(["authorization_code"]));
    }

    #[test]
    fn only_a_client_that_is_redirected_to_leaves_its_redirects_open() {
        for grant in ["authorization_code", "implicit"] {
            let request = built(json!({"grantTypes": [grant]}), Profile::Rfc7592);
            assert!(request.get("redirect_uris").is_none(), "{grant}");
        }
    }

    #[test]
    fn the_legacy_profile_sends_what_the_seed_sends() {
        let request = built(
            json!({
                "redirectURIs": ["https://a/cb"], "clientName": "app", "grantTypes": ["authorization_code", "implicit"],
                "responseTypes": ["code", "id_token"], "extraMetadata": {"ext_param_owner": "admin"},
            }),
            Profile::Wso2Legacy,
        );
        assert_eq!(
            request,
            json!({
                "redirect_uris": ["https://a/cb"], "client_name": "app", "ext_param_owner": "admin",
                "grant_types": ["authorization_code", "implicit"],
            })
        );
    }

    #[test]
    fn t271_a_default_that_is_not_sent_is_sent_where_the_manifest_sets_it() {
        let mut plain = knobs(Profile::Rfc7592);
        let names = [
            "redirect_uris",
            "response_types",
            "token_endpoint_auth_method",
            "client_name",
            "grant_types",
        ];
        plain.omit_defaults = names.map(str::to_owned).to_vec();
        let built = |value: Value| Value::Object(request(&spec(value), "ns.app", &plain).unwrap());
        let machine = built(json!({"grantTypes": ["client_credentials"]}));
        assert_eq!(
            machine,
            json!({"grant_types": ["client_credentials"], "application_type": "web"})
        );
        let web = json!({"redirectURIs": ["https://a/cb"], "responseTypes": [], "tokenEndpointAuthMethod": "none"});
        assert_eq!(
            built(web),
            json!({
                "redirect_uris": ["https://a/cb"], "response_types": [], "token_endpoint_auth_method": "none",
                "application_type": "web",
            })
        );
    }

    #[test]
    fn translations_become_members_with_a_tag() {
        let request = built(
            json!({"redirectURIs": ["https://a/cb"], "localized": {"clientName": {"ja": "デモ"}}, "logoURI": "https://a/l"}),
            Profile::Rfc7592,
        );
        assert_eq!(request["client_name#ja"], "デモ");
        assert_eq!(request["logo_uri"], "https://a/l");
        assert!(request.get("localized").is_none());
    }

    #[test]
    fn extra_metadata_cannot_take_the_place_of_a_field() {
        for (name, field) in [
            ("redirect_uris", "set spec.redirectURIs instead"),
            ("logo_uri", "set spec.logoURI instead"),
            ("client_secret", "only the provider sets"),
        ] {
            let spec = spec(json!({"extraMetadata": {name: "x"}}));
            let failure = request(&spec, "n", &knobs(Profile::Rfc7592)).unwrap_err();
            assert_eq!(failure.class, Class::Invalid);
            assert!(failure.message.contains(field), "{}", failure.message);
        }
        let reserved = spec(json!({"extraMetadata": {"ext_param_client_id": "x"}}));
        assert!(request(&reserved, "n", &knobs(Profile::Wso2)).is_err());
        assert!(request(&reserved, "n", &knobs(Profile::Rfc7592)).is_ok());
        let owned = spec(json!({"extraMetadata": {"ext_param_owner": "x"}}));
        assert!(
            request(&owned, "n", &knobs(Profile::Wso2)).is_ok(),
            "nothing but what is reserved"
        );
    }

    #[test]
    fn two_values_for_one_member_are_refused() {
        let twice = spec(json!({
            "redirectURIs": ["https://a/cb"], "localized": {"clientName": {"ja": "a"}},
            "extraMetadata": {"client_name#ja": "b"},
        }));
        let failure = request(&twice, "n", &knobs(Profile::Rfc7592)).unwrap_err();
        assert_eq!(failure.class, Class::Invalid);
        assert!(failure.message.contains("spec.localized"), "{}", failure.message);
        let mut chooses = knobs(Profile::Rfc7592);
        chooses.client_id_member = Some("chosen_id".to_owned());
        let failure = request(&spec(json!({"extraMetadata": {"chosen_id": "x"}})), "n", &chooses).unwrap_err();
        assert!(failure.message.contains("chooses the client_id"), "{}", failure.message);
    }

    #[test]
    fn a_secret_that_cannot_be_written_is_found_before_anything_is_registered() {
        let spec = spec(json!({"secret": {"keyNames": {"clientID": "issuer"}}}));
        let failure = request(&spec, "n", &knobs(Profile::Rfc7592)).unwrap_err();
        assert_eq!(failure.class, Class::Invalid);
    }

    #[test]
    fn equal_requests_have_equal_fingerprints() {
        let one = request(
            &spec(json!({"redirectURIs": ["https://a/cb"]})),
            "n",
            &knobs(Profile::Rfc7592),
        )
        .unwrap();
        assert_eq!(fingerprint(&one, &["p"]), fingerprint(&one.clone(), &["p"]));
        assert_ne!(fingerprint(&one, &["p"]), fingerprint(&one, &["q"]));
    }
}
