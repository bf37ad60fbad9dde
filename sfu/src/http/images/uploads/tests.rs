use super::*;
use bytes::Bytes;
use http_body_util::channel::{Channel, Sender};
use prometheus::TextEncoder;
use std::io::Cursor;

struct World {
    images: Images,
    registry: Registry,
    _folder: tempfile::TempDir,
}

impl World {
    fn new(change: impl FnOnce(&mut ImagesSettings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings {
            data_dir: folder.path().to_owned(),
            ..Settings::default()
        };
        change(&mut settings.images);
        let registry = Registry::new();
        let images = Images::open(&settings, &registry).unwrap();
        Self {
            images: images.expect("a folder"),
            registry,
            _folder: folder,
        }
    }

    #[track_caller]
    fn begin(&self, user: &str) -> Begun {
        self.images.begin(uploader(user)).expect("let in")
    }

    async fn upload(&self, user: &str, bytes: Vec<u8>) -> Result<ImagePayload, Problem> {
        let begun = self.images.begin(uploader(user))?;
        let held = begun.read(bytes.into(), None).await?;
        begun.finish(held).await
    }

    fn count(&self, line: &str) -> u64 {
        let page = TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .unwrap();
        let value = page
            .lines()
            .find_map(|l| l.strip_prefix(line)?.strip_prefix(' '));
        value.map_or(u64::MAX, |v| v.parse().unwrap())
    }

    fn outcome(&self, outcome: &str) -> u64 {
        self.count(&format!(
            "weblive_images_uploads_total{{outcome=\"{outcome}\"}}"
        ))
    }
}

fn uploader(user: &str) -> Uploader {
    Uploader::User(AppId(1), user.parse().unwrap())
}

fn png(side: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    image::RgbImage::from_fn(side, side, |x, y| {
        image::Rgb([x as u8, y as u8, side as u8])
    })
    .write_to(&mut Cursor::new(&mut bytes), image::ImageFormat::Png)
    .unwrap();
    bytes
}

fn stream() -> (Sender<Bytes>, Body) {
    let (sender, body) = Channel::<Bytes>::new(64);
    (sender, Body::new(body))
}

#[tokio::test]
async fn what_is_kept_is_found_and_counted() {
    let world = World::new(|_| {});
    let payload = world.upload("anna", png(300)).await.unwrap();
    assert_eq!(world.images.find(&payload.uuid), Some(payload));
    assert_eq!(world.outcome("stored"), 1);
    assert_eq!(world.count("weblive_images_kept"), 1);
    assert!(world.count("weblive_images_kept_bytes") > 100);
    assert_eq!(world.count("weblive_images_removed_total"), 0);
    let refused = world.upload("anna", b"<svg onload=x>".to_vec()).await;
    assert!(matches!(refused, Err(Problem::Image(ChatError::ImageType))));
    assert_eq!(world.outcome("no_image"), 1);
}

#[tokio::test]
async fn one_user_has_a_rate_a_minute_and_others_have_their_own() {
    let world = World::new(|images| images.max_per_minute = 3);
    for side in 1..=3 {
        world.upload("anna", png(side)).await.unwrap();
    }
    let Err(Problem::UploadRate { per_minute, retry }) = world.upload("anna", png(4)).await else {
        panic!("the fourth is too much");
    };
    assert_eq!(per_minute, 3);
    assert!(retry <= Duration::from_secs(20), "{retry:?}");
    assert_eq!(world.outcome("rate"), 1);
    world.upload("ben", png(4)).await.unwrap();
}

#[tokio::test]
async fn uploads_of_one_user_at_the_same_time_are_bounded() {
    let world = World::new(|_| {});
    let mut under_way: Vec<_> = (0..AT_ONCE).map(|_| world.begin("anna")).collect();
    let refused = world.images.begin(uploader("anna"));
    assert!(matches!(refused, Err(Problem::UploadsAtOnce { .. })));
    world.begin("ben");
    under_way.pop();
    under_way.push(world.begin("anna"));
    drop(under_way);
    assert!(world.images.0.uploaders().under_way.is_empty());
}

#[tokio::test]
async fn uploads_of_all_users_are_bounded() {
    let world = World::new(|_| {});
    let user = |n: usize| format!("user-{n}");
    let under_way: Vec<_> = (0..PLACES).map(|n| world.begin(&user(n))).collect();
    let refused = world.images.begin(uploader("anna"));
    assert!(matches!(refused, Err(Problem::UploadsBusy)));
    assert_eq!(world.outcome("busy"), 1);
    drop(under_way);
    world.begin("anna");
}

#[tokio::test]
async fn what_slow_uploads_hold_together_is_bounded() {
    let limit = 64 * KIB;
    let world = World::new(|images| images.max_bytes = limit);
    let mut held = Vec::new();
    for n in 0..LARGEST_HELD {
        let begun = world.begin(&format!("user-{n}"));
        let bytes = begun.read(vec![0; limit].into(), None).await.unwrap();
        held.push((begun, bytes));
    }
    let begun = world.begin("anna");
    let refused = begun.read(vec![0; 10].into(), None).await;
    assert!(matches!(refused, Err(Problem::UploadsBusy)));
    assert_eq!(world.outcome("busy"), 1);
    held.pop();
    let last = begun.read(vec![0; limit].into(), None).await.unwrap();
    assert!(last.bytes.capacity() <= limit);
    drop((held, last));
    assert_eq!(
        world.images.0.memory.available_permits(),
        limit / KIB * LARGEST_HELD
    );
}

#[tokio::test]
async fn a_file_that_is_too_large_is_read_and_not_held() {
    let world = World::new(|images| images.max_bytes = 10_000);
    for (bytes, length) in [(vec![0; 10_001], None), (vec![0; 20_000], Some(20_000))] {
        let refused = world.begin("anna").read(bytes.into(), length).await;
        assert!(
            matches!(&refused, Err(Problem::Image(error)) if error.code() == 2253),
            "{refused:?}"
        );
    }
    assert_eq!(world.outcome("too_large"), 2);
    let begun = world.begin("anna");
    // What the client says of the length is believed only where it says too much.
    let held = begun.read(vec![0; 10_000].into(), Some(1)).await.unwrap();
    assert_eq!(held.bytes.len(), 10_000);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_or_goes_on_for_ever_is_given_up() {
    let world = World::new(|_| {});
    let (mut sender, body) = stream();
    sender.send_data("half".into()).await.unwrap();
    let stopped = world.begin("anna").read(body, None).await;
    let Err(Problem::Body(BodyError::Timeout { within })) = stopped else {
        panic!("{stopped:?}");
    };
    assert_eq!(within, world.images.0.patience);

    let (mut sender, body) = stream();
    let drip = tokio::spawn(async move {
        // A byte a second never stops for long enough.
        while sender.send_data("x".into()).await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let slow = world.begin("anna").read(body, None).await;
    assert!(
        matches!(&slow, Err(Problem::Body(BodyError::Timeout { within })) if *within == WHOLE),
        "{slow:?}"
    );
    drip.await.unwrap();
    assert_eq!(world.outcome("broken"), 2);
}
