//! The partition tables at both ends of a disk.

use crc::{CRC_32_ISO_HDLC, Crc};
use evener_disk::{
    Blocks, GptError, Guid, Lba, PartitionMap, Role, SECTOR, SECTORS_PER_MIB, SparseDisk, TABLE_BYTES,
};

use crate::targets::{control, verdict};
use crate::{Target, Verdict};

/// First byte: bits 0 and 1 put the checksums of the first and the second table right; bits 2 and 3 choose the size of
/// the disk: as it was laid out, larger, a little smaller, tiny. Then header and first entries of the first table, then
/// those of the second; the other entries are unused, and would only keep mutations from what matters.
pub(super) const GPT: Target = Target {
    name: "gpt",
    what: "both partition tables of a disk",
    run,
    seeds,
    longest: 1 + 2 * USED,
    short: 400,
    memory: 192 << 10,
};

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
const LAID_OUT: u64 = 400 * SECTORS_PER_MIB;
/// Header and sixteen entries; we use twelve.
const USED: usize = SECTOR + 16 * 128;
/// The largest that a header may call itself.
const HEADER_MOST: usize = SECTOR;

fn seeds() -> Vec<Vec<u8>> {
    let guid = |role: Role| Guid::new(1, 0, 0, [u8::try_from(role.index()).unwrap(); 8]);
    let map = PartitionMap::lay_out(LAID_OUT, guid(Role::Data), guid).unwrap();
    let (primary, backup) = (map.emit_primary(), map.emit_backup());
    let (entries, header) = backup.split_at(TABLE_BYTES - SECTOR);
    let tables = [&primary[..USED], header, &entries[..USED - SECTOR]].concat();
    [0b0000, 0b0011, 0b0111, 0b0010, 0b1011].map(|control| [&[control][..], &tables].concat()).to_vec()
}

fn run(data: &[u8]) -> Verdict {
    let (control, bytes) = control(data);
    let sectors = [LAID_OUT, LAID_OUT + 5000, LAID_OUT - 1, 100][usize::from(control >> 2 & 3)];
    let mut disk = SparseDisk::new(sectors);
    let mut used = bytes.to_vec();
    used.resize(2 * USED, 0);
    let (first, second) = used.split_at(USED);
    let (mut primary, mut backup) = ([0; TABLE_BYTES], [0; TABLE_BYTES]);
    primary[..USED].copy_from_slice(first);
    let (header, entries) = primary.split_at_mut(SECTOR);
    if control & 1 != 0 {
        put_checksums_right(header, entries);
    }
    let (entries, header) = backup.split_at_mut(TABLE_BYTES - SECTOR);
    header.copy_from_slice(&second[..SECTOR]);
    entries[..USED - SECTOR].copy_from_slice(&second[SECTOR..]);
    if control & 2 != 0 {
        put_checksums_right(header, entries);
    }
    disk.write(Lba(1), &primary).unwrap();
    disk.write(Lba(sectors - 33), &backup).unwrap();

    let before = disk.clone();
    let read = PartitionMap::read(&mut disk);
    assert!(disk == before, "reading wrote");
    let map = match read {
        Ok(map) => map,
        Err(error) => {
            assert_eq!(PartitionMap::renew(&mut disk).err(), Some(error));
            assert!(disk == before, "a table that cannot be read was changed");
            return verdict((0, error as u8));
        }
    };
    stays_on_the_disk(&map, sectors);
    // What was read, written and read again, is the same.
    let roles = |map: &PartitionMap| Role::ALL.map(|role| map.get(role));
    if map.foreign() == 0 && map.write(&mut disk).is_ok() {
        let again = PartitionMap::read(&mut disk).unwrap();
        assert_eq!((roles(&again), again.disk()), (roles(&map), map.disk()));
        assert!(PartitionMap::read_backup(&mut disk).is_ok());
    }
    let mut disk = before;
    let renewed = match PartitionMap::renew(&mut disk) {
        Ok((renewed, _)) => {
            stays_on_the_disk(&renewed, sectors);
            assert_eq!(roles(&PartitionMap::read(&mut disk).unwrap()), roles(&renewed));
            0
        }
        Err(error) => {
            assert_ne!(error, GptError::Device);
            error as u8
        }
    };
    let held = Role::ALL.iter().filter(|role| map.get(**role).is_some()).count();
    verdict((1, map.source() as u8, held, map.foreign().min(3), renewed))
}

/// No partition reaches outside the disk, into the tables or into another.
fn stays_on_the_disk(map: &PartitionMap, sectors: u64) {
    let mut parts: Vec<_> = Role::ALL.into_iter().filter_map(|role| map.get(role)).collect();
    parts.sort_by_key(|part| part.start);
    for part in &parts {
        let end = part.start.0.checked_add(part.sectors).unwrap();
        assert!(part.sectors > 0 && part.start.0 >= 2 && end < sectors, "{part:?} of {sectors}");
    }
    for pair in parts.windows(2) {
        assert!(pair[0].start.0 + pair[0].sectors <= pair[1].start.0, "{pair:?}");
    }
}

fn put_checksums_right(header: &mut [u8], entries: &[u8]) {
    let field = |header: &[u8], at: usize| u32::from_le_bytes(*header[at..].first_chunk().unwrap());
    let bytes = u64::from(field(header, 80)).saturating_mul(field(header, 84).into());
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX).min(entries.len());
    let sum = CRC.checksum(&entries[..bytes]);
    header[88..92].copy_from_slice(&sum.to_le_bytes());
    header[16..20].fill(0);
    let size = usize::try_from(field(header, 12)).unwrap_or(usize::MAX).min(HEADER_MOST);
    let sum = CRC.checksum(&header[..size]);
    header[16..20].copy_from_slice(&sum.to_le_bytes());
}
