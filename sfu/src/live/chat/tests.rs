//! One room's chat as its members see it, on virtual time.

use std::time::Duration;

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;

const SENDER: ConnectionId = ConnectionId(1);
const CLOCK: UnixTime = UnixTime(1_700_000_000_000);

struct World {
    start: Instant,
    ms: u64,
    members: u32,
    chat: Chat,
    filter: WordFilter,
    told: Vec<(u64, ChatEvent)>,
}

impl World {
    fn new() -> Self {
        Self::restored(SavedChat::default())
    }

    fn restored(saved: SavedChat) -> Self {
        let limits = ChatLimits {
            history: 5,
            ..ChatLimits::default()
        };
        Self::with(saved, &limits)
    }

    fn with(saved: SavedChat, limits: &ChatLimits) -> Self {
        let lists = [
            WordList {
                name: "m",
                mode: FilterMode::Mask,
                text: "darn",
            },
            WordList {
                name: "d",
                mode: FilterMode::Drop,
                text: "spam",
            },
            WordList {
                name: "r",
                mode: FilterMode::Reject,
                text: "slur",
            },
        ];
        Self {
            start: Instant::now(),
            ms: 0,
            members: 10,
            chat: Chat::new(RoomId::number(1).unwrap(), saved, limits, CLOCK),
            filter: WordFilter::new(&lists).unwrap(),
            told: Vec::new(),
        }
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.ms)
    }

    fn clock(&self) -> UnixTime {
        UnixTime(CLOCK.0 + self.ms)
    }

    fn send(&mut self, sender: &Sender, draft: Draft) -> Result<(), ChatError> {
        self.send_image(sender, draft, None)
    }

    fn send_image(
        &mut self,
        sender: &Sender,
        draft: Draft,
        image: Option<ImagePayload>,
    ) -> Result<(), ChatError> {
        let (now, clock) = (self.now(), self.clock());
        let prepared = self
            .chat
            .prepare(now, clock, sender, draft, image, &self.filter)?;
        self.chat.post(now, prepared, SENDER);
        self.drain();
        Ok(())
    }

    fn drain(&mut self) {
        let (now, clock) = (self.now(), self.clock());
        while let Some(event) = self.chat.poll_output(now, clock, self.members) {
            self.told.push((self.ms, event));
        }
    }

    /// Lets time pass, with a poll whenever the chat asks for one.
    fn pass(&mut self, ms: u64) {
        let end = self.ms + ms;
        while self.ms < end {
            self.ms += 1;
            let due = self.chat.next_timeout(self.now(), self.members);
            if due.is_some_and(|at| at <= self.now()) {
                self.drain();
            }
        }
    }

    fn texts(&self) -> Vec<String> {
        let text = |event: &(u64, ChatEvent)| match &event.1 {
            ChatEvent::Message { message, .. } => match &message.payload {
                Payload::Text(text) => Some(text.text.clone()),
                _ => None,
            },
            ChatEvent::Likes(_) | ChatEvent::Counters(_) => None,
        };
        self.told.iter().filter_map(text).collect()
    }
}

fn sender(name: &str) -> Sender {
    Sender {
        user: Some(name.parse().unwrap()),
        nick: name.to_uppercase(),
        avatar: String::new(),
        name_card: String::new(),
        is_host: false,
        is_banned: false,
    }
}

fn image() -> ImagePayload {
    ImagePayload {
        uuid: "ab".repeat(32),
        image_format: "png".into(),
        image_info_array: Vec::new(),
    }
}

#[test]
fn a_text_reaches_the_room_with_its_sender_and_place() {
    let mut world = World::new();
    world.send(&sender("anna"), Draft::text("hello")).unwrap();
    world.send(&sender("ben"), Draft::text("hi")).unwrap();
    let [
        (0, ChatEvent::Message { message: first, .. }),
        (
            0,
            ChatEvent::Message {
                message: second, ..
            },
        ),
    ] = &world.told[..]
    else {
        panic!("{:?}", world.told);
    };
    assert_eq!((first.sequence, second.sequence), (1, 2));
    assert_eq!(first.from.as_ref().map(UserId::as_str), Some("anna"));
    assert_eq!((&*first.nick, first.time), ("ANNA", 1_700_000_000));
    assert_ne!(first.id, second.id);
}

