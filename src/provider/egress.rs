//! The egress guard: which addresses may be dialled. It is asked after name resolution, for the very addresses that are
//! then connected to, so that no name leads around it.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::namespaced::NamespacedProviders;

/// Where providers may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressPolicy {
    /// Whether plain http and loopback addresses are allowed. For tests.
    pub allow_insecure_origins: bool,
    /// Addresses that are never dialled: the cluster IP of the API server.
    pub refused: Vec<IpAddr>,
    /// What namespaced providers may reach of the rest.
    pub namespaced: NamespacedProviders,
    /// The ranges that every address has to lie in; empty: everywhere.
    pub within: Vec<IpNet>,
}

/// No address of a name may be dialled.
#[derive(Debug, thiserror::Error)]
#[error("every address of {host} is one that the operator must not contact")]
pub(super) struct Refused {
    host: String,
}

/// Resolves names for the HTTP client, without the addresses that are refused.
pub(super) struct Guard(pub EgressPolicy);

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.0.clone();
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let allowed = policy.allowed(&host, found)?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

impl EgressPolicy {
    /// The policy for calls to a provider of this kind.
    pub(super) fn of(&self, namespaced: bool) -> Cow<'_, Self> {
        if !namespaced || self.namespaced.ranges().is_empty() {
            return Cow::Borrowed(self);
        }
        Cow::Owned(Self {
            within: self.namespaced.ranges().to_vec(),
            ..self.clone()
        })
    }

    /// What may be dialled of the addresses of a name. These very addresses are dialled: nothing is resolved again.
    fn allowed(&self, host: &str, found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, Refused> {
        let allowed: Vec<SocketAddr> = found.filter(|address| !self.refuses(address.ip())).collect();
        if allowed.is_empty() {
            return Err(Refused { host: host.to_owned() });
        }
        Ok(allowed)
    }

    /// Whether an address must not be dialled.
    #[must_use]
    pub fn refuses(&self, address: IpAddr) -> bool {
        let carried = match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => embedded(address).map(IpAddr::V4),
        };
        is_refused(address, self.allow_insecure_origins)
            || self.refused.contains(&address.to_canonical())
            || carried.is_some_and(|carried| self.refused.contains(&carried))
            || self.is_outside(address.to_canonical())
    }

    fn is_outside(&self, address: IpAddr) -> bool {
        !self.within.is_empty() && !self.within.iter().any(|range| range.contains(&address))
    }

    /// Checks a host that is an address: the HTTP client resolves none of those, so the guard would never see it.
    #[must_use]
    pub fn refuses_host(&self, url: &Url) -> bool {
        match url.host() {
            Some(Host::Ipv4(address)) => self.refuses(address.into()),
            Some(Host::Ipv6(address)) => self.refuses(address.into()),
            Some(Host::Domain(_)) | None => false,
        }
    }
}

/// Whether an address belongs to the machine itself, to its link, to a cloud's metadata service, or to nobody. Addresses that
/// carry an IPv4 address (mapped, compatible, NAT64, 6to4) are judged by that one too.
#[must_use]
pub fn is_refused(address: IpAddr, allow_loopback: bool) -> bool {
    match address {
        IpAddr::V4(address) => is_refused_v4(address, allow_loopback),
        IpAddr::V6(address) => match embedded(address) {
            Some(inner) => is_refused_v4(inner, allow_loopback),
            None => is_refused_v6(address, allow_loopback),
        },
    }
}

fn is_refused_v4(address: Ipv4Addr, allow_loopback: bool) -> bool {
    // Metadata services that do not lie on the link: Alibaba, Azure, Oracle.
    const METADATA: [Ipv4Addr; 3] = [
        Ipv4Addr::new(100, 100, 100, 200),
        Ipv4Addr::new(168, 63, 129, 16),
        Ipv4Addr::new(192, 0, 0, 192),
    ];
    let first = address.octets()[0];
    if address.is_loopback() {
        return !allow_loopback;
    }
    first == 0 || address.is_link_local() || first >= 224 || METADATA.contains(&address)
}

fn is_refused_v6(address: Ipv6Addr, allow_loopback: bool) -> bool {
    // Metadata services with unique local addresses: AWS, Google.
    const METADATA: [Ipv6Addr; 2] = [
        Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
        Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    ];
    if address.is_loopback() {
        return !allow_loopback;
    }
    let site_local = address.segments()[0] & 0xffc0 == 0xfec0;
    // Teredo (RFC 4380) hides the address that it leads to.
    let teredo = address.segments()[..2] == [0x2001, 0];
    address.is_unspecified()
        || teredo
        || address.is_unicast_link_local()
        || site_local
        || address.is_multicast()
        || METADATA.contains(&address)
}

