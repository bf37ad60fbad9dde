//! Which publications go to FLV and HLS, and from there to other servers: by call.

use std::time::Instant;

use relay::push::PushTarget;

use super::error::HubError;
use super::io::MediaOrder;
use super::tickets::{Asker, Waiting};
use super::{Hub, HubOutput};
use crate::live::broadcasts::{BroadcastError, RelayOrder, Source};
use crate::signal::protocol::{RelayAddresses, ResultBody, StartPush, StartRelay, StopRelay};
use crate::worker::RelayError;

impl Hub {
    pub(super) fn start_relay(
        &mut self,
        now: Instant,
        asker: Asker,
        request: &StartRelay,
    ) -> Result<Option<ResultBody>, HubError> {
        let (key, user) = self.media_of(asker.connection, &request.room)?;
        let source = Source {
            room: key,
            user,
            track: request.track,
        };
        self.publisher(&source.room, &source.user, source.track)?;
        let order = self
            .stage
            .broadcasts
            .start(&source, request.stream_id.as_deref())?;
        match order {
            Some(order) => self.ask_relay(now, asker, source, order).map(|()| None),
            None => Ok(Some(self.relay_reply(&source))),
        }
    }

    pub(super) fn stop_relay(
        &mut self,
        now: Instant,
        asker: Asker,
        request: &StopRelay,
    ) -> Result<Option<ResultBody>, HubError> {
        let (key, user) = self.media_of(asker.connection, &request.room)?;
        let source = Source {
            room: key,
            user,
            track: request.track,
        };
        self.publisher(&source.room, &source.user, source.track)?;
        let order = self.stage.broadcasts.stop(&source);
        let order = order.map_err(|error| match error {
            BroadcastError::Busy { .. } => HubError::StopBusy(error),
            other => other.into(),
        })?;
        match order {
            Some(order) => self.ask_relay(now, asker, source, order).map(|()| None),
            None => Ok(Some(ResultBody::DONE)),
        }
    }

    pub(super) fn start_push(
        &mut self,
        now: Instant,
        asker: Asker,
        request: &StartPush,
    ) -> Result<(), HubError> {
        let (key, user) = self.media_of(asker.connection, &request.room)?;
        let target: PushTarget = request.url.parse()?;
        if !self
            .config
            .push_hosts
            .iter()
            .any(|host| host.allows(&target))
        {
            return Err(HubError::PushHost {
                host: target.host().to_owned(),
            });
        }
        let track = request.track;
        let source = Source {
            room: key,
            user,
            track,
        };
        self.publisher(&source.room, &source.user, track)?;
        let broadcast = self.stage.broadcasts.of(&source);
        let name = broadcast.and_then(|broadcast| broadcast.relayed_as.clone());
        let name = name.ok_or(BroadcastError::NotRelayed { track })?;
        self.begin_pending(asker.connection)?;
        let ticket = self.tickets.open(now, Waiting::Push(asker));
        let order = MediaOrder::Push {
            source,
            name,
            target,
        };
        self.out.push_back(HubOutput::Media { ticket, order });
        Ok(())
    }

    fn ask_relay(
        &mut self,
        now: Instant,
        asker: Asker,
        source: Source,
        order: RelayOrder,
    ) -> Result<(), HubError> {
        if let Err(error) = self.begin_pending(asker.connection) {
            self.stage.broadcasts.settle(&source, &order, false);
            return Err(error);
        }
        let ordered = self.order_relay(now, Some(asker), source, order);
        ordered.inspect_err(|_| self.end_pending(asker.connection))
    }

    /// Orders what the book of broadcasts asks for; the outcome settles it there.
    pub(super) fn order_relay(
        &mut self,
        now: Instant,
        asker: Option<Asker>,
        source: Source,
        order: RelayOrder,
    ) -> Result<(), HubError> {
        let session = match self.publisher(&source.room, &source.user, source.track) {
            Ok(session) => session,
            Err(error) => {
                self.stage.broadcasts.settle(&source, &order, false);
                return Err(error);
            }
        };
        let media = MediaOrder::Relay {
            session,
            name: order.relay.clone(),
        };
        let waiting = Waiting::Relay {
            asker,
            source,
            order,
        };
        let ticket = self.tickets.open(now, waiting);
        self.out.push_back(HubOutput::Media {
            ticket,
            order: media,
        });
        Ok(())
    }

    pub(super) fn relayed(
        &mut self,
        now: Instant,
        source: &Source,
        order: &RelayOrder,
        result: Result<(), RelayError>,
    ) -> Result<ResultBody, HubError> {
        self.stage.broadcasts.settle(source, order, result.is_ok());
        self.tell_relay(now, source, order.relay.as_ref(), &result);
        result.map_err(|error| match order.relay {
            Some(_) => HubError::Relay(error),
            None => HubError::NotStopped(error),
        })?;
        Ok(match order.relay {
            Some(_) => self.relay_reply(source),
            None => ResultBody::DONE,
        })
    }

    fn relay_reply(&self, source: &Source) -> ResultBody {
        let broadcast = self.stage.broadcasts.of(source);
        match broadcast.and_then(|b| b.relayed_as.as_ref()) {
            Some(name) => ResultBody::Relay(RelayAddresses::of(name)),
            None => ResultBody::DONE,
        }
    }
}
