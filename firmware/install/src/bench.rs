//! A stick and disks for the tests, with a small firmware that is signed.

use bytes::Bytes;
use evener_disk::{Blocks, DiskGone, Guid, Lba, PartitionMap, Role, SECTOR, Slot, SparseDisk};
use evener_formats::Sparse;
use evener_formats::verity::Tree;
use evener_layout::{Disk, Firmware, Stick};
use evener_manifest::{
    Builder, Flags, Header, KeyEntry, KeyId, Keyset, Part, PartKind, Verity, Version, emit_keyset, join,
    public_key, sha256, sign,
};
use evener_slot_table::{SlotFacts, SlotState, SlotTable, load};
use evener_slots::MappedDisk;

use crate::{Bus, Candidate, Holds, Source, Unit};

const SEED: [u8; 32] = [5; 32];
pub(crate) const SECTORS: u64 = 600 * 2048;
pub(crate) const NEW: Version = Version([3, 2, 1, 0]);
pub(crate) const OLD: Version = Version([3, 1, 0, 0]);
pub(crate) const FLOOR: Version = Version([3, 0, 0, 0]);

pub(crate) fn keyset() -> Vec<u8> {
    let public = public_key(&SEED);
    emit_keyset(false, &[KeyEntry { public, development: true, revoked: false }]).unwrap()
}

fn content(version: Version, kind: u8, bytes: usize) -> Vec<u8> {
    let seed = usize::from(version.0[1]) * 7 + usize::from(kind);
    (0..bytes).map(|at| u8::try_from((at * 31 + at / 251 + seed) % 256).unwrap()).collect()
}

pub(crate) fn loader_bios(version: Version) -> Bytes {
    let mut file = vec![0; evener_stage2::STAGE2_AT + 4096];
    file[..8].copy_from_slice(&content(version, 9, 8));
    evener_stage2::seal(&mut file, version).unwrap();
    file.into()
}

/// The firmware of `version`.
pub(crate) fn firmware(version: Version) -> Firmware {
    let mut rootfs = content(version, 1, 40 * 4096);
    let tree = Tree::of(&rootfs, &[1; 32]).unwrap();
    rootfs.extend(&tree.bytes);
    let (kernel, loader_uefi) = (content(version, 2, 100_001), content(version, 3, 5000));
    let loader_bios = loader_bios(version);
    let parts = [
        (PartKind::Kernel, &kernel[..]),
        (PartKind::Rootfs, &rootfs),
        (PartKind::LoaderUefi, &loader_uefi),
        (PartKind::LoaderBios, &loader_bios),
    ];
    let parts = parts.map(|(kind, bytes)| Part { kind, size: bytes.len() as u64, sha256: sha256(bytes) });
    let manifest = Builder {
        version,
        floor: FLOOR,
        installable_from: FLOOR,
        min_loader: FLOOR,
        build_id: [1; 16],
        key_id: KeyId::of(&public_key(&SEED)),
        flags: Flags::default(),
        parts: parts.to_vec(),
        verity: Verity { root: tree.root, salt: [1; 32], data_blocks: tree.data_blocks },
        template: "root=/dev/dm-0 a={slot} b={root} evener.handoff={handoff}"
            .replace("{root}", "PARTUUID={root}"),
        notes: None,
        toolchain: None,
        config_format: 1,
    };
    let manifest = manifest.emit().unwrap();
    let area = Bytes::from(join(&manifest, &sign(&manifest, &SEED)));
    let keyset = keyset();
    let keys = Keyset::parse(&keyset).unwrap();
    let facts = SlotFacts::from(&Header::parse(&area).unwrap().verify(&keys).unwrap());
    let (kernel, rootfs, loader_uefi) = (kernel.into(), rootfs.into(), loader_uefi.into());
    Firmware { area, kernel, rootfs, loader_uefi, loader_bios, facts }
}

pub(crate) fn on_disk(image: &Sparse) -> SparseDisk {
    let mut disk = SparseDisk::new(image.length() / SECTOR as u64);
    write_image(&mut disk, image);
    disk
}

fn write_image(disk: &mut SparseDisk, image: &Sparse) {
    for extent in image.extents() {
        let first = extent.at / SECTOR as u64;
        let last = extent.end().div_ceil(SECTOR as u64);
        let mut bytes = vec![0; usize::try_from(last - first).unwrap() * SECTOR];
        image.read(first * SECTOR as u64, &mut bytes);
        disk.write(Lba(first), &bytes).unwrap();
    }
}

pub(crate) fn stick() -> SparseDisk {
    on_disk(&Stick { firmware: firmware(NEW), files: Vec::new() }.build().unwrap())
}

pub(crate) fn source() -> Source {
    Source::read(&mut stick(), &Keyset::parse(&keyset()).unwrap()).unwrap()
}

/// The empty file system.
pub(crate) fn data() -> Sparse {
    let mut data = Sparse::new(1 << 20);
    data.put(1024, Bytes::from_static(b"an empty file system")).unwrap();
    data
}

