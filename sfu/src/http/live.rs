//! What is below `/live/`: who may have it, and the relay's answer.

use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, Uri};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use relay::edge::{Edge, Watching};
use relay::{StreamId, ViewerWatch, Wanted};

use super::metrics::ViewerRefused;
use super::problem::Problem;
use super::site::Site;
use super::viewings::{Asker, Kept, Viewing};
use super::{access, flv_socket, playlist, sizes};
use crate::signal::{NoPlace, Place};

pub(super) async fn serve(State(site): State<Site>, request: Request) -> Response {
    answer(site, request)
        .await
        .unwrap_or_else(IntoResponse::into_response)
}

async fn answer(site: Site, request: Request) -> Result<Response, Problem> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(site.relay().handle(request).await.map(Body::new));
    }
    let (request, pulled_id, is_list, held) = match site.edge() {
        Some(edge) => {
            // The origin may be asked: who has no place is not worth it.
            let held = place(&site, access::client(&request))?;
            let addressed = sizes::addressed(&site, edge, request).await;
            let pulled = addressed.pulled;
            (addressed.request, pulled, addressed.is_list, Some(held))
        }
        None => (request, None, false, None),
    };
    let Some(right) = access::play(&site, &request)? else {
        return Ok(site.relay().handle(request).await.map(Body::new));
    };
    let place = match held {
        Some(held) => held,
        None => place(&site, right.asker.address)?,
    };
    let (asker, signature) = (right.asker, right.signature);
    let uri = request.uri().clone();
    let asked = match flv_socket::is_asked_for(&request) {
        true => Asked::Socket(flv_socket::admit(&site, request).await?),
        false => Asked::Http(request),
    };
    let pulled_id = pulled_id.unwrap_or_else(|| asker.stream.clone());
    let Pulled { watching, file_of } = match pulled(&site, &asker, &pulled_id, &uri).await {
        Ok(pulled) => pulled,
        Err(refusal) => return Ok(refusal),
    };
    let kept = Kept {
        _place: place,
        _watching: watching,
    };
    let request = match asked {
        Asked::Socket(opening) => return Ok(opening.open(site, asker, kept).await),
        Asked::Http(request) => request,
    };
    if uri.path().ends_with(".m3u8") {
        site.note_playlist_reader();
    }
    let finish = playlist::Finish {
        signature: signature.map(|signature| signature.to_query()),
        takes_gzip: playlist::takes_gzip(request.headers()),
    };
    let list = match site.edge().filter(|_| is_list) {
        Some(edge) => edge.list(&pulled_id).await,
        None => None,
    };
    let response = match list {
        Some(list) => site.relay().answer_list(&request, list),
        None => site.relay().handle(request).await,
    };
    if let Some(edge) = file_of
        && (response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED)
    {
        edge.touch(&pulled_id);
    }
    let Some(watch) = response.extensions().get::<ViewerWatch>().cloned() else {
        let response = finish.apply(response.map(Body::new)).await;
        // Until it is answered.
        drop(kept);
        return Ok(response);
    };
    let viewing = begin(&site, asker, "http", watch, kept)?;
    Ok(response.map(|body| Body::new(Keeping::new(body, viewing))))
}

/// How it is asked for.
enum Asked {
    Http(Request),
    Socket(flv_socket::Opening),
}

/// What a request has to do with the origin.
#[derive(Default)]
struct Pulled<'a> {
    /// The stream, for as long as it is watched.
    watching: Option<Watching>,
    /// A file was asked for: who gets it watches.
    file_of: Option<&'a Edge>,
}

/// Brings a stream from the origin, if there is one and what is asked for begins with it. A file is
/// asked for by who has the playlist, and a still picture of what is watched: neither begins a pull,
/// and a picture, or a file that is not there, prolongs none. Whatever is refused without a look at
/// the stream costs the origin nothing.
async fn pulled<'a>(
    site: &'a Site,
    asker: &Asker,
    id: &StreamId,
    uri: &Uri,
) -> Result<Pulled<'a>, Response> {
    let Some(edge) = site.edge() else {
        return Ok(Pulled::default());
    };
    let wanted = Wanted::read(uri).map_err(|refusal| (*refusal).map(Body::new))?;
    match wanted {
        Wanted::Flv | Wanted::Fragments | Wanted::Playlist => {}
        Wanted::Still => return Ok(Pulled::default()),
        Wanted::File => {
            return Ok(Pulled {
                file_of: Some(edge),
                ..Pulled::default()
            });
        }
    }
    match edge.open(id, asker.address).await {
        Ok(watching) => Ok(Pulled {
            watching: Some(watching),
            ..Pulled::default()
        }),
        // The playlist of a stream that is over stays for a while, also where it was lost or the
        // edge itself goes down.
        Err(_) if wanted == Wanted::Playlist && site.relay().has(id) => Ok(Pulled::default()),
        Err(refusal) => Err(Problem::Edge(refusal).into_response()),
    }
}

/// Notes a viewer of an endless stream that begins to watch.
pub(super) fn begin(
    site: &Site,
    asker: Asker,
    transport: &'static str,
    watch: ViewerWatch,
    kept: Kept,
) -> Result<Viewing, Problem> {
    site.viewings()
        .begin(access::now(), asker.clone(), transport, watch, kept)
        .map_err(|until| access::revoked(site, &asker, until))
}