/// The IPv4 address that an IPv6 address carries, if it is of a form that leads there.
#[allow(clippy::match_same_arms, reason = "one arm for each form")]
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        // Mapped, translated (RFC 2765), and the deprecated compatible form.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => Some(v4(high, low)),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => Some(v4(high, low)),
        // NAT64 (RFC 6052, RFC 8215).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x64, 0xff9b, 1, _, _, _, high, low] => Some(v4(high, low)),
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::namespaced::Mode;

    fn refused(text: &str) -> bool {
        is_refused(text.parse().unwrap(), false)
    }

    #[test]
    fn t65_addresses_of_machines_links_and_clouds_are_refused_in_every_form() {
        for address in [
            "127.0.0.1",
            "127.8.9.1",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "169.254.1.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "100.100.100.200",
            "168.63.129.16",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "::ffff:0:169.254.169.254",
            "2001:0:4136:e378:8000:63bf:5601:5601",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "2002:7f00:1::",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "fd00:ec2::254",
            "fd20:ce::254",
        ] {
            assert!(refused(address), "{address}");
        }
    }

    #[test]
    fn ordinary_addresses_are_not() {
        for address in [
            "10.0.0.1",
            "192.168.1.1",
            "93.184.216.34",
            "2606:2800:220:1::1",
            "fd12:3456::1",
            "64:ff9b::a00:1",
        ] {
            assert!(!refused(address), "{address}");
        }
    }

    #[test]
    fn loopback_is_allowed_by_flag_and_nothing_else_is() {
        assert!(!is_refused("127.0.0.1".parse().unwrap(), true));
        assert!(!is_refused("::1".parse().unwrap(), true));
        assert!(is_refused("169.254.169.254".parse().unwrap(), true));
    }

    #[test]
    fn t65_of_mixed_answers_only_what_is_allowed_is_dialled() {
        let policy = EgressPolicy {
            allow_insecure_origins: false,
            refused: vec!["10.96.0.1".parse().unwrap()],
            ..EgressPolicy::default()
        };
        let allowed = |addresses: &[&str]| {
            let found = addresses.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 443));
            let allowed = policy.allowed("p.example", found);
            allowed.map(|found| found.iter().map(|found| found.ip().to_string()).collect::<Vec<_>>())
        };
        let mixed = [
            "169.254.169.254",
            "93.184.216.34",
            "::ffff:127.0.0.1",
            "2002:7f00:1::",
            "64:ff9b::a60:1",
        ];
        assert_eq!(allowed(&mixed).unwrap(), ["93.184.216.34"]);
        let refused = allowed(&["127.0.0.1", "10.96.0.1", "::ffff:10.96.0.1"]).unwrap_err();
        assert!(!refused.to_string().contains("10.96"), "{refused}");
        assert!(allowed(&[]).is_err());
    }

    #[test]
    fn a_host_that_is_an_address_is_judged_without_resolution() {
        let policy = EgressPolicy {
            allow_insecure_origins: false,
            refused: vec!["10.96.0.1".parse().unwrap()],
            ..EgressPolicy::default()
        };
        let refuses = |url: &str| policy.refuses_host(&Url::parse(url).unwrap());
        assert!(
            refuses("https://10.96.0.1/") && refuses("https://[::ffff:10.96.0.1]/") && refuses("https://2130706433/")
        );
        assert!(!refuses("https://10.96.0.2/") && !refuses("https://p.example/"));
    }

    #[test]
    fn t297_a_namespaced_provider_is_dialled_within_the_ranges_only() {
        let policy = EgressPolicy {
            namespaced: NamespacedProviders::new(Mode::AllowList, "", "10.1.0.0/16,fd12::/16").unwrap(),
            ..EgressPolicy::default()
        };
        let refuses = |namespaced: bool, address: &str| policy.of(namespaced).refuses(address.parse().unwrap());
        for address in ["10.1.2.3", "::ffff:10.1.2.3", "fd12::1"] {
            assert!(!refuses(true, address), "{address}");
        }
        for address in ["10.2.0.1", "93.184.216.34", "64:ff9b::a01:1", "fd13::1"] {
            assert!(refuses(true, address) && !refuses(false, address), "{address}");
        }
        // What nobody may dial is not allowed by a range.
        let policy = EgressPolicy {
            namespaced: NamespacedProviders::new(Mode::AllowList, "", "169.254.0.0/16").unwrap(),
            ..EgressPolicy::default()
        };
        assert!(policy.of(true).refuses("169.254.169.254".parse().unwrap()));
    }
}
