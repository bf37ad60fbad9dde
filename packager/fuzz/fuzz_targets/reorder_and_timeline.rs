#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| packager::fuzzing::reorder_and_timeline(data));
