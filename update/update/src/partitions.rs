//! The partitions that init handed to this service.

use evener_disk::{Role, Slot};
use evener_manifest::PartKind;
use evener_plan::Room;
use evener_slots::Partitions;
use evener_sys::disk::{FileBlocks, partition_path};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The partitions below a run directory. Holds on to what it opened: closing the last descriptor of a block device
/// writes all its pages out, which an installation would otherwise wait for after every chunk.
#[derive(Debug)]
pub(crate) struct RunPartitions {
    run: PathBuf,
    opened: BTreeMap<(Role, bool), FileBlocks>,
}

impl RunPartitions {
    /// Nothing opened yet.
    pub(crate) fn new(run: &Path) -> Self {
        Self { run: run.to_owned(), opened: BTreeMap::new() }
    }

    /// What fits into a slot; nothing where a partition cannot be opened.
    pub(crate) fn room(&mut self, slot: Slot) -> Room {
        let mut bytes = |part: PartKind| {
            let place = part.place(slot);
            let sectors =
                self.open(place.role, false).map_or(0, |blocks| evener_disk::Blocks::sectors(&blocks));
            place.room(sectors)
        };
        Room { kernel: bytes(PartKind::Kernel), rootfs: bytes(PartKind::Rootfs) }
    }
}

impl Partitions for RunPartitions {
    type Error = io::Error;
    type Blocks<'a> = &'a mut FileBlocks;

    fn open(&mut self, role: Role, writable: bool) -> io::Result<&mut FileBlocks> {
        use std::collections::btree_map::Entry;
        match self.opened.entry((role, writable)) {
            Entry::Occupied(opened) => Ok(opened.into_mut()),
            Entry::Vacant(place) => {
                Ok(place.insert(FileBlocks::open(&partition_path(&self.run, role), writable)?))
            }
        }
    }
}
