//! Random steps, and the commands they stand for.

use proptest::prelude::*;

use super::super::seats::seats;
use super::super::*;
use super::name;

pub(super) const USERS: u8 = 5;
pub(super) const ROOMS: u32 = 3;
/// The room that its owner creates with seats, if the commands come to it.
pub(super) const SEATED: u32 = 1;

#[derive(Debug, Clone)]
pub(super) enum Step {
    Login(u8),
    Lose(u8),
    Resume(u8),
    LogOut(u8),
    Run(u8, Ask),
    Operator(u32, Decision),
    Pass(u64),
}

#[derive(Debug, Clone)]
pub(super) enum Ask {
    Create(u32, SeatMode),
    Enter(u32, bool, Option<Role>),
    Leave(u32, Part),
    Switch(u32, Role),
    Publish(u32, TrackKind, bool),
    Unpublish(u32, TrackKind),
    Mute(u32, Option<bool>, Option<bool>),
    Take(Option<u16>),
    Apply(Option<u16>, u64),
    CancelApplication,
    AnswerApplication(u8, bool),
    Invite(u8, Option<u16>, u64),
    CancelInvitation(u8),
    AnswerInvitation(u8, bool),
    LeaveSeat,
    Order(u32, Decision),
}

#[derive(Debug, Clone)]
pub(super) enum Decision {
    Dismiss,
    CoHostAsk(u32, u64),
    CoHostAnswer(u32, bool),
    CoHostExit,
    CoHostMute(u32, bool),
    Kick(u8, Option<u64>),
    Unban(u8),
    Administrator(u8, bool),
    Mode(SeatMode),
    Pick(u8, Option<u16>),
    KickOff(u8),
    Lock(u16, bool),
    Move(u8, u16, MovePolicy),
    Device(u8, Device, bool),
    Block(u8, bool),
}

impl Ask {
    pub(super) fn command(&self) -> Command {
        let wait = |seconds: u64| (seconds > 0).then(|| Duration::from_secs(seconds));
        let in_seats = |command| seat(SEATED, command);
        match *self {
            Self::Create(room, mode) => create(room, (room == SEATED).then(|| seats(3, mode))),
            Self::Enter(number, chat, role) => Command::Enter {
                room: room(number),
                entry: match (chat, role.map(|role| media(Scene::Live, role))) {
                    (_, None) => Entry::Chat,
                    (false, Some(media)) => Entry::Media(media),
                    (true, Some(media)) => Entry::Live(media),
                },
            },
            Self::Leave(room, part) => leave(room, part),
            Self::Switch(room, role) => switch(room, role),
            Self::Publish(number, track, has_video) => Command::Publish {
                room: room(number),
                track,
                publication: Publication {
                    has_video,
                    ..CAMERA
                },
            },
            Self::Unpublish(number, track) => Command::Unpublish {
                room: room(number),
                track,
            },
            Self::Mute(number, audio, video) => Command::Mute {
                room: room(number),
                track: TrackKind::Main,
                audio,
                video,
            },
            Self::Take(index) => in_seats(SeatCommand::Take { seat: index }),
            Self::Apply(index, seconds) => in_seats(SeatCommand::Apply {
                seat: index,
                timeout: wait(seconds),
            }),
            Self::CancelApplication => in_seats(SeatCommand::CancelApplication),
            Self::AnswerApplication(guest, accept) => in_seats(SeatCommand::AnswerApplication {
                guest: name(guest),
                accept,
            }),
            Self::Invite(guest, index, seconds) => in_seats(SeatCommand::Invite {
                guest: name(guest),
                seat: index,
                timeout: wait(seconds),
            }),
            Self::CancelInvitation(guest) => {
                in_seats(SeatCommand::CancelInvitation { guest: name(guest) })
            }
            Self::AnswerInvitation(host, accept) => in_seats(SeatCommand::AnswerInvitation {
                host: name(host),
                accept,
            }),
            Self::LeaveSeat => in_seats(SeatCommand::Leave),
            Self::Order(room, ref decision) => order(room, decision.order()),
        }
    }
}

impl Decision {
    pub(super) fn order(&self) -> Order {
        let seat = Order::Seat;
        match *self {
            Self::Dismiss => Order::Dismiss,
            Self::CoHostAsk(other, seconds) => Order::CoHost(CoHostOrder::Request {
                room: room(other),
                timeout: (seconds > 0).then(|| Duration::from_secs(seconds)),
                extension: String::new(),
            }),
            Self::CoHostAnswer(other, accept) => Order::CoHost(CoHostOrder::Answer {
                room: room(other),
                accept,
            }),
            Self::CoHostExit => Order::CoHost(CoHostOrder::Exit),
            Self::CoHostMute(other, muted) => Order::CoHost(CoHostOrder::Mute {
                room: room(other),
                muted,
            }),
            Self::Kick(target, ban) => kick(name(target).as_str(), ban),
            Self::Unban(target) => Order::Unban { user: name(target) },
            Self::Administrator(target, is_administrator) => Order::SetAdministrator {
                user: name(target),
                is_administrator,
            },
            Self::Mode(mode) => Order::Update {
                about: None,
                seat_mode: Some(mode),
            },
            Self::Pick(target, index) => seat(SeatOrder::Pick {
                user: name(target),
                seat: index,
            }),
            Self::KickOff(target) => seat(SeatOrder::KickOff {
                users: vec![name(target)],
            }),
            Self::Lock(index, locked) => seat(SeatOrder::Lock {
                seat: index,
                locked,
            }),
            Self::Move(target, to, policy) => seat(SeatOrder::Move {
                user: name(target),
                target: to,
                policy,
            }),
            Self::Block(target, blocked) => Order::Block {
                user: name(target),
                blocked,
            },
            Self::Device(target, device, open) => seat(SeatOrder::Device {
                user: name(target),
                device,
                open,
            }),
        }
    }
}

