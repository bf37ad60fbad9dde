#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sfu::live::chat::fuzzing::filter_text(data));
