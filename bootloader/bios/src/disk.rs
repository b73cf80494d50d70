//! The disk that this loader was started from, as [`Blocks`], through int 13h (Phoenix EDD 3.0).
//!
//! The BIOS says which drive that is; no other one is ever looked at. A transfer goes through a buffer below 1 MiB that
//! is aligned to 64 KiB, at most 127 sectors at a time: what old controllers and BIOSes can do.
//!
//! **A BIOS has no flush.** What int 13h says is written may be in the disk's own cache. Where the BIOS can verify a
//! write, it is told to; the slot table is read back besides. So a power cut right after a boot was counted may undo the
//! count; it cannot damage the table, which has other copies, and Linux flushes the disk at its first own flush.

use evener_disk::field::{u16_at, u64_at};
use evener_disk::{Blocks, Lba, SECTOR};
use evener_slot_choice::BootCode;

use crate::bios::{self, DISK, Registers};
use crate::{low, memory};

/// Sectors of one transfer.
const AT_ONCE: usize = 127;
/// The same transfer again, after a reset of the drive.
const ATTEMPTS: usize = 2;
const READ: u32 = 0x4200;
const WRITE: u32 = 0x4300;
/// AL of a write: verify what was written.
const VERIFY: u32 = 2;
const FACTS: u32 = 0x4800;
/// Bytes of the drive's facts that every version has.
const FACTS_BYTES: usize = 26;
/// In their second word: the drive can verify writes.
const CAN_VERIFY: u16 = 0x08;

/// What the BIOS said of a transfer that failed; 0 when it was not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DiskError(u8);

/// The disk.
#[derive(Debug)]
pub(crate) struct BootDisk {
    drive: u8,
    sectors: u64,
    verify: bool,
}

impl BootDisk {
    /// Asks the BIOS about the drive.
    pub(crate) fn find(drive: u8) -> Result<Self, BootCode> {
        let mut facts = [0; FACTS_BYTES];
        let [size, ..] = u16::try_from(FACTS_BYTES).unwrap_or(0).to_le_bytes();
        low::put(memory::DISK_FACTS, &[size, 0]);
        let request = u32::try_from(memory::DISK_FACTS).map_err(|_| BootCode::NoDisk)?;
        let answer = bios::call(
            DISK,
            Registers { eax: FACTS, edx: u32::from(drive), esi: request, ..Registers::default() },
        );
        if !answer.carry() {
            low::take(memory::DISK_FACTS, &mut facts);
        }
        let (size, sectors) = (u16_at(&facts, 24), u64_at(&facts, 16));
        if size != 0 && usize::from(size) != SECTOR {
            return Err(BootCode::NoDisk);
        }
        // Some BIOSes do not know the size; then the disk itself refuses what is behind its end.
        let sectors = if sectors == 0 { u64::from(u32::MAX) } else { sectors };
        Ok(Self { drive, sectors, verify: u16_at(&facts, 2) & CAN_VERIFY != 0 })
    }

    fn check(&self, at: Lba, bytes: usize) -> Result<(), DiskError> {
        let count = u64::try_from(bytes / SECTOR).unwrap_or(u64::MAX);
        let inside = at.0.checked_add(count).is_some_and(|end| end <= self.sectors);
        if inside && bytes.is_multiple_of(SECTOR) { Ok(()) } else { Err(DiskError(0)) }
    }

    /// Moves `bytes` between the disk and the buffer.
    fn transfer(&self, function: u32, at: u64, bytes: usize) -> Result<(), DiskError> {
        let mut error = DiskError(0);
        for _ in 0..ATTEMPTS {
            let answer = self.request(function, at, bytes);
            if !answer.carry() {
                return Ok(());
            }
            error = DiskError(answer.ah());
            bios::call(DISK, Registers { edx: u32::from(self.drive), ..Registers::default() });
        }
        Err(error)
    }

    fn request(&self, function: u32, at: u64, bytes: usize) -> Registers {
        let mut packet = [0; 16];
        let count = u16::try_from(bytes / SECTOR).unwrap_or(0);
        let segment = u16::try_from(memory::BOUNCE >> 4).unwrap_or(0);
        evener_disk::field::put(&mut packet, 0, &[16, 0]);
        evener_disk::field::put(&mut packet, 2, &count.to_le_bytes());
        evener_disk::field::put(&mut packet, 6, &segment.to_le_bytes());
        evener_disk::field::put(&mut packet, 8, &at.to_le_bytes());
        low::put(memory::DISK_REQUEST, &packet);
        let esi = u32::try_from(memory::DISK_REQUEST).unwrap_or(0);
        bios::call(DISK, Registers { eax: function, edx: u32::from(self.drive), esi, ..Registers::default() })
    }
}

impl Blocks for BootDisk {
    type Error = DiskError;

    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn read(&mut self, at: Lba, buffer: &mut [u8]) -> Result<(), DiskError> {
        self.check(at, buffer.len())?;
        let mut lba = at.0;
        for chunk in buffer.chunks_mut(AT_ONCE * SECTOR) {
            self.transfer(READ, lba, chunk.len())?;
            low::take(memory::BOUNCE, chunk);
            lba = lba.saturating_add((chunk.len() / SECTOR) as u64);
        }
        Ok(())
    }

    fn write(&mut self, at: Lba, data: &[u8]) -> Result<(), DiskError> {
        self.check(at, data.len())?;
        let function = WRITE | if self.verify { VERIFY } else { 0 };
        let mut lba = at.0;
        for chunk in data.chunks(AT_ONCE * SECTOR) {
            low::put(memory::BOUNCE, chunk);
            self.transfer(function, lba, chunk.len())?;
            lba = lba.saturating_add((chunk.len() / SECTOR) as u64);
        }
        Ok(())
    }

    /// Nothing: see the top of this file.
    fn flush(&mut self) -> Result<(), DiskError> {
        Ok(())
    }
}
