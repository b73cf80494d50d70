//! The kernel's own header, and what the kernel is told: the 64-bit boot protocol (Linux
//! `Documentation/arch/x86/boot.rst`, protocol 2.12 and later).
//!
//! Nothing here is asked before the kernel's bytes were verified; a wrong header is a wrong build and not an attack.

use evener_disk::field::{put, u8_at, u16_at, u32_at, u64_at};
use evener_slot_choice::BootCode;

use crate::map::{KERNEL_ENTRY, MemoryMap, Range};

/// Bytes of `boot_params`.
pub(crate) const PARAMS_BYTES: usize = 4096;
/// From the start of the loaded kernel to its 64-bit entry.
const ENTRY_64: u64 = 0x200;

const HEADER: usize = 0x1f1;
const MAGIC: &[u8] = b"HdrS";
const AT_MAGIC: usize = 0x202;
const AT_VERSION: usize = 0x206;
const AT_LOADER: usize = 0x210;
const AT_COMMAND_LINE: usize = 0x228;
const AT_ALIGNMENT: usize = 0x230;
const AT_RELOCATABLE: usize = 0x234;
const AT_FLAGS: usize = 0x236;
const AT_COMMAND_LINE_BYTES: usize = 0x238;
const AT_PREFERRED: usize = 0x258;
const AT_INIT_SIZE: usize = 0x260;
const OLDEST: u16 = 0x20c;
/// XLF_KERNEL_64: there is a 64-bit entry.
const HAS_64_BIT_ENTRY: u16 = 1;
/// "A loader without a number".
const UNKNOWN_LOADER: u8 = 0xff;
/// Of the memory map in `boot_params`: the number of entries, and the entries.
const AT_MAP_ENTRIES: usize = 0x1e8;
const AT_MAP: usize = 0x2d0;
const SECTOR: usize = 512;

/// A screen in text mode, as the BIOS left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TextScreen {
    /// The BIOS's number of the mode.
    pub(crate) mode: u8,
    /// Characters in a row.
    pub(crate) columns: u8,
    /// Where the cursor is.
    pub(crate) column: u8,
    /// Where the cursor is.
    pub(crate) row: u8,
}

/// A kernel of which the header was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kernel<'a> {
    image: &'a [u8],
    /// Where what is started begins in the image.
    pub(crate) code_at: usize,
}

impl<'a> Kernel<'a> {
    /// Reads the header of a bzImage.
    ///
    /// # Errors
    /// [`BootCode::StartFailed`]: it is none, or has no 64-bit entry.
    pub(crate) fn parse(image: &'a [u8]) -> Result<Self, BootCode> {
        let known = image.get(AT_MAGIC..).is_some_and(|rest| rest.starts_with(MAGIC));
        let usable = u16_at(image, AT_VERSION) >= OLDEST
            && u16_at(image, AT_FLAGS) & HAS_64_BIT_ENTRY != 0
            && u8_at(image, AT_RELOCATABLE) != 0;
        let sectors = match u8_at(image, HEADER) {
            0 => 4,
            sectors => usize::from(sectors),
        };
        let code_at = sectors.saturating_add(1).saturating_mul(SECTOR);
        if known && usable && code_at < image.len() {
            Ok(Self { image, code_at })
        } else {
            Err(BootCode::StartFailed)
        }
    }

    /// The memory that a kernel at `address` needs until it has its own page tables.
    ///
    /// # Errors
    /// [`BootCode::StartFailed`]: it cannot run there.
    pub(crate) fn needs(&self, address: u64) -> Result<Range, BootCode> {
        let aligned = address.is_multiple_of(u64::from(u32_at(self.image, AT_ALIGNMENT)).max(1));
        if !aligned || address < u64_at(self.image, AT_PREFERRED) {
            return Err(BootCode::StartFailed);
        }
        let bytes = u64::from(u32_at(self.image, AT_INIT_SIZE)).max(self.image.len() as u64);
        Ok(Range { start: address, end: address.saturating_add(bytes) })
    }

    /// Where a kernel whose code lies at `address` is entered.
    pub(crate) fn entry(address: u64) -> u64 {
        address.saturating_add(ENTRY_64)
    }

    /// Longest command line that it takes, in bytes without the NUL.
    pub(crate) fn command_line_bytes(&self) -> usize {
        usize::try_from(u32_at(self.image, AT_COMMAND_LINE_BYTES)).unwrap_or(usize::MAX)
    }

