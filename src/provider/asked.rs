//! What a provider was asked for.

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// A registration.
    Registration,
    /// A read, a change or a deletion of a client.
    Management,
    /// A list of clients.
    Listing,
}

impl Asked {
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::Management => "management call",
            Self::Listing => "list of clients",
        }
    }

    /// Where the credentials of the call are configured.
    pub const fn credentials(self) -> &'static str {
        match self {
            Self::Registration => "spec.registrationAuth",
            Self::Management | Self::Listing => "spec.managementAuth",
        }
    }

    /// How the address of the call is corrected.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Registration => "set spec.endpoints.registration of the provider to its final address",
            Self::Management => {
                "have the provider state its final address as registration_client_uri, or set spec.management.uriTemplate of the provider"
            }
            Self::Listing => "set the final address of the issuer in the provider",
        }
    }
}
