#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| packager::fuzzing::flv_round_trip(data));
