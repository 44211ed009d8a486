//! A point in time.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rydes_fuzz::checks::time(bytes));
