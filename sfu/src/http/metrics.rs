//! HTTP in numbers, and the page that a Prometheus server reads.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    TextEncoder,
};

use super::forwarded::Ignored;
use super::problem::Problem;
use super::site::Site;

/// Counters of the HTTP side.
#[derive(Debug, Clone)]
pub struct HttpMetrics {
    requests: IntCounterVec,
    durations: HistogramVec,
    /// Connections now.
    pub(super) connections: IntGauge,
    /// Connections since the start.
    pub(super) accepted: IntCounter,
    /// Connections ended by the server, by reason.
    pub(super) dropped: IntCounterVec,
    refused: IntCounterVec,
    viewers_refused: IntCounterVec,
    /// Revocations that hold.
    pub(super) revocations: IntGauge,
    /// Revocations for which there was no place.
    pub(super) revocations_refused: IntCounter,
    /// Times that they could not be written to their file.
    pub(super) revocation_writes_failed: IntCounter,
    /// What viewers say over WebSockets.
    pub(super) messages_ignored: IntCounter,
    ignored: IntCounterVec,
}

impl HttpMetrics {
    /// Registers the counters.
    ///
    /// # Errors
    /// They are registered already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let requests = IntCounterVec::new(
            Opts::new(
                "weblive_http_requests_total",
                "HTTP requests by route, method and status.",
            ),
            &["route", "method", "status"],
        )?;
        let durations = HistogramVec::new(
            HistogramOpts::new(
                "weblive_http_request_duration_seconds",
                "Time from a request's head to the head of its response, by route.",
            )
            .buckets(vec![
                0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
            ]),
            &["route"],
        )?;
        let connections = IntGauge::new("weblive_http_connections", "Open TCP connections.")?;
        let accepted = IntCounter::new(
            "weblive_http_connections_total",
            "Accepted TCP connections.",
        )?;
        let dropped = IntCounterVec::new(
            Opts::new(
                "weblive_http_connections_dropped_total",
                "TCP connections ended by the server, by reason.",
            ),
            &["reason"],
        )?;
        for reason in Dropped::ALL {
            dropped.with_label_values(&[reason.name()]);
        }
        let refused = IntCounterVec::new(
            Opts::new(
                "weblive_auth_refused_total",
                "Requests without the right to what they ask for, by reason.",
            ),
            &["reason"],
        )?;
        let viewers_refused = IntCounterVec::new(
            Opts::new(
                "weblive_http_viewers_refused_total",
                "Requests of viewers that were refused for where they come from, by reason.",
            ),
            &["reason"],
        )?;
        for reason in ViewerRefused::ALL {
            viewers_refused.with_label_values(&[reason.name()]);
        }
        let revocations = IntGauge::new(
            "weblive_http_revocations",
            "Addresses and signed addresses of viewers that are kept out.",
        )?;
        let revocations_refused = IntCounter::new(
            "weblive_http_revocations_refused_total",
            "Revocations of viewers that were not carried out, because there are too many.",
        )?;
        let revocation_writes_failed = IntCounter::new(
            "weblive_http_revocation_writes_failed_total",
            "Times that the file of revocations could not be written.",
        )?;
        let messages_ignored = IntCounter::new(
            "weblive_http_viewer_messages_ignored_total",
            "Messages of viewers over WebSockets, which nobody reads.",
        )?;
        let ignored = IntCounterVec::new(
            Opts::new(
                "weblive_http_forwarded_ignored_total",
                "Requests whose X-Forwarded-For or Forwarded was not followed, by reason.",
            ),
            &["reason"],
        )?;
        for reason in Ignored::ALL {
            ignored.with_label_values(&[reason.name()]);
        }
        let build = IntGauge::with_opts(
            Opts::new("weblive_build_info", "1, with the build in its labels.")
                .const_label("version", env!("CARGO_PKG_VERSION"))
                .const_label("aac", if cfg!(feature = "aac") { "yes" } else { "no" }),
        )?;
        build.set(1);
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(durations.clone()))?;
        registry.register(Box::new(connections.clone()))?;
        registry.register(Box::new(accepted.clone()))?;
        registry.register(Box::new(dropped.clone()))?;
        registry.register(Box::new(refused.clone()))?;
        registry.register(Box::new(viewers_refused.clone()))?;
        registry.register(Box::new(revocations.clone()))?;
        registry.register(Box::new(revocations_refused.clone()))?;
        registry.register(Box::new(revocation_writes_failed.clone()))?;
        registry.register(Box::new(messages_ignored.clone()))?;
        registry.register(Box::new(ignored.clone()))?;
        registry.register(Box::new(build))?;
        Ok(Self {
            requests,
            durations,
            connections,
            accepted,
            dropped,
            refused,
            viewers_refused,
            revocations,
            revocations_refused,
            revocation_writes_failed,
            messages_ignored,
            ignored,
        })
    }

    pub(super) fn request(&self, route: &str, method: &str, status: u16, took: Duration) {
        self.requests
            .with_label_values(&[route, method, &status.to_string()])
            .inc();
        self.durations
            .with_label_values(&[route])
            .observe(took.as_secs_f64());
    }

    pub(super) fn refuse(&self, reason: &str) {
        self.refused.with_label_values(&[reason]).inc();
    }

    pub(super) fn refuse_viewer(&self, reason: ViewerRefused) {
        self.viewers_refused
            .with_label_values(&[reason.name()])
            .inc();
    }

    pub(super) fn ignore_forwarded(&self, reason: Ignored) {
        self.ignored.with_label_values(&[reason.name()]).inc();
    }

    pub(super) fn drop_connection(&self, reason: Dropped) {
        self.dropped.with_label_values(&[reason.name()]).inc();
    }
}

