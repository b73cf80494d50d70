//! Memory, and the start of a kernel through its EFI stub.
//!
//! The kernel is handed to `LoadImage` from the very buffer that was verified; the firmware copies it from
//! there and the disk is not read again.

use alloc::vec::Vec;
use core::fmt;

use evener_devices::{self as watchdog, Armed};
use evener_disk::{Blocks, PartitionMap};
use evener_handoff::{LoaderCopy, RunningLoader};
use evener_slot_choice::{Asked, BootCode, Keys, Machine, Terminal as _};
use uefi::boot::{self, LoadImageSource};
use uefi::proto::loaded_image::LoadedImage;

use crate::clock::Deadline;
use crate::console::Console;
use crate::copies;
use crate::disk::open;
use crate::pci::RootBridge;

/// Alignment of what the disk reads into; covers every `IoAlign` seen, and a page is good for DMA.
const ALIGN: usize = 4096;

/// The machine as the firmware offers it.
pub(crate) struct Firmware {
    console: Console,
    keys: Keys<Deadline>,
    map: Option<PartitionMap>,
}

impl Firmware {
    pub(crate) fn new(console: Console, keys: Keys<Deadline>) -> Self {
        Self { console, keys, map: None }
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

    fn running(&self, map: &PartitionMap) -> Option<RunningLoader> {
        copies::running(map)
    }

    fn loader<B: Blocks>(
        &mut self,
        _disk: &mut B,
        map: &PartitionMap,
        copy: LoaderCopy,
        file: &[u8],
    ) -> Result<(Memory, usize), BootCode> {
        let bytes = copies::read(map, copy, file)?;
        self.map = Some(map.clone());
        let length = bytes.len();
        Ok((Memory { bytes, skip: 0, length }, length))
    }

    fn start_loader(&mut self, loader: &Memory, bytes: usize, copy: LoaderCopy) -> Result<(), BootCode> {
        let buffer = loader.as_ref().get(..bytes).ok_or(BootCode::LoaderNotStarted)?;
        let came_back = self.map.as_ref().and_then(|map| copies::start(map, copy, buffer));
        if came_back.is_some() {
            self.say(format_args!("the loader on trial came back"));
        }
        Err(BootCode::LoaderNotStarted)
    }
}

/// Gives a loaded image its command line.
#[expect(unsafe_code, reason = "the options are handed over as a raw pointer")]
pub(crate) fn set_options(kernel: uefi::Handle, options: &[u16]) -> Result<(), BootCode> {
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