fn a_user() -> impl Strategy<Value = u8> {
    0..USERS
}

/// Mostly the room with seats.
fn a_room() -> impl Strategy<Value = u32> {
    prop_oneof![4 => Just(SEATED), 1 => 2..=ROOMS]
}

fn a_role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Anchor), Just(Role::Audience)]
}

fn a_track() -> impl Strategy<Value = TrackKind> {
    prop_oneof![3 => Just(TrackKind::Main), 1 => Just(TrackKind::Aux)]
}

fn a_seat() -> impl Strategy<Value = Option<u16>> {
    prop_oneof![2 => Just(None), 3 => (0..4u16).prop_map(Some)]
}

fn a_mode() -> impl Strategy<Value = SeatMode> {
    prop_oneof![Just(SeatMode::ApplyToTake), Just(SeatMode::FreeToTake)]
}

fn a_wait() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1..20u64]
}

fn a_decision() -> impl Strategy<Value = Decision> {
    let policy = prop_oneof![
        Just(MovePolicy::AbortWhenOccupied),
        Just(MovePolicy::ForceReplace),
        Just(MovePolicy::SwapPosition)
    ];
    let device = prop_oneof![Just(Device::Microphone), Just(Device::Camera)];
    prop_oneof![
        1 => Just(Decision::Dismiss),
        3 => (1..=ROOMS, a_wait()).prop_map(|(r, t)| Decision::CoHostAsk(r, t)),
        6 => (1..=ROOMS, any::<bool>()).prop_map(|(r, a)| Decision::CoHostAnswer(r, a)),
        1 => Just(Decision::CoHostExit),
        1 => (1..=ROOMS, any::<bool>()).prop_map(|(r, m)| Decision::CoHostMute(r, m)),
        3 => (a_user(), proptest::option::of(1..40u64)).prop_map(|(u, b)| Decision::Kick(u, b)),
        2 => a_user().prop_map(Decision::Unban),
        4 => (a_user(), any::<bool>()).prop_map(|(u, is)| Decision::Administrator(u, is)),
        2 => a_mode().prop_map(Decision::Mode),
        3 => (a_user(), a_seat()).prop_map(|(u, s)| Decision::Pick(u, s)),
        3 => a_user().prop_map(Decision::KickOff),
        3 => (0..4u16, any::<bool>()).prop_map(|(s, l)| Decision::Lock(s, l)),
        6 => (a_user(), 0..4u16, policy).prop_map(|(u, s, p)| Decision::Move(u, s, p)),
        3 => (a_user(), device, any::<bool>()).prop_map(|(u, d, o)| Decision::Device(u, d, o)),
        2 => (a_user(), any::<bool>()).prop_map(|(u, b)| Decision::Block(u, b)),
    ]
}

fn an_ask() -> impl Strategy<Value = Ask> {
    let part = prop_oneof![Just(Part::Chat), Just(Part::Media), Just(Part::All)];
    let maybe = || proptest::option::of(any::<bool>());
    prop_oneof![
        3 => (a_room(), a_mode()).prop_map(|(r, m)| Ask::Create(r, m)),
        9 => (a_room(), any::<bool>(), proptest::option::weighted(0.8, a_role()))
            .prop_map(|(r, c, role)| Ask::Enter(r, c, role)),
        2 => (a_room(), part).prop_map(|(r, p)| Ask::Leave(r, p)),
        3 => (a_room(), a_role()).prop_map(|(r, role)| Ask::Switch(r, role)),
        5 => (a_room(), a_track(), any::<bool>()).prop_map(|(r, t, v)| Ask::Publish(r, t, v)),
        1 => (a_room(), a_track()).prop_map(|(r, t)| Ask::Unpublish(r, t)),
        2 => (a_room(), maybe(), maybe()).prop_map(|(r, a, v)| Ask::Mute(r, a, v)),
        4 => a_seat().prop_map(Ask::Take),
        4 => (a_seat(), a_wait()).prop_map(|(s, t)| Ask::Apply(s, t)),
        1 => Just(Ask::CancelApplication),
        4 => (a_user(), any::<bool>()).prop_map(|(u, a)| Ask::AnswerApplication(u, a)),
        3 => (a_user(), a_seat(), a_wait()).prop_map(|(u, s, t)| Ask::Invite(u, s, t)),
        1 => a_user().prop_map(Ask::CancelInvitation),
        4 => (a_user(), any::<bool>()).prop_map(|(u, a)| Ask::AnswerInvitation(u, a)),
        1 => Just(Ask::LeaveSeat),
        6 => (a_room(), a_decision()).prop_map(|(r, d)| Ask::Order(r, d)),
    ]
}

pub(super) fn a_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => a_user().prop_map(Step::Login),
        1 => a_user().prop_map(Step::Lose),
        1 => a_user().prop_map(Step::Resume),
        1 => a_user().prop_map(Step::LogOut),
        30 => (a_user(), an_ask()).prop_map(|(u, a)| Step::Run(u, a)),
        6 => (a_room(), a_decision()).prop_map(|(r, d)| Step::Operator(r, d)),
        2 => (1..15u64).prop_map(Step::Pass),
    ]
}
