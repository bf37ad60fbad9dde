//! Which address the media sockets bind to, and which ones clients are told.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::error::ConfigError;
use super::settings::{MediaBind, Settings};

/// Where media is received, and what is announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaAddresses {
    /// Local address of the media sockets.
    pub bind: IpAddr,
    /// Addresses in the ICE candidates of every answer.
    pub announce: Vec<IpAddr>,
}

impl MediaAddresses {
    /// Decides from the settings and the addresses of the interfaces.
    ///
    /// A loopback `listen` means a demonstration on this machine: media stays on
    /// the loopback address too. An address in `media.announce` means that media
    /// comes from elsewhere, so that the sockets are bound to all interfaces.
    pub fn plan(settings: &Settings, interfaces: &[IpAddr]) -> Result<Self, ConfigError> {
        let media = &settings.media;
        let listen = settings.listen.ip();
        let bind = match media.bind {
            MediaBind::Address(ip) => ip,
            MediaBind::Auto => match media.announce.as_slice() {
                // `::` takes both families.
                [] => listen,
                [only] if only.is_loopback() => *only,
                several if several.iter().all(IpAddr::is_ipv4) => Ipv4Addr::UNSPECIFIED.into(),
                _ => Ipv6Addr::UNSPECIFIED.into(),
            },
        };
        if let Some(other) = media.announce.iter().find(|ip| !reaches(bind, **ip)) {
            return Err(ConfigError::Conflict {
                key: "media.announce",
                value: other.to_string(),
                reason: format!(
                    "the media sockets are bound to {bind}: allowed are addresses of the same \
                     family, or of both with media.bind = \"::\""
                ),
            });
        }
        let announce = if !media.announce.is_empty() {
            media.announce.clone()
        } else if bind.is_unspecified() {
            reachable(interfaces, bind)
        } else {
            vec![bind]
        };
        Ok(Self { bind, announce })
    }
}

/// The addresses of this machine's interfaces.
///
/// # Errors
/// What the system says when it does not tell.
pub fn interface_addresses() -> std::io::Result<Vec<IpAddr>> {
    Ok(if_addrs::get_if_addrs()?.iter().map(|i| i.ip()).collect())
}

/// True if a socket bound to `bind` can take what is sent to an address such as `ip`.
fn reaches(bind: IpAddr, ip: IpAddr) -> bool {
    bind == IpAddr::from(Ipv6Addr::UNSPECIFIED) || ip.is_ipv4() == bind.is_ipv4()
}

/// Addresses that another machine can use; the loopback address when there is none.
fn reachable(interfaces: &[IpAddr], bind: IpAddr) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = interfaces
        .iter()
        .copied()
        .filter(|ip| reaches(bind, *ip) && !ip.is_loopback() && !is_link_local(ip))
        .collect();
    found.sort_unstable();
    found.dedup();
    found.truncate(MAX_INTERFACES);
    if found.is_empty() {
        found.push(match bind {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    found
}

fn is_link_local(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// A host with many container bridges would make every answer long and ICE slow.
const MAX_INTERFACES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn plan(toml: &str) -> Result<MediaAddresses, ConfigError> {
        let interfaces = [
            "127.0.0.1",
            "10.0.0.5",
            "169.254.1.1",
            "::1",
            "fe80::1",
            "2001:db8::5",
        ]
        .map(|ip| ip.parse().unwrap());
        let toml = format!("insecure_open = true\n{toml}");
        let settings = Settings::from_toml(Path::new("test"), &toml).map_err(|e| e.0[0].clone())?;
        MediaAddresses::plan(&settings, &interfaces)
    }

    fn planned(toml: &str) -> (String, Vec<String>) {
        let plan = plan(toml).unwrap();
        (
            plan.bind.to_string(),
            plan.announce.iter().map(IpAddr::to_string).collect(),
        )
    }

    #[test]
    fn a_loopback_listen_keeps_media_on_loopback() {
        assert_eq!(planned(""), ("127.0.0.1".into(), vec!["127.0.0.1".into()]));
    }

    #[test]
    fn an_open_listen_announces_the_interfaces() {
        assert_eq!(
            planned("listen = \"0.0.0.0:80\""),
            ("0.0.0.0".into(), vec!["10.0.0.5".into()])
        );
    }

    #[test]
    fn one_interface_announces_itself() {
        assert_eq!(
            planned("listen = \"10.0.0.5:80\""),
            ("10.0.0.5".into(), vec!["10.0.0.5".into()])
        );
    }

    #[test]
    fn behind_nat_the_announced_address_stands_alone() {
        let toml = "media.announce = [\"203.0.113.7\"]";
        assert_eq!(
            planned(toml),
            ("0.0.0.0".into(), vec!["203.0.113.7".into()])
        );
    }

    #[test]
    fn an_ipv6_bind_of_all_interfaces_takes_both_families() {
        let both = vec!["10.0.0.5".to_owned(), "2001:db8::5".to_owned()];
        let planned_both = ("::".to_owned(), both);
        assert_eq!(planned("media.bind = \"::\""), planned_both);
        assert_eq!(planned("listen = \"[::]:80\""), planned_both);
        let toml = "media.announce = [\"10.0.0.5\", \"2001:db8::5\"]";
        assert_eq!(planned(toml), planned_both);
        let toml = "media.announce = [\"2001:db8::7\"]";
        assert_eq!(planned(toml), ("::".into(), vec!["2001:db8::7".into()]));
        let toml = "media.announce = [\"127.0.0.1\", \"::1\"]";
        let loopback = vec!["127.0.0.1".into(), "::1".into()];
        assert_eq!(planned(toml), ("::".into(), loopback));
    }

    #[test]
    fn several_addresses_of_one_family_stay_in_it() {
        let toml = "media.announce = [\"203.0.113.7\", \"10.0.0.5\"]";
        let both = vec!["203.0.113.7".into(), "10.0.0.5".into()];
        assert_eq!(planned(toml), ("0.0.0.0".into(), both));
    }

    #[test]
    fn other_binds_take_one_family() {
        for (bind, announce) in [("0.0.0.0", "2001:db8::5"), ("2001:db8::5", "10.0.0.5")] {
            let toml = format!("media.bind = \"{bind}\"\nmedia.announce = [\"{announce}\"]");
            let error = plan(&toml).unwrap_err();
            assert!(error.to_string().contains("media.announce"), "{error}");
        }
    }

    #[test]
    fn a_machine_without_network_announces_loopback() {
        let settings = Settings {
            listen: "0.0.0.0:80".parse().unwrap(),
            ..Settings::default()
        };
        let plan = MediaAddresses::plan(&settings, &[]).unwrap();
        assert_eq!(plan.announce, [IpAddr::from(Ipv4Addr::LOCALHOST)]);
    }
}
