#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| forgesyted_fuzz::mp4(data));
