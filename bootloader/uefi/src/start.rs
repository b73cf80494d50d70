//! Entry, halt screen, and what happens on a panic of our own.

use core::panic::PanicInfo;
use core::time::Duration;

use evener_manifest::Version;
use evener_slot_choice::{BootCode, Keys, Terminal as _, boot, wait_for_restart};
use uefi::runtime::ResetType;
use uefi::{Status, boot as services, runtime};

use crate::console::Console;
use crate::copies;
use crate::disk::BootDisk;
use crate::machine::Firmware;

/// The keys this loader trusts; chosen when it was built.
static KEYSET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/keyset.bin"));

/// How long the firmware's own watchdog waits for the loader; Linux switches it off when it takes over.
const LOADER_TIMEOUT_SECONDS: usize = 120;

#[uefi::entry]
fn main() -> Status {
    let loader: Version = env!("CARGO_PKG_VERSION").parse().unwrap_or_default();
    let console = Console::find();
    console.say(format_args!("version {loader}"));
    // A firmware without this timer has the hardware watchdog, or a person.
    let _ = services::set_watchdog_timer(LOADER_TIMEOUT_SECONDS, 0x1_0000, None);
    let keys = Keys::new(&console);
    match BootDisk::find() {
        Ok(mut disk) => {
            let mut machine = Firmware::new(console.clone(), keys);
            let _said = boot(&mut disk, &mut machine, KEYSET, loader);
        }
        Err(code) => say_fault(&console, code),
    }
    halt(&console)
}

fn say_fault(console: &Console, code: BootCode) {
    console.say(format_args!("{code}: {}.", code.what()));
    console.say(format_args!("{}", code.remedy()));
}

/// Leaves the words on the screen until somebody is there. A restart by itself would hide them, and would
/// find the same disk. Not so for a loader on trial: the next start finds the installed one.
fn halt(console: &Console) -> ! {
    if copies::on_trial() {
        console.say(format_args!("this loader is on trial; restarting in 10 s with the installed one"));
        services::stall(Duration::from_secs(10));
        runtime::reset(ResetType::COLD, Status::LOAD_ERROR, None)
    }
    let _ = services::set_watchdog_timer(0, 0x1_0000, None);
    console.say(format_args!("stopped; hold Ctrl-R to restart"));
    wait_for_restart(console);
    runtime::reset(ResetType::COLD, Status::LOAD_ERROR, None)
}

/// A panic is our own fault. Behind the counting write a restart leads to another slot in the end. Before it the
/// same may happen again for ever; then a restart still leaves the machine's own boot menu within reach.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // Looking for the right console allocates, which may be what failed.
    Console::PLAIN.say(format_args!("loader fault: {info}"));
    services::stall(Duration::from_secs(10));
    runtime::reset(ResetType::COLD, Status::ABORTED, None)
}
