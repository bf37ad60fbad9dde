//! Body of the fuzz target, kept here so that it compiles and runs with the other tests.

use super::{MAX_REQUEST, parse};

/// A frame is refused with a sentence of bounded length, or read; and what was read is the same
/// when it is written and read again.
pub fn read_request(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match parse(text) {
        Ok(request) => {
            assert!(text.len() <= MAX_REQUEST);
            let again = serde_json::to_string(&request);
            let again = again.expect("invariant: what was read can be written");
            assert_eq!(parse(&again).as_ref(), Ok(&request));
        }
        Err(bad) => assert!(bad.error.message.len() < 2_000),
    }
}
