//! Calls of the BIOS from long mode. The way there and back is in `real.s`.
#![expect(unsafe_code, reason = "the BIOS is called by instructions")]

use core::arch::global_asm;
use core::ptr::{addr_of, addr_of_mut};

use evener_stage2::{COPIES_FIELD, HEADER_BYTES, MAGIC, MAX_BYTES};

use crate::memory;

const fn magic_half(at: usize) -> u32 {
    u32::from_le_bytes([MAGIC[at], MAGIC[at + 1], MAGIC[at + 2], MAGIC[at + 3]])
}

global_asm!(
    include_str!("boot.s"),
    boot_code = const memory::BOOT_CODE,
    stage2 = const memory::STAGE2,
    stage2_segment = const memory::STAGE2 >> 4,
    covered_segment = const (memory::STAGE2 >> 4) + 1,
    entry = const memory::STAGE2 + HEADER_BYTES,
    sectors = const memory::BOOT_CODE_SECTORS,
    chunk_shift = const (memory::BOOT_CODE_SECTORS * 512).trailing_zeros(),
    magic_low = const magic_half(0),
    magic_high = const magic_half(4),
    max_bytes = const MAX_BYTES,
    copies_field = const COPIES_FIELD,
    options(att_syntax)
);

global_asm!(
    include_str!("real.s"),
    header_bytes = const HEADER_BYTES,
    boot_code = const memory::BOOT_CODE,
    stack = const memory::STACK_TOP,
    page_tables = const memory::PAGE_TABLES,
    map_segment = const memory::BIOS_MAP >> 4,
    map_entry = const memory::BIOS_MAP_ENTRY,
    map_bytes = const memory::BIOS_MAP_ENTRY * memory::BIOS_MAP_ENTRIES,
    options(att_syntax)
);

/// Registers for a call and after it. All segments are 0 but ES.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Registers {
    pub(crate) eax: u32,
    pub(crate) ebx: u32,
    pub(crate) ecx: u32,
    pub(crate) edx: u32,
    pub(crate) esi: u32,
    pub(crate) edi: u32,
    pub(crate) ebp: u32,
    pub(crate) es: u16,
    pub(crate) flags: u16,
    /// The interrupt; 0 means: ECX characters at ESI to the screen.
    pub(crate) vector: u8,
    pub(crate) filler: [u8; 7],
}

impl Registers {
    /// The carry flag, by which most calls say that they failed.
    pub(crate) fn carry(&self) -> bool {
        self.flags & 0x01 != 0
    }

    /// The zero flag.
    pub(crate) fn zero(&self) -> bool {
        self.flags & 0x40 != 0
    }

    /// Bits 8 to 15 of EAX.
    pub(crate) fn ah(&self) -> u8 {
        self.eax.to_le_bytes()[1]
    }

    /// Bits 0 to 7 of EAX.
    pub(crate) fn al(&self) -> u8 {
        self.eax.to_le_bytes()[0]
    }
}

/// Interrupt 10h: the screen.
pub(crate) const SCREEN: u8 = 0x10;
/// Interrupt 13h: disks.
pub(crate) const DISK: u8 = 0x13;
/// Interrupt 16h: the keyboard.
pub(crate) const KEYBOARD: u8 = 0x16;

unsafe extern "C" {
    static mut bios_registers: Registers;
    fn call_bios();
}

/// Calls interrupt `vector` with `registers`; gives them as the BIOS left them. What the BIOS writes to is what the
/// registers say: the callers point them below 1 MiB, to what `memory` sets aside for it.
pub(crate) fn call(vector: u8, registers: Registers) -> Registers {
    debug_assert_ne!(vector, 0);
    run(Registers { vector, ..registers })
}

/// Shows `length` bytes at `address`, below 64 KiB, on the screen.
pub(crate) fn print(address: u32, length: u32) {
    run(Registers { esi: address, ecx: length, ..Registers::default() });
}

fn run(registers: Registers) -> Registers {
    // SAFETY: there is one processor, one thread and no interrupt handler of ours, so nobody else uses the registers;
    // `call_bios` keeps what the C ABI says must be kept, and comes back.
    unsafe {
        addr_of_mut!(bios_registers).write(registers);
        call_bios();
        addr_of!(bios_registers).read()
    }
}