#[test]
fn each_documented_refusal_has_its_code() {
    let mut world = World::new();
    let anna = sender("anna");
    let code = |result: Result<(), ChatError>| result.expect_err("refused").code();

    let guest = Sender {
        user: None,
        ..anna.clone()
    };
    assert_eq!(code(world.send(&guest, Draft::text("hi"))), 2024);
    let banned = Sender {
        is_banned: true,
        ..anna.clone()
    };
    assert_eq!(code(world.send(&banned, Draft::text("hi"))), 10_007);
    let user = anna.user.clone().unwrap();
    world
        .chat
        .moderation
        .mute(&user, Duration::from_secs(9), CLOCK)
        .unwrap();
    assert_eq!(code(world.send(&anna, Draft::text("hi"))), 10_017);
    world
        .chat
        .moderation
        .mute(&user, Duration::ZERO, CLOCK)
        .unwrap();
    world.chat.moderation.set_mute_all(true);
    assert_eq!(code(world.send(&anna, Draft::text("hi"))), 10_017);
    world.chat.moderation.set_mute_all(false);
    assert_eq!(code(world.send(&anna, Draft::text("s l u r"))), 80_001);
    assert_eq!(
        code(world.send(&anna, Draft::text("x".repeat(12_289)))),
        80_002
    );
    assert_eq!(code(world.send(&anna, Draft::text(""))), 10_004);
    let draft = Draft {
        payload: DraftPayload::Image { uuid: image().uuid },
        ..Draft::text("")
    };
    assert_eq!(code(world.send(&anna, draft.clone())), 2251);
    assert!(world.told.is_empty(), "nothing of it was delivered");
    world.send_image(&anna, draft, Some(image())).unwrap();
    for _ in 0..9 {
        world.send(&anna, Draft::text("hi")).unwrap();
    }
    assert_eq!(code(world.send(&anna, Draft::text("hi"))), 2996);

    let counts = world.chat.counts();
    assert_eq!((counts.not_allowed, counts.invalid), (4, 3));
    assert_eq!(
        (counts.filter_rejected, counts.user_rate, counts.delivered),
        (1, 1, 10)
    );
}

#[test]
fn the_checks_come_in_the_documented_order() {
    let mut world = World::new();
    let mut anna = sender("anna");
    let user = anna.user.clone().unwrap();
    for _ in 0..10 {
        world.send(&anna, Draft::text("hi")).unwrap();
    }
    // From here on every reason holds, and they are taken away one by one.
    anna.is_banned = true;
    world
        .chat
        .moderation
        .mute(&user, Duration::from_secs(9), CLOCK)
        .unwrap();
    world.chat.moderation.set_mute_all(true);
    let mut codes = Vec::new();
    let mut refused = |world: &mut World, anna: &Sender| {
        codes.push(
            world
                .send(anna, Draft::text("slur"))
                .expect_err("refused")
                .live_code(),
        );
    };
    refused(&mut world, &anna);
    anna.is_banned = false;
    refused(&mut world, &anna);
    world
        .chat
        .moderation
        .mute(&user, Duration::ZERO, CLOCK)
        .unwrap();
    refused(&mut world, &anna);
    world.chat.moderation.set_mute_all(false);
    refused(&mut world, &anna);
    codes.push(
        world
            .send(&anna, Draft::text("fine"))
            .expect_err("too fast")
            .code(),
    );
    assert_eq!(codes, [10_007, -2381, -2380, 80_001, 2996]);
}

#[test]
fn words_are_masked_in_texts_and_descriptions_and_swallowed_in_silence() {
    let mut world = World::new();
    let anna = sender("anna");
    world.send(&anna, Draft::text("darn it")).unwrap();
    world.send(&anna, Draft::text("buy spam")).unwrap();
    let custom = CustomPayload {
        data: r#"{"darn":1}"#.into(),
        description: "darn gift".into(),
        extension: String::new(),
    };
    let draft = Draft {
        payload: DraftPayload::Custom(custom.clone()),
        ..Draft::text("")
    };
    world.send(&anna, draft).unwrap();
    assert_eq!(world.texts(), ["**** it"]);
    let ChatEvent::Message { message, .. } = &world.told[1].1 else {
        panic!()
    };
    let expected = CustomPayload {
        description: "**** gift".into(),
        ..custom
    };
    assert_eq!(message.payload, Payload::Custom(expected));
    let counts = world.chat.counts();
    assert_eq!(
        (counts.masked, counts.filter_dropped, counts.delivered),
        (2, 1, 2)
    );
}

