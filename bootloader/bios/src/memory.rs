//! What lies where below 1 MiB, in bytes. The one place: assembler and linker script get these numbers from here.
//!
//! ```text
//! 0x00000  interrupt vectors and BIOS data
//! 0x01000  page tables: 4 GiB one to one, in 2 MiB pages (a processor may lack larger ones)
//! 0x07000  requests to int 13h, and text for int 10h: real mode reaches them with segment 0
//! 0x07200  stack of real mode, down from 0x7c00; the sector that the BIOS loaded is at 0x7c00
//! 0x08000  stage 2, with its variables behind it
//! 0x30000  64 KiB through which disk transfers go; aligned, because some controllers cannot cross that
//! 0x40000  what the kernel is told (boot_params), 4 KiB; its command line; the memory map from the BIOS
//! 0x43000  160 KiB for another copy of stage 2, before it takes the place of this one
//! 0x6b000  stack, down from 0x80000
//! 0x80000  the BIOS's: its extended data area begins somewhere above
//! ```

/// Six tables of 4 KiB.
pub(crate) const PAGE_TABLES: usize = 0x1000;
/// The request of int 13h AH=42h and 43h.
pub(crate) const DISK_REQUEST: usize = 0x7000;
/// The answer of int 13h AH=48h.
pub(crate) const DISK_FACTS: usize = 0x7020;
/// Text on its way to the screen.
pub(crate) const TEXT: usize = 0x7080;
/// Bytes of text at a time.
pub(crate) const TEXT_BYTES: usize = 0x100;
/// Where the BIOS puts sector 0; the stack of real mode ends here.
pub(crate) const BOOT_CODE: usize = 0x7c00;
/// Where the boot code puts stage 2.
pub(crate) const STAGE2: usize = 0x8000;
/// What real mode can reach with segment 0 ends here: all 16-bit code and its data.
pub(crate) const REAL_MODE_END: usize = 0x1_0000;
/// Disk transfers go through here.
pub(crate) const BOUNCE: usize = 0x3_0000;
/// `boot_params` of the kernel.
pub(crate) const BOOT_PARAMS: usize = 0x4_0000;
/// The kernel's command line with a NUL.
pub(crate) const COMMAND_LINE: usize = 0x4_1000;
/// The memory map as the BIOS gave it.
pub(crate) const BIOS_MAP: usize = 0x4_2000;
/// Most entries of that map.
pub(crate) const BIOS_MAP_ENTRIES: usize = 128;
/// Bytes of each.
pub(crate) const BIOS_MAP_ENTRY: usize = 24;
/// The other copy of stage 2 waits here.
pub(crate) const CHAINED: usize = 0x4_3000;
/// The stack grows down from here.
pub(crate) const STACK_TOP: usize = 0x8_0000;

/// Sectors that the boot code reads at a time: from 0x8000 on, as many never cross 64 KiB. It reads whole such pieces.
pub(crate) const BOOT_CODE_SECTORS: usize = 64;

const _: () = {
    assert!(DISK_FACTS >= DISK_REQUEST + 16 && TEXT >= DISK_FACTS + 66 && TEXT + TEXT_BYTES < BOOT_CODE);
    assert!(STAGE2.is_multiple_of(BOOT_CODE_SECTORS * 512) && 0x1_0000 % (BOOT_CODE_SECTORS * 512) == 0);
    assert!(STAGE2 < REAL_MODE_END && REAL_MODE_END <= BOUNCE && BOUNCE.is_multiple_of(0x1_0000));
    assert!(BIOS_MAP.is_multiple_of(16) && BIOS_MAP + BIOS_MAP_ENTRIES * BIOS_MAP_ENTRY <= CHAINED);
};
