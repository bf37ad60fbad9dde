#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sfu::auth::fuzzing::read_signed_address(data));