#[test]
fn the_application_can_look_at_a_message_before_it_is_taken() {
    let mut world = World::new();
    let (now, clock) = (world.now(), world.clock());
    let anna = sender("anna");
    let prepared = world
        .chat
        .prepare(now, clock, &anna, Draft::text("darn"), None, &world.filter)
        .unwrap();
    assert!(matches!(&prepared.message().payload, Payload::Text(t) if t.text == "****"));
    drop(prepared);
    world.drain();
    assert!(world.told.is_empty(), "refused there, it is never posted");
}

#[test]
fn a_storm_of_everything_keeps_the_rates_and_the_gifts() {
    let mut random = StdRng::seed_from_u64(7);
    let mut world = World::new();
    let users: Vec<_> = (0..200).map(|n| sender(&format!("user{n}"))).collect();
    let (mut gifts, mut likes) = (0, 0u64);
    for _ in 0..5_000 {
        let user = &users[random.random_range(0..users.len())];
        // About 1,000 likes, 200 messages, 5 gifts and 50 arrivals a second for 5 s.
        if world.chat.like(world.now(), user, 1).is_ok() {
            likes += 1;
        }
        if random.random_bool(0.2) {
            let _ = world.send(user, Draft::text("talk"));
        }
        if random.random_bool(0.005) {
            let gift = Draft {
                priority: Priority::High,
                ..Draft::text("gift")
            };
            gifts += usize::from(world.send(user, gift).is_ok());
        }
        if random.random_bool(0.05) {
            world.chat.joined(user.user.clone().unwrap());
        }
        world.pass(1);
    }
    world.pass(2_000);
    assert_eq!(
        world.chat.next_timeout(world.now(), 10),
        None,
        "everything was told"
    );
    assert_eq!(world.texts().iter().filter(|t| *t == "gift").count(), gifts);

    let messages: Vec<_> = world
        .told
        .iter()
        .filter(|(_, e)| matches!(e, ChatEvent::Message { .. }))
        .collect();
    assert!(messages.len() >= 200, "{} in five seconds", messages.len());
    for window in messages.windows(40 + 1) {
        assert!(window[40].0 - window[0].0 >= 1_000);
    }
    let sequences: Vec<_> = messages
        .iter()
        .filter_map(|(_, e)| match e {
            ChatEvent::Message { message: m, .. } if m.sequence > 0 => Some(m.sequence),
            _ => None,
        })
        .collect();
    assert_eq!(
        sequences,
        (1..=sequences.len() as u64).collect::<Vec<_>>(),
        "without gaps"
    );

    let totals: Vec<_> = world
        .told
        .iter()
        .filter_map(|(at, e)| match e {
            ChatEvent::Likes(total) => Some((*at, total.total_likes_received)),
            ChatEvent::Message { .. } | ChatEvent::Counters(_) => None,
        })
        .collect();
    assert!(
        totals
            .windows(2)
            .all(|w| w[1].0 - w[0].0 >= 500 && w[1].1 > w[0].1)
    );
    assert_eq!(totals.last().map(|t| t.1), Some(likes));
    assert_eq!(world.chat.likes(), likes);
}

#[test]
fn a_chat_keeps_to_the_rates_that_it_is_given() {
    let limits = ChatLimits {
        messages_per_second: 4,
        user_messages_per_second: 2,
        user_message_burst: 3,
        user_likes_per_second: 1,
        likes_interval: Duration::from_secs(2),
        ..ChatLimits::default()
    };
    let mut world = World::with(SavedChat::default(), &limits);
    let [anna, ben, carl] = ["anna", "ben", "carl"].map(sender);
    let refused = |result: Result<(), ChatError>| match result {
        Err(ChatError::TooFast { per_second, retry }) => (per_second, retry.as_millis()),
        other => panic!("{other:?}"),
    };
    for user in [&anna, &ben, &carl] {
        for _ in 0..3 {
            world.send(user, Draft::text("hi")).unwrap();
        }
        assert_eq!(refused(world.send(user, Draft::text("hi"))), (2, 500));
    }
    let now = world.now();
    world.chat.like(now, &anna, 100).unwrap();
    assert_eq!(refused(world.chat.like(now, &anna, 1)), (1, 1_000));
    world.drain();
    world.chat.like(now, &ben, 1).unwrap();
    world.pass(3_000);
    // Two at once, and as many as a second has wait.
    assert_eq!(world.texts().len(), 6, "of nine in one instant");
    assert_eq!(world.chat.counts().room_rate, [0, 0, 3, 0]);
    let likes = world.told.iter().filter_map(|(at, event)| match event {
        ChatEvent::Likes(total) => Some((*at, total.added)),
        ChatEvent::Message { .. } | ChatEvent::Counters(_) => None,
    });
    assert_eq!(likes.collect::<Vec<_>>(), [(0, 100), (2_000, 1)]);
}

