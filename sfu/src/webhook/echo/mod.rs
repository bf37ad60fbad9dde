//! `weblive webhook-echo`: a back end for development that prints what it is told.

mod readable;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, StatusCode};
use tokio::net::TcpListener;

pub use readable::{EchoOptions, Seen};

/// Prints every notice to standard output, until the process ends. The first line is the address.
///
/// # Errors
/// The address cannot be listened on.
pub async fn run(listen: SocketAddr, options: EchoOptions) -> io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    let local = listener.local_addr()?;
    let checked = match options.key {
        Some(_) => "signatures are checked",
        None => "no --key, so that signatures are not checked",
    };
    print(&format!(
        "weblive: webhook echo at http://{local}/ ({checked})"
    ));
    let router = Router::new()
        .fallback(receive)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(Arc::new(options));
    axum::serve(listener, router).await
}

async fn receive(
    State(options): State<Arc<EchoOptions>>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, [(http::HeaderName, &'static str); 1], String) {
    let json = [(CONTENT_TYPE, "application/json")];
    if method != Method::POST {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return (status, json, "{\"code\":405}".to_owned());
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let seen = options.read(text("sdkappid"), text("sign"), &body);
    print(&seen.to_string());
    (StatusCode::OK, json, seen.answer)
}

fn print(text: &str) {
    let mut out = io::stdout().lock();
    // Whoever reads our standard output may have gone.
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

/// Bytes of a notice; ours are far smaller.
const MAX_BODY: usize = 1 << 20;
