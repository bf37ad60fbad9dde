#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sfu::signal::protocol::fuzzing::read_request(data));
