//! What the publisher and the tests of media need.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use crate::client::PATIENCE;

pub(crate) const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Waits until `done`, which is asked again and again, with a bound.
pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "not in {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
