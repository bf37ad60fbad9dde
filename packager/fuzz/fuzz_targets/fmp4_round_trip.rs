#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| packager::fuzzing::fmp4_round_trip(data));
