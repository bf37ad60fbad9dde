//! ffmpeg decodes of MPEG-TS the very pictures and sound that it decodes of fMP4.

use std::fs;
use std::path::Path;

use packager::rtp::Tracks;

use super::codecs::{ffmpeg, hashes};
use super::ffprobe::{Folder, hls_folder, mux, play, probe, transport_folder, x264};
use super::*;
use crate::broadcast::rig::Rig;

/// What the sound decodes to, all of it.
fn sound(path: &Path) -> String {
    let path = path.to_str().unwrap();
    ffmpeg(&["-i", path, "-map", "0:a", "-f", "md5", "-"])
}

fn size(folder: &Path, suffix: &str) -> u64 {
    let files = fs::read_dir(folder.join("a")).unwrap();
    let files = files.map(|file| file.unwrap());
    let named = files.filter(|file| file.path().extension().is_some_and(|found| found == suffix));
    named.map(|file| file.metadata().unwrap().len()).sum()
}

/// Decodes both forms of what a rig has; returns the number of pictures.
async fn assert_decodes_alike(rig: &Rig, folder: &Path, codecs: &[&str]) -> usize {
    let fmp4 = hls_folder(rig, folder);
    let transport = transport_folder(rig, folder).await;
    let (found, times) = probe(&transport);
    assert_eq!(found, codecs);
    for times in times.values() {
        // Of sound alone in HLS ffprobe gives the first two packets one time, its own files too.
        let times = &times[1..];
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    }
    let mut pictures = 0;
    if codecs.contains(&"h264") {
        let expected = hashes(&fmp4);
        assert_eq!(hashes(&transport), expected);
        pictures = expected.len();
    }
    if codecs.contains(&"aac") {
        assert_eq!(sound(&transport), sound(&fmp4));
    }
    let (of_fmp4, of_transport) = (size(folder, "m4s"), size(folder, "ts"));
    let segments = rig.segments.len();
    println!("{codecs:?}: {segments} segments, {of_fmp4} bytes as fMP4, {of_transport} as MPEG-TS");
    // Two tables a segment, and at most fifteen packets of padding for each track.
    let padding = (segments * (2 + 15 * codecs.len()) * 188) as u64;
    assert!(of_transport < of_fmp4 + of_fmp4 / 7 + padding);
    pictures
}

#[tokio::test]
async fn pictures_and_sound_decode_alike() {
    let folder = Folder::new("ts-both");
    let rig = mux(&x264("640x360", 8));
    let pictures = assert_decodes_alike(&rig, &folder.0, &["aac", "h264"]).await;
    assert_eq!(pictures, 200);
}

#[tokio::test]
async fn either_track_alone_decodes_alike() {
    let pictures = x264("640x360", 8);
    for (tracks, codec) in [
        (VIDEO, "h264"),
        (
            Tracks {
                video: false,
                audio: true,
            },
            "aac",
        ),
    ] {
        let folder = Folder::new(&format!("ts-{codec}"));
        let rig = play(tracks, &pictures, 40.0);
        assert_decodes_alike(&rig, &folder.0, &[codec]).await;
    }
}

#[tokio::test]
async fn a_picture_every_other_second_decodes_alike() {
    let folder = Folder::new("ts-sparse");
    let pictures = x264("640x360", 8);
    let rig = play(Tracks::BOTH, &pictures[..10], 1_500.0);
    let pictures = assert_decodes_alike(&rig, &folder.0, &["aac", "h264"]).await;
    assert!(pictures >= 10, "{pictures}");
}

#[tokio::test]
async fn a_change_of_resolution_decodes_alike() {
    let folder = Folder::new("ts-resolution");
    let mut pictures = x264("640x360", 4);
    pictures.extend(x264("320x180", 4));
    let rig = mux(&pictures);
    assert_eq!(rig.discontinuities(), 1);
    hls_folder(&rig, &folder.0);
    let transport = transport_folder(&rig, &folder.0).await;
    let playlist = fs::read_to_string(&transport).unwrap();
    assert_eq!(playlist.matches("#EXT-X-DISCONTINUITY\n").count(), 1);
    assert_eq!(hashes(&transport).len(), 200);
    // ffmpeg scales all pictures to the size of the first one: each size by itself.
    for init in 0..2 {
        let numbers = (0..).zip(&rig.segments);
        let of_init = numbers.filter(|(_, (segment, _))| segment.init == init);
        let numbers: Vec<usize> = of_init.map(|(number, _)| number).collect();
        let join = |first: Option<String>, suffix: &str| {
            let names = numbers.iter().map(|n| format!("stamp-{n}.{suffix}"));
            let files = first.into_iter().chain(names);
            let files = files.map(|name| fs::read(folder.0.join("a").join(name)).unwrap());
            let path = folder.0.join(format!("joined-{init}.{suffix}"));
            fs::write(&path, files.collect::<Vec<_>>().concat()).unwrap();
            path
        };
        let fmp4 = join(Some(format!("stamp-init{init}.mp4")), "m4s");
        let found = hashes(&join(None, "ts"));
        assert_eq!((found.len(), &found), (100, &hashes(&fmp4)));
    }
}
