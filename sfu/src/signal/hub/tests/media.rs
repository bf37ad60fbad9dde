//! Media of rooms; the workers are lists of orders.

mod figures;
mod publishing;
mod receiving;

use super::*;

fn subscribe(room: u32, user: &str) -> Value {
    json!({"room": room, "user": user, "track": "main", "audio": true, "video": true})
}

fn received(order: &MediaOrder) -> Option<(Vec<String>, Vec<String>)> {
    let MediaOrder::Receive { add, remove, .. } = order else {
        return None;
    };
    let add = add.iter().map(|wanted| wanted.stream.to_string());
    let remove = remove.iter().map(ToString::to_string);
    Some((add.collect(), remove.collect()))
}

/// A room of anna's that ben is in as audience.
fn two(world: &mut World) -> [u64; 2] {
    let [anna, ben] = ["anna", "ben"].map(|user| world.user(user));
    world.room(anna, 5);
    world.enter(ben, 5, "audience");
    [anna, ben]
}

/// Seats a user by application.
fn seat(world: &mut World, host: u64, guest: u64, name: &str) {
    world.done(guest, "applyForSeat", json!({"room": 5}));
    let accept = json!({"room": 5, "guest": name, "accept": true});
    world.done(host, "answerApplication", accept);
}
