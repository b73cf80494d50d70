//! The machine's registers for the watchdogs: configuration space through the firmware's PCI root bridges
//! (UEFI 2.10 §14.2), memory and ports directly.

use evener_devices::{Bus, Function, Registers};
use uefi::boot::{self, ScopedProtocol};
use uefi::proto::pci::root_bridge::PciRootBridgeIo;
use uefi::proto::pci::{PciIoAddress, PciIoUnit};

use crate::disk::open;
use crate::port::Machine;

/// One root bridge.
pub(crate) struct RootBridge(ScopedProtocol<PciRootBridgeIo>);

impl RootBridge {
    /// All root bridges of the machine.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let handles = boot::find_handles::<PciRootBridgeIo>().unwrap_or_default();
        handles.into_iter().filter_map(|handle| open::<PciRootBridgeIo>(handle).ok().map(Self))
    }

    fn read<U: PciIoUnit>(&mut self, at: Function, register: u8) -> Option<U> {
        self.0.pci().read_one(address(at, register)).ok()
    }

    fn write<U: PciIoUnit>(&mut self, at: Function, register: u8, value: U) {
        // A failed write leaves the watchdog unarmed, which is no reason not to boot.
        let _ = self.0.pci().write_one(address(at, register), value);
    }
}

fn address(at: Function, register: u8) -> PciIoAddress {
    PciIoAddress::new(at.bus, at.device, at.function).with_register(register)
}

impl Bus for RootBridge {
    fn config_read8(&mut self, at: Function, register: u8) -> u8 {
        self.read(at, register).unwrap_or(u8::MAX)
    }

    fn config_read16(&mut self, at: Function, register: u8) -> u16 {
        self.read(at, register).unwrap_or(u16::MAX)
    }

    fn config_read32(&mut self, at: Function, register: u8) -> u32 {
        self.read(at, register).unwrap_or(u32::MAX)
    }

    fn config_write8(&mut self, at: Function, register: u8, value: u8) {
        self.write(at, register, value);
    }

    fn config_write16(&mut self, at: Function, register: u8, value: u16) {
        self.write(at, register, value);
    }

    fn registers(&mut self) -> impl Registers {
        Machine
    }
}
