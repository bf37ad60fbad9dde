//! An edge: a relay whose broadcasts are pulled from an origin by HTTP-FLV.
//!
//! A stream is pulled once, from its first viewer on until some time after the last one, however
//! many there are. A connection that is lost is made again, with growing waits; viewers stay
//! meanwhile. Only the one origin that the settings name is ever asked. The sizes of a stream are streams
//! of their own, which are pulled when somebody asks for one; the origin's list says which there are.

mod client;
mod failure;
mod lists;
mod metrics;
mod origin;
mod pull;
mod sizes;
mod table;
mod task;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use tokio::time::timeout;
use tokio_rustls::rustls::ClientConfig;

pub use self::failure::EdgeRefusal;
pub use self::origin::{InvalidOrigin, Origin};
pub use self::table::Watching;

use self::failure::Failure;
use self::lists::Lists;
use self::metrics::Metrics;
use self::table::{Found, State, Table};
use crate::relay::Relay;
use crate::stream_id::StreamId;

/// Makes the query that signs the address of a stream at the origin, if it wants one.
pub type AddressSigner = Arc<dyn Fn(&StreamId) -> Option<String> + Send + Sync>;

/// Where an [`Edge`] pulls from, and its bounds.
#[derive(Clone)]
pub struct EdgeConfig {
    /// The only server that is asked.
    pub origin: Origin,
    /// Called for each request.
    pub sign: AddressSigner,
    /// For an origin at `https`.
    pub tls: Arc<ClientConfig>,
    /// How long a stream that was live is pulled after its last viewer left.
    pub linger: Duration,
    /// How long a stream that was lost is asked for again.
    pub patience: Duration,
    /// Streams that are live at once. Those that are asked for are bounded on their own.
    pub max_streams: usize,
}

/// All streams that are pulled. Clones share them.
#[derive(Clone)]
pub struct Edge(Arc<Inner>);

struct Inner {
    relay: Relay,
    config: EdgeConfig,
    metrics: Metrics,
    table: Arc<Table>,
    lists: Lists,
}

impl Edge {
    /// An edge that fills the relay's broadcasts. Its metrics (`weblive_edge_*`) go into `registry`.
    ///
    /// # Errors
    /// When the metrics are registered already.
    pub fn new(
        relay: Relay,
        config: EdgeConfig,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        let metrics = Metrics::register(registry)?;
        Ok(Self(Arc::new(Inner {
            relay,
            table: Table::new(config.max_streams, metrics.streams.clone()),
            lists: Lists::new(config.max_streams),
            config,
            metrics,
        })))
    }

    /// Brings a stream for a viewer at an address, who has it for as long as the [`Watching`] is kept,
    /// and some time longer. Returns when the origin has answered.
    ///
    /// # Errors
    /// [`EdgeRefusal`]. All who ask for the stream within the next second get the same one.
    pub async fn open(&self, stream: &StreamId, client: IpAddr) -> Result<Watching, EdgeRefusal> {
        let opened = self.wait(stream, client).await;
        if let Err(refusal) = &opened {
            let refused = &self.0.metrics.refused;
            refused.with_label_values(&[refusal.label()]).inc();
        }
        opened
    }

    /// Notes that somebody has asked for something of a stream, if it is pulled.
    pub fn touch(&self, stream: &StreamId) {
        self.0.table.touch(stream);
    }

    async fn wait(&self, stream: &StreamId, client: IpAddr) -> Result<Watching, EdgeRefusal> {
        if self.0.relay.is_shutting_down() {
            return Err(EdgeRefusal::ShuttingDown);
        }
        let watching = match self.0.table.wait(stream, client).await? {
            Found::Known(watching) => watching,
            Found::New(watching, place) => {
                let task = task::run(self.clone(), place);
                self.0.relay.runtime().spawn(task);
                watching
            }
        };
        let mut state = watching.state();
        // However the wait ended, the state says it.
        let _ = timeout(ANSWER_WAIT, state.wait_for(|state| *state != State::Asking)).await;
        match &*state.borrow() {
            State::Live => Ok(watching),
            State::Refused(refusal) => Err(refusal.clone()),
            State::Asking => Err(EdgeRefusal::Origin(Failure::Timeout.to_string())),
        }
    }
}

impl fmt::Debug for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edge")
            .field("origin", &self.0.config.origin)
            .finish_non_exhaustive()
    }
}

/// How long a viewer waits for the origin's answer: longer than each step of a request may take.
const ANSWER_WAIT: Duration = Duration::from_secs(12);
