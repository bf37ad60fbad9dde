#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| packager::fuzzing::ts_round_trip(data));
