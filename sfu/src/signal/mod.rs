//! Signalling: one WebSocket a client, behind which rooms, chat and media are asked for.

pub mod close;
#[cfg(test)]
mod golden;
pub mod hub;
pub mod origin;
pub mod outbox;
pub mod pace;
pub mod places;
pub mod protocol;
