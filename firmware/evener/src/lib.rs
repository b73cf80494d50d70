//! What the one binary of the appliance does: the first argument picks the service.
//!
//! One file instead of eight because the code they share is most of them: on the disk it is there once, in
//! memory its pages are shared. It dispatches and does nothing else. A library beside the program, so that a test can
//! build a firmware that is the same but for one service that misbehaves: the program itself has no switch for that.

#![forbid(unsafe_code)]

mod arguments;

pub use arguments::{HELP, Job, UsageError, parse};

use evener_api::Service;
use evener_observe::Dirs;
use std::io::Write;
use std::process::ExitCode;

/// `EX_USAGE` of `sysexits.h`.
const USAGE: u8 = 64;

/// Reads the process's own command line and does what it says; a service is run by `serve`.
pub fn main(serve: impl FnOnce(Service, Dirs) -> ExitCode) -> ExitCode {
    match parse(std::env::args_os(), std::process::id() == 1) {
        Ok(Job::Version) => {
            // With nobody to read it there is nothing to do about it.
            let _ = writeln!(std::io::stdout(), "evener {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Ok(Job::Ctl(words)) => ExitCode::from(evener_ctl::run(words)),
        Ok(Job::Install(stick, consoles, dirs)) => {
            match evener_installer::run(&stick, &consoles, &dirs.run) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    let _ = writeln!(std::io::stderr(), "ERROR installer: {error:#}");
                    ExitCode::FAILURE
                }
            }
        }
        Ok(Job::Serve(service, dirs)) => serve(service, dirs),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "evener: {error}\n\n{HELP}");
            ExitCode::from(USAGE)
        }
    }
}

/// Is this service until it ends. As PID 1, init does not return.
pub fn serve(service: Service, dirs: Dirs) -> ExitCode {
    let outcome = match service {
        Service::Init => evener_init::run(dirs),
        Service::Net => evener_net::run(dirs),
        Service::Control => evener_control::run(dirs),
        Service::Update => evener_update::run(dirs),
        Service::Proxy => evener_proxy::run(dirs),
        Service::Checks => evener_checks::run(dirs),
        Service::Web => evener_web::run(dirs),
        Service::Log => evener_log::run(dirs),
        Service::Console => evener_console::run(dirs),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "ERROR {service}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
