//! Rows of the table.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rydes_fuzz::rows::rows(bytes));
