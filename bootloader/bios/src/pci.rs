//! The machine's registers for the watchdogs: PCI configuration space through ports 0xcf8 and 0xcfc (PCI 3.0 §3.2.2.3.2),
//! memory and ports directly.

use core::arch::asm;

use evener_devices::{Bus, Function, Ports as _, Registers};

use crate::port::Machine;

const ADDRESS: u16 = 0xcf8;
const DATA: u16 = 0xcfc;
const ENABLE: u32 = 1 << 31;

/// The one host bridge that these ports reach.
#[derive(Debug)]
pub(crate) struct HostBridge;

impl HostBridge {
    /// Chooses a register; gives the port at which it can be reached.
    fn select(at: Function, register: u8) -> u16 {
        let function = u32::from(at.bus) << 16 | u32::from(at.device) << 11 | u32::from(at.function) << 8;
        output32(ADDRESS, ENABLE | function | u32::from(register & 0xfc));
        DATA | u16::from(register & 0x03)
    }
}

impl Bus for HostBridge {
    fn config_read8(&mut self, at: Function, register: u8) -> u8 {
        Machine.input8(Self::select(at, register))
    }

    fn config_read16(&mut self, at: Function, register: u8) -> u16 {
        Machine.io_read16(Self::select(at, register))
    }

    fn config_read32(&mut self, at: Function, register: u8) -> u32 {
        input32(Self::select(at, register))
    }

    fn config_write8(&mut self, at: Function, register: u8, value: u8) {
        Machine.output8(Self::select(at, register), value);
    }

    fn config_write16(&mut self, at: Function, register: u8, value: u16) {
        Machine.io_write16(Self::select(at, register), value);
    }

    fn registers(&mut self) -> impl Registers {
        Machine
    }
}

#[expect(unsafe_code, reason = "ports exist as instructions only")]
fn input32(port: u16) -> u32 {
    let value: u32;
    // SAFETY: an I/O read touches no memory; this is the configuration data port.
    unsafe { asm!("in eax, dx", in("dx") port, out("eax") value, options(nomem, nostack, preserves_flags)) };
    value
}

#[expect(unsafe_code, reason = "ports exist as instructions only")]
fn output32(port: u16, value: u32) {
    // SAFETY: an I/O write touches no memory; this is the configuration address port.
    unsafe { asm!("out dx, eax", in("dx") port, in("eax") value, options(nomem, nostack, preserves_flags)) };
}
