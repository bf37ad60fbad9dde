//! Whose back end is called, where, and within which bounds.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use http::Uri;
use thiserror::Error;

use crate::auth::SecretKey;
use crate::live::AppId;

/// All back ends, and how they are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookConfig {
    /// The apps that have a back end; others are neither told nor asked.
    pub apps: BTreeMap<AppId, AppHook>,
    /// For one try, from the connection to the head of the response.
    pub timeout: Duration,
    /// For the question before a message; without an answer it is sent.
    pub ask_timeout: Duration,
    /// From the second failure to the next try, and so on.
    pub retry_pause: Duration,
    /// A notice that is older is not tried again.
    pub retry_for: Duration,
    /// Notices of all apps that wait or are under way. One app of several has a quarter of it.
    pub max_waiting: usize,
    /// Bytes of their bodies.
    pub max_waiting_bytes: usize,
    /// Questions of one app under way; messages above that are sent unasked.
    pub max_asks: usize,
}

/// One app's back end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppHook {
    /// Where everything is posted.
    pub url: WebhookUrl,
    /// Signs each body in the header field `Sign`; without one there is none.
    pub key: Option<SecretKey>,
    /// Signs begin and end of streams in their body; without one `sign` is empty.
    pub cdn_key: Option<SecretKey>,
    /// Whether the back end is asked before a message is sent.
    pub before_chat: bool,
}

impl WebhookConfig {
    /// Whether anybody is told of an app.
    pub fn tells(&self, app: AppId) -> bool {
        self.apps.contains_key(&app)
    }

    /// Whether anybody is asked before a message of an app is sent.
    pub fn asks(&self, app: AppId) -> bool {
        self.apps.get(&app).is_some_and(|hook| hook.before_chat)
    }
}

impl Default for WebhookConfig {
    /// No back end, and the vendor's times.
    fn default() -> Self {
        Self {
            apps: BTreeMap::new(),
            timeout: Duration::from_secs(5),
            ask_timeout: Duration::from_secs(2),
            retry_pause: Duration::from_secs(10),
            retry_for: Duration::from_secs(60),
            max_waiting: 10_000,
            max_waiting_bytes: 64 << 20,
            max_asks: 64,
        }
    }
}

/// An `http` or `https` URL. `Display` and `Debug` show only whom it names: what stands behind
/// that is often secret.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl(Uri);

impl WebhookUrl {
    /// As it is called.
    pub(super) fn uri(&self) -> &Uri {
        &self.0
    }

    /// The same with parameters behind its own.
    pub(super) fn with_query(&self, query: &str) -> Option<Uri> {
        let path = self.0.path();
        let path = match self.0.query() {
            None | Some("") => format!("{path}?{query}"),
            Some(own) => format!("{path}?{own}&{query}"),
        };
        let mut parts = self.0.clone().into_parts();
        parts.path_and_query = Some(path.parse().ok()?);
        Uri::from_parts(parts).ok()
    }

    /// Whether TLS is spoken.
    pub fn is_https(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }
}

impl FromStr for WebhookUrl {
    type Err = BadWebhookUrl;

    fn from_str(text: &str) -> Result<Self, BadWebhookUrl> {
        if text.len() > MAX_URL || text.contains('#') {
            return Err(BadWebhookUrl);
        }
        let uri: Uri = text.parse().map_err(|_| BadWebhookUrl)?;
        let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
        let names_a_host = uri
            .authority()
            .is_some_and(|a| !a.host().is_empty() && !a.as_str().contains('@'));
        if is_web && names_a_host {
            Ok(Self(uri))
        } else {
            Err(BadWebhookUrl)
        }
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.0.scheme_str().unwrap_or_default();
        let authority = self.0.authority().map_or("", |a| a.as_str());
        write!(f, "{scheme}://{authority}/…")
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text is no [`WebhookUrl`]. It does not say which text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "a webhook's URL is one like https://back.example/hook: http or https, up to 1024 \
     characters, without user and fragment"
)]
pub struct BadWebhookUrl;

const MAX_URL: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> WebhookUrl {
        text.parse().unwrap()
    }

    #[test]
    fn a_url_is_http_without_user_and_fragment() {
        for good in [
            "http://a",
            "https://a.example:8443/hook?x=1",
            "http://[::1]:9/",
        ] {
            assert!(good.parse::<WebhookUrl>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "a.example/hook",
            "ftp://a/",
            "file:///etc/passwd",
            "https://u:p@a/",
            "https://a/#x",
            "https:///x",
            &format!("https://a/{}", "x".repeat(1_024)),
        ] {
            assert_eq!(bad.parse::<WebhookUrl>(), Err(BadWebhookUrl), "{bad}");
        }
    }

    #[test]
    fn parameters_stand_behind_the_urls_own() {
        let full = |text: &str| url(text).with_query("b=2").unwrap().to_string();
        assert_eq!(full("http://a"), "http://a/?b=2");
        assert_eq!(full("http://a:1/p"), "http://a:1/p?b=2");
        assert_eq!(full("http://a/p?a=1"), "http://a/p?a=1&b=2");
    }

    #[test]
    fn what_may_be_secret_is_not_shown() {
        let shown = format!("{0} {0:?}", url("https://a.example:1/hunter2?key=hunter2"));
        assert!(shown.contains("https://a.example:1/"));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
