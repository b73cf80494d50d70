//! The stick that installs: a disk with the firmware in slot R alone, and the installer's own partition.
//!
//! The loader starts rescue where there is nothing else, and neither counts that boot nor writes anything: so nobody
//! ever writes to a stick, not even a loader, and one that is write-protected is as good. The installer lays out the
//! target's slots from this one.

use bytes::Bytes;
use evener_disk::{Guid, Partition, PartitionMap, Slot};
use evener_formats::Sparse;
use evener_formats::fat16::{FatError, Volume};
use evener_slot_table::SlotTable;

use crate::{Firmware, LayoutError, PRIORITY_R, Writer, confirmed, derived_guid};

/// Label of the file system that operators put their files on.
pub const STICK_LABEL: &str = "EVENER";

/// Everything on a stick.
#[derive(Clone, Debug)]
pub struct Stick {
    /// What slot R holds, and every disk that is installed from it; its loaders are those of the stick, too.
    pub firmware: Firmware,
    /// Files on the partition that operators see: name in upper case, 8.3, and content.
    pub files: Vec<(&'static str, Bytes)>,
}

impl Stick {
    /// The bytes of the whole stick.
    ///
    /// # Errors
    /// [`LayoutError`], naming the partition.
    pub fn build(&self) -> Result<Sparse, LayoutError> {
        let facts = &self.firmware.facts;
        // Others than those of a disk with the same firmware: both may be in one machine.
        let mut guid = |purpose: &str| derived_guid(&facts.digest, &format!("stick {purpose}"));
        let map = PartitionMap::lay_out_stick(guid("disk"), &mut guid);
        let mut writer = Writer::new(map);
        writer.loaders(&self.firmware)?;
        let mut table = SlotTable { floor: facts.floor, ..SlotTable::default() };
        *table.slot_mut(Slot::R) = confirmed(facts, PRIORITY_R);
        writer.slot_table(&table)?;
        writer.slot(Slot::R, &self.firmware)?;
        if let Some(part) = writer.map.installer() {
            let volume = self.volume(&part, guid(STICK_LABEL));
            let at = part.start.0.saturating_mul(evener_disk::SECTOR as u64);
            let embedded = writer.disk.embed(at, &volume.map_err(LayoutError::Installer)?);
            embedded.map_err(|source| LayoutError::Installer(source.into()))?;
        }
        Ok(writer.disk)
    }

    /// The FAT volume that operators see; its serial number is the start of `identity`.
    fn volume(&self, part: &Partition, identity: Guid) -> Result<Sparse, FatError> {
        let sectors = u16::try_from(part.sectors).unwrap_or(u16::MAX);
        let hidden = u32::try_from(part.start.0).unwrap_or(0);
        let [a, b, c, d, ..] = identity.0;
        let mut volume = Volume::new(sectors, hidden, STICK_LABEL, u32::from_le_bytes([a, b, c, d]));
        for (path, content) in &self.files {
            volume.add(path, content.clone())?;
        }
        volume.build()
    }
}