/// A unit of an older version, in use: something on `conf`, on `data`, and in slot B.
pub(crate) fn old_unit() -> SparseDisk {
    let disk = Disk { sectors: SECTORS, firmware: firmware(OLD), data: data() };
    let mut unit = on_disk(&disk.build().unwrap());
    let map = PartitionMap::read(&mut unit).unwrap();
    let (from, to) = (map.get(Role::Boot(Slot::A)).unwrap(), map.get(Role::Boot(Slot::B)).unwrap());
    let mut area = vec![0; 1 << 20];
    unit.read(from.start, &mut area).unwrap();
    unit.write(to.start, &area).unwrap();
    for role in [Role::Conf, Role::Data] {
        let mut window = map.window(&mut unit, role).unwrap();
        window.write(Lba(4000), &[0xc0; SECTOR]).unwrap();
    }
    unit
}

pub(crate) fn fresh_guids() -> impl FnMut() -> Guid {
    let mut number = 0;
    move || {
        number += 1;
        Guid::from_random([number; 16])
    }
}

/// The slots that a loader would start: verified as far as a loader does before it starts, and wanted by the table.
pub(crate) fn startable(disk: &SparseDisk) -> Vec<(Slot, Version, bool)> {
    let mut disk = disk.clone();
    let Ok(map) = PartitionMap::read(&mut disk) else { return Vec::new() };
    let keyset = keyset();
    let keys = Keyset::parse(&keyset).unwrap();
    let table = map.window(&mut disk, Role::SlotTable).and_then(|mut part| load(&mut part).table);
    let mut disk = MappedDisk::new(disk, map);
    let mut found = Vec::new();
    for slot in Slot::ALL {
        let Ok(area) = evener_slots::area(&mut disk, slot) else { continue };
        let Ok(verified) = Header::parse(&area).and_then(|header| header.verify(&keys)) else { continue };
        let facts = SlotFacts::from(&verified);
        let table = table.clone().unwrap_or_else(|| {
            let mut all = [None; 3];
            *slot.of_mut(&mut all) = Some(facts);
            SlotTable::derive(&all)
        });
        let record = *table.slot(slot);
        let wanted =
            !matches!(record.state, SlotState::Empty | SlotState::Bad) && record.digest == facts.digest;
        if wanted {
            let is_whole = evener_slots::check(&mut disk, slot, &keys).is_ok();
            found.push((slot, facts.version, is_whole));
        }
    }
    found
}

/// A disk that is cut off, and that may have lost what was not flushed.
pub(crate) struct Flaky {
    pub(crate) seen: SparseDisk,
    pub(crate) durable: SparseDisk,
    pub(crate) pending: Vec<(Lba, Vec<u8>)>,
    pub(crate) writes_left: usize,
    /// The number of a flush that is left out, from 1.
    pub(crate) skipped_flush: usize,
    pub(crate) flushes: usize,
    /// A sector whose writes are stored wrongly.
    pub(crate) rotten: Option<Lba>,
}

impl Flaky {
    pub(crate) fn new(disk: SparseDisk) -> Self {
        Self {
            durable: disk.clone(),
            seen: disk,
            pending: Vec::new(),
            writes_left: usize::MAX,
            skipped_flush: 0,
            flushes: 0,
            rotten: None,
        }
    }

    /// What a cut may leave: nothing, all, or every other one of the writes that were not flushed.
    pub(crate) fn leftovers(&self) -> [SparseDisk; 4] {
        let some = |parity: usize| {
            let mut disk = self.durable.clone();
            let pending = self.pending.iter().enumerate().filter(|(index, _)| index % 2 == parity);
            pending.for_each(|(_, (at, bytes))| disk.write(*at, bytes).unwrap());
            disk
        };
        [self.durable.clone(), self.seen.clone(), some(0), some(1)]
    }
}

impl Blocks for Flaky {
    type Error = DiskGone;

    fn sectors(&self) -> u64 {
        self.seen.sectors()
    }

    fn read(&mut self, at: Lba, buffer: &mut [u8]) -> Result<(), DiskGone> {
        self.seen.read(at, buffer)
    }

    fn write(&mut self, at: Lba, data: &[u8]) -> Result<(), DiskGone> {
        self.writes_left = self.writes_left.checked_sub(1).ok_or(DiskGone)?;
        self.seen.write(at, data)?;
        self.pending.push((at, data.to_vec()));
        if let Some(rotten) =
            self.rotten.filter(|r| (at.0..at.0 + (data.len() / SECTOR) as u64).contains(&r.0))
        {
            self.seen.flip(rotten.0 * SECTOR as u64);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DiskGone> {
        if self.writes_left == 0 {
            return Err(DiskGone);
        }
        self.flushes += 1;
        if self.flushes != self.skipped_flush {
            self.durable = self.seen.clone();
            self.pending.clear();
        }
        Ok(())
    }
}

/// A disk that Evener can be installed on.
pub(crate) fn candidate(name: &str, holds: Holds) -> Candidate {
    Candidate {
        name: name.to_owned(),
        sectors: 4_000_000,
        block_bytes: 512,
        model: "QEMU HARDDISK".to_owned(),
        serial: format!("S-{name}"),
        bus: Bus::Ata,
        removable: false,
        read_only: false,
        is_own: false,
        holds,
    }
}

pub(crate) fn unit() -> Unit {
    Unit { version: Some(OLD), floor: Some(FLOOR), configured: true, same_layout: true }
}
