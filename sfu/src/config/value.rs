//! Values of settings, read from TOML or from the text of a flag or variable.
//!
//! Each reader gives the value, or the words that say what is allowed.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use relay::record::BucketAddress;

use super::prefix::Prefix;
use super::settings::IceServer;
use crate::auth::SecretKey;

/// A value before it is read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Raw<'a> {
    /// From the settings file.
    Toml(&'a toml::Value),
    /// From the environment or a flag.
    Text(&'a str),
}

impl Raw<'_> {
    /// The value as its writer wrote it, cut to a line.
    pub(super) fn shown(&self) -> String {
        let text = match self {
            Self::Toml(value) => value.to_string(),
            Self::Text(text) => format!("\"{}\"", text.escape_debug()),
        };
        match text.char_indices().nth(120) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }

    fn as_text(&self) -> Option<&str> {
        match self {
            Self::Toml(value) => value.as_str(),
            Self::Text(text) => Some(text.trim()),
        }
    }
}

pub(super) fn number<T>(raw: Raw<'_>, range: RangeInclusive<T>) -> Result<T, String>
where
    T: Copy + Display + PartialOrd + TryFrom<i64>,
{
    let value = match raw {
        Raw::Toml(value) => value.as_integer(),
        Raw::Text(text) => text.trim().parse().ok(),
    };
    value
        .and_then(|value| T::try_from(value).ok())
        .filter(|value| range.contains(value))
        .ok_or_else(|| format!("a whole number from {} to {}", range.start(), range.end()))
}

pub(super) fn boolean(raw: Raw<'_>) -> Result<bool, String> {
    match raw {
        Raw::Toml(value) => value.as_bool(),
        Raw::Text(text) => match text.trim() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        },
    }
    .ok_or_else(|| "true or false".to_owned())
}

pub(super) fn path(raw: Raw<'_>) -> Result<PathBuf, String> {
    raw.as_text()
        .map(PathBuf::from)
        .ok_or_else(|| "the path of a file, or \"\" for none".to_owned())
}

/// A place where something is kept. Control characters in it are a slip.
pub(super) fn place(raw: Raw<'_>) -> Result<PathBuf, String> {
    raw.as_text()
        .filter(|text| is_place(text))
        .map(PathBuf::from)
        .ok_or_else(|| "a path without control characters, or \"\" for none".to_owned())
}

/// A place of recordings: a folder, or the address of a bucket.
pub(super) fn record_place(raw: Raw<'_>) -> Result<PathBuf, String> {
    let text = raw.as_text().unwrap_or_default();
    match text.starts_with("s3:") {
        true => match text.parse::<BucketAddress>() {
            Ok(address) => Ok(address.to_string().into()),
            Err(error) => Err(error.to_string()),
        },
        false => place(raw),
    }
}

/// Files or folders that are read.
pub(super) fn paths(raw: Raw<'_>) -> Result<Vec<PathBuf>, String> {
    let allowed = format!(
        "a list of at most {MAX_PATHS} paths of files or folders, such as [\"/etc/weblive/words.txt\"]"
    );
    let list: Vec<String> = list(raw, &allowed)?;
    let is_sound = list.len() <= MAX_PATHS && list.iter().all(|p| !p.is_empty() && is_place(p));
    match is_sound {
        true => Ok(list.into_iter().map(PathBuf::from).collect()),
        false => Err(allowed),
    }
}

fn is_place(text: &str) -> bool {
    text.len() <= 4_096 && !text.chars().any(char::is_control)
}

/// Tokens that open everything; a guess must not find one.
pub(super) fn tokens(raw: Raw<'_>) -> Result<Vec<SecretKey>, String> {
    let allowed =
        "a list of at most 16 different tokens, each of 16 to 256 visible ASCII characters";
    let list: Vec<SecretKey> = list(raw, allowed)?;
    let is_new = |(at, token): (usize, &SecretKey)| !list[..at].contains(token);
    let is_sound = list.len() <= 16
        && list.iter().all(|token| token.expose().len() >= 16)
        && list.iter().enumerate().all(is_new);
    if is_sound {
        Ok(list)
    } else {
        Err(allowed.to_owned())
    }
}

pub(super) fn text(raw: Raw<'_>, allowed: &str) -> Result<String, String> {
    raw.as_text()
        .map(str::to_owned)
        .ok_or_else(|| allowed.to_owned())
}

