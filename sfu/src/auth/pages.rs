//! Which pages may play the streams of an app: rules for the hosts of their addresses.

use std::str::FromStr;

use http::uri::Authority;
use thiserror::Error;

/// One rule: a host, or all hosts below one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRule {
    /// In lower case, without port.
    host: String,
    is_below: bool,
}

/// What a request says about the page that it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// Nothing: no page, or one that keeps it to itself.
    Unsaid,
    /// A page of this host, in lower case.
    Of(String),
    /// A page without a host, or what cannot be read.
    Other,
}

/// Which pages may play the streams of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRules {
    /// Rules for hosts; without any, every page may.
    pub hosts: Vec<HostRule>,
    /// Whether requests may that say nothing of a page: programs do, and players of systems.
    pub takes_unsaid: bool,
}

impl Default for PageRules {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            takes_unsaid: true,
        }
    }
}

impl PageRules {
    /// Whether a request from this page may play.
    pub fn allow(&self, page: &Page) -> bool {
        match page {
            _ if self.hosts.is_empty() => true,
            Page::Unsaid => self.takes_unsaid,
            Page::Of(host) => self.hosts.iter().any(|rule| rule.names(host)),
            Page::Other => false,
        }
    }
}

impl HostRule {
    fn names(&self, host: &str) -> bool {
        if self.is_below {
            host.strip_suffix(self.host.as_str())
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        } else {
            host == self.host
        }
    }
}

/// A text is no rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a host such as shop.example, or *.shop.example for those below it")]
pub struct NoHostRule;

impl FromStr for HostRule {
    type Err = NoHostRule;

    fn from_str(text: &str) -> Result<Self, NoHostRule> {
        let below = text.strip_prefix("*.");
        let host = below.unwrap_or(text);
        let authority: Authority = host.parse().map_err(|_| NoHostRule)?;
        let is_host = authority.host() == host && !host.contains(['*', '@', '%']);
        let is_name = !host.starts_with(['.', '[']) && !host.ends_with('.');
        if !is_host || !(is_name || below.is_none() && host.starts_with('[')) {
            return Err(NoHostRule);
        }
        Ok(Self {
            host: host.to_ascii_lowercase(),
            is_below: below.is_some(),
        })
    }
}

impl Page {
    /// The page with this address, or origin.
    pub fn at(address: &str) -> Self {
        let rest = ["http://", "https://"].iter().find_map(|scheme| {
            let (begin, rest) = address.split_at_checked(scheme.len())?;
            begin.eq_ignore_ascii_case(scheme).then_some(rest)
        });
        let authority = rest.and_then(|rest| rest.split(['/', '?', '#', '\\']).next());
        let authority = authority.and_then(|text| text.parse::<Authority>().ok());
        match authority {
            // No browser names a user here (RFC 9110 §10.1.3).
            Some(authority) if !authority.as_str().contains('@') => {
                let host = authority.host().to_ascii_lowercase();
                // The same name, written to its end (RFC 1034 §3.1).
                Self::Of(host.strip_suffix('.').map_or(host.clone(), str::to_owned))
            }
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(hosts: &[&str]) -> PageRules {
        PageRules {
            hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
            takes_unsaid: false,
        }
    }

    #[test]
    fn a_host_is_that_host_and_a_star_is_what_is_below() {
        let rules = rules(&[
            "Shop.example",
            "*.fans.example",
            "[2001:db8::1]",
            "10.0.0.1",
        ]);
        for page in [
            "https://shop.example/watch?x=https://evil.example/",
            "http://SHOP.example:8080",
            "https://shop.example.",
            "HTTPS://shop.example#top",
            "https://a.fans.example/",
            "https://a.b.fans.example",
            "http://[2001:DB8::1]:8080/",
            "http://10.0.0.1/",
        ] {
            assert!(rules.allow(&Page::at(page)), "{page}");
        }
        for page in [
            "https://evil.example/shop.example",
            "https://evil.example/?https://shop.example",
            "https://evil.example#@shop.example",
            "https://evil.example\\@shop.example",
            "https://evil.example@shop.example",
            "https://shop.example@evil.example",
            "https://shop.example.evil.example",
            "https://evilshop.example",
            "https://a.shop.example",
            "https://fans.example",
            "https://.fans.example",
            "https://evilfans.example",
            "ftp://shop.example",
            "//shop.example",
            "shop.example",
            "https://",
            "https:///shop.example",
            "null",
            "",
            "\u{e9}",
        ] {
            assert!(!rules.allow(&Page::at(page)), "{page}");
        }
    }

    #[test]
    fn without_hosts_every_page_may_and_silence_is_a_choice() {
        let all = PageRules::default();
        for page in [Page::Unsaid, Page::Other, Page::at("https://a.example")] {
            assert!(all.allow(&page));
        }
        let strict = rules(&["shop.example"]);
        assert!(!strict.allow(&Page::Unsaid));
        let mild = PageRules {
            takes_unsaid: true,
            ..strict
        };
        assert!(mild.allow(&Page::Unsaid) && !mild.allow(&Page::Other));
    }

    #[test]
    fn what_is_no_host_is_no_rule() {
        for text in [
            "",
            "*",
            "*.",
            "*.*.example",
            "a.*",
            ".example",
            "example.",
            "https://shop.example",
            "shop.example:443",
            "shop.example/",
            "user@shop.example",
            "b\u{fc}cher.example",
            "*.[::1]",
            "a b",
        ] {
            assert_eq!(text.parse::<HostRule>(), Err(NoHostRule), "{text}");
        }
    }
}
