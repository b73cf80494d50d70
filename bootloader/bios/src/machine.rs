//! Memory, and the start of a kernel at its 64-bit entry.
//!
//! The kernel is started from the very bytes that were verified: they are moved down by the length of its setup code, so
//! that what is started lies where the kernel wants it, and nothing is read or copied from elsewhere.
#![expect(unsafe_code, reason = "memory outside of Rust's, and a jump that does not come back")]

use core::arch::asm;
use core::fmt;
use core::ptr::{with_exposed_provenance, with_exposed_provenance_mut};
use core::slice;

use evener_devices::{self as watchdog, Armed};
use evener_disk::{Blocks, Lba, PartitionMap, SECTOR};
use evener_handoff::{LoaderCopy, LoaderKind, RunningLoader};
use evener_slot_choice::{Asked, BootCode, Keys, Machine, Terminal as _};

use crate::arena::{Arena, Mark};
use crate::bios::{self, Registers, SCREEN};
use crate::chain;
use crate::clock::Moment;
use crate::console::Console;
use crate::linux::{Kernel, TextScreen};
use crate::map::{MemoryMap, Range};
use crate::pci::HostBridge;
use crate::{low, memory};

/// The machine as the BIOS leaves it.
pub(crate) struct Pc<'a> {
    pub(crate) console: &'a Console,
    pub(crate) keys: Keys<Moment>,
    pub(crate) map: &'a MemoryMap,
    pub(crate) arena: &'a Arena,
    /// The BIOS's number of the disk.
    pub(crate) drive: u8,
    /// Which copy this is.
    pub(crate) running: RunningLoader,
}

/// Starts the hardware watchdog, if there is one that is known; or starts its time anew.
pub(crate) fn arm_watchdog() -> Option<Armed> {
    watchdog::arm(&mut HostBridge)
}

/// Stops it.
pub(crate) fn disarm_watchdog(armed: &Armed) {
    watchdog::disarm(&mut HostBridge, armed);
}

impl<'a> Machine for Pc<'a> {
    type Memory = Memory<'a>;

    fn say(&mut self, line: fmt::Arguments<'_>) {
        self.console.say(line);
    }

    fn allocate(&mut self, bytes: usize) -> Option<Memory<'a>> {
        Memory::new(self.arena, bytes)
    }

    fn asked(&mut self, last: bool) -> Option<Asked> {
        self.keys.asked(self.console, last)
    }

    fn start(&mut self, image: &Memory<'a>, bytes: usize, line: &str) -> Result<(), BootCode> {
        let kernel = Kernel::parse(image.as_ref().get(..bytes).ok_or(BootCode::KernelSize)?)?;
        if line.len() > kernel.command_line_bytes() || line.len() >= memory::BIOS_MAP - memory::COMMAND_LINE {
            return Err(BootCode::CommandLine);
        }
        let needs = kernel.needs(image.place.start)?;
        if !self.map.has(needs) {
            let mib = |bytes: u64| bytes.div_ceil(1 << 20);
            let (from, to) = (mib(needs.start), mib(needs.end));
            self.say(format_args!("the kernel needs the memory from {from} to {to} MiB, which is not there"));
            return Err(BootCode::NoMemory);
        }
        let command_line = u32::try_from(memory::COMMAND_LINE).map_err(|_| BootCode::CommandLine)?;
        let params = kernel.params(self.map, text_screen(), command_line);
        low::put(memory::BOOT_PARAMS, &params);
        low::put(memory::COMMAND_LINE, line.as_bytes());
        low::put(memory::COMMAND_LINE.saturating_add(line.len()), &[0]);
        match arm_watchdog() {
            Some(armed) => {
                let seconds = watchdog::SECONDS;
                self.say(format_args!("watchdog {} armed, {seconds} s", armed.name()));
            }
            None => self.say(format_args!("no hardware watchdog found")),
        }
        jump(needs.start, kernel.code_at, bytes)
    }

    fn running(&self, _map: &PartitionMap) -> Option<RunningLoader> {
        Some(self.running)
    }

    fn loader<B: Blocks>(
        &mut self,
        disk: &mut B,
        map: &PartitionMap,
        copy: LoaderCopy,
        file: &[u8],
    ) -> Result<(Memory<'a>, usize), BootCode> {
        let (_, brought) = evener_stage2::parts(file).map_err(|_| BootCode::LoaderDiffers)?;
        let bytes = brought.bytes().len();
        let mut window = map.window(disk, LoaderKind::Bios.role(copy)).ok_or(BootCode::PartitionMissing)?;
        let mut loader = self.allocate(bytes.next_multiple_of(SECTOR)).ok_or(BootCode::NoMemory)?;
        let [first, second] = evener_stage2::COPIES;
        let at = if copy == LoaderCopy::First { first } else { second };
        window.read(Lba(at), loader.as_mut()).map_err(|_| BootCode::ReadFailed)?;
        let same = loader.as_ref().get(..bytes).is_some_and(|bytes| bytes == brought.bytes());
        if same { Ok((loader, bytes)) } else { Err(BootCode::LoaderDiffers) }
    }

    fn start_loader(&mut self, loader: &Memory<'a>, bytes: usize, copy: LoaderCopy) -> Result<(), BootCode> {
        let stage2 = loader.as_ref().get(..bytes).ok_or(BootCode::LoaderNotStarted)?;
        chain::start(stage2, self.drive, copy);
        Err(BootCode::LoaderNotStarted)
    }
}

