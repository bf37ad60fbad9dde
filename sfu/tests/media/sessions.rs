//! The life of sessions: refusals, PATCH, time limits, and that nothing stays behind.

use std::time::Duration;

use sfu::media::offer;
use sfu::worker::{OfferError, PatchError, Patched, Role, SessionId, SessionRef};
use str0m_netem::{NetemConfig, Probability, RandomLoss};

use crate::frames;
use crate::peer::Peer;
use crate::world::{World, good, stream};

#[test]
fn stream_that_is_not_live_has_no_subscribers() {
    let mut w = World::new(1);
    assert!(matches!(
        w.try_subscribe("a", 0, good()),
        Err(OfferError::NotLive { .. })
    ));
    assert_eq!(w.cores[0].gauges().rooms, 0);
}

#[test]
fn subscribers_wait_for_a_publisher_that_comes_back_but_not_for_ever() {
    let mut w = World::with(1, |c| c.linger = Duration::from_secs(5));
    let p = w.publish("a", good());
    w.run(Duration::from_secs(1));
    let s = w.subscribe("a", 0, good());
    w.run(Duration::from_secs(1));
    w.close(p);
    w.run(Duration::from_secs(3));
    assert_eq!(w.unpublished, 1);
    let p = w.publish("a", good());
    w.run(Duration::from_secs(2));
    assert!(!w.peers[s].closed);
    assert!(frames::check(&w.peers[s].got_video).whole.len() > 80);
    w.close(p);
    w.run(Duration::from_secs(7));
    assert!(w.peers[s].closed);
    assert_eq!(w.cores[0].gauges(), Default::default());
}

#[test]
fn subscribers_on_another_worker_see_a_publisher_that_comes_back() {
    // Longer and shorter than what the first publication sent: the lane's numbers begin anew.
    for first in [1, 6] {
        let mut w = World::new(2);
        let p = w.publish("a", good());
        w.run(Duration::from_secs(1));
        let s = w.subscribe("a", 1, good());
        w.run(Duration::from_secs(first));
        w.close(p);
        w.run(Duration::from_secs(3));
        let before = frames::check(&w.peers[s].got_video).whole.len();
        w.publish("a", good());
        w.run(Duration::from_secs(3));
        assert!(!w.peers[s].closed);
        let after = frames::check(&w.peers[s].got_video).whole.len();
        assert!(after > before + 45, "{before} and then {after} frames");
    }
}

#[test]
fn thousand_sessions_leave_nothing_behind() {
    let mut w = World::new(1);
    let (_, sub) = Peer::new(Role::Subscriber, "a", 1, w.now, good());
    let (_, publ) = Peer::new(Role::Publisher, "a", 2, w.now, good());
    let sub = offer::check(&sub.sdp, Role::Subscriber).expect("checked");
    let publ = offer::check(&publ.sdp, Role::Publisher).expect("checked");
    let now = w.now;
    for n in 0..1_000_u128 {
        let name = stream(&format!("s{}", n % 10));
        let id = SessionId::from_bits(n);
        if n % 4 == 0 || n < 10 {
            w.cores[0]
                .publish(now, &name, id, &publ)
                .expect("published");
        } else {
            let _ = w.cores[0].subscribe(now, &name, id, &sub, None);
        }
    }
    assert!(w.cores[0].gauges().users > 500);
    // Half of them never connect, the rest is closed.
    for n in 0..500_u128 {
        for role in [Role::Publisher, Role::Subscriber] {
            let session = SessionRef {
                stream: stream(&format!("s{}", n % 10)),
                session: SessionId::from_bits(n),
                role,
            };
            let _ = w.cores[0].close(now, &session);
        }
    }
    w.carry_out(0);
    w.run(Duration::from_secs(16));
    let gauges = w.cores[0].gauges();
    assert_eq!(
        (
            gauges.users,
            gauges.addresses,
            gauges.rooms,
            gauges.publishers,
            gauges.subscribers
        ),
        (0, 0, 0, 0, 0)
    );
    w.run(Duration::from_secs(62));
    assert_eq!(w.cores[0].gauges(), Default::default());
}

#[test]
fn silent_client_is_closed() {
    let mut w = World::new(1);
    let p = w.publish("a", good());
    w.run(Duration::from_secs(1));
    let s = w.subscribe("a", 0, good());
    w.run(Duration::from_secs(1));
    let dead = NetemConfig::new().loss(RandomLoss::new(Probability::ONE));
    w.peers[s].up = str0m_netem::Netem::new(dead);
    w.run(Duration::from_secs(40));
    assert_eq!(w.cores[0].gauges().subscribers, 0);
    assert_eq!(w.cores[0].gauges().publishers, 1);
    assert!(!w.peers[p].closed);
}

