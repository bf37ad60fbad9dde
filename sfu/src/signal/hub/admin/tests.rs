//! Calls on rooms and chats without a hub around them.

mod bench;

use std::collections::BTreeMap;
use std::time::Duration;

pub(crate) use bench::{APP, Bench, number, user};

use super::*;
use crate::live::chat::{CustomPayload, Priority, TextPayload};
use crate::live::{
    About, AppId, Command, LiveError, MovePolicy, Order, Publication, RoomId, SeatMode, SeatOrder,
    SeatSettings, TrackKind,
};
use bench::NOON;

fn create(room: RoomId, owner: &str, name: &str) -> Call {
    Call::Create {
        room,
        owner: user(owner),
        about: About::of(name, ""),
        seats: None,
    }
}

fn list(after: Option<RoomId>, limit: usize, filter: RoomFilter) -> Call {
    Call::Rooms {
        filter,
        after,
        limit,
    }
}

fn rooms(reply: Reply) -> (Vec<RoomId>, Option<String>) {
    match reply {
        Reply::Rooms(page) => (
            page.items.into_iter().map(|info| info.room).collect(),
            page.next,
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn rooms_are_listed_in_pages_without_gap_and_overlap() {
    let mut bench = Bench::default();
    for n in 1..=230 {
        bench.ok(create(number(n), "anna", &format!("Talk {n}")));
    }
    bench.ok(create(RoomId::name("7").unwrap(), "ben", "Other"));
    bench
        .call(AppId(9), create(number(1), "anna", "Elsewhere"))
        .unwrap();
    let (mut all, mut after) = (Vec::new(), None);
    for _ in 0..10 {
        let (page, next) = rooms(bench.ok(list(after, 50, RoomFilter::default())));
        all.extend(page);
        match next {
            Some(next) => after = Some(next.parse::<RoomText>().unwrap().0),
            None => break,
        }
    }
    assert_eq!(all.len(), 231, "the other app's room is not among them");
    assert!(all.is_sorted(), "numbers first, then names");
    all.dedup();
    assert_eq!(all.len(), 231);

    let filter = RoomFilter {
        name: Some("TALK 23".to_owned()),
        owner: Some(user("anna")),
        min_online: 0,
    };
    let (page, next) = rooms(bench.ok(list(None, 50, filter)));
    assert_eq!((page, next), (vec![number(23), number(230)], None));
    bench.enter(APP, "cleo", &number(5));
    let filter = RoomFilter {
        min_online: 1,
        ..RoomFilter::default()
    };
    let (page, _) = rooms(bench.ok(list(None, 50, filter)));
    assert_eq!(page, [number(5)]);
}

#[test]
fn one_call_looks_at_a_bounded_number_of_rooms() {
    let mut bench = Bench::default();
    for n in 1..=2_500 {
        bench.ok(create(number(n), "anna", ""));
    }
    let filter = RoomFilter {
        owner: Some(user("nobody")),
        ..RoomFilter::default()
    };
    let (page, next) = rooms(bench.ok(list(None, 50, filter.clone())));
    assert_eq!((page.len(), next.as_deref()), (0, Some("2000")));
    let (page, next) = rooms(bench.ok(list(Some(number(2_000)), 50, filter)));
    assert_eq!((page.len(), next), (0, None));
}

#[test]
fn creating_a_room_again_changes_its_texts_for_its_owner_only() {
    let mut bench = Bench::default();
    let created = |reply| match reply {
        Reply::Created { is_new, room } => (is_new, room.info.name.to_string()),
        other => panic!("{other:?}"),
    };
    let first = bench.ok(create(number(1), "anna", "One"));
    assert_eq!(created(first), (true, "One".to_owned()));
    let again = bench.ok(create(number(1), "anna", "Two"));
    assert_eq!(created(again), (false, "Two".to_owned()));
    assert_eq!(bench.code(create(number(1), "ben", "Three")), 100_003);
    let with_seats = Call::Create {
        room: number(1),
        owner: user("anna"),
        about: About::default(),
        seats: Some(SeatSettings {
            count: 3,
            mode: SeatMode::FreeToTake,
            keep_owner_on_seat: false,
        }),
    };
    assert_eq!(bench.code(with_seats), 10_004);
}

#[test]
fn a_member_is_seated_moved_and_taken_off() {
    let mut bench = Bench::default();
    let room = number(1);
    let seats = Some(SeatSettings {
        count: 3,
        mode: SeatMode::ApplyToTake,
        keep_owner_on_seat: false,
    });
    bench.ok(Call::Create {
        room: room.clone(),
        owner: user("anna"),
        about: About::default(),
        seats,
    });
    bench.enter(APP, "ben", &room);
    let sit = |seat, name| Call::Seat {
        room: room.clone(),
        seat,
        user: user(name),
        policy: MovePolicy::AbortWhenOccupied,
    };
    let clear = |seat| Call::ClearSeat {
        room: room.clone(),
        seat,
    };
    assert_eq!(bench.ok(sit(None, "ben")), Reply::Seated { seat: 0 });
    assert_eq!(bench.ok(sit(None, "ben")), Reply::Seated { seat: 0 });
    assert_eq!(bench.ok(sit(Some(2), "ben")), Reply::Seated { seat: 2 });
    assert_eq!(bench.ok(sit(Some(2), "ben")), Reply::Seated { seat: 2 });
    assert_eq!(bench.code(sit(Some(3), "ben")), -2344);
    assert_eq!(bench.code(sit(Some(1), "cleo")), 100_005, "not a member");
    assert_eq!(bench.ok(clear(2)), Reply::Done);
    assert_eq!(bench.ok(clear(2)), Reply::Done, "nobody sits there");
    assert_eq!(bench.code(clear(3)), -2344);
    let lock = SeatOrder::Lock {
        seat: 1,
        locked: true,
    };
    bench.ok(Call::Order {
        room: room.clone(),
        order: Order::Seat(lock),
    });
    assert_eq!(bench.code(sit(Some(1), "ben")), 100_200);
    bench.ok(create(number(2), "anna", ""));
    let no_seats = Call::ClearSeat {
        room: number(2),
        seat: 0,
    };
    assert_eq!(bench.code(no_seats), 100_211);
}

#[test]
fn more_users_than_one_order_takes_are_removed_and_banned() {
    let mut bench = Bench::default();
    let room = number(1);
    bench.ok(create(room.clone(), "anna", ""));
    for n in 0..25 {
        bench.enter(APP, &format!("u{n:02}"), &room);
    }
    let all: Vec<_> = (0..30).map(|n| user(&format!("u{n:02}"))).collect();
    let remove = |ban| Call::Remove {
        room: room.clone(),
        users: all.clone(),
        message: String::new(),
        ban,
    };
    match bench.ok(remove(None)) {
        Reply::Users { users } => assert_eq!(users, all[..25], "those who were there"),
        other => panic!("{other:?}"),
    }
    bench.ok(remove(Some(Duration::from_secs(60))));
    let bans = |after, limit| Call::Bans {
        room: room.clone(),
        after,
        limit,
    };
    let Reply::Times(page) = bench.ok(bans(None, 20)) else {
        panic!()
    };
    assert_eq!(page.items.len(), 20);
    assert_eq!(page.next.as_deref(), Some("u19"));
    let Reply::Times(page) = bench.ok(bans(Some(user("u19")), 20)) else {
        panic!()
    };
    assert_eq!((page.items.len(), page.next), (10, None));
    assert_eq!(page.items[0].seconds, 60);
    let nobody = Call::Remove {
        room: room.clone(),
        users: Vec::new(),
        message: String::new(),
        ban: None,
    };
    assert_eq!(bench.code(nobody), 100_251);
    let too_many = Call::Mute {
        room,
        users: (0..501).map(|n| user(&n.to_string())).collect(),
        time: Duration::from_secs(1),
    };
    assert_eq!(bench.code(too_many), 10_004);
}

#[test]
fn a_message_of_the_back_end_passes_all_mutes_and_is_revoked() {
    let mut bench = Bench::default();
    let room = number(1);
    bench.ok(create(room.clone(), "anna", ""));
    bench.ok(Call::MuteAll {
        room: room.clone(),
        muted: true,
    });
    let send = |text: &str| Call::Send {
        room: room.clone(),
        from: None,
        priority: Priority::High,
        content: Content::Text(TextPayload {
            text: text.to_owned(),
        }),
    };
    let sent = bench.ok(send("Welcome"));
    assert_eq!(
        sent,
        Reply::Sent {
            time: NOON.as_secs()
        }
    );
    assert_eq!(bench.code(send("")), 10_004);
    assert_eq!(bench.code(send(&"x".repeat(12_289))), 80_002);
    let told = bench.deliver(APP, &room);
    assert_eq!((told.len(), &told[0].from), (1, &None));
    bench.ok(Call::Revoke {
        room: room.clone(),
        sequence: 1,
    });
    let page = Call::Messages {
        room: room.clone(),
        before: None,
        limit: 10,
    };
    let Reply::Messages(page) = bench.ok(page) else {
        panic!()
    };
    assert!(page.items[0].0.is_revoked && page.next.is_none());
    assert_eq!(bench.code(Call::Revoke { room, sequence: 9 }), 10_004);
}

#[test]
fn messages_are_read_backwards_in_pages() {
    let mut bench = Bench::default();
    let room = number(1);
    bench.ok(create(room.clone(), "anna", ""));
    let mut told = 0;
    for n in 0..20 {
        bench.ok(Call::Send {
            room: room.clone(),
            from: Some(user("anna")),
            priority: Priority::Normal,
            content: Content::Custom(CustomPayload {
                data: n.to_string(),
                ..CustomPayload::default()
            }),
        });
        bench.now += Duration::from_millis(50);
        told += bench.deliver(APP, &room).len();
    }
    assert_eq!(told, 20);
    let mut page = |before| {
        let call = Call::Messages {
            room: room.clone(),
            before,
            limit: 8,
        };
        let Reply::Messages(page) = bench.ok(call) else {
            panic!()
        };
        let sequences: Vec<_> = page.items.iter().map(|m| m.0.sequence).collect();
        (sequences, page.next)
    };
    assert_eq!(page(None), ((13..=20).collect(), Some("13".to_owned())));
    assert_eq!(page(Some(13)), ((5..=12).collect(), Some("5".to_owned())));
    assert_eq!(page(Some(5)), ((1..=4).collect(), None));
}

#[test]
fn attributes_are_changed_and_taken_away_at_once() {
    let mut bench = Bench::default();
    let room = number(1);
    bench.ok(create(room.clone(), "anna", ""));
    let text = |value: &str| Some(value.to_owned());
    let change = |values: &[(&str, Option<String>)]| Call::ChangeAttributes {
        room: room.clone(),
        values: values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
    };
    bench.ok(change(&[("a", text("1")), ("b", text("2"))]));
    let reply = bench.ok(change(&[("a", None), ("c", text("3")), ("x", None)]));
    let expected = [("b", "2"), ("c", "3")].map(|(n, v)| (n.to_owned(), v.to_owned()));
    let attributes = BTreeMap::from(expected);
    assert_eq!(reply, Reply::Attributes { attributes });
    assert_eq!(bench.code(change(&[("", text("1"))])), 10_004);
}

#[test]
fn two_rooms_are_connected_without_their_hosts_and_parted_again() {
    let mut bench = Bench::default();
    for n in 1..=3 {
        bench.ok(create(number(n), "anna", ""));
    }
    let connect = |room, other| Call::Connect {
        room: number(room),
        other: number(other),
    };
    let others = |bench: &mut Bench, room| match bench.ok(Call::CoHosts { room: number(room) }) {
        Reply::CoHosts { items } => items.into_iter().map(|view| view.room).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    bench.ok(connect(1, 2));
    bench.ok(connect(1, 2));
    bench.ok(connect(2, 3));
    assert_eq!(others(&mut bench, 1), [number(2), number(3)]);
    assert_eq!(bench.code(connect(1, 9)), 100_004);
    bench.ok(Call::Disconnect {
        room: number(1),
        other: number(2),
    });
    assert_eq!(others(&mut bench, 1), [number(3)]);
    assert!(others(&mut bench, 2).is_empty());
    bench.ok(create(number(4), "anna", ""));
    bench.ok(connect(2, 4));
    assert_eq!(bench.code(connect(1, 4)), 100_403);
    // The refused call has left no request behind.
    bench.ok(Call::Disconnect {
        room: number(2),
        other: number(4),
    });
    bench.ok(connect(1, 4));
}

#[test]
fn a_request_of_a_host_is_answered_by_the_call() {
    for asked_by in [1, 2] {
        let mut bench = Bench::default();
        for n in 1..=2 {
            bench.ok(create(number(n), "anna", ""));
        }
        bench.ok(Call::Order {
            room: number(asked_by),
            order: Order::CoHost(crate::live::CoHostOrder::Request {
                room: number(3 - asked_by),
                timeout: None,
                extension: String::new(),
            }),
        });
        bench.ok(Call::Connect {
            room: number(1),
            other: number(2),
        });
        let Reply::CoHosts { items } = bench.ok(Call::CoHosts { room: number(1) }) else {
            panic!()
        };
        assert_eq!(items.len(), 1);
    }
}

#[test]
fn a_silenced_anchor_may_send_nothing_until_that_is_lifted() {
    let mut bench = Bench::default();
    let room = number(1);
    bench.ok(create(room.clone(), "anna", ""));
    let ben = bench.enter(APP, "ben", &room);
    let publication = Publication {
        has_audio: true,
        has_video: true,
        ..Publication::default()
    };
    bench.command(
        ben,
        Command::Publish {
            room: room.clone(),
            track: TrackKind::Main,
            publication,
        },
    );
    let block = |name, blocked| Call::Order {
        room: room.clone(),
        order: Order::Block {
            user: user(name),
            blocked,
        },
    };
    let muted = |bench: &mut Bench| {
        let call = Call::Member {
            room: room.clone(),
            user: user("ben"),
        };
        let Reply::Member(member) = bench.ok(call) else {
            panic!()
        };
        let main = member.tracks.main.unwrap();
        (main.audio_muted, main.video_muted)
    };
    bench.ok(block("ben", true));
    assert_eq!(muted(&mut bench), (true, true));
    let unmute = Command::Mute {
        room: room.clone(),
        track: TrackKind::Main,
        audio: Some(false),
        video: None,
    };
    let refused = bench.rooms.handle_command(bench.now, ben, unmute.clone());
    assert!(matches!(refused, Err(LiveError::DeviceLocked { .. })));
    bench.ok(block("ben", false));
    bench.command(ben, unmute);
    assert_eq!(muted(&mut bench), (false, true), "nothing is turned on");
    assert_eq!(bench.code(block("cleo", true)), 100_005);
}

#[test]
fn a_room_has_one_text_and_a_text_one_room() {
    for (text, room) in [
        ("123", number(123)),
        ("name:123", RoomId::name("123").unwrap()),
        ("evening", RoomId::name("evening").unwrap()),
        ("12a", RoomId::name("12a").unwrap()),
        ("name:name:1", RoomId::name("name:1").unwrap()),
    ] {
        assert_eq!(text.parse(), Ok(RoomText(room.clone())), "{text}");
        assert_eq!(RoomText(room).to_string(), text);
    }
    for bad in ["", "0", "007", "name:", "a/b", "4294967295"] {
        assert!(bad.parse::<RoomText>().is_err(), "{bad}");
    }
    let cursor = StreamCursor {
        room: RoomId::name("a,\"").unwrap_or_else(|_| number(5)),
        user: user("an\"na"),
        track: TrackKind::Aux,
    };
    assert_eq!(cursor.to_string().parse(), Ok(cursor));
    assert!("[1]".parse::<StreamCursor>().is_err());
}

#[test]
fn apps_do_not_meet() {
    let mut bench = Bench::default();
    bench.ok(create(number(1), "anna", ""));
    let call = Call::Room { room: number(1) };
    let refused = bench.call(AppId(2), call).unwrap_err();
    assert_eq!((refused.code(), refused.chat_code()), (100_004, 10_010));
}
