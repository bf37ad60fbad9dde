//! `/signal`: the WebSocket of rooms (RFC 6455).

use std::net::IpAddr;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Extension, State};
use axum::response::Response;
use axum::routing::{MethodRouter, any};
use http::{HeaderMap, Uri};

use super::api::{self, Control};
use super::app::App;
use super::forwarded::Remote;
use super::listener::Held;
use super::problem::Problem;
use crate::live::AppId;
use crate::signal::hub::admin::Call;
use crate::signal::{HubHandle, NoPlace, NotOpened};

/// The route. HTTP/1.1 opens a WebSocket with GET, HTTP/2 with CONNECT (RFC 8441).
pub(super) fn route() -> MethodRouter<App> {
    any(open)
}

async fn open(
    State(app): State<App>,
    uri: Uri,
    headers: HeaderMap,
    connection: Option<Extension<Remote>>,
    held: Option<Extension<Held>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let signalling = app.signalling().clone();
    let upgrade = upgrade.map_err(|_| Problem::NoWebSocket)?;
    if !signalling.origins().allow(&uri, &headers) {
        signalling.metrics().refuse(NotOpened::Origin);
        return Err(Problem::Origin);
    }
    if app.workers().snapshot().shutting_down || !signalling.hub().is_running() {
        signalling.metrics().refuse(NotOpened::ShuttingDown);
        return Err(Problem::NotReady {
            reason: "it is shutting down".to_owned(),
        });
    }
    // Every connection of the listener has both; requests without a connection have none.
    let peer = connection.map_or(IpAddr::from([0, 0, 0, 0]), |Extension(remote)| {
        remote.client
    });
    let place = signalling.take_place(peer).inspect_err(|error| {
        signalling.metrics().refuse(match error {
            NoPlace::All { .. } => NotOpened::Limit,
            NoPlace::Address { .. } => NotOpened::Address,
        });
    })?;
    let upgrade = signalling.bounded(upgrade);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let serve = signalling.serve(socket, peer, place);
        match held {
            Some(Extension(mut held)) => tokio::select! {
                () = serve => {}
                () = held.drained() => {}
            },
            None => serve.await,
        }
    }))
}

impl Control for HubHandle {
    fn call(&self, app: AppId, call: Call) -> api::Answer {
        let hub = self.clone();
        Box::pin(async move { hub.admin(app, call).await })
    }
}