    /// `boot_params` for it: its own header, the memory map, the screen, and where the command line is.
    pub(crate) fn params(
        &self,
        map: &MemoryMap,
        screen: Option<TextScreen>,
        command_line: u32,
    ) -> [u8; PARAMS_BYTES] {
        let mut params = [0; PARAMS_BYTES];
        if let Some(screen) = screen {
            // struct screen_info: cursor, mode, columns, lines, "is VGA", points of a character.
            put(&mut params, 0x00, &[screen.column, screen.row]);
            put(&mut params, 0x06, &[screen.mode, screen.columns]);
            put(&mut params, 0x0e, &[25, 1, 16, 0]);
        }
        let header_end = usize::from(u8_at(self.image, 0x201)).saturating_add(AT_MAGIC);
        put(&mut params, HEADER, self.image.get(HEADER..header_end).unwrap_or_default());
        put(&mut params, AT_LOADER, &[UNKNOWN_LOADER]);
        put(&mut params, AT_COMMAND_LINE, &command_line.to_le_bytes());
        let mut entries = 0_u8;
        for entry in map.for_kernel() {
            put(&mut params, AT_MAP.saturating_add(usize::from(entries).saturating_mul(KERNEL_ENTRY)), entry);
            entries = entries.saturating_add(1);
        }
        put(&mut params, AT_MAP_ENTRIES, &[entries]);
        params
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{BIOS_MAP_ENTRIES, BIOS_MAP_ENTRY};

    const MIB: u64 = 1 << 20;

    fn image() -> Vec<u8> {
        let mut image = vec![0; 3 << 20];
        image[HEADER] = 31;
        image[0x201] = 0x6a;
        image[AT_MAGIC..AT_MAGIC + 4].copy_from_slice(MAGIC);
        put(&mut image, AT_VERSION, &0x20f_u16.to_le_bytes());
        put(&mut image, AT_ALIGNMENT, &0x20_0000_u32.to_le_bytes());
        put(&mut image, AT_RELOCATABLE, &[1]);
        put(&mut image, AT_FLAGS, &0x6b_u16.to_le_bytes());
        put(&mut image, AT_COMMAND_LINE_BYTES, &2047_u32.to_le_bytes());
        put(&mut image, AT_PREFERRED, &0x100_0000_u64.to_le_bytes());
        put(&mut image, AT_INIT_SIZE, &0x152_b000_u32.to_le_bytes());
        image
    }

    fn map(entries: usize) -> MemoryMap {
        let mut bytes = [0; BIOS_MAP_ENTRIES * BIOS_MAP_ENTRY];
        for (index, place) in bytes.chunks_exact_mut(BIOS_MAP_ENTRY).enumerate() {
            place[1] = u8::try_from(index).unwrap();
            place[9] = 1;
            place[16] = 1;
            place[20] = 1;
        }
        MemoryMap::new(bytes, entries)
    }

    #[test]
    fn a_kernel_is_started_behind_its_setup_code_and_needs_what_it_says() {
        let image = image();
        let kernel = Kernel::parse(&image).unwrap();
        assert_eq!((kernel.code_at, kernel.command_line_bytes()), (32 * 512, 2047));
        let needs = kernel.needs(16 * MIB).unwrap();
        assert_eq!(needs, Range { start: 16 * MIB, end: 16 * MIB + 0x152_b000 });
        assert_eq!(Kernel::entry(needs.start), 0x100_0200);
        assert_eq!(kernel.needs(14 * MIB), Err(BootCode::StartFailed));
        assert_eq!(kernel.needs(17 * MIB), Err(BootCode::StartFailed));
        let mut old = image.clone();
        old[HEADER] = 0;
        assert_eq!(Kernel::parse(&old).unwrap().code_at, 5 * 512);
    }

    #[test]
    fn what_is_no_kernel_for_64_bits_is_refused() {
        for (at, value) in [(AT_MAGIC, 0), (AT_VERSION, 0x0b), (AT_FLAGS, 0x6a), (AT_RELOCATABLE, 0)] {
            let mut image = image();
            image[at] = value;
            assert!(Kernel::parse(&image).is_err(), "{at:#x}");
        }
        for length in [0, 0x1f1, 0x260, 32 * 512] {
            assert!(Kernel::parse(&image()[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn the_kernel_is_told_its_header_the_memory_the_screen_and_the_command_line() {
        let image = image();
        let screen = TextScreen { mode: 3, columns: 80, column: 5, row: 24 };
        let params = Kernel::parse(&image).unwrap().params(&map(7), Some(screen), 0x4_1000);
        assert_eq!(params[0x202..0x206], *MAGIC);
        assert_eq!(params[0x260..0x264], 0x152_b000_u32.to_le_bytes());
        assert_eq!((params[0x210], u32_at(&params, 0x228)), (0xff, 0x4_1000));
        assert_eq!((params[0], params[1], params[6], params[7]), (5, 24, 3, 80));
        assert_eq!((params[0x0e], params[0x0f], params[0x10]), (25, 1, 16));
        assert_eq!(params[AT_MAP_ENTRIES], 7);
        assert_eq!(params[AT_MAP + 6 * 20 + 1], 6);
        assert_eq!(params[0x1ef], 0, "the sentinel says that this structure was zeroed");
    }

    #[test]
    fn the_largest_memory_map_fits_and_no_screen_is_none() {
        let image = image();
        let params = Kernel::parse(&image).unwrap().params(&map(BIOS_MAP_ENTRIES), None, 1);
        assert_eq!(params[AT_MAP_ENTRIES], 128);
        assert_eq!(params[AT_MAP + 127 * 20 + 1], 127);
        assert_eq!(params[..0x20], [0; 0x20]);
    }
}
