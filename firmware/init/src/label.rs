//! The volume label of a FAT or ISO 9660 file system, read from its first sectors.
//!
//! Mounting a stranger's medium only to see what it is would let it run the kernel's file system code; this
//! looks at a few bytes first. FAT: Microsoft's "FAT: General Overview of On-Disk Format" 1.03. ISO 9660:
//! ECMA-119 §8.4, the primary volume descriptor.

use evener_disk::field::{u8_at, u16_at, u32_at};
use evener_disk::{Blocks, Lba, SECTOR};

/// Most sectors of a root directory that are searched: 512 entries.
const ROOT_SECTORS: u64 = 32;
/// The primary volume descriptor is at byte 32768.
const ISO_DESCRIPTOR: Lba = Lba(64);

/// Which file system it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Fat,
    Iso9660,
}

impl Kind {
    /// The kernel's name of it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fat => "vfat",
            Self::Iso9660 => "iso9660",
        }
    }
}

/// What file system `device` holds, if it has this label.
pub(crate) fn find<B: Blocks>(device: &mut B, label: &str) -> Option<Kind> {
    let is = |found: Option<String>| found.is_some_and(|found| found == label);
    if is(iso_label(device)) {
        return Some(Kind::Iso9660);
    }
    is(fat_label(device)).then_some(Kind::Fat)
}

fn sector<B: Blocks>(device: &mut B, at: Lba) -> Option<[u8; SECTOR]> {
    let mut bytes = [0; SECTOR];
    device.read(at, &mut bytes).ok()?;
    Some(bytes)
}

fn text(bytes: Option<&[u8]>) -> Option<String> {
    let text = String::from_utf8_lossy(bytes?);
    Some(text.trim_end_matches([' ', '\0']).to_owned())
}

fn iso_label<B: Blocks>(device: &mut B) -> Option<String> {
    let descriptor = sector(device, ISO_DESCRIPTOR)?;
    if descriptor.get(..7)? != b"\x01CD001\x01" {
        return None;
    }
    text(descriptor.get(40..72))
}

fn fat_label<B: Blocks>(device: &mut B) -> Option<String> {
    let boot = sector(device, Lba(0))?;
    let sectors_per_block = u64::from(u16_at(&boot, 11)) / SECTOR as u64;
    let per_cluster = u64::from(u8_at(&boot, 13));
    let (reserved, fats) = (u64::from(u16_at(&boot, 14)), u64::from(u8_at(&boot, 16)));
    let sane = u16_at(&boot, 510) == 0xaa55
        && matches!(sectors_per_block, 1 | 2 | 4 | 8)
        && per_cluster.is_power_of_two()
        && reserved > 0
        && (1..=2).contains(&fats);
    if !sane {
        return None;
    }
    let entries = u64::from(u16_at(&boot, 17));
    let short = u64::from(u16_at(&boot, 22));
    let (root, length, in_boot) = if short > 0 {
        (reserved + fats * short, (entries * 32).div_ceil(SECTOR as u64), 38)
    } else {
        // FAT32: the root directory is a chain of clusters; a label is put into its first one.
        let data = reserved + fats * u64::from(u32_at(&boot, 36));
        let first = u64::from(u32_at(&boot, 44)).checked_sub(2)?;
        (data + first * per_cluster, per_cluster * sectors_per_block, 66)
    };
    for index in 0..length.min(ROOT_SECTORS) {
        let directory = sector(device, Lba(root * sectors_per_block + index))?;
        for entry in directory.chunks_exact(32) {
            match (u8_at(entry, 0), u8_at(entry, 11)) {
                (0, _) => return boot_label(&boot, in_boot),
                (0xe5, _) => {}
                // The attribute "volume" alone; together with others it is a piece of a long name.
                (_, attributes) if attributes & 0x3f & !0x20 == 0x08 => return text(entry.get(..11)),
                _ => {}
            }
        }
    }
    boot_label(&boot, in_boot)
}

/// The label in the boot sector, valid when the signature before it says so.
fn boot_label(boot: &[u8; SECTOR], signature: usize) -> Option<String> {
    if u8_at(boot, signature) != 0x29 {
        return None;
    }
    text(boot.get(signature + 5..signature + 16))
}

