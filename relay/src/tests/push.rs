//! Another implementation takes a push: ffmpeg listens, records and decodes.

use std::process::{Command, Stdio};

use tokio::time::sleep;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::ffprobe::x264;
use super::*;
use crate::broadcast::testing::Tone;
use crate::push::{PushConfig, PushFor, PushState, Pushes};

fn config(port: u16) -> PushConfig {
    let tls = ClientConfig::builder()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    PushConfig {
        max_per_stream: 1,
        max_per_owner: 1,
        max_pushes: 1,
        private_hosts: vec![format!("127.0.0.1:{port}").parse().unwrap()],
        tls: Arc::new(tls),
    }
}

/// A TCP port that nobody has.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test]
async fn ffmpeg_records_a_push() {
    let folder = std::env::temp_dir().join(format!("weblive-push-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("pushed.flv");
    let port = free_port();
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-listen", "1"])
        .args(["-i", &format!("rtmp://127.0.0.1:{port}/live/key")])
        .args(["-c", "copy"])
        .arg(&file)
        .stdin(Stdio::null())
        .spawn()
        .expect("ffmpeg runs");

    let relay = relay(RelayConfig::default());
    let pushes = Pushes::new(relay.clone(), config(port), &Registry::new()).unwrap();
    let ingest = relay.publish(&id("a"), Tracks::BOTH, deaf()).unwrap();
    let pictures = x264("320x180", 30);
    let start = Instant::now();
    let mut publisher = Publisher::new(start.into_std());
    let mut tone = Tone::new(440.0);
    let (mut began, mut sent_after) = (false, 0);
    for (number, nals) in pictures.iter().enumerate() {
        let ms = number as f64 * 40.0;
        sleep_until(start + Duration::from_secs_f64(ms / 1e3)).await;
        for item in publisher.access_unit(ms, nals) {
            ingest.try_send(item).unwrap();
        }
        for half in [0.0, 20.0] {
            let opus = tone.frame(&|_| true);
            ingest.try_send(publisher.sound(ms + half, &opus)).unwrap();
        }
        for report in publisher.reports(ms + 20.0) {
            ingest.try_send(report).unwrap();
        }
        if number == 10 {
            let target = format!("rtmp://127.0.0.1:{port}/live/key").parse().unwrap();
            let whose = PushFor {
                owner: 1,
                publisher: "anna",
                is_theirs: &|| true,
            };
            let view = pushes
                .start(&id("a"), target, whose, Arc::new(|_| {}))
                .unwrap();
            assert_eq!(view.target, format!("rtmp://127.0.0.1:{port}/live"));
            began = true;
        }
        // Connecting may take some tries, until ffmpeg listens.
        let runs =
            pushes.of(1, &id("a")).first().map(|push| push.state) == Some(PushState::Running);
        sent_after += usize::from(began && runs);
        if sent_after == 100 {
            break;
        }
    }
    assert_eq!(sent_after, 100, "{pushes:?}");
    ingest.end();
    let ended = async {
        while !pushes.of(1, &id("a")).is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
        while ffmpeg.try_wait().unwrap().is_none() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(20), ended)
        .await
        .expect("both end");

    let probed = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-of",
            "json",
            "-count_frames",
            "-show_streams",
        ])
        .args(["-show_entries", "packet=stream_index,dts_time"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(
        probed.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&probed.stderr)
    );
    let probed: serde_json::Value = serde_json::from_slice(&probed.stdout).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let streams = probed["streams"].as_array().unwrap();
    let stream = |kind| streams.iter().find(|s| s["codec_type"] == kind).unwrap();
    let frames = |kind| {
        stream(kind)["nb_read_frames"]
            .as_str()
            .unwrap()
            .parse::<usize>()
            .unwrap()
    };
    assert_eq!(
        (&stream("video")["codec_name"], &stream("video")["width"]),
        (&"h264".into(), &320.into())
    );
    assert_eq!(stream("audio")["codec_name"], "aac");
    // From the key frame before: up to two seconds more.
    assert!((95..160).contains(&frames("video")), "{}", frames("video"));
    assert!((170..300).contains(&frames("audio")), "{}", frames("audio"));
    for index in [0, 1] {
        let packets = probed["packets"].as_array().unwrap().iter();
        let times: Vec<f64> = packets
            .filter(|packet| packet["stream_index"] == index)
            .map(|packet| packet["dts_time"].as_str().unwrap().parse().unwrap())
            .collect();
        assert!(times[0] < 2.5, "{}", times[0]);
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    }
}
