//! A publisher over a real socket is recorded as the settings say.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sfu::worker::{Owner, Role, SessionRef};

use crate::publisher::Publisher;
use crate::support::{PATIENCE, Routes, until};

/// The files of the only recording of a stream, once there is its manifest.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(mut recordings) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let Some(Ok(recording)) = recordings.next() else {
        return Vec::new();
    };
    let files = std::fs::read_dir(recording.path()).expect("a folder");
    files.map(|file| file.expect("a file").path()).collect()
}

/// Waits until a recording has a file whose name ends like this; its bytes.
pub(crate) async fn file(folder: &Path, suffix: &str) -> Vec<u8> {
    let end = Instant::now() + PATIENCE;
    loop {
        let files = files(folder);
        let is_it = |path: &&PathBuf| path.to_string_lossy().ends_with(suffix);
        if let Some(path) = files.iter().find(is_it) {
            return std::fs::read(path).expect("a file");
        }
        assert!(Instant::now() < end, "no {suffix} in {files:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_the_settings_name_is_recorded_to_its_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let toml = format!(
        "[record]\nfolder = {:?}\nauto = [\"even*\"]\n",
        folder.path()
    );
    let routes = Routes::new(&toml);
    let (publisher, offered) = Publisher::new().await;
    let stream: relay::StreamId = "evening".parse().expect("a stream id");
    let published = routes
        .workers
        .publish(stream.clone(), offered, Owner::Anybody);
    let accepted = published.await.expect("published");
    let (state, task) = publisher.start(&accepted.answer);
    until("connected", || state.is_connected()).await;

    let recorded = folder.path().join("evening");
    file(&recorded, "000000.m4s").await;
    let marks = || std::fs::read_dir(folder.path().join(".unfinished"));
    assert_eq!(marks().expect("marks").count(), 1);
    let session = SessionRef {
        stream,
        session: accepted.session,
        role: Role::Publisher,
    };
    routes.workers.close(session).await.expect("closed");
    task.abort();

    let playlist = file(&recorded, "index.m3u8").await;
    let playlist = String::from_utf8(playlist).expect("text");
    assert!(playlist.contains("\n000000.m4s\n"), "{playlist}");
    assert!(playlist.ends_with("#EXT-X-ENDLIST\n"), "{playlist}");
    let mp4 = file(&recorded, "recording.mp4").await;
    assert_eq!(&mp4[4..8], b"ftyp");
    until("the mark to go", || {
        marks().is_ok_and(|marks| marks.count() == 0)
    })
    .await;
    let manifest = file(&recorded, "recording.json").await;
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("JSON");
    assert_eq!(manifest["end"]["reason"], "stream-ended");
    assert_eq!(manifest["end"]["mp4_bytes"], mp4.len() as u64);
}
