//! From the table of profiles to the settings of a provider.

use crate::api::{Profile, ProviderSettings};

use super::target::Knobs;

/// URI of one client below the registration endpoint.
const BELOW_REGISTRATION: &str = "{registration_endpoint}/{client_id}";

/// The settings of a profile.
#[must_use]
pub fn knobs(profile: Profile) -> Knobs {
    let preset = profile.preset();
    let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Knobs {
        omit_members: own(preset.omit_members),
        omit_defaults: own(preset.omit_defaults),
        reserved_members: own(preset.reserved_members),
        client_id_member: preset.client_id_member.map(str::to_owned),
        mark: preset.mark,
        management: preset.management,
        uri_template: BELOW_REGISTRATION.to_owned(),
        update_members: preset.update_members,
        secret_in_update: preset.secret_in_update,
        registration_path: preset.registration_path,
        allow_adoption: false,
        auth_methods: None,
        clearing: preset.clearing,
    }
}

/// The settings of a provider: its profile's, with what the object overrides.
#[must_use]
pub fn settings(provider: &ProviderSettings) -> Knobs {
    let profile = knobs(provider.profile);
    let management = provider.management.as_ref();
    Knobs {
        omit_members: provider.omit_members.clone().unwrap_or(profile.omit_members),
        omit_defaults: provider.omit_defaults.clone().unwrap_or(profile.omit_defaults),
        reserved_members: provider.reserved_members.clone().unwrap_or(profile.reserved_members),
        client_id_member: match &provider.client_id_member {
            Some(own) => Some(own.clone()).filter(|own| !own.is_empty()),
            None => profile.client_id_member,
        },
        management: management.and_then(|own| own.mode).unwrap_or(profile.management),
        uri_template: management
            .and_then(|own| own.uri_template.clone())
            .unwrap_or(profile.uri_template),
        update_members: management
            .and_then(|own| own.update_members)
            .unwrap_or(profile.update_members),
        secret_in_update: management
            .and_then(|own| own.secret_in_update)
            .unwrap_or(profile.secret_in_update),
        allow_adoption: provider.allow_adoption.unwrap_or(false),
        auth_methods: provider.token_endpoint_auth_methods.clone(),
        clearing: provider.clearing.or(profile.clearing),
        ..profile
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Management, ManagementMode, Profile, SecretInUpdate, UpdateMembers};

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
                mode: Some(ManagementMode::RegistrationAccessToken),
                uri_template: Some("https://p/{client_id}".to_owned()),
                update_members: Some(UpdateMembers::All),
                secret_in_update: Some(SecretInUpdate::Include),
            }),
            omit_defaults: Some(Vec::new()),
            ..ProviderSettings::default()
        });
        assert_eq!(own.omit_members, ["scope"]);
        assert!(own.reserved_members.is_empty());
        assert_eq!(own.uri_template, "https://p/{client_id}");
        assert_eq!(own.management, ManagementMode::RegistrationAccessToken);
        assert_eq!(own.update_members, UpdateMembers::All);
        assert_eq!(own.secret_in_update, SecretInUpdate::Include);
        assert!(own.omit_defaults.is_empty() && !plain.omit_defaults.is_empty());
    }

    #[test]
    fn t291_one_setting_of_management_leaves_the_others_to_the_profile() {
        for profile in Profile::ALL {
            let own = settings(&ProviderSettings {
                profile,
                management: Some(Management {
                    secret_in_update: Some(SecretInUpdate::Include),
                    ..Management::default()
                }),
                ..ProviderSettings::default()
            });
            let expected = Knobs {
                secret_in_update: SecretInUpdate::Include,
                ..knobs(profile)
            };
            assert_eq!(own, expected, "{}", profile.name());
        }
    }
}
