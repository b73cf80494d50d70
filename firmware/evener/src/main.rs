//! The one binary of the appliance: the first argument picks the service.
//!
//! One file instead of eight because the code they share is most of them: on the disk it is there once, in
//! memory its pages are shared. It dispatches and does nothing else.

mod arguments;

use arguments::{Job, parse};
use evener_api::Service;
use evener_observe::Dirs;
use std::io::Write;
use std::process::ExitCode;

/// The allocator that all figures of the data path are measured with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `EX_USAGE` of `sysexits.h`.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    match parse(std::env::args_os(), std::process::id() == 1) {
        Ok(Job::Version) => {
            // With nobody to read it there is nothing to do about it.
            let _ = writeln!(std::io::stdout(), "evener {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Ok(Job::Serve(service, dirs)) => serve(service, dirs),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "evener: {error}\n\n{}", arguments::HELP);
            ExitCode::from(USAGE)
        }
    }
}

fn serve(service: Service, dirs: Dirs) -> ExitCode {
    let outcome = match service {
        Service::Init => evener_init::run(dirs),
        Service::Net => evener_net::run(dirs),
        Service::Control => evener_control::run(dirs),
        Service::Update => evener_update::run(dirs),
        Service::Proxy => evener_proxy::run(dirs),
        Service::Checks => evener_checks::run(dirs),
        Service::Web => evener_web::run(dirs),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "ERROR {service}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
