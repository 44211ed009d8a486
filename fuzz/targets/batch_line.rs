//! A file of requests, one on a line.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rydes_fuzz::checks::batch_line(bytes));
