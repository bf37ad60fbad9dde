//! The JSON bodies, in the forms that the vendor's documentation gives them.

pub(super) mod chat;
pub(super) mod event;
pub(super) mod live;
pub(super) mod stream;

use serde::Serialize;

use crate::live::UserId;

/// A user in a list.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Member<'a> {
    #[serde(rename = "Member_Account")]
    account: &'a UserId,
}

fn members(users: &[UserId]) -> Vec<Member<'_>> {
    users.iter().map(|account| Member { account }).collect()
}

/// JSON of a body. The types here have no maps with keys that are no texts and nothing else that
/// could fail.
fn json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).unwrap_or_default()
}
