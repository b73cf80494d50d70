//! Entry from `real.s`, halt screen, and what happens on a panic of our own.

use core::panic::PanicInfo;
use core::time::Duration;

use evener_devices::Ports as _;
use evener_handoff::{LoaderCopy, LoaderKind, RunningLoader};
use evener_manifest::Version;
use evener_slot_choice::{BootCode, Keys, Terminal as _, boot, wait_for_restart};

use crate::arena::Arena;
use crate::console::Console;
use crate::disk::BootDisk;
use crate::machine::{Pc, arm_watchdog, disarm_watchdog};
use crate::map::{MemoryMap, Range};
use crate::port::Machine;
use crate::{chain, low, memory};

/// The keys this loader trusts; chosen when it was built.
static KEYSET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/keyset.bin"));

/// Conventional memory that this loader uses.
const LOW: Range = Range { start: memory::PAGE_TABLES as u64, end: memory::STACK_TOP as u64 };
/// Two places that are one as long as the A20 gate is closed.
const GATE_PROBE: [usize; 2] = [memory::TEXT, memory::TEXT + (1 << 20)];

/// Where `real.s` leads to: `drive` is the BIOS's number of the disk, `copy` that of this loader's copy (with
/// [`chain::ON_TRIAL`] when another one started it), and the map has
/// `entries`.
#[expect(unsafe_code, reason = "called by its name")]
#[unsafe(no_mangle)]
extern "C" fn bios_loader_main(drive: u8, copy: u8, entries: u32) -> ! {
    let console = Console::find();
    let loader: Version = env!("CARGO_PKG_VERSION").parse().unwrap_or_default();
    console.say(format_args!("version {loader}, BIOS"));
    // A BIOS has no watchdog of its own for what hangs in its reads; where there is a hardware one, it runs from here.
    let armed = arm_watchdog();
    let running = RunningLoader {
        kind: LoaderKind::Bios,
        copy: if copy & !chain::ON_TRIAL == 0 { LoaderCopy::First } else { LoaderCopy::Second },
        on_trial: copy & chain::ON_TRIAL != 0,
    };
    if running.copy == LoaderCopy::Second && !running.on_trial {
        say_code(&console, BootCode::LoaderCopy);
    }
    let mut bytes = [0; memory::BIOS_MAP_ENTRIES * memory::BIOS_MAP_ENTRY];
    low::take(memory::BIOS_MAP, &mut bytes);
    let map = MemoryMap::new(bytes, usize::try_from(entries).unwrap_or(0));
    let outcome = if gate_is_open() && map.has(LOW) {
        run(&console, drive, running, &map, loader)
    } else {
        console.say(format_args!("the memory below 512 KiB, or the one above 1 MiB, is not free"));
        Err(BootCode::NoMemory)
    };
    if let Err(code) = outcome {
        say_code(&console, code);
        console.say(format_args!("{}", code.remedy()));
    }
    if let Some(armed) = armed {
        disarm_watchdog(&armed);
    }
    halt(&console, running.on_trial)
}

/// The way of a boot; comes back when nothing was started, with the code that was not said yet.
fn run(
    console: &Console,
    drive: u8,
    running: RunningLoader,
    map: &MemoryMap,
    loader: Version,
) -> Result<(), BootCode> {
    let keys = Keys::new(console);
    let mut disk = BootDisk::find(drive)?;
    let arena = Arena::new(map.largest());
    let mut machine = Pc { console, keys, map, arena: &arena, drive, running };
    let _said = boot(&mut disk, &mut machine, KEYSET, loader);
    Ok(())
}

fn say_code(console: &Console, code: BootCode) {
    console.say(format_args!("{code}: {}.", code.what()));
}

/// Whether what lies above 1 MiB is memory of its own, and not that below it once more.
fn gate_is_open() -> bool {
    let [below, above] = GATE_PROBE;
    [0x5a, 0xa5].into_iter().any(|pattern| {
        let mut seen = [0];
        low::put(below, &[pattern]);
        low::take(above, &mut seen);
        seen != [pattern]
    })
}

/// Leaves the words on the screen until somebody is there. A restart by itself would hide them, and would
/// find the same disk. Not so for a loader on trial: the next start finds the installed one.
fn halt(console: &Console, on_trial: bool) -> ! {
    if on_trial {
        console.say(format_args!("this loader is on trial; restarting in 10 s with the installed one"));
        console.clock.wait(Duration::from_secs(10));
        restart()
    }
    console.say(format_args!("stopped; hold Ctrl-R to restart"));
    wait_for_restart(console);
    restart()
}

/// By the chipset, by the keyboard controller, and in the end by a fault that nobody handles.
fn restart() -> ! {
    for (port, value) in [(0xcf9, 0x02), (0xcf9, 0x06), (0x64, 0xfe)] {
        Machine.output8(port, value);
    }
    crate::machine::fault()
}

/// A panic is our own fault. Behind the counting write a restart leads to another slot in the end. Before it the
/// same may happen again for ever; then a restart still leaves the machine's own boot menu within reach.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let console = Console::find();
    console.say(format_args!("loader fault: {info}"));
    console.clock.wait(Duration::from_secs(10));
    restart()
}