pub(super) fn parsed<T: FromStr>(raw: Raw<'_>, allowed: &str) -> Result<T, String> {
    raw.as_text()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| allowed.to_owned())
}

pub(super) fn socket_address(raw: Raw<'_>) -> Result<SocketAddr, String> {
    parsed(
        raw,
        "an IP address and a port, such as \"0.0.0.0:8080\" or \"[::]:8080\"",
    )
}

/// A list of values: a TOML array, or text with commas between.
pub(super) fn list<T: FromStr>(raw: Raw<'_>, allowed: &str) -> Result<Vec<T>, String> {
    let read = |text: &str| text.trim().parse().map_err(|_| allowed.to_owned());
    match raw {
        Raw::Toml(value) => value
            .as_array()
            .ok_or_else(|| allowed.to_owned())?
            .iter()
            .map(|item| read(item.as_str().ok_or_else(|| allowed.to_owned())?))
            .collect(),
        Raw::Text(text) if text.trim().is_empty() => Ok(Vec::new()),
        Raw::Text(text) => text.split(',').map(read).collect(),
    }
}

pub(super) fn addresses(raw: Raw<'_>) -> Result<Vec<IpAddr>, String> {
    let allowed =
        "a list of IP addresses, such as [\"203.0.113.7\"] (a flag: 203.0.113.7,10.0.0.7)";
    let list: Vec<IpAddr> = list(raw, allowed)?;
    if let Some(ip) = list
        .iter()
        .find(|ip| ip.is_unspecified() || ip.is_multicast())
    {
        return Err(format!("{allowed}; {ip} is no address that can be reached"));
    }
    if list.len() > 16 {
        return Err("a list of at most 16 IP addresses".to_owned());
    }
    Ok(list)
}

/// Networks, each once.
pub(super) fn prefixes(raw: Raw<'_>) -> Result<Vec<Prefix>, String> {
    let allowed = "a list of at most 100 IP addresses and networks (host bits 0), such as [\"127.0.0.1\", \"10.0.0.0/8\"]";
    let list: Vec<Prefix> = list(raw, allowed)?;
    match list.len() {
        0..=100 => Ok(list),
        _ => Err(allowed.to_owned()),
    }
}

/// A duration written with its unit: `500ms`, `2s`, `10m`, `1h`; halves as `1.5s`.
pub(super) fn duration(raw: Raw<'_>, range: RangeInclusive<Duration>) -> Result<Duration, String> {
    raw.as_text()
        .and_then(parse_duration)
        .filter(|value| range.contains(value))
        .ok_or_else(|| {
            format!(
                "a duration from \"{}\" to \"{}\", with its unit (ms, s, m, h)",
                write_duration(range.start()),
                write_duration(range.end())
            )
        })
}

/// A duration, or `0s` for none.
pub(super) fn duration_or_none(
    raw: Raw<'_>,
    range: RangeInclusive<Duration>,
) -> Result<Duration, String> {
    if raw.as_text().and_then(parse_duration) == Some(Duration::ZERO) {
        return Ok(Duration::ZERO);
    }
    duration(raw, range).map_err(|allowed| format!("{allowed}, or \"0s\" for none"))
}

pub(super) fn choice<T: Copy>(raw: Raw<'_>, choices: &[(&str, T)]) -> Result<T, String> {
    let text = raw.as_text();
    choices
        .iter()
        .find(|(name, _)| Some(*name) == text)
        .map(|&(_, value)| value)
        .ok_or_else(|| {
            let names: Vec<String> = choices.iter().map(|(n, _)| format!("\"{n}\"")).collect();
            names.join(" or ")
        })
}

/// Origins as browsers send them (RFC 6454 §6.2), or `*` alone for all.
pub(super) fn origins(raw: Raw<'_>) -> Result<Vec<String>, String> {
    let allowed = "[\"*\"] for all pages, or a list of origins such as \"https://live.example\" (scheme, host, port if not the usual one, no path)";
    let list: Vec<String> = list(raw, allowed)?;
    let is_origin = |text: &String| {
        text.parse::<http::Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.authority().is_some_and(|a| !a.as_str().contains('@'))
                && !text.ends_with('/')
                && matches!(uri.path(), "" | "/")
                && uri.query().is_none()
                && http::HeaderValue::from_str(text).is_ok()
        })
    };
    let is_any = list.len() == 1 && list[0] == "*";
    if is_any || list.iter().all(is_origin) {
        Ok(list)
    } else {
        Err(allowed.to_owned())
    }
}

