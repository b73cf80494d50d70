//! Register access through the firmware's PCI root bridges (UEFI 2.10 §14.2).

use uefi::boot::{self, ScopedProtocol};
use uefi::proto::pci::root_bridge::PciRootBridgeIo;
use uefi::proto::pci::{PciIoAddress, PciIoUnit};

use crate::disk::open;
use crate::watchdog::{Bus, Register};

/// One root bridge.
pub(crate) struct RootBridge(ScopedProtocol<PciRootBridgeIo>);

impl RootBridge {
    /// All root bridges of the machine.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let handles = boot::find_handles::<PciRootBridgeIo>().unwrap_or_default();
        handles.into_iter().filter_map(|handle| open::<PciRootBridgeIo>(handle).ok().map(Self))
    }

    fn read<U: PciIoUnit>(&mut self, at: Register) -> Option<U> {
        match at {
            Register::Config(function, register) => {
                let address = PciIoAddress::new(function.bus, function.device, function.function);
                self.0.pci().read_one(address.with_register(register)).ok()
            }
            Register::Memory(address) => self.0.memory().read_one(address).ok(),
            Register::Io(address) => self.0.io().read_one(address).ok(),
        }
    }

    fn write<U: PciIoUnit>(&mut self, at: Register, value: U) {
        // A failed write leaves the watchdog unarmed, which is no reason not to boot.
        let _ = match at {
            Register::Config(function, register) => {
                let address = PciIoAddress::new(function.bus, function.device, function.function);
                self.0.pci().write_one(address.with_register(register), value)
            }
            Register::Memory(address) => self.0.memory().write_one(address, value),
            Register::Io(address) => self.0.io().write_one(address, value),
        };
    }
}

impl Bus for RootBridge {
    fn read8(&mut self, at: Register) -> u8 {
        self.read(at).unwrap_or(u8::MAX)
    }

    fn read16(&mut self, at: Register) -> u16 {
        self.read(at).unwrap_or(u16::MAX)
    }

    fn read32(&mut self, at: Register) -> u32 {
        self.read(at).unwrap_or(u32::MAX)
    }

    fn write8(&mut self, at: Register, value: u8) {
        self.write(at, value);
    }

    fn write16(&mut self, at: Register, value: u16) {
        self.write(at, value);
    }

    fn write32(&mut self, at: Register, value: u32) {
        self.write(at, value);
    }
}
