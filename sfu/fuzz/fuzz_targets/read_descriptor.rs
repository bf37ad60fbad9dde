#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sfu::media::fuzzing::read_descriptor(data));