#[cfg(test)]
mod tests {
    use super::*;
    use evener_disk::RamDisk;

    fn fat16() -> RamDisk {
        let mut disk = RamDisk::new(8192);
        let mut boot = [0; SECTOR];
        boot[11..13].copy_from_slice(&512_u16.to_le_bytes());
        boot[13] = 4;
        boot[14..16].copy_from_slice(&1_u16.to_le_bytes());
        boot[16] = 2;
        boot[17..19].copy_from_slice(&512_u16.to_le_bytes());
        boot[22..24].copy_from_slice(&8_u16.to_le_bytes());
        boot[38] = 0x29;
        boot[43..54].copy_from_slice(b"EVENER-CFG ");
        boot[510..].copy_from_slice(&[0x55, 0xaa]);
        disk.write(Lba(0), &boot).unwrap();
        disk
    }

    fn root_entry(name: &[u8; 11], attributes: u8) -> [u8; SECTOR] {
        let mut sector = [0; SECTOR];
        sector[..11].copy_from_slice(name);
        sector[11] = attributes;
        sector
    }

    #[test]
    fn fat16_has_its_label_in_the_boot_sector_or_better_in_the_root_directory() {
        let mut disk = fat16();
        assert_eq!(find(&mut disk, "EVENER-CFG"), Some(Kind::Fat));
        disk.write(Lba(17), &root_entry(b"OTHER      ", 0x08)).unwrap();
        assert_eq!(find(&mut disk, "EVENER-CFG"), None);
        assert_eq!(find(&mut disk, "OTHER"), Some(Kind::Fat));
        disk.write(Lba(17), &root_entry(b"OTHER      ", 0x0f)).unwrap();
        assert_eq!(find(&mut disk, "EVENER-CFG"), Some(Kind::Fat), "a piece of a long name is no label");
    }

    #[test]
    fn fat32_keeps_its_root_directory_in_a_cluster() {
        let mut disk = fat16();
        let mut boot = sector(&mut disk, Lba(0)).unwrap();
        boot[17..24].fill(0);
        boot[36..40].copy_from_slice(&8_u32.to_le_bytes());
        boot[44..48].copy_from_slice(&3_u32.to_le_bytes());
        boot[66] = 0x29;
        boot[71..82].copy_from_slice(b"NO NAME    ");
        disk.write(Lba(0), &boot).unwrap();
        assert_eq!(find(&mut disk, "NO NAME"), Some(Kind::Fat));
        disk.write(Lba(17 + 4), &root_entry(b"EVENER-CFG ", 0x28)).unwrap();
        assert_eq!(find(&mut disk, "EVENER-CFG"), Some(Kind::Fat));
    }

    #[test]
    fn iso_9660_has_its_label_in_the_volume_descriptor() {
        let mut disk = RamDisk::new(128);
        let mut descriptor = [b' '; SECTOR];
        descriptor[..7].copy_from_slice(b"\x01CD001\x01");
        descriptor[40..50].copy_from_slice(b"EVENER-CFG");
        disk.write(ISO_DESCRIPTOR, &descriptor).unwrap();
        assert_eq!(find(&mut disk, "EVENER-CFG"), Some(Kind::Iso9660));
        assert_eq!(find(&mut disk, "EVENER"), None);
    }

    #[test]
    fn any_bytes_are_looked_at_without_harm() {
        let mut seed = 1_u32;
        for _ in 0..500 {
            let mut disk = fat16();
            let mut boot = sector(&mut disk, Lba(0)).unwrap();
            for _ in 0..8 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                boot[(seed >> 16) as usize % 80] = (seed >> 8).to_le_bytes()[0];
            }
            disk.write(Lba(0), &boot).unwrap();
            let _ = find(&mut disk, "EVENER-CFG");
        }
        assert_eq!(find(&mut RamDisk::new(0), "EVENER-CFG"), None);
        assert_eq!(find(&mut RamDisk::new(100), "EVENER-CFG"), None);
    }
}
