//! What the installer lets namespaced providers reach. Whoever may write an `OAuthProvider` chooses where the operator connects to; this
//! bounds the choice. A `ClusterOAuthProvider`, which only administrators write, is not bound.
//!
//! Invariant: each request for a namespaced provider passes [`NamespacedProviders::check`], whatever named its URL: the object, metadata,
//! a redirect or a record.

use clap::ValueEnum;
use ipnet::IpNet;
use url::Url;

use crate::api::Reason;
use crate::domain::failure::{Class, Failure};

/// Which namespaced providers are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum Mode {
    /// All.
    #[default]
    Enabled,
    /// Those at listed origins and addresses.
    AllowList,
    /// None.
    Disabled,
}

/// What namespaced providers may reach. The default is everything that the egress policy leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespacedProviders {
    mode: Mode,
    origins: Vec<Url>,
    ranges: Vec<IpNet>,
}

impl NamespacedProviders {
    /// From what the installer gave: lists separated by commas. A list that is empty allows everything.
    ///
    /// # Errors
    /// An entry cannot be read, or the lists do not go with the mode. The text names the flag.
    pub fn new(mode: Mode, origins: &str, ranges: &str) -> Result<Self, String> {
        let origins: Vec<Url> = entries(origins).map(read_origin).collect::<Result<_, _>>()?;
        let ranges: Vec<IpNet> = entries(ranges).map(read_range).collect::<Result<_, _>>()?;
        let listed = !origins.is_empty() || !ranges.is_empty();
        match mode {
            Mode::AllowList if !listed => Err(
                "--namespaced-providers=AllowList needs --namespaced-provider-origins, --namespaced-provider-cidrs or both"
                    .to_owned(),
            ),
            Mode::Enabled | Mode::Disabled if listed => Err(
                "--namespaced-provider-origins and --namespaced-provider-cidrs need --namespaced-providers=AllowList"
                    .to_owned(),
            ),
            Mode::Enabled | Mode::AllowList | Mode::Disabled => Ok(Self { mode, origins, ranges }),
        }
    }

    /// Ranges of addresses; empty: every address.
    #[must_use]
    pub fn ranges(&self) -> &[IpNet] {
        &self.ranges
    }

    /// Whether a namespaced provider may be called at this URL.
    pub(super) fn check(&self, url: &Url) -> Result<(), Failure> {
        let denied = |text: String| Err(Failure::new(Class::Denied, Reason::OriginNotAllowed, text));
        match self.mode {
            Mode::Disabled => denied(
                "the operator calls no OAuthProvider, because it runs with --namespaced-providers=Disabled; use a ClusterOAuthProvider, or ask whoever \
                 installed the operator to allow OAuthProviders"
                    .to_owned(),
            ),
            Mode::AllowList if !self.origins.is_empty() && !self.lists(url) => denied(format!(
                "the operator does not call {} for an OAuthProvider, because that origin is not listed in its flag --namespaced-provider-origins; use a \
                 ClusterOAuthProvider, or ask whoever installed the operator to list the origin",
                url.origin().ascii_serialization()
            )),
            Mode::Enabled | Mode::AllowList => Ok(()),
        }
    }

    fn lists(&self, url: &Url) -> bool {
        self.origins.iter().any(|listed| listed.origin() == url.origin())
    }
}

fn entries(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

fn read_origin(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| {
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        bare && url.has_host() && url.username().is_empty() && matches!(url.scheme(), "https" | "http")
    });
    url.ok_or_else(|| {
        format!("--namespaced-provider-origins: {text:?} is no origin; write it as https://host or https://host:port")
    })
}

fn read_range(text: &str) -> Result<IpNet, String> {
    let range = text
        .parse::<IpNet>()
        .ok()
        .filter(|range| range.addr() == range.network());
    range.ok_or_else(|| {
        format!(
            "--namespaced-provider-cidrs: {text:?} is no range of addresses; write it as 192.0.2.0/24 or 2001:db8::/32, without bits beyond the prefix"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t297_lists_are_read_or_the_flag_is_named() {
        let new = NamespacedProviders::new;
        assert!(new(Mode::AllowList, "https://a.example, https://b.example:8443/", "").is_ok());
        assert!(new(Mode::AllowList, "", "10.0.0.0/8,2001:db8::/32").is_ok());
        assert!(new(Mode::Disabled, "", " , ").is_ok());
        let refused = |mode, origins: &str, ranges: &str, part: &str| {
            let text = new(mode, origins, ranges).unwrap_err();
            assert!(text.contains(part), "{text}");
        };
        refused(Mode::AllowList, "", "", "--namespaced-provider-cidrs or both");
        refused(Mode::Enabled, "https://a.example", "", "=AllowList");
        refused(Mode::Disabled, "", "10.0.0.0/8", "=AllowList");
        for origin in [
            "a.example",
            "https://a.example/realms",
            "ftp://a.example",
            "https://u@a.example",
            "https://a.example?q",
        ] {
            refused(Mode::AllowList, origin, "", "--namespaced-provider-origins: ");
        }
        for range in ["10.0.0.1", "10.0.0.1/8", "10.0.0.0/33", "example.com"] {
            refused(Mode::AllowList, "", range, "--namespaced-provider-cidrs: ");
        }
    }

    #[test]
    fn t297_only_listed_origins_are_called() {
        let allowed = |providers: &NamespacedProviders, url: &str| providers.check(&Url::parse(url).unwrap()).is_ok();
        let listed = NamespacedProviders::new(Mode::AllowList, "https://a.example,https://b.example:8443", "").unwrap();
        assert!(allowed(&listed, "https://a.example/realms/x?y") && allowed(&listed, "https://A.example:443/"));
        for url in [
            "https://b.example/",
            "http://a.example/",
            "https://a.example:8443/",
            "https://c.a.example/",
        ] {
            assert!(!allowed(&listed, url), "{url}");
        }
        assert!(allowed(&NamespacedProviders::default(), "https://c.example/"));
        let ranges = NamespacedProviders::new(Mode::AllowList, "", "10.0.0.0/8").unwrap();
        assert!(allowed(&ranges, "https://c.example/"), "the address tells");
        let disabled = NamespacedProviders::new(Mode::Disabled, "", "").unwrap();
        assert!(!allowed(&disabled, "https://a.example/"));
    }
}
