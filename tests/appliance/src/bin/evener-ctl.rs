//! `evener ctl` as an operator's machine has it, for the tests of booted units.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(evener_ctl::run(std::env::args_os().skip(1)))
}