/// A filter for logs: a level, or `target=level` parts with commas between.
pub(super) fn log_filter(raw: Raw<'_>) -> Result<String, String> {
    let allowed =
        "a level (off, error, warn, info, debug, trace) or parts such as \"info,sfu=debug\"";
    let filter = text(raw, allowed)?;
    // A bare word would be taken for a target and switch it on at every level.
    let is_level = |part: &str| {
        part.parse::<tracing_subscriber::filter::LevelFilter>()
            .is_ok()
    };
    let parts_are_right = filter
        .split(',')
        .all(|part| part.contains(['=', '[']) || is_level(part.trim()));
    if parts_are_right
        && tracing_subscriber::EnvFilter::builder()
            .parse(&filter)
            .is_ok()
    {
        Ok(filter)
    } else {
        Err(allowed.to_owned())
    }
}

/// ICE servers: tables with `urls`, `username`, `credential`. As text: URLs with
/// commas between, or the TOML array itself when there are credentials.
pub(super) fn ice_servers(raw: Raw<'_>) -> Result<Vec<IceServer>, String> {
    let allowed = "a list of { urls = [\"stun:host:port\" or \"turn:host:port\"], username, credential } or { urls, secret, lifetime = \"12h\" } (1m to 168h); turn and turns need username and credential, or the secret";
    let servers = match raw {
        Raw::Toml(value) => read_ice_servers(value),
        Raw::Text(text) if text.trim_start().starts_with('[') => {
            let table: toml::Table = format!("servers = {text}")
                .parse()
                .map_err(|_| allowed.to_owned())?;
            table.get("servers").and_then(read_ice_servers)
        }
        Raw::Text(_) => Some(
            list::<String>(raw, allowed)?
                .into_iter()
                .map(|url| IceServer {
                    urls: vec![url],
                    ..IceServer::default()
                })
                .collect(),
        ),
    };
    servers
        .filter(|servers| servers.len() <= 16 && servers.iter().all(IceServer::is_sound))
        .ok_or_else(|| allowed.to_owned())
}

fn read_ice_servers(value: &toml::Value) -> Option<Vec<IceServer>> {
    value
        .as_array()?
        .iter()
        .map(|server| {
            let mut read = IceServer::default();
            for (key, value) in server.as_table()? {
                match key.as_str() {
                    "urls" => {
                        read.urls = value
                            .as_array()?
                            .iter()
                            .map(|url| url.as_str().map(str::to_owned))
                            .collect::<Option<_>>()?;
                    }
                    "username" => read.username = value.as_str()?.to_owned(),
                    "credential" => read.credential = value.as_str()?.to_owned(),
                    "secret" if value.as_str() == Some("") => {}
                    "secret" => read.secret = Some(value.as_str()?.parse().ok()?),
                    "lifetime" => read.lifetime = duration(Raw::Toml(value), LIFETIME).ok()?,
                    _ => return None,
                }
            }
            Some(read)
        })
        .collect()
}

/// Of TURN credentials.
const LIFETIME: RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(7 * 24 * 3_600);

/// Paths in one list.
const MAX_PATHS: usize = 100;

