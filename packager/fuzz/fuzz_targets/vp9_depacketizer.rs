#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| packager::fuzzing::vp9_depacketizer(data));
