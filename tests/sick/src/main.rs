//! The shipped services from the shipped libraries, one of which may be ill: which and how stands in a file of its
//! root file system.

#![forbid(unsafe_code)]

mod hand;
mod silent;

use evener_api::Service;
use evener_observe::Dirs;
use evener_sick::{FILE, Sickness};
use evener_sys::watchdog::Watchdog;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// The shipped program's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Late enough to serve on a slow machine, early enough to be on trial.
const LATE: Duration = Duration::from_secs(20);
/// What the shipped init asks of a watchdog, in seconds.
const WATCHDOG_S: u16 = 30;

fn main() -> ExitCode {
    evener::main(serve)
}

fn serve(service: Service, dirs: Dirs) -> ExitCode {
    let sickness = match sickness() {
        Ok(sickness) => sickness,
        Err(error) => return complain(&error),
    };
    if service == Service::Init && sickness != Sickness::None {
        say(&format!("evener-sick: this firmware was made for a test; sickness: {sickness}"));
    }
    match (service, sickness) {
        (Service::Init, Sickness::Panics) => return ExitCode::FAILURE,
        (Service::Init, Sickness::PanicsLate) => drop(std::thread::spawn(panic_late)),
        (Service::Init, Sickness::InitHangs) => hang(),
        (Service::Init, Sickness::Hand) => {
            if let Err(error) = hand::lend(&dirs.data) {
                return complain(&format!("no hand: {error}"));
            }
        }
        (Service::Proxy, Sickness::ProxyExits)
        | (Service::Web, Sickness::WebExits)
        | (Service::Control, Sickness::ControlExits) => {
            return complain(&format!("{service} has {sickness}"));
        }
        (Service::Proxy, Sickness::ProxySilent) => {
            return silent::run(dirs).map_or_else(|e| complain(&format!("{e:#}")), |()| ExitCode::SUCCESS);
        }
        _ => {}
    }
    evener::serve(service, dirs)
}

fn sickness() -> Result<Sickness, String> {
    let path = Path::new("/").join(FILE);
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    text.parse().map_err(|error| format!("{}: {error}", path.display()))
}

/// PID 1 that ends is a kernel panic.
#[expect(clippy::exit, reason = "that is the illness")]
fn panic_late() {
    std::thread::sleep(LATE);
    say("evener-sick: PID 1 ends now");
    std::process::exit(1);
}

/// With the watchdogs in hand, as the shipped init has them, but never fed.
fn hang() -> ! {
    let paths = (0..4).map(|number| format!("/dev/watchdog{number}"));
    let taken: Vec<_> = paths.filter_map(|path| Watchdog::open(Path::new(&path), WATCHDOG_S).ok()).collect();
    say(&format!("evener-sick: hanging with {} watchdog(s) taken", taken.len()));
    loop {
        std::thread::park();
    }
}

fn complain(words: &str) -> ExitCode {
    say(&format!("ERROR evener-sick: {words}"));
    ExitCode::FAILURE
}

fn say(words: &str) {
    // With no console there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{words}");
}