/// A place among the viewers of the client's address. Requests of HLS have one until they are
/// answered: many of them are held back.
fn place(site: &Site, client: IpAddr) -> Result<Place, Problem> {
    site.viewers().take(client).map_err(|error| {
        let (NoPlace::Address { limit } | NoPlace::All { limit }) = error;
        site.metrics().refuse_viewer(ViewerRefused::Address);
        tracing::info!(%client, limit, "viewer refused: too many of its address");
        Problem::TooManyViewers { limit }
    })
}

/// A body that keeps something until it is over.
struct Keeping<B, K> {
    _kept: K,
    body: B,
}

impl<B, K> Keeping<B, K> {
    fn new(body: B, kept: K) -> Self {
        Self { body, _kept: kept }
    }
}

impl<B: HttpBody + Unpin, K: Unpin> HttpBody for Keeping<B, K> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use http_body_util::BodyExt;
    use prometheus::Registry;
    use relay::edge::EdgeConfig;
    use relay::{Relay, RelayConfig};
    use tokio::time::sleep;
    use tower::ServiceExt;

    use super::*;
    use crate::config::Settings;
    use crate::http::forwarded::Remote;
    use crate::http::{HttpMetrics, edge_router};

    /// An edge where an address has so many places, and an origin that takes connections and answers
    /// none.
    fn edge(places: usize) -> (axum::Router, TcpListener) {
        let origin = TcpListener::bind("127.0.0.1:0").unwrap();
        origin.set_nonblocking(true).unwrap();
        let settings = format!(
            "data_dir = \"\"\nrelay.max_viewers_per_address = {places}\n\
             edge.origin_key = \"north\"\n"
        );
        let settings = Settings::from_toml(Path::new("test"), &settings).unwrap();
        let registry = Registry::new();
        let metrics = HttpMetrics::register(&registry).unwrap();
        let relay = Relay::new(RelayConfig::default(), &registry).unwrap();
        let address = origin.local_addr().unwrap();
        let config = EdgeConfig {
            origin: format!("http://{address}").parse().unwrap(),
            sign: settings.edge.signer(|| 0),
            tls: Arc::new(crate::push::tls()),
            linger: settings.edge.linger,
            patience: settings.edge.retry_for,
            max_streams: settings.edge.max_streams,
        };
        let edge = Edge::new(relay.clone(), config, &registry).unwrap();
        let site = Site::of_edge(&settings, relay, edge, registry, metrics);
        (edge_router(site), origin)
    }

    async fn get(edge: &axum::Router, path: &str) -> StatusCode {
        let request = Request::get(path).body(Body::empty()).unwrap();
        edge.clone().oneshot(request).await.unwrap().status()
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_no_place_costs_the_origin_nothing() {
        let (edge, origin) = edge(1);
        // Connections that wait to be taken.
        let asked = || std::iter::from_fn(|| origin.accept().ok()).count();
        let first = edge.clone();
        let first = tokio::spawn(async move { get(&first, "/live/show.flv").await });
        sleep(Duration::from_millis(1)).await;
        assert_eq!(asked(), 1, "it waits, and has the place of its address");
        // Of the stream, of another one, and of what may be a size of a third.
        for path in [
            "/live/show.m3u8",
            "/live/other.flv",
            "/live/other.m3u8",
            "/live/other/stream.mp4",
            "/live/third_l.flv",
            "/live/third_l.m3u8",
        ] {
            let status = get(&edge, path).await;
            let refused = (StatusCode::TOO_MANY_REQUESTS, 0);
            assert_eq!((status, asked()), refused, "{path}");
        }
        // With the place of the first one they are asked for.
        assert!(!first.is_finished());
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        assert_eq!(
            get(&edge, "/live/third_l.flv").await,
            StatusCode::BAD_GATEWAY
        );
        assert!(asked() >= 2, "for the list of sizes, and for the stream");
    }

    #[tokio::test(start_paused = true)]
    async fn each_client_has_its_own_share_of_the_lists_of_sizes() {
        let (edge, _origin) = edge(100);
        let mut asking = tokio::task::JoinSet::new();
        for last in [1, 2] {
            let client = IpAddr::from([192, 0, 2, last]);
            for number in 0..20 {
                let mut request = Request::get(format!("/live/s-{last}-{number}_l.flv"));
                let remote = Remote {
                    peer: (client, 50_000).into(),
                    client,
                };
                let extensions = request.extensions_mut().unwrap();
                extensions.insert(remote);
                let request = request.body(Body::empty()).unwrap();
                asking.spawn(edge.clone().oneshot(request));
            }
        }
        sleep(Duration::from_millis(1)).await;
        let scrape = Request::get("/metrics").body(Body::empty()).unwrap();
        let page = edge.oneshot(scrape).await.unwrap().into_body();
        let page = page.collect().await.unwrap().to_bytes();
        let page = String::from_utf8(page.to_vec()).unwrap();
        // Of twenty of each, sixteen are asked for.
        let refused = "\nweblive_edge_lists_total{result=\"limit\"} 8\n";
        assert!(page.contains(refused), "{page}");
    }
}
