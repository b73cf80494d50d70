//! The disk image: which partition lies where, and its bytes.
//!
//! Pure: firmware parts and an empty data filesystem in, the whole disk as a [`Sparse`] out. Where
//! the partitions lie is `evener_disk`'s business; this crate fills them:
//!
//! * sector 0 and `bios-boot` with the BIOS loader: its boot code, and two copies of its stage 2,
//! * both EFI system partitions with the same UEFI loader,
//! * slots A and R with the same firmware, B with nothing (its first update goes there),
//! * the slot table with A confirmed and first, R confirmed and last, in all four copies,
//! * `data` with the shipped filesystem, `conf` with zeros.
//!
//! Every GUID is derived from the manifest's digest, so equal firmware gives equal
//! disks. Two disks of one machine must therefore not both carry the same image as it is: the kernel
//! finds its root by GUID and takes the one that appears first. The installer, which lays out a disk
//! by this very code, gives it GUIDs of its own; and a [`Stick`] has others than a disk.
#![forbid(unsafe_code)]

use bytes::Bytes;
use evener_disk::{GptError, Guid, Lba, PartitionMap, Role, SECTOR, SECTORS_PER_MIB, Slot};
use evener_formats::esp;
use evener_formats::fat16::FatError;
use evener_formats::{Sparse, SparseError};
use evener_manifest::PartKind;
use evener_slot_table::{COPIES, SlotFacts, SlotRecord, SlotState, SlotTable};
use evener_stage2::{BOOT_CODE_BYTES, Stage2Error};
use sha2::{Digest, Sha256};

mod stick;
pub use stick::{STICK_LABEL, Stick};

/// The boot order on a fresh disk; the higher priority goes first.
const PRIORITY_A: u8 = 3;
const PRIORITY_R: u8 = 1;