#[test]
fn session_limit_is_kept() {
    let mut w = World::with(1, |c| c.max_sessions = 2);
    w.publish("a", good());
    w.subscribe("a", 0, good());
    assert!(matches!(
        w.try_subscribe("a", 0, good()),
        Err(OfferError::LimitReached { limit: 2 })
    ));
}

fn fragment(ufrag: &str, pwd: &str) -> String {
    format!(
        "a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n\
         a=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host\r\n"
    )
}

#[test]
fn patch_follows_the_rules_for_entity_tags() {
    let mut w = World::new(1);
    let p = w.publish("a", good());
    let session = w.session(p);
    let etag = w.peers[p].etag.clone();
    let now = w.now;
    let creds = w.peers[p].rtc.direct_api().local_ice_credentials();
    let body = fragment(&creds.ufrag, &creds.pass);
    let core = &mut w.cores[0];
    assert_eq!(
        core.patch(now, &session, None, &body),
        Err(PatchError::MissingIfMatch)
    );
    assert_eq!(
        core.patch(now, &session, Some("\"other\""), &body),
        Err(PatchError::StaleIfMatch)
    );
    let quoted = format!("\"{etag}\"");
    assert_eq!(
        core.patch(now, &session, Some(&quoted), &body),
        Ok(Patched::Trickled)
    );
    assert!(matches!(
        core.patch(now, &session, Some(&etag), "nonsense"),
        Err(PatchError::Malformed { .. })
    ));
    for _ in 0..99 {
        assert_eq!(
            core.patch(now, &session, Some(&etag), &body),
            Ok(Patched::Trickled)
        );
    }
    assert_eq!(
        core.patch(now, &session, Some(&etag), &body),
        Err(PatchError::TooManyCandidates { limit: 100 })
    );
    // A restart is still possible.
    let other = str0m::IceCreds::new();
    let restart = fragment(&other.ufrag, &other.pass);
    assert!(matches!(
        core.patch(now, &session, Some("*"), &restart),
        Ok(Patched::Restarted { .. })
    ));
    let other = SessionRef {
        role: Role::Subscriber,
        ..session
    };
    assert!(matches!(
        core.patch(now, &other, Some(&etag), &body),
        Err(PatchError::UnknownSession(_))
    ));
}

#[test]
fn ice_restart_changes_tag_and_credentials_and_media_goes_on() {
    let mut w = World::new(1);
    let p = w.publish("a", good());
    w.run(Duration::from_secs(1));
    let s = w.subscribe("a", 0, good());
    w.run(Duration::from_secs(1));
    let session = w.session(s);
    let old = w.peers[s].etag.clone();
    let ours = str0m::IceCreds::new();
    let body = fragment(&ours.ufrag, &ours.pass);
    let now = w.now;
    let patched = w.cores[0].patch(now, &session, Some("*"), &body);
    let Ok(Patched::Restarted { etag, fragment }) = patched else {
        panic!("{patched:?}");
    };
    assert_ne!(etag, old);
    let read = sfu::media::fragment::parse(&fragment).expect("well-formed");
    assert_eq!(read.candidates, 2);
    // The answer may be lost: the same request again gets the same one.
    assert_eq!(
        w.cores[0].patch(now, &session, Some("*"), &body),
        Ok(Patched::Restarted {
            etag: etag.clone(),
            fragment: fragment.clone()
        })
    );
    assert_eq!(
        w.cores[0].patch(now, &session, Some(&etag), &body),
        Ok(Patched::Trickled)
    );
    // Browsers ignore a candidate that names the user fragment of before.
    assert!(!fragment.contains(" ufrag "), "{fragment}");
    // Only the new tag is good now.
    assert_eq!(
        w.cores[0].patch(now, &session, Some(&old), &body),
        Err(PatchError::StaleIfMatch)
    );
    let mut api = w.peers[s].rtc.direct_api();
    api.set_local_ice_credentials(ours);
    api.set_remote_ice_credentials(str0m::IceCreds {
        ufrag: read.ufrag,
        pass: read.pwd,
    });
    w.run(Duration::from_secs(40));
    assert!(!w.peers[s].closed);
    assert_eq!(w.cores[0].gauges().subscribers, 1);
    assert_eq!(w.cores[0].gauges().users, 2);
    let _ = p;
    let got = frames::check(&w.peers[s].got_video);
    assert!(got.whole.len() > 1_000, "{}", got.whole.len());
}