#[test]
fn likes_are_bounded_for_one_user() {
    let mut world = World::new();
    let anna = sender("anna");
    let now = world.now();
    let like = |world: &mut World, sender: &Sender, count| {
        world.chat.like(now, sender, count).map_err(|e| e.code())
    };
    assert_eq!(like(&mut world, &anna, 0), Err(10_004));
    assert_eq!(like(&mut world, &anna, 101), Err(10_004));
    assert_eq!(like(&mut world, &anna, 100), Ok(()));
    assert_eq!(like(&mut world, &anna, 1), Err(2996));
    assert_eq!(like(&mut world, &sender("ben"), 1), Ok(()));
    let guest = Sender {
        user: None,
        ..anna.clone()
    };
    assert_eq!(like(&mut world, &guest, 1), Err(2024));
    let banned = Sender {
        is_banned: true,
        ..anna
    };
    assert_eq!(like(&mut world, &banned, 1), Err(10_007));
    assert_eq!(world.chat.likes(), 101);
}

#[test]
fn a_restored_room_goes_on_where_it_was() {
    let mut world = World::new();
    let anna = sender("anna");
    for n in 0..7 {
        world.send(&anna, Draft::text(n.to_string())).unwrap();
    }
    let history: Vec<_> = world
        .chat
        .history()
        .page(None, 10)
        .iter()
        .map(|m| (**m).clone())
        .collect();
    assert_eq!(history.len(), 5, "the ring's size");
    let ben: UserId = "ben".parse().unwrap();
    let saved = SavedChat {
        last_sequence: 7,
        history,
        mute_all: true,
        mutes: vec![(ben.clone(), CLOCK.after(Duration::from_secs(5)))],
        attributes: BTreeMap::from([("topic".into(), "cats".into())]),
        counters: BTreeMap::from([("gifts".into(), 3)]),
        likes: 41,
    };
    let mut world = World::restored(saved.clone());
    assert_eq!(world.chat.history().page(None, 10).len(), 5);
    assert!(world.chat.moderation.is_mute_all());
    assert_eq!(
        world.chat.moderation.muted(&ben, CLOCK),
        Some(Duration::from_secs(5))
    );
    assert_eq!(world.chat.attributes.all(), &saved.attributes);
    assert_eq!(world.chat.counters.all(), &saved.counters);
    assert_eq!(world.chat.likes(), 41);
    world
        .send(
            &Sender {
                is_host: true,
                ..anna
            },
            Draft::text("next"),
        )
        .unwrap();
    let Some((_, ChatEvent::Message { message, .. })) = world.told.last() else {
        panic!()
    };
    assert_eq!(message.sequence, 8);
}

#[test]
fn notices_come_after_talk_and_are_not_kept() {
    let mut world = World::new();
    world.chat.joined("anna".parse().unwrap());
    world.drain();
    let [(_, ChatEvent::Message { message: tip, .. })] = &world.told[..] else {
        panic!("{:?}", world.told)
    };
    assert_eq!((tip.sequence, tip.priority), (0, Priority::Lowest));
    assert!(matches!(&tip.payload, Payload::Tip(t) if t.member_count == Some(10)));
    assert!(world.chat.history().page(None, 10).is_empty());
    let now = world.now();
    let text = Payload::Text(TextPayload {
        text: "by the application".into(),
    });
    world.chat.announce(now, CLOCK, None, Priority::High, text);
    world.drain();
    assert_eq!(world.chat.history().page(None, 10).len(), 1);
}
