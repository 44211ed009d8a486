//! The program: hands its arguments to the library and returns its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(rydes::cli::run(std::env::args_os()))
}
