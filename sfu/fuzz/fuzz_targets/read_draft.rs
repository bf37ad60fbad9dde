#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sfu::live::chat::fuzzing::read_draft(data));