/// Why a disk cannot be laid out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// The partition table does not work out.
    #[error("partition table of a disk of {sectors} sectors: {fault}")]
    Table {
        /// Size of the disk in sectors.
        sectors: u64,
        /// What is wrong.
        fault: GptError,
    },
    /// A content does not fit into its partition.
    #[error("{what} does not fit into partition {role}, which has room for {room} bytes of it")]
    Room {
        /// What.
        what: &'static str,
        /// Which partition.
        role: Role,
        /// Bytes that it may have there.
        room: u64,
        /// The inner reason.
        source: SparseError,
    },
    /// The BIOS loader cannot be put on the disk.
    #[error("BIOS loader")]
    Bios(#[source] Stage2Error),
    /// An EFI system partition could not be written.
    #[error("EFI system partition {role}")]
    Esp {
        /// Which one.
        role: Role,
        /// Why.
        source: FatError,
    },
    /// The installer's partition of a stick could not be written.
    #[error("the installer's partition")]
    Installer(#[source] FatError),
}

/// One firmware as it lies in a slot.
#[derive(Clone, Debug)]
pub struct Firmware {
    /// Manifest and signature.
    pub area: Bytes,
    /// The kernel.
    pub kernel: Bytes,
    /// Root filesystem with its verity tree behind it.
    pub rootfs: Bytes,
    /// `BOOTX64.EFI`.
    pub loader_uefi: Bytes,
    /// The BIOS loader's file: boot code and stage 2, as `evener-stage2` describes it.
    pub loader_bios: Bytes,
    /// Version, floor and digest of the manifest.
    pub facts: SlotFacts,
}

impl Firmware {
    fn parts(&self) -> [(&'static str, PartKind, &Bytes); 4] {
        [
            ("the kernel", PartKind::Kernel, &self.kernel),
            ("the root filesystem", PartKind::Rootfs, &self.rootfs),
            ("the UEFI loader", PartKind::LoaderUefi, &self.loader_uefi),
            ("the BIOS loader", PartKind::LoaderBios, &self.loader_bios),
        ]
    }
}

/// Everything on a fresh disk.
#[derive(Clone, Debug)]
pub struct Disk {
    /// Size of the disk in 512-byte sectors.
    pub sectors: u64,
    /// What slots A and R hold; its loaders are those of the disk.
    pub firmware: Firmware,
    /// The empty data filesystem; may be smaller than the partition, the unit grows it.
    pub data: Sparse,
}

impl Disk {
    /// The bytes of the whole disk as it is shipped.
    ///
    /// # Errors
    /// [`LayoutError`], naming the partition.
    pub fn build(&self) -> Result<Sparse, LayoutError> {
        let identity = self.firmware.facts.digest;
        self.build_with(&mut |purpose| derived_guid(&identity, purpose)).map(|(disk, _)| disk)
    }

    /// The bytes of the whole disk with the GUIDs that `guid` gives for each purpose, and where its partitions lie.
    ///
    /// # Errors
    /// [`LayoutError`], naming the partition.
    pub fn build_with(
        &self,
        guid: &mut impl FnMut(&str) -> Guid,
    ) -> Result<(Sparse, PartitionMap), LayoutError> {
        let disk = guid("disk");
        let map = PartitionMap::lay_out(self.sectors, disk, |role| guid(role.name()))
            .map_err(|fault| LayoutError::Table { sectors: self.sectors, fault })?;

        let mut writer = Writer::new(map);
        writer.loaders(&self.firmware)?;
        writer.slot_table(&self.slot_table())?;
        for slot in [Slot::A, Slot::R] {
            writer.slot(slot, &self.firmware)?;
        }
        writer.embed("the data filesystem", Role::Data, &self.data)?;
        Ok((writer.disk, writer.map))
    }

    /// The record that a fresh disk starts with.
    #[must_use]
    pub fn slot_table(&self) -> SlotTable {
        let facts = self.firmware.facts;
        let mut table = SlotTable { floor: facts.floor, ..SlotTable::default() };
        *table.slot_mut(Slot::A) = confirmed(&facts, PRIORITY_A);
        *table.slot_mut(Slot::R) = confirmed(&facts, PRIORITY_R);
        table
    }
}

/// What the table says of a slot that holds the firmware since the disk was made.
fn confirmed(facts: &SlotFacts, priority: u8) -> SlotRecord {
    SlotRecord {
        state: SlotState::Confirmed,
        priority,
        tries: 0,
        version: facts.version,
        digest: facts.digest,
    }
}

/// A GUID that is the same for the same firmware and the same purpose.
#[must_use]
pub fn derived_guid(identity: &[u8; 32], purpose: &str) -> Guid {
    let hash = Sha256::new()
        .chain_update(b"evener-guid-v1\0")
        .chain_update(identity)
        .chain_update(purpose)
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    Guid::from_random(bytes)
}

struct Writer {
    disk: Sparse,
    map: PartitionMap,
}

impl Writer {
    fn new(map: PartitionMap) -> Self {
        Self { disk: Sparse::new(map.sectors().saturating_mul(SECTOR as u64)), map }
    }

    /// Both loaders with what leads to them, and the partition tables.
    fn loaders(&mut self, firmware: &Firmware) -> Result<(), LayoutError> {
        let (code, stage2) = evener_stage2::parts(&firmware.loader_bios).map_err(LayoutError::Bios)?;
        let stage2 = Bytes::copy_from_slice(stage2.bytes());
        self.tables(&code)?;
        for sectors in evener_stage2::COPIES {
            self.put("the BIOS loader", Role::BiosBoot, sectors * SECTOR as u64, &stage2)?;
        }
        for role in [Role::EspA, Role::EspB] {
            let volume = esp::volume(role, firmware.loader_uefi.clone());
            let volume = volume.map_err(|source| LayoutError::Esp { role, source })?;
            self.embed("the volume", role, &volume)?;
        }
        Ok(())
    }

    /// All copies of the record.
    fn slot_table(&mut self, record: &SlotTable) -> Result<(), LayoutError> {
        for copy in 0..COPIES as u64 {
            // Each copy its own number: an updater that overwrites the oldest then knows which.
            let record = SlotTable { seq: copy.saturating_add(1), ..record.clone() };
            let at = copy * SECTORS_PER_MIB * SECTOR as u64;
            self.put("the slot table", Role::SlotTable, at, &Bytes::copy_from_slice(&record.encode()))?;
        }
        Ok(())
    }

    fn slot(&mut self, slot: Slot, firmware: &Firmware) -> Result<(), LayoutError> {
        self.put("the manifest", Role::Boot(slot), 0, &firmware.area)?;
        let mut parts = firmware.parts().into_iter();
        parts.try_for_each(|(what, kind, bytes)| self.part(what, kind, slot, bytes))
    }

    fn tables(&mut self, code: &[u8; BOOT_CODE_BYTES]) -> Result<(), LayoutError> {
        let sectors = self.map.sectors();
        let bios_boot = self.map.get(Role::BiosBoot);
        let bios_boot = bios_boot.ok_or(LayoutError::Table { sectors, fault: GptError::TooSmall })?;
        let code = evener_stage2::boot_code(code, &bios_boot).map_err(LayoutError::Bios)?;
        let tables = [
            (Lba(0), Bytes::copy_from_slice(&self.map.emit_mbr(&code))),
            (Lba(1), Bytes::copy_from_slice(&self.map.emit_primary())),
            (self.map.backup_at(), Bytes::copy_from_slice(&self.map.emit_backup())),
        ];
        for (at, bytes) in tables {
            let at = at.0.saturating_mul(SECTOR as u64);
            self.disk
                .put(at, bytes)
                .map_err(|_| LayoutError::Table { sectors, fault: GptError::TooSmall })?;
        }
        Ok(())
    }

    fn put(&mut self, what: &'static str, role: Role, at: u64, bytes: &Bytes) -> Result<(), LayoutError> {
        let (start, room) = self.place(role);
        let mut inner = Sparse::new(room);
        inner
            .put(at, bytes.clone())
            .and_then(|()| {
                inner
                    .extents()
                    .iter()
                    .try_for_each(|e| self.disk.put(start.saturating_add(e.at), e.bytes.clone()))
            })
            .map_err(|source| LayoutError::Room { what, role, room, source })
    }

    /// A part of the firmware, at its place in `slot`.
    fn part(
        &mut self,
        what: &'static str,
        kind: PartKind,
        slot: Slot,
        bytes: &Bytes,
    ) -> Result<(), LayoutError> {
        let place = kind.place(slot);
        let room = place.room(self.place(place.role).1 / SECTOR as u64);
        let len = bytes.len() as u64;
        if len > room {
            let source = SparseError::OutOfRange { at: place.at, len, length: room };
            return Err(LayoutError::Room { what, role: place.role, room, source });
        }
        self.put(what, place.role, place.at, bytes)
    }

    fn embed(&mut self, what: &'static str, role: Role, content: &Sparse) -> Result<(), LayoutError> {
        let (start, room) = self.place(role);
        let mut inner = Sparse::new(room);
        inner
            .embed(0, content)
            .and_then(|()| self.disk.embed(start, &inner))
            .map_err(|source| LayoutError::Room { what, role, room, source })
    }

    /// Offset and size of a partition in bytes; a partition that is not there has no room.
    fn place(&self, role: Role) -> (u64, u64) {
        self.map.get(role).map_or((0, 0), |part| {
            (part.start.0.saturating_mul(SECTOR as u64), part.sectors.saturating_mul(SECTOR as u64))
        })
    }
}

#[cfg(test)]
mod tests;