/// Moves the kernel of `bytes`, that lies at `start` behind `setup` bytes of setup code, down to `start`, and starts it.
fn jump(start: u64, setup: usize, bytes: usize) -> ! {
    let code = bytes.saturating_sub(setup);
    // SAFETY: the range from `start` on was given out by the arena to the one image there is, which nobody reads any
    // more, and the map has all the memory that the kernel uses there. Interrupts are off, pages are mapped one to one,
    // and code and data segments are those that the boot protocol wants. Nothing comes back.
    unsafe {
        asm!(
            "cld",
            "rep movsb",
            "mov rsi, {params}",
            "xor ebx, ebx",
            "xor ebp, ebp",
            "xor edi, edi",
            "jmp {entry}",
            params = in(reg) memory::BOOT_PARAMS,
            entry = in(reg) Kernel::entry(start),
            in("rsi") start.saturating_add(setup as u64),
            in("rdi") start,
            in("rcx") code,
            options(noreturn)
        )
    }
}

/// Restarts the machine by a fault: there is no table of handlers, so the processor gives up.
pub(crate) fn fault() -> ! {
    // SAFETY: nothing comes back.
    unsafe { asm!("ud2", options(noreturn)) }
}

/// The screen, if the BIOS has one in a text mode with colour.
fn text_screen() -> Option<TextScreen> {
    const TEXT_80: u8 = 3;
    // What no BIOS answers stays as it is.
    let mode = bios::call(SCREEN, Registers { eax: 0x0fff, ..Registers::default() });
    if mode.al() & 0x7f != TEXT_80 {
        return None;
    }
    let cursor = bios::call(SCREEN, Registers { eax: 0x0300, ..Registers::default() });
    let [column, row, ..] = cursor.edx.to_le_bytes();
    Some(TextScreen { mode: TEXT_80, columns: mode.ah(), column, row })
}

/// Memory from the arena.
#[derive(Debug)]
pub(crate) struct Memory<'a> {
    arena: &'a Arena,
    place: Range,
    mark: Mark,
}

impl<'a> Memory<'a> {
    fn new(arena: &'a Arena, bytes: usize) -> Option<Self> {
        let (place, mark) = arena.take(bytes)?;
        let memory = Self { arena, place, mark };
        let (start, length) = memory.bounds();
        // SAFETY: as for `as_mut`; zeros are written before anything is read.
        unsafe { with_exposed_provenance_mut::<u8>(start).write_bytes(0, length) };
        Some(memory)
    }

    fn bounds(&self) -> (usize, usize) {
        let start = usize::try_from(self.place.start).unwrap_or(0);
        (start, usize::try_from(self.place.end.saturating_sub(self.place.start)).unwrap_or(0))
    }
}

impl AsRef<[u8]> for Memory<'_> {
    fn as_ref(&self) -> &[u8] {
        let (start, length) = self.bounds();
        // SAFETY: the arena gives each place out once at a time, from memory that the map says is free and that is mapped;
        // all of it was written; and it is given back only when this value is gone.
        unsafe { slice::from_raw_parts(with_exposed_provenance(start), length) }
    }
}

impl AsMut<[u8]> for Memory<'_> {
    fn as_mut(&mut self) -> &mut [u8] {
        let (start, length) = self.bounds();
        // SAFETY: as for `as_ref`; `self` is borrowed alone.
        unsafe { slice::from_raw_parts_mut(with_exposed_provenance_mut(start), length) }
    }
}

impl Drop for Memory<'_> {
    fn drop(&mut self) {
        self.arena.give_back(&self.mark);
    }
}
