//! Settings of `weblive edge`.

use std::sync::Arc;
use std::time::Duration;

use relay::StreamId;
use relay::edge::{AddressSigner, Origin};
use serde::{Serialize, Serializer};

use super::settings::duration_as_text;
use crate::auth::{SecretKey, SignedAddress};

/// Where an edge has its streams from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EdgeSettings {
    /// The server that streams are pulled from; none without an edge.
    #[serde(serialize_with = "origin_as_text")]
    pub origin: Option<Origin>,
    /// The origin's `play_url_key`, if it signs its addresses. Never logged or told.
    #[serde(serialize_with = "key_as_text")]
    pub origin_key: Option<SecretKey>,
    /// How long a stream is pulled after its last viewer left.
    #[serde(serialize_with = "duration_as_text")]
    pub linger: Duration,
    /// How long a stream that was lost is asked for again.
    #[serde(serialize_with = "duration_as_text")]
    pub retry_for: Duration,
    /// Streams live at once.
    pub max_streams: usize,
}

impl Default for EdgeSettings {
    fn default() -> Self {
        Self {
            origin: None,
            origin_key: None,
            linger: Duration::from_secs(30),
            retry_for: Duration::from_secs(30),
            max_streams: 1_000,
        }
    }
}

impl EdgeSettings {
    /// What signs the addresses at the origin; `now` gives Unix seconds.
    pub fn signer(&self, now: impl Fn() -> u64 + Send + Sync + 'static) -> AddressSigner {
        let key = self.origin_key.clone();
        Arc::new(move |stream: &StreamId| {
            let ends_at = now().saturating_add(SIGNED_FOR.as_secs());
            let key = key.as_ref()?;
            Some(SignedAddress::query(key, stream.as_str(), ends_at))
        })
    }
}

/// How long a signed address is good for: it is used at once, by clocks that may be apart.
const SIGNED_FOR: Duration = Duration::from_secs(300);

fn origin_as_text<S: Serializer>(
    origin: &Option<Origin>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match origin {
        Some(origin) => serializer.collect_str(origin),
        None => serializer.serialize_str(""),
    }
}

fn key_as_text<S: Serializer>(key: &Option<SecretKey>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(key.as_ref().map_or("", SecretKey::expose))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::auth::Apps;
    use crate::config::Settings;

    #[test]
    fn the_origin_takes_what_the_edge_signs() {
        let key: SecretKey = "north".parse().unwrap();
        let mut settings = EdgeSettings::default();
        let stream: StreamId = "a_1".parse().unwrap();
        assert_eq!(settings.signer(|| 1_000)(&stream), None);
        settings.origin_key = Some(key);
        let query = settings.signer(|| 1_000)(&stream).unwrap();
        let toml = "apps = [{ id = 7, keys = [\"x\"], play_url_key = \"north\" }]";
        let origin = Settings::from_toml(Path::new("x"), toml).unwrap();
        let apps = Apps::new(origin.apps);
        let check = |now| apps.check_play(now, "a_1", None, Some(&query));
        assert!(check(1_000).is_ok_and(|signature| signature.is_some()));
        assert!(check(1_299).is_ok());
        assert!(check(10_000).is_err());
        assert!(apps.check_play(1_000, "a_2", None, Some(&query)).is_err());
    }
}
