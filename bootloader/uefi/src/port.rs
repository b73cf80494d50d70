//! Registers of the chipset: I/O ports and memory-mapped ones, reached by the instructions themselves.
//!
//! UEFI's root bridge protocol refuses addresses outside the windows of its bridge, and the chipset's own
//! registers are outside; a BIOS offers nothing. The BIOS loader takes this very file.
#![expect(unsafe_code, reason = "ports exist as instructions only, and registers at addresses only")]

use core::arch::asm;
use core::ptr::{with_exposed_provenance, with_exposed_provenance_mut};

use evener_devices::{Ports, Registers};

/// The machine that this runs on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine;

impl Ports for Machine {
    fn input8(&self, port: u16) -> u8 {
        let value: u8;
        // SAFETY: an I/O read touches no memory; the callers read status registers only.
        unsafe {
            asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack, preserves_flags))
        };
        value
    }

    fn output8(&self, port: u16, value: u8) {
        // SAFETY: an I/O write touches no memory; the callers write to devices that they identified.
        unsafe {
            asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack, preserves_flags))
        };
    }
}

/// The address of a register in memory is that of one, aligned to its size.
impl Registers for Machine {
    fn memory_read32(&mut self, address: u32) -> u32 {
        // SAFETY: UEFI maps all of the 32-bit device space one to one (2.10 §2.3.4), and so do the page tables of the
        // BIOS loader; the address comes from a base register of an identified device.
        unsafe { with_exposed_provenance::<u32>(address as usize).read_volatile() }
    }

    fn memory_write16(&mut self, address: u32, value: u16) {
        // SAFETY: as for `memory_read32`.
        unsafe { with_exposed_provenance_mut::<u16>(address as usize).write_volatile(value) };
    }

    fn memory_write32(&mut self, address: u32, value: u32) {
        // SAFETY: as for `memory_read32`.
        unsafe { with_exposed_provenance_mut::<u32>(address as usize).write_volatile(value) };
    }

    fn io_read16(&mut self, port: u16) -> u16 {
        let value: u16;
        // SAFETY: as for `input8`.
        unsafe {
            asm!("in ax, dx", in("dx") port, out("ax") value, options(nomem, nostack, preserves_flags))
        };
        value
    }

    fn io_write16(&mut self, port: u16, value: u16) {
        // SAFETY: as for `output8`.
        unsafe {
            asm!("out dx, ax", in("dx") port, in("ax") value, options(nomem, nostack, preserves_flags))
        };
    }
}
