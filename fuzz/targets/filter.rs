//! A filter policy, and a message that it may let through.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rydes_fuzz::filters::filter(bytes));
