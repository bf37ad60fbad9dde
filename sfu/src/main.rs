//! The `weblive` server.

use std::process::ExitCode;

fn main() -> ExitCode {
    sfu::run()
}
