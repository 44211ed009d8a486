//! Conditions, durations, faults and names.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rydes_fuzz::checks::words(bytes));
