use std::collections::BTreeMap;

use http_body_util::BodyExt;
use prometheus::Registry;
use tokio::time::Instant;

use super::super::metrics::Metrics;
use super::super::tests::memory::{Memory, Trouble};
use super::*;

const MANIFEST: &str = r#"{"version":1,"id":"1700000000123-5f1e02aa","stream":"evening",
    "owner":7,"started_at":1700000000123,"mp4":true,"end":END}"#;
const END: &str = r#"{"reason":"stopped","duration_ms":4000,"segments":2,"missed":0,"bytes":9,
    "mp4_bytes":null,"mp4_error":null,"error":null}"#;
const MARK: &str = ".unfinished/1700000000123-5f1e02aa.json";

fn file(name: &str) -> RecordingFile {
    RecordingFile::read(&format!("evening/1700000000123-5f1e02aa/{name}")).unwrap()
}

fn memory(end: &str, files: &[(&str, usize)]) -> Memory {
    let manifest = MANIFEST.replace("END", end);
    let mut objects = BTreeMap::from([(file("index.m3u8").paths().manifest(), manifest.into())]);
    for (name, size) in files {
        let path = match *name {
            MARK => MARK.to_owned(),
            name => file(name).path(),
        };
        let bytes: Vec<u8> = (0..*size).map(|at| (at % 251) as u8).collect();
        objects.insert(path, bytes.into());
    }
    Memory::with(objects, Trouble::None)
}

fn reader(memory: &Memory) -> RecordingReader {
    let metrics = Metrics::register(&Registry::new()).unwrap();
    RecordingReader::new(memory.store(), metrics.reading)
}

async fn open(reader: &RecordingReader, name: &str) -> Result<Readable, ReadRefused> {
    reader.find(&file(name)).await?.open().await
}

fn refused(reader: &RecordingReader, reason: &str) -> u64 {
    let counter = &reader.0.metrics.refused;
    counter.with_label_values(&[reason]).get()
}

#[tokio::test]
async fn what_has_ended_is_read_in_pieces_and_in_ranges() {
    let size = 300_000;
    let reader = reader(&memory(END, &[("recording.mp4", size)]));
    let found = reader.find(&file("recording.mp4")).await.unwrap();
    assert_eq!(found.owner(), 7);
    let mp4 = found.open().await.unwrap();
    assert_eq!(mp4.size(), size as u64);
    let mut body = mp4.clone().body(0..size as u64);
    assert_eq!(reader.0.metrics.reads.get(), 1);
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        assert!(data.len() <= 128 << 10);
        all.extend_from_slice(&data);
    }
    drop(body);
    assert_eq!(reader.0.metrics.reads.get(), 0);
    assert!(
        all.iter()
            .enumerate()
            .all(|(at, byte)| *byte == (at % 251) as u8)
    );
    assert_eq!(all.len(), size);
    let part = mp4.body(200_000..200_003).collect().await.unwrap();
    assert_eq!(part.to_bytes().as_ref(), &all[200_000..200_003]);
    assert_eq!(reader.0.metrics.bytes.get(), size as u64 + 3);
}

#[tokio::test]
async fn what_goes_on_or_is_made_is_not_there_yet_and_the_rest_never() {
    let goes_on = reader(&memory("null", &[("000000.m4s", 4), (MARK, 1)]));
    for name in ["000000.m4s", "index.m3u8", "recording.mp4"] {
        assert_eq!(open(&goes_on, name).await.unwrap_err(), ReadRefused::NotYet);
    }
    let is_made = reader(&memory(END, &[("000000.m4s", 4), (MARK, 1)]));
    assert!(open(&is_made, "000000.m4s").await.is_ok());
    let mp4 = open(&is_made, "recording.mp4").await;
    assert_eq!(mp4.unwrap_err(), ReadRefused::NotYet);
    let over = reader(&memory(END, &[("000000.m4s", 4)]));
    let mp4 = open(&over, "recording.mp4").await;
    assert_eq!(mp4.unwrap_err(), ReadRefused::NoSuch);
    let other = RecordingFile::read("morning/1700000000123-5f1e02aa/index.m3u8").unwrap();
    assert_eq!(over.find(&other).await.unwrap_err(), ReadRefused::NoSuch);
}

#[tokio::test]
async fn a_manifest_that_is_of_another_recording_gives_nothing() {
    let other = MANIFEST.replace("END", END).replace("evening", "morning");
    let objects = BTreeMap::from([(file("index.m3u8").paths().manifest(), other.into())]);
    let reader = reader(&Memory::with(objects, Trouble::None));
    let found = reader.find(&file("index.m3u8")).await;
    assert_eq!(found.unwrap_err(), ReadRefused::Store);
    assert_eq!(refused(&reader, "store"), 1);
}

#[tokio::test]
async fn an_owner_is_remembered_once_the_recording_has_ended_and_not_for_ever() {
    let memory = memory("null", &[("index.m3u8", 4)]);
    let reader = reader(&memory);
    reader.find(&file("index.m3u8")).await.unwrap();
    assert!(reader.owners().of.is_empty());
    let mut owners = Owners::default();
    for number in 0..=KNOWN {
        let id = RecordingId::new(number as u64, 0);
        owners.keep(("a".parse().unwrap(), id.clone()), 1);
        owners.keep(("a".parse().unwrap(), id), 1);
    }
    assert_eq!((owners.of.len(), owners.order.len()), (KNOWN, KNOWN));
    let oldest = ("a".parse().unwrap(), RecordingId::new(0, 0));
    assert!(!owners.of.contains_key(&oldest));
}

#[tokio::test]
async fn a_file_that_was_cut_short_breaks_off() {
    let store = memory(END, &[("recording.mp4", 200_000)]);
    let reader = reader(&store);
    let mp4 = open(&reader, "recording.mp4").await.unwrap();
    store.set(Trouble::Unreadable("recording.mp4"));
    let mut body = mp4.body(0..200_000);
    let first = body.frame().await.unwrap();
    assert_eq!(first.unwrap_err(), ReadRefused::Store);
    assert!(body.frame().await.is_none());
    assert_eq!(refused(&reader, "store"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_keeps_its_turns_and_all_others_are_told() {
    let store = memory(END, &[("recording.mp4", 200_000)]);
    let reader = reader(&store);
    let mp4 = open(&reader, "recording.mp4").await.unwrap();
    store.set(Trouble::Takes(Duration::from_secs(3_600)));
    let begun = Instant::now();
    let reads: Vec<_> = (0..TURNS)
        .map(|_| tokio::spawn(mp4.clone().body(0..1).collect()))
        .collect();
    for read in reads {
        assert_eq!(read.await.unwrap().unwrap_err(), ReadRefused::Store);
    }
    assert_eq!(begun.elapsed().as_secs(), STEP.as_secs());
    // Nobody waits for those that hang, and they have their turns still.
    let one_more = mp4.body(0..1).collect().await;
    assert_eq!(one_more.unwrap_err(), ReadRefused::Busy);
    assert_eq!(begun.elapsed().as_secs(), (STEP + TURN).as_secs());
    assert_eq!(refused(&reader, "busy"), 1);
    assert_eq!(refused(&reader, "store"), TURNS as u64);
}
