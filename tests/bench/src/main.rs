//! Runs one measurement by name.
#![allow(clippy::print_stderr, reason = "talks to the person at the terminal")]

use std::process::ExitCode;

fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    let outcome = match name.as_str() {
        "boot" => evener_bench::boot::run(),
        "size" => evener_bench::size::run(),
        "images" => evener_bench::images::run(),
        "proxy" => evener_bench::proxy::run(),
        "update" => evener_bench::update::run(),
        "proof" => evener_bench::proof::collect(),
        _ => {
            eprintln!("usage: evener-bench boot|images|size|proxy|update|proof");
            return ExitCode::from(64);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("evener-bench {name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
