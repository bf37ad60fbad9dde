#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sfu::media::fuzzing::look_at_packet(data));
