#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| packager::fuzzing::h265_depacketizer(data));
