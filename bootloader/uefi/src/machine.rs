//! Memory, and the start of a kernel through its EFI stub.
//!
//! The kernel is handed to `LoadImage` from the very buffer that was verified; the firmware copies it from
//! there and the disk is not read again.

use alloc::vec::Vec;
use core::fmt;

use evener_devices::{self as watchdog, Armed};
use evener_slot_choice::{Asked, BootCode, Keys, Machine, Terminal as _};
use uefi::boot::{self, LoadImageSource};
use uefi::proto::loaded_image::LoadedImage;

use crate::clock::Deadline;
use crate::console::Console;
use crate::disk::open;
use crate::pci::RootBridge;

/// Alignment of what the disk reads into; covers every `IoAlign` seen, and a page is good for DMA.
const ALIGN: usize = 4096;

/// The machine as the firmware offers it.
pub(crate) struct Firmware {
    console: Console,
    keys: Keys<Deadline>,
}

impl Firmware {
    pub(crate) fn new(console: Console, keys: Keys<Deadline>) -> Self {
        Self { console, keys }
    }

    fn arm_watchdog(&self) -> Option<(RootBridge, Armed)> {
        let armed = RootBridge::all().find_map(|mut bus| {
            let armed = watchdog::arm(&mut bus)?;
            Some((bus, armed))
        });
        match &armed {
            Some((_, armed)) => {
                let seconds = watchdog::SECONDS;
                self.console.say(format_args!("watchdog {} armed, {seconds} s", armed.name()));
            }
            None => self.console.say(format_args!("no hardware watchdog found")),
        }
        armed
    }
}

impl Machine for Firmware {
    type Memory = Memory;

    fn say(&mut self, line: fmt::Arguments<'_>) {
        self.console.say(line);
    }

    fn allocate(&mut self, bytes: usize) -> Option<Memory> {
        Memory::new(bytes)
    }

    fn asked(&mut self, last: bool) -> Option<Asked> {
        self.keys.asked(&self.console, last)
    }

    fn start(&mut self, image: &Memory, bytes: usize, line: &str) -> Result<(), BootCode> {
        let buffer = image.as_ref().get(..bytes).ok_or(BootCode::KernelSize)?;
        let source = LoadImageSource::FromBuffer { buffer, file_path: None };
        let kernel = boot::load_image(boot::image_handle(), source).map_err(|_| BootCode::StartFailed)?;
        let options: Vec<u16> = line.encode_utf16().chain([0]).collect();
        set_options(kernel, &options)?;
        let armed = self.arm_watchdog();
        let ended = boot::start_image(kernel);
        if let Some((mut bus, armed)) = armed {
            watchdog::disarm(&mut bus, &armed);
        }
        self.console.say(format_args!("kernel came back: {ended:?}"));
        Err(BootCode::StartFailed)
    }
}

/// Gives a loaded image its command line.
#[expect(unsafe_code, reason = "the options are handed over as a raw pointer")]
fn set_options(kernel: uefi::Handle, options: &[u16]) -> Result<(), BootCode> {
    let size = u32::try_from(size_of_val(options)).map_err(|_| BootCode::CommandLine)?;
    let mut loaded = open::<LoadedImage>(kernel).map_err(|_| BootCode::StartFailed)?;
    // SAFETY: `start` keeps the options alive until `start_image` has returned.
    unsafe { loaded.set_load_options(options.as_ptr().cast(), size) };
    Ok(())
}

/// Memory that begins on a page.
pub(crate) struct Memory {
    bytes: Vec<u8>,
    skip: usize,
    length: usize,
}

impl Memory {
    fn new(length: usize) -> Option<Self> {
        let room = length.checked_add(ALIGN)?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(room).ok()?;
        bytes.resize(room, 0);
        let address = bytes.as_ptr().addr();
        let skip = address.next_multiple_of(ALIGN).saturating_sub(address);
        Some(Self { bytes, skip, length })
    }
}

impl AsRef<[u8]> for Memory {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(self.skip..self.skip.saturating_add(self.length)).unwrap_or_default()
    }
}

impl AsMut<[u8]> for Memory {
    fn as_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.skip..self.skip.saturating_add(self.length)).unwrap_or_default()
    }
}
