//! A data partition made anew from the empty file system that the firmware brings along.
//!
//! A cut in the middle must not leave what could be mounted and is neither the old nor the new. What makes bytes an
//! ext4 is one sector, the first of its superblock. It goes first and comes last:
//!
//! ```text
//! zero the sector → flush → all others → flush → the sector → flush
//! ```

use anyhow::Context;
use evener_disk::{Blocks, Lba, SECTOR};
use std::io::Read;

/// The first sector of the superblock (it begins at byte 1024), with the magic number and the number of blocks.
const SUPERBLOCK: u32 = 2;
/// Bytes that are written at a time.
const AT_ONCE: usize = 1 << 20;

/// Writes the file system `empty` to the start of `device`.
///
/// # Errors
/// When one of them fails, or the device is too small. The device then holds no file system.
pub(crate) fn write_anew<B: Blocks>(device: &mut B, empty: impl Read) -> anyhow::Result<()> {
    write_in_parts(device, empty, AT_ONCE)
}

fn write_in_parts<B: Blocks>(device: &mut B, mut empty: impl Read, at_once: usize) -> anyhow::Result<()> {
    let mut superblock = [0; SECTOR];
    put(device, SUPERBLOCK.into(), &superblock)?;
    device.flush().map_err(cannot("flushed"))?;
    let mut at = 0;
    let mut buffer = vec![0; at_once];
    loop {
        let bytes = fill(&mut empty, &mut buffer).context("the empty file system cannot be read")?;
        if bytes == 0 {
            break;
        }
        let sectors = bytes.next_multiple_of(SECTOR);
        let part = buffer.get_mut(..sectors).context("a buffer of whole sectors")?;
        part.iter_mut().skip(bytes).for_each(|byte| *byte = 0);
        if at == 0 {
            let offset = usize::try_from(SUPERBLOCK)? * SECTOR;
            let first = part.get_mut(offset..).and_then(|rest| rest.first_chunk_mut());
            superblock = std::mem::replace(first.context("the empty file system is too short")?, [0; SECTOR]);
        }
        put(device, at, part)?;
        at += u64::try_from(sectors / SECTOR)?;
    }
    anyhow::ensure!(at > 0, "the empty file system is too short");
    device.flush().map_err(cannot("flushed"))?;
    put(device, SUPERBLOCK.into(), &superblock)?;
    device.flush().map_err(cannot("flushed"))
}

fn put<B: Blocks>(device: &mut B, at: u64, bytes: &[u8]) -> anyhow::Result<()> {
    device.write(Lba(at), bytes).map_err(cannot("written"))
}

fn cannot<E: std::fmt::Debug>(what: &'static str) -> impl Fn(E) -> anyhow::Error {
    move |error| anyhow::anyhow!("the data partition cannot be {what}: {error:?}")
}

/// Reads until the buffer is full or nothing is left.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match from.read(rest)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use evener_disk::{Cut, CutDisk, RamDisk};

    /// Three writes of four sectors and a bit.
    const SECTORS: usize = 14;

    fn write(device: &mut impl Blocks, empty: &[u8]) -> anyhow::Result<()> {
        write_in_parts(device, empty, 4 * SECTOR)
    }

    fn empty() -> Vec<u8> {
        let mut bytes: Vec<u8> =
            (0..SECTORS * SECTOR - 100).map(|at| u8::try_from(at % 253).unwrap()).collect();
        bytes[1024 + 56..1024 + 58].copy_from_slice(&[0x53, 0xef]);
        bytes
    }

    fn old() -> RamDisk {
        RamDisk::from_bytes(vec![0xa5; (SECTORS + 50) * SECTOR])
    }

    /// Whether the kernel would mount it: the superblock has a checksum, so it is whole or it is none.
    fn is_ext4(disk: &RamDisk) -> bool {
        disk.bytes()[1024..2048] == empty()[1024..2048]
    }

    fn is_whole(disk: &RamDisk) -> bool {
        let empty = empty();
        disk.bytes()[..empty.len()] == empty
    }

    #[test]
    fn the_whole_file_system_is_written_and_nothing_behind_it() {
        let mut disk = old();
        write(&mut disk, &empty()[..]).unwrap();
        assert!(is_ext4(&disk));
        assert!(is_whole(&disk));
        assert_eq!(disk.bytes()[SECTORS * SECTOR - 100..SECTORS * SECTOR], [0; 100]);
        assert!(disk.bytes()[SECTORS * SECTOR..] == [0xa5; 50 * SECTOR]);
    }

    #[test]
    fn too_little_room_or_nothing_to_write_is_an_error_and_leaves_no_file_system() {
        let mut small = RamDisk::from_bytes(vec![0xa5; 10 * SECTOR]);
        assert!(write(&mut small, &empty()[..]).is_err());
        assert!(!is_ext4(&small));
        for short in [0, 1, 1000] {
            let mut disk = old();
            assert!(write(&mut disk, &empty()[..short]).is_err(), "{short}");
            assert!(!is_ext4(&disk));
        }
    }

    /// A cut at every write, and every combination of what was written but not flushed: no file system, or the whole.
    fn sweep(skip_flush: Option<u64>) -> usize {
        let mut wrong = 0;
        for number in 0_u64.. {
            for cut in [Cut::Before, Cut::Torn(60), Cut::After] {
                for mask in 0..16_usize {
                    let mut disk =
                        Forgetful { disk: CutDisk::cutting(old(), number, cut), flushes: 0, skip_flush };
                    let outcome = write(&mut disk, &empty()[..]);
                    if outcome.is_ok() {
                        assert_eq!(number, 6, "every write was cut");
                        return wrong;
                    }
                    let found = disk.disk.after_power_cut(|index| mask & (1 << (index % 4)) != 0);
                    wrong += usize::from(is_ext4(&found) && !is_whole(&found));
                }
            }
        }
        wrong
    }

    /// Leaves out one flush.
    struct Forgetful {
        disk: CutDisk,
        flushes: u64,
        skip_flush: Option<u64>,
    }

    impl Blocks for Forgetful {
        type Error = <CutDisk as Blocks>::Error;
        fn sectors(&self) -> u64 {
            self.disk.sectors()
        }
        fn read(&mut self, at: Lba, buffer: &mut [u8]) -> Result<(), Self::Error> {
            self.disk.read(at, buffer)
        }
        fn write(&mut self, at: Lba, data: &[u8]) -> Result<(), Self::Error> {
            self.disk.write(at, data)
        }
        fn flush(&mut self) -> Result<(), Self::Error> {
            self.flushes += 1;
            if self.skip_flush == Some(self.flushes) { Ok(()) } else { self.disk.flush() }
        }
    }

    #[test]
    fn a_power_cut_leaves_no_file_system_or_the_whole_new_one() {
        assert_eq!(sweep(None), 0);
    }

    #[test]
    fn the_sweep_notices_a_missing_flush() {
        assert!(sweep(Some(2)) > 0, "before the superblock");
    }
}
