//! Chat.

mod error;
mod filter;
mod likes;
mod message;
mod normalize;
mod rate;
mod word_files;
mod word_list;

pub use error::ChatError;
pub use filter::{Verdict, WordFilter};
pub use likes::{LIKE_INTERVAL, LikeTotal, Likes};
pub use message::*;
pub use rate::{Buckets, HOLD, RATE, RoomRate};
pub use word_files::WordFiles;
pub use word_list::*;
