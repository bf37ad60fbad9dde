//! ICE servers that sessions are told. Credentials made from a secret end while sessions go on:
//! there are new ones at half of their time.

use std::time::{Duration, Instant};

use super::Hub;
use crate::live::ConnectionId;
use crate::signal::protocol::{IceServer, MediaEvent};

impl Hub {
    /// The ICE servers for a session, with credentials that begin now.
    pub(super) fn give_ice_servers(
        &mut self,
        now: Instant,
        connection: ConnectionId,
    ) -> Vec<IceServer> {
        let servers = &self.config.ice_servers;
        let lifetimes = servers.iter().filter(|s| s.secret.is_some());
        let shortest: Option<Duration> = lifetimes.map(|s| s.lifetime).min();
        let again = shortest.and_then(|lifetime| now.checked_add(lifetime / 2));
        self.ice_renewals.set(&connection, again);
        let clock = self.clock(now).as_secs();
        let user = self.sessions.get(&connection).and_then(|s| s.user.as_ref());
        let name = user.map_or("guest", |user| user.as_str());
        let told = servers.iter().map(|server| server.told(clock, name));
        told.map(|server| IceServer::from(&server)).collect()
    }

    /// Tells those whose credentials are half over.
    pub(super) fn renew_ice_servers(&mut self, now: Instant) {
        while let Some(connection) = self.ice_renewals.pop_due(now) {
            let ice_servers = self.give_ice_servers(now, connection);
            let event = MediaEvent::IceServersRenewed { ice_servers };
            self.tell_one(connection, event);
        }
    }
}
