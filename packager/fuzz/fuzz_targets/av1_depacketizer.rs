#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| packager::fuzzing::av1_depacketizer(data));
