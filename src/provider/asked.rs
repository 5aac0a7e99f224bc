//! What a provider was asked for.

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A registration.
    Registration,
    /// A read, a change or a deletion of a client with credentials of the provider object.
    Management,
    /// The same with the registration access token of the client.
    OwnManagement,
    /// A list of clients.
    Listing,
}

impl Asked {
    pub(super) const fn noun(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::Management | Self::OwnManagement => "management call",
            Self::Listing => "list of clients",
        }
    }

    /// The address that is called.
    pub(super) const fn address(self) -> &'static str {
        match self {
            Self::Registration => "registration endpoint",
            Self::Management | Self::OwnManagement => "client's management URL",
            Self::Listing => "list of clients",
        }
    }

    /// What to check where nothing is offered at the address.
    pub(super) const fn check(self, status: u16) -> &'static str {
        match (self, status) {
            (Self::Registration, 404 | 410) => {
                "; enable dynamic client registration at the provider, or check spec.endpoints.registration of the provider object"
            }
            (Self::Registration, _) => "; check spec.endpoints.registration of the provider",
            (Self::Management, 404 | 410) => "; check spec.management.uriTemplate of the provider",
            _ => "",
        }
    }

    /// Where the credentials of the call are configured; `None`: the provider issued them for the client.
    pub(super) const fn credentials(self) -> Option<&'static str> {
        match self {
            Self::Registration => Some("spec.registrationAuth"),
            Self::Management | Self::Listing => Some("spec.managementAuth"),
            Self::OwnManagement => None,
        }
    }

    /// How the address of the call is corrected.
    pub(super) const fn remedy(self) -> &'static str {
        match self {
            Self::Registration => "set spec.endpoints.registration of the provider to its final address",
            Self::OwnManagement => "have the provider state its final address as registration_client_uri",
            Self::Management => {
                "have the provider state its final address as registration_client_uri, or set spec.management.uriTemplate of the provider"
            }
            Self::Listing => "set the final address of the issuer in the provider",
        }
    }
}