fn parse_duration(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
    let (count, unit) = text.split_at(split);
    let count: f64 = count.parse().ok()?;
    let seconds = match unit.trim() {
        "ms" => count / 1_000.0,
        "s" => count,
        "m" => count * 60.0,
        "h" => count * 3_600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

/// The shortest text that [`duration`] reads back.
pub(super) fn write_duration(value: &Duration) -> String {
    let ms = value.as_millis();
    match ms {
        0 => "0s".to_owned(),
        _ if ms.is_multiple_of(3_600_000) => format!("{}h", ms / 3_600_000),
        _ if ms.is_multiple_of(60_000) => format!("{}m", ms / 60_000),
        _ if ms.is_multiple_of(1_000) => format!("{}s", ms / 1_000),
        _ => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(86_400);

    #[test]
    fn durations_read_back_what_they_write() {
        for (text, ms) in [
            ("500ms", 500),
            ("2s", 2_000),
            ("10m", 600_000),
            ("1h", 3_600_000),
        ] {
            let value = duration(Raw::Text(text), DAY).unwrap();
            assert_eq!(value, Duration::from_millis(ms));
            assert_eq!(write_duration(&value), text);
        }
        assert_eq!(
            duration(Raw::Text("1.5s"), DAY),
            Ok(Duration::from_millis(1_500))
        );
    }

    #[test]
    fn durations_without_unit_or_out_of_range_say_what_is_allowed() {
        for text in ["", "2", "s", "-2s", "2 weeks", "1e9s", "25h", "..s"] {
            let allowed = duration(Raw::Text(text), DAY).unwrap_err();
            assert!(
                allowed.contains("0s") && allowed.contains("24h"),
                "{text}: {allowed}"
            );
        }
        assert!(duration(Raw::Toml(&toml::Value::Integer(2)), DAY).is_err());
    }

    #[test]
    fn a_misspelt_log_level_is_not_taken_for_a_target() {
        assert!(log_filter(Raw::Text("inof")).is_err());
        assert!(log_filter(Raw::Text("info,sfu=loud")).is_err());
        assert_eq!(
            log_filter(Raw::Text("info,sfu=debug")),
            Ok("info,sfu=debug".to_owned())
        );
    }

    #[test]
    fn paths_are_plain_and_their_number_is_bounded() {
        assert_eq!(place(Raw::Text("")), Ok(PathBuf::new()));
        assert_eq!(place(Raw::Text("/a b/ü")), Ok(PathBuf::from("/a b/ü")));
        assert!(place(Raw::Text("a\u{0}b")).is_err());
        assert_eq!(paths(Raw::Text("a.txt, /b")).unwrap().len(), 2);
        assert_eq!(paths(Raw::Text("")), Ok(Vec::new()));
        for text in ["a,,b", "a\nb", &vec!["a"; MAX_PATHS + 1].join(",")] {
            assert!(paths(Raw::Text(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn operators_tokens_are_long_and_differ() {
        let token = "0123456789abcdef";
        assert_eq!(tokens(Raw::Text(token)).unwrap().len(), 1);
        assert_eq!(tokens(Raw::Text("")), Ok(Vec::new()));
        for text in ["short", "0123456789abcde ü", &format!("{token},{token}")] {
            let allowed = tokens(Raw::Text(text)).unwrap_err();
            assert!(!allowed.contains(text), "{allowed}");
        }
    }

    #[test]
    fn origins_carry_no_path() {
        assert!(origins(Raw::Text("*")).is_ok());
        assert!(origins(Raw::Text("https://a.example,http://b.example:8080")).is_ok());
        for text in [
            "*,https://a.example",
            "a.example",
            "https://a.example/",
            "ftp://a",
            "https://a/b",
            "https://u@a",
        ] {
            assert!(origins(Raw::Text(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn ice_servers_come_as_urls_or_as_tables() {
        let plain = ice_servers(Raw::Text("stun:a.example:3478,stun:b.example")).unwrap();
        assert_eq!(plain.len(), 2);
        let table = "[{ urls = [\"turn:a.example\"], username = \"u\", credential = \"c\" }]";
        assert_eq!(ice_servers(Raw::Text(table)).unwrap()[0].username, "u");
        let secret = "[{ urls = [\"turn:a.example\"], secret = \"s\", lifetime = \"1h\" }]";
        let read = &ice_servers(Raw::Text(secret)).unwrap()[0];
        assert_eq!(read.lifetime, Duration::from_secs(3_600));
        assert!(read.secret.is_some() && !format!("{read:?}").contains("\"s\""));
        for text in [
            "[{ urls = [\"turn:a\"], secret = \"s\", username = \"u\" }]",
            "[{ urls = [\"stun:a\"], secret = \"s\" }]",
            "[{ urls = [\"turn:a\"], secret = \"s\", lifetime = \"1s\" }]",
            "[{ urls = [\"turn:a\"], secret = 1 }]",
            "http://a.example",
            "turn:a.example",
            "[{ urls = [\"stun:a\"], user = \"x\" }]",
            "[{ urls = [] }]",
            "[",
            "stun:a\"b",
            "stun:a>b",
        ] {
            assert!(ice_servers(Raw::Text(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused_and_never_wrap() {
        assert_eq!(number::<u16>(Raw::Text("65535"), 0..=65535), Ok(65535));
        for text in ["65536", "-1", "1.5", "", "99999999999999999999"] {
            assert!(number::<u16>(Raw::Text(text), 0..=65535).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_that_nobody_can_reach_are_refused() {
        assert!(addresses(Raw::Text("203.0.113.7,2001:db8::1")).is_ok());
        for text in ["0.0.0.0", "::", "224.0.0.1", "example.org", "10.0.0.1,"] {
            assert!(addresses(Raw::Text(text)).is_err(), "{text}");
        }
    }
}
