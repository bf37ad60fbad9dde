//! Both tracks over a real connection.

use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::broadcast::testing::Tone;

/// A publisher of both tracks whose media comes as fast as it is asked for, with times of
/// arrival as if it had come in time.
struct Burst {
    publisher: Publisher,
    tone: Tone,
    packet: u64,
}

impl Burst {
    /// One that started `ago`.
    fn new(ago: Duration) -> Self {
        Self {
            publisher: Publisher::new(std::time::Instant::now() - ago),
            tone: Tone::new(440.0),
            packet: 0,
        }
    }

    /// Sends what was captured before `until_ms`: 25 pictures a second, a key frame every one.
    fn send(&mut self, ingest: &Ingest, until_ms: u64) {
        while self.packet * 20 < until_ms {
            let ms = (self.packet * 20) as f64;
            if self.packet.is_multiple_of(2) {
                let is_keyframe = self.packet.is_multiple_of(50);
                for item in self.publisher.picture(ms, is_keyframe, 1_500) {
                    ingest.try_send(item).unwrap();
                }
            }
            let opus = self.tone.frame(&|_| true);
            ingest.try_send(self.publisher.sound(ms, &opus)).unwrap();
            if self.packet % 50 == 1 {
                for report in self.publisher.reports(ms) {
                    ingest.try_send(report).unwrap();
                }
            }
            self.packet += 1;
        }
    }
}

#[tokio::test]
async fn both_tracks_reach_a_viewer_over_a_real_connection() {
    let relay = relay(RelayConfig::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = relay.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let relay = server.clone();
            let service = hyper::service::service_fn(move |request| {
                let answer = relay.handle(request);
                async move { Ok::<_, std::convert::Infallible>(answer.await) }
            });
            tokio::spawn(async move {
                let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    let fetch = |path: String| async move {
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.0\r\nhost: a\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut all = Vec::new();
        socket.read_to_end(&mut all).await.unwrap();
        let end = all.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        (
            String::from_utf8(all[..end].to_vec()).unwrap(),
            all.split_off(end + 4),
        )
    };

    let ingest = relay.publish(&id("a"), Tracks::BOTH, deaf()).unwrap();
    let mut burst = Burst::new(Duration::from_secs(5));
    burst.send(&ingest, 3_500);
    // The playlist comes with the first segment, so the stream is under way.
    let (head, playlist) = fetch("/live/a.m3u8".to_owned()).await;
    assert!(head.contains(" 200 OK"), "{head}");
    let viewer = tokio::spawn(fetch("/live/a.flv".to_owned()));
    let has_viewer = async {
        while relay
            .inner
            .metrics
            .viewers
            .with_label_values(&["flv"])
            .get()
            == 0
        {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(5), has_viewer).await.unwrap();
    // Not so much that the viewer counts as slow.
    burst.send(&ingest, 4_900);
    drop(ingest);
    relay.shutdown().await;

    let (head, flv) = viewer.await.unwrap();
    assert!(head.contains("content-type: video/x-flv"), "{head}");
    let file =
        scuffle_flv::file::FlvFile::demux(&mut std::io::Cursor::new(Bytes::from(flv.clone())));
    let file = file.unwrap();
    assert!(file.header.is_audio_present && file.header.is_video_present);
    let seen = tags(&flv);
    assert_eq!(seen.iter().filter(|t| t.0 == 8 && t.2[1] == 0).count(), 1);
    for kind in [8, 9] {
        let times: Vec<u32> = seen.iter().filter(|t| t.0 == kind).map(|t| t.1).collect();
        // From one of the last two key frames on.
        assert!(times.len() > 40 && times.is_sorted(), "{kind}: {times:?}");
    }

    let playlist = m3u8_rs::parse_media_playlist_res(&playlist).unwrap();
    let segment = &playlist.segments[0];
    let (_, init) = fetch(format!("/live/{}", segment.map.as_ref().unwrap().uri)).await;
    let (_, data) = fetch(format!("/live/{}", segment.uri)).await;
    let whole = [init, data].concat();
    let size = whole.len() as u64;
    let mp4 = mp4::Mp4Reader::read_header(std::io::Cursor::new(whole), size).unwrap();
    assert_eq!(mp4.tracks().len(), 2);
    assert!(relay.inner.metrics.audio_busy.get() > 0.0);
    assert!(relay.inner.metrics.audio_frames.get() > 200);
}
