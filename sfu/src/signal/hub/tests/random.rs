//! Random requests of many clients: each is answered once, and no session has a hole.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;

/// What a client knows.
struct Client {
    user: String,
    socket: u64,
    resume: Value,
    /// The last event of the session.
    seq: u64,
    /// Requests of the socket that were not answered.
    open: Vec<u32>,
}

struct Run {
    world: World,
    rng: StdRng,
    clients: Vec<Client>,
    answered: usize,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut world = World::with(|config| {
            config.request_burst = 1_000;
            config.requests_per_second = 1_000;
            config.pending_per_session = 4;
            config.kept_events = 10_000;
            config.kept_bytes = 100 << 20;
        });
        world.media_at_once = false;
        world.loads_at_once = false;
        Self {
            world,
            rng: StdRng::seed_from_u64(seed),
            clients: Vec::new(),
            answered: 0,
        }
    }

    fn join(&mut self, user: &str) {
        let socket = self.world.open();
        let login = self.world.login_fields(1, user);
        let result = self.world.done(socket, "login", login);
        self.world
            .frames
            .get_mut(&socket)
            .unwrap()
            .retain(|f| f["type"] == "event");
        let client = Client {
            user: user.to_owned(),
            socket,
            resume: json!({"session": result["session"], "resumeToken": result["resumeToken"]}),
            seq: 0,
            open: Vec::new(),
        };
        self.clients.retain(|c| c.user != user);
        self.clients.push(client);
    }

    /// Reads the frames of all clients.
    fn read(&mut self) {
        for client in &mut self.clients {
            let frames = self.world.frames.get_mut(&client.socket).unwrap();
            for frame in std::mem::take(frames) {
                if frame["type"] == "event" {
                    assert_eq!(frame["seq"], client.seq + 1, "a hole");
                    client.seq += 1;
                } else {
                    let id = u32::try_from(frame["id"].as_u64().unwrap()).unwrap();
                    let at = client.open.iter().position(|open| *open == id);
                    client.open.remove(at.expect("asked, and answered once"));
                    self.answered += 1;
                }
            }
        }
    }

    fn step(&mut self) {
        let at = self.rng.random_range(0..self.clients.len());
        let users = ["a", "b", "c", "d", "e"];
        let other = users[self.rng.random_range(0..users.len())];
        let room = self.rng.random_range(1..3);
        let seats = json!({"count": 2, "mode": "freeToTake", "keepOwnerOnSeat": false});
        let track = ["main", "aux"][self.rng.random_range(0..2)];
        // Whoever publishes somewhere is asked for most.
        let known = self
            .world
            .accepted
            .last()
            .map(|session| session.stream.to_string());
        let known = known.unwrap_or_else(|| "1_1_a_main".to_owned());
        let names: Vec<_> = known.split('_').collect();
        let source = (names[1].parse::<u32>().unwrap(), names[2], names[3]);
        let role = ["anchor", "audience"][self.rng.random_range(0..2)];
        let part = ["chat", "media", "all"][self.rng.random_range(0..3)];
        let (kind, fields) = match self.rng.random_range(0..24) {
            0 => ("createRoom", json!({"room": room})),
            1 => ("createRoom", json!({"room": room, "seats": seats})),
            2..=5 => (
                "enterRoom",
                json!({"room": room, "part": part, "role": role}),
            ),
            6 => ("leaveRoom", json!({"room": room, "part": part})),
            7 => ("switchRole", json!({"room": room, "role": role})),
            8 => ("takeSeat", json!({"room": room})),
            9 => ("leaveSeat", json!({"room": room})),
            10 if self.rng.random_range(0..3) == 0 => {
                ("kick", json!({"room": room, "users": [other]}))
            }
            11 => ("like", json!({"room": room, "count": 1})),
            12..=14 => ("sendMessage", text(room, "hi")),
            15..=17 => (
                "publish",
                json!({"room": room, "track": track, "offer": "o", "publication":
                    {"hasAudio": true, "hasVideo": true, "hasSmall": false}}),
            ),
            18 => ("unpublish", json!({"room": room, "track": track})),
            19..=20 => (
                "subscribe",
                json!({"room": source.0, "user": source.1, "track": source.2,
                    "audio": true, "video": true}),
            ),
            21 => ("answer", json!({"revision": 1, "sdp": "s"})),
            22 => ("startRelay", json!({"room": room, "track": track})),
            23 if self.rng.random_range(0..6) == 0 => ("dismissRoom", json!({"room": room})),
            _ => ("ping", json!({})),
        };
        let socket = self.clients[at].socket;
        let id = self.world.send(socket, kind, fields);
        self.clients[at].open.push(id);
    }

    fn disturb(&mut self) {
        let at = self.rng.random_range(0..self.clients.len());
        match self.rng.random_range(0..12) {
            0 => {
                let user = self.clients[at].user.clone();
                self.join(&user);
            }
            1 => self.lose_and_resume(at),
            2..=4 => {
                self.world.carry_out_media();
                self.world.pump();
            }
            5..=7 => {
                self.world.load();
                self.world.pump();
            }
            8..=9 => {
                for session in self.world.accepted.clone() {
                    self.world.live(&session);
                }
            }
            10 => {
                let millis = self.rng.random_range(0..3_000);
                self.world.pass(Duration::from_millis(millis));
            }
            _ => self.world.pass(Duration::from_millis(10)),
        }
    }

    fn lose_and_resume(&mut self, at: usize) {
        self.world.close(self.clients[at].socket);
        let lost = self.rng.random_range(0..20);
        self.world.pass(Duration::from_secs(lost));
        if self.rng.random() {
            self.world.carry_out_media();
            self.world.pump();
        }
        let socket = self.world.open();
        let client = &mut self.clients[at];
        let mut fields = client.resume.clone();
        fields["lastSeq"] = client.seq.into();
        let id = self.world.send(socket, "resume", fields);
        client.socket = socket;
        client.open.push(id);
    }
}

#[test]
fn each_request_has_one_answer_and_no_session_has_a_hole() {
    let mut events = 0;
    let mut orders = [0; 3];
    for seed in 0..12 {
        let mut run = Run::new(seed);
        for user in ["a", "b", "c", "d", "e"] {
            run.join(user);
        }
        for _ in 0..600 {
            run.step();
            run.read();
            if run.rng.random_range(0..3) == 0 {
                run.disturb();
                run.read();
            }
        }
        run.world.load();
        run.world.carry_out_media();
        run.world.pump();
        run.world.pass(40 * SECOND);
        run.world.load();
        run.world.pump();
        run.read();
        for client in &run.clients {
            assert_eq!(
                client.open,
                Vec::<u32>::new(),
                "seed {seed}: {}",
                client.user
            );
        }
        assert!(run.answered > 500, "seed {seed}: {}", run.answered);
        assert_eq!(run.world.hub.gauges().pending, 0, "seed {seed}");
        events += run.world.hub.counters().events;
        for order in &run.world.ordered {
            match order {
                MediaOrder::Publish { .. } => orders[0] += 1,
                MediaOrder::Receive { .. } => orders[1] += 1,
                MediaOrder::ClosePublisher { .. } => orders[2] += 1,
                _ => {}
            }
        }
    }
    assert!(events > 1_000, "{events}");
    assert!(orders.iter().all(|n| *n > 20), "{orders:?}");
}
