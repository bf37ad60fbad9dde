#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sfu::media::fuzzing::take_red_apart(data));
