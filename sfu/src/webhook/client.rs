//! Posts a request: no redirects, no body that is not wanted, nothing of it in an error.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::time::{Instant, timeout, timeout_at};

use super::packet::Packet;

/// Why webhooks do not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// An `https` URL, and nothing to verify its certificate with.
    #[error(
        "a webhook has an https URL, and this machine's certificate authorities cannot be read: \
         {0}; install them (package ca-certificates), or name a PEM file in SSL_CERT_FILE"
    )]
    Roots(String),
    /// TLS does not start.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// Metrics cannot be registered.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// Why a request was not answered with success. It says nothing of address, body or answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum PostError {
    /// No connection: the name, the port or TLS.
    #[error("it cannot be reached")]
    Connect,
    /// No answer in time.
    #[error("it did not answer in time")]
    Timeout,
    /// The connection ended early, or what came was no HTTP.
    #[error("the connection broke")]
    Broken,
    /// Another status than 200; a redirect is one of them.
    #[error("it answered with status {0}; 200 is allowed")]
    Status(u16),
    /// A longer answer than is read.
    #[error("its answer is longer than {MAX_ANSWER} bytes")]
    TooLong,
}

impl PostError {
    /// All, with any status, for the metrics.
    pub(super) const LABELS: [&'static str; 5] =
        ["connect", "timeout", "broken", "status", "too_long"];

    /// The status, where an answer came.
    pub(super) fn status(self) -> Option<u16> {
        match self {
            Self::Status(status) => Some(status),
            _ => None,
        }
    }

    /// The value of the metric's label.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Status(_) => "status",
            Self::TooLong => "too_long",
        }
    }
}

/// One for all back ends; clones share its connections.
#[derive(Debug, Clone)]
pub(super) struct Client {
    inner: hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Client {
    /// `with_roots` reads the machine's certificate authorities: only needed for `https`.
    pub(super) fn new(with_roots: bool) -> Result<Self, StartError> {
        let builder = ClientConfig::builder_with_provider(std::sync::Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ))
        .with_safe_default_protocol_versions()?;
        let tls = if with_roots {
            let roots = builder.with_native_roots();
            roots.map_err(|error| StartError::Roots(error.to_string()))?
        } else {
            builder.with_root_certificates(RootCertStore::empty())
        };
        Ok(Self::with_tls(tls.with_no_client_auth()))
    }

    pub(super) fn with_tls(tls: ClientConfig) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let inner = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MAX_IDLE)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Self { inner }
    }

    /// Posts a notice: only the status of the answer counts.
    pub(super) async fn deliver(&self, packet: &Packet, limit: Duration) -> Result<(), PostError> {
        let answer = timeout(limit, self.send(packet)).await;
        let body = answer.map_err(|_| PostError::Timeout)??;
        // Read to its end, the connection can be used again. An end point that sends more than
        // that, or slowly, loses it.
        let _ = timeout(DRAIN, Limited::new(body, MAX_DRAIN).collect()).await;
        Ok(())
    }

    /// Posts a question, and reads the answer.
    pub(super) async fn ask(&self, packet: &Packet, limit: Duration) -> Result<Bytes, PostError> {
        let end = Instant::now() + limit;
        let answer = timeout_at(end, self.send(packet)).await;
        let body = answer.map_err(|_| PostError::Timeout)??;
        let body = timeout_at(end, Limited::new(body, MAX_ANSWER).collect()).await;
        match body.map_err(|_| PostError::Timeout)? {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(PostError::TooLong),
            Err(_) => Err(PostError::Broken),
        }
    }

    async fn send(&self, packet: &Packet) -> Result<hyper::body::Incoming, PostError> {
        let mut request = Request::new(Full::new(packet.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = packet.uri.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        headers.insert("sdkappid", HeaderValue::from(packet.app.0));
        if let Some(sign) = &packet.sign
            && let Ok(sign) = HeaderValue::from_str(sign)
        {
            headers.insert("sign", sign);
        }
        let response = self.inner.request(request).await.map_err(|error| {
            if error.is_connect() {
                PostError::Connect
            } else {
                PostError::Broken
            }
        })?;
        match response.status() {
            StatusCode::OK => Ok(response.into_body()),
            status => Err(PostError::Status(status.as_u16())),
        }
    }
}

const AGENT: &str = concat!("weblive/", env!("CARGO_PKG_VERSION"));

/// An end point is called again within this time, or connects anew. Below the usual 60 s of
/// servers, so that a request seldom meets a connection that is just being closed.
const IDLE: Duration = Duration::from_secs(30);

/// Connections that wait for the next request, to one host.
const MAX_IDLE: usize = 4;

/// Bytes of an answer to a question: more than a message could be replaced with.
const MAX_ANSWER: usize = 64 * 1024;

/// Bytes of an answer that nobody reads.
const MAX_DRAIN: usize = 16 * 1024;

const DRAIN: Duration = Duration::from_millis(500);
