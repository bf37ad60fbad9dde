//! The commands of `room_engine_http_mic`.

use serde_json::{Map, Value, json};

use super::desk::{Answer, Desk, object, user};
use super::failure::{Failure, bad, unknown};
use crate::live::{Device, MovePolicy, Order, SeatOrder, SeatView};
use crate::signal::hub::admin::{Call, Reply};

impl Desk<'_> {
    pub(super) async fn mic(&self, command: &str) -> Answer {
        let id = self.text("RoomId")?;
        match command {
            "get_seat_list" => {
                let list: Vec<_> = self.seats(id).await?.iter().map(seat).collect();
                return Ok(object(json!({"SeatList": list})));
            }
            "pick_user_on_seat" => {
                let user = user(self.text("Member_Account")?)?;
                // -1 is any seat.
                let any = self.body.get("Index").and_then(Value::as_i64) == Some(-1);
                let seat = if any { None } else { Some(self.index()?) };
                self.ask(id, |room| Call::Seat {
                    room,
                    seat,
                    user: user.clone(),
                    policy: MovePolicy::AbortWhenOccupied,
                })
                .await?;
            }
            "kick_user_off_seat" => {
                let users = vec![user(self.text("Member_Account")?)?];
                self.order(id, SeatOrder::KickOff { users }).await?;
            }
            "lock_seat" => {
                let seat = self.index()?;
                let flags = ["IsTakenDisabled", "IsAudioDisabled", "IsVideoDisabled"];
                let [taken, audio, video] = flags.map(|flag| self.body.get(flag));
                let flag = |value: &Value| {
                    let flag = value.as_bool().or_else(|| Some(value.as_u64()? != 0));
                    flag.ok_or_else(|| bad("the flags of a seat are true or false"))
                };
                if let Some(taken) = taken {
                    let locked = flag(taken)?;
                    self.order(id, SeatOrder::Lock { seat, locked }).await?;
                }
                for (closed, device) in [(audio, Device::Microphone), (video, Device::Camera)] {
                    let Some(closed) = closed else { continue };
                    let open = !flag(closed)?;
                    let seats = self.seats(id).await?;
                    let there = seats.into_iter().nth(seat.into()).and_then(|s| s.user);
                    match there {
                        Some(there) => {
                            let user = there.user;
                            let order = SeatOrder::Device { user, device, open };
                            self.order(id, order).await?;
                        }
                        // Locks of devices belong to the one who sits.
                        None if open => {}
                        None => return Err(bad("nobody sits there whose device could be closed")),
                    }
                }
            }
            _ => return Err(unknown()),
        }
        Ok(Map::new())
    }

    async fn order(&self, id: &str, order: SeatOrder) -> Result<Reply, Failure> {
        let order = Order::Seat(order);
        self.ask(id, |room| Call::Order {
            room,
            order: order.clone(),
        })
        .await
    }

    async fn seats(&self, id: &str) -> Result<Vec<SeatView>, Failure> {
        match self.ask(id, |room| Call::Seats { room }).await? {
            Reply::Seats { items } => Ok(items),
            _ => Ok(Vec::new()),
        }
    }
}

fn seat(view: &SeatView) -> Value {
    let user = view.user.as_ref();
    json!({
        "Index": view.index,
        "Member_Account": user.map_or("", |there| there.user.as_str()),
        "IsTakenDisabled": view.is_locked,
        "IsAudioDisabled": view.is_audio_locked,
        "IsVideoDisabled": view.is_video_locked,
    })
}
