//! Text that is shown, and that goes into JSON.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rydes_fuzz::checks::shown(bytes));
