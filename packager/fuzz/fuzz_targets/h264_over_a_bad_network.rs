#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| packager::fuzzing::h264_over_a_bad_network(data));
