//! `evener ctl`: a unit from another machine's command line, over its public API.
//!
//! The same binary as on the unit, run anywhere: one static file, no configuration, no state. It trusts exactly the
//! certificate whose fingerprint it is given, because a unit's certificate is its own and no authority vouches for
//! it; without one it says what the unit shows, sends nothing, and stops. `docs/ctl.md` is for its users.

#![forbid(unsafe_code)]

mod arguments;
mod client;
mod fault;
mod follow;
mod install;
mod pin;
mod screen;
mod show;

use arguments::{Job, Order, Verb};
use client::Client;
use evener_api::update::{Candidate, FirmwareStatus};
use fault::Fault;
use screen::Screen;
use std::ffi::OsString;

pub use arguments::HELP;

/// `EX_USAGE` of `sysexits.h`.
const USAGE: u8 = 64;

/// Does what the words after `evener ctl` say; gives the exit code, see `docs/ctl.md`.
pub fn run(words: impl IntoIterator<Item = OsString>) -> u8 {
    let order = match arguments::parse(words, |name| std::env::var(name).ok()) {
        Ok(Job::Help) => {
            Screen::new(false).line(HELP);
            return 0;
        }
        Ok(Job::Do(order)) => order,
        Err(error) => {
            Screen::new(false).complain(&format!("evener ctl: {error}\n\n{HELP}"));
            return USAGE;
        }
    };
    let mut screen = Screen::new(order.json);
    // One thread: it waits for the network nearly all of the time.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            screen.complain(&format!("evener ctl: {error}"));
            return Fault::OTHER;
        }
    };
    match runtime.block_on(act(&order, &mut screen)) {
        Ok(()) => 0,
        Err(fault) => {
            screen.fault(&fault);
            fault.exit_code()
        }
    }
}

async fn act(order: &Order, screen: &mut Screen) -> Result<(), Fault> {
    let client = Client::new(order).await?;
    match &order.verb {
        Verb::Status => {
            let status = client.get("/api/v1/firmware").await?;
            screen.answer(&status, |status: &FirmwareStatus| show::status(status))
        }
        Verb::Inspect(file) => {
            let head = install::head(file)?;
            let candidate = client.post_bytes("/api/v1/firmware/inspect", head).await?;
            screen.answer(&candidate, |candidate: &Candidate| show::candidate(candidate))?;
            install::acceptable(&candidate, false)
        }
        Verb::Install(install) => install::install(&client, install, screen).await,
        Verb::Wait => {
            let outcome = follow::until_settled(&client, None, screen).await?;
            screen.answer(&outcome, |status: &FirmwareStatus| show::settled(status))
        }
        Verb::Step(step) => {
            let next = client.post(&format!("/api/v1/firmware/{step}")).await?;
            let next: client::Next = next;
            screen.answer(&next, |next| {
                format!("Done. The next boot starts slot {}: evener ctl firmware reboot\n", next.next)
            })
        }
        Verb::Reboot => {
            client.post_empty("/api/v1/system/reboot").await?;
            screen.line("The unit is rebooting.");
            Ok(())
        }
    }
}
