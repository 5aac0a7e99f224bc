//! Profiles: what is special about a kind of provider, as data. Nothing outside this table names a profile.

use crate::api::{ManagementMode, Profile, ProviderSettings};

use super::target::{Knobs, Mark};

/// URI of one client below the registration endpoint.
const BELOW_REGISTRATION: &str = "{registration_endpoint}/{client_id}";

/// The settings of a profile.
#[must_use]
pub fn knobs(profile: Profile) -> Knobs {
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    match profile {
        Profile::Rfc7592 => Knobs {
            omit_members: Vec::new(),
            reserved_members: Vec::new(),
            client_id_member: None,
            mark: None,
            management: ManagementMode::RegistrationAccessToken,
            uri_template: BELOW_REGISTRATION.to_owned(),
            allow_adoption: false,
            auth_methods: None,
            clearing: None,
        },
        // It refuses a chosen `client_id`, and stores no `software_id`. A certificate's subject is stored whatever the client
        // authenticates by.
        Profile::Keycloak => Knobs {
            mark: Some(Mark {
                member: "tls_client_auth_subject_dn",
                method: "tls_client_auth",
                attribute: "x509.subjectdn",
                issuer_part: "/realms/",
                listing_part: "/admin/realms/",
                listing_end: "/clients",
            }),
            ..knobs(Profile::Rfc7592)
        },
        // DCR v1.1 manages clients with the credentials that registered them, and lets a client choose id and secret.
        Profile::Wso2 => Knobs {
            omit_members: own(&["response_types", "application_type"]),
            reserved_members: own(&["ext_param_client_id", "ext_param_client_secret"]),
            client_id_member: Some("ext_param_client_id".to_owned()),
            mark: None,
            management: ManagementMode::Credentials,
            uri_template: BELOW_REGISTRATION.to_owned(),
            allow_adoption: false,
            auth_methods: None,
            clearing: None,
        },
        // `/identity/connect/register` refuses members that it does not know, and offers nothing but registration.
        Profile::Wso2Legacy => Knobs {
            omit_members: own(&["token_endpoint_auth_method", "response_types", "application_type"]),
            reserved_members: Vec::new(),
            client_id_member: None,
            mark: None,
            management: ManagementMode::None,
            uri_template: BELOW_REGISTRATION.to_owned(),
            allow_adoption: false,
            auth_methods: None,
            clearing: None,
        },
    }
}

/// The settings of a provider: its profile's, with what the object overrides.
#[must_use]
pub fn settings(provider: &ProviderSettings) -> Knobs {
    let profile = knobs(provider.profile);
    let (management, uri_template) = match &provider.management {
        Some(own) => (
            own.mode,
            own.uri_template.clone().unwrap_or_else(|| profile.uri_template.clone()),
        ),
        None => (profile.management, profile.uri_template),
    };
    Knobs {
        omit_members: provider.omit_members.clone().unwrap_or(profile.omit_members),
        reserved_members: provider.reserved_members.clone().unwrap_or(profile.reserved_members),
        client_id_member: match &provider.client_id_member {
            Some(own) => Some(own.clone()).filter(|own| !own.is_empty()),
            None => profile.client_id_member,
        },
        mark: profile.mark,
        management,
        uri_template,
        allow_adoption: provider.allow_adoption.unwrap_or(false),
        auth_methods: provider.token_endpoint_auth_methods.clone(),
        clearing: provider.clearing.or(profile.clearing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Management, ManagementMode, Profile};

    #[test]
    fn what_the_object_sets_takes_the_place_of_its_profile() {
        let wso2 = |own: ProviderSettings| {
            settings(&ProviderSettings {
                profile: Profile::Wso2,
                ..own
            })
        };
        let plain = wso2(ProviderSettings::default());
        assert_eq!(plain, knobs(Profile::Wso2));
        assert_eq!(plain.client_id_member.as_deref(), Some("ext_param_client_id"));
        let member = |own: &str| {
            wso2(ProviderSettings {
                client_id_member: Some(own.to_owned()),
                ..ProviderSettings::default()
            })
            .client_id_member
        };
        assert_eq!(member("preferred_client_id").as_deref(), Some("preferred_client_id"));
        assert_eq!(member(""), None, "an empty one takes the profile's away");
        let own = wso2(ProviderSettings {
            omit_members: Some(vec!["scope".to_owned()]),
            reserved_members: Some(Vec::new()),
            management: Some(Management {
                mode: ManagementMode::Credentials,
                uri_template: Some("https://p/{client_id}".to_owned()),
            }),
            ..ProviderSettings::default()
        });
        assert_eq!(own.omit_members, ["scope"]);
        assert!(own.reserved_members.is_empty());
        assert_eq!(own.uri_template, "https://p/{client_id}");
    }
}