/// Why the server ended a connection that its client did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dropped {
    /// `http.max_connections` are open.
    Limit,
    /// No whole request head within `http.header_timeout`.
    HeaderTimeout,
    /// No TLS handshake within `http.header_timeout`, or a failed one.
    Tls,
    /// What came is not HTTP, or broke in the middle.
    Protocol,
    /// The client took nothing for `http.write_timeout`.
    WriteTimeout,
    /// A viewer of FLV, or of a segment from the disk, made no progress for `relay.viewer_timeout`.
    ViewerStalled,
    /// A viewer of FLV was ended by the API, or one that took nothing of a segment from the disk made
    /// place for another one.
    ViewerRevoked,
    /// Still open at the end of the shutdown.
    Shutdown,
}

/// Why a viewer is refused for where it comes from. Limits of a broadcast and of all viewers are the
/// relay's to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ViewerRefused {
    /// It wants a WebSocket and its page is of an origin that `cors.origins` does not name.
    Origin,
    /// Its page is of a host that the app's `referers` do not name.
    Referer,
    /// Its address has as many viewers as one may have.
    Address,
    /// Its address, or its signed address, is kept out by the API.
    Revoked,
}

impl ViewerRefused {
    const ALL: [Self; 4] = [Self::Origin, Self::Referer, Self::Address, Self::Revoked];

    fn name(self) -> &'static str {
        match self {
            Self::Origin => "origin",
            Self::Referer => "referer",
            Self::Address => "address",
            Self::Revoked => "revoked",
        }
    }
}

impl Dropped {
    const ALL: [Self; 8] = [
        Self::Limit,
        Self::HeaderTimeout,
        Self::Tls,
        Self::Protocol,
        Self::WriteTimeout,
        Self::ViewerStalled,
        Self::ViewerRevoked,
        Self::Shutdown,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::HeaderTimeout => "header_timeout",
            Self::Tls => "tls",
            Self::Protocol => "protocol",
            Self::WriteTimeout => "write_timeout",
            Self::ViewerStalled => "viewer_stalled",
            Self::ViewerRevoked => "viewer_revoked",
            Self::Shutdown => "shutdown",
        }
    }
}

/// `/metrics`, in the text format 0.0.4.
pub(super) async fn scrape(State(site): State<Site>) -> Response {
    let mut page = Vec::new();
    if let Err(error) = TextEncoder::new().encode(&site.registry().gather(), &mut page) {
        tracing::error!(%error, "metrics cannot be written");
        return Problem::Internal.into_response();
    }
    let headers = [
        (
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
        ),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, page).into_response()
}
