//! How this crate reaches partitions: by role, one at a time.

use core::fmt;

use evener_disk::{Blocks, PartitionMap, Role, Window};

/// The partitions of one disk.
///
/// On the appliance each is a device node of its own with a page cache of its own: a flush of one says nothing about
/// another. Opening is asked for at every step; an implementation may hold on to what it opened.
pub trait Partitions {
    /// Why a partition cannot be opened.
    type Error: fmt::Debug;
    /// An open partition. Its [`flush`](Blocks::flush) makes the writes durable **and** has later reads come from the
    /// medium, or reading back what was written proves nothing.
    type Blocks<'a>: Blocks
    where
        Self: 'a;

    /// Opens the partition with this role, for reading or for both.
    ///
    /// # Errors
    /// The implementation's own.
    fn open(&mut self, role: Role, writable: bool) -> Result<Self::Blocks<'_>, Self::Error>;
}

impl<P: Partitions> Partitions for &mut P {
    type Error = P::Error;
    type Blocks<'a>
        = P::Blocks<'a>
    where
        Self: 'a;

    fn open(&mut self, role: Role, writable: bool) -> Result<Self::Blocks<'_>, Self::Error> {
        (**self).open(role, writable)
    }
}

/// A whole disk and the map of its partitions, for images and tests.
#[derive(Debug)]
pub struct MappedDisk<B> {
    disk: B,
    map: PartitionMap,
}

/// The disk's table has no partition with this role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the disk has no partition {0}")]
pub struct NoPartition(pub Role);

impl<B: Blocks> MappedDisk<B> {
    /// A disk whose table was read, or laid out, as `map`.
    pub fn new(disk: B, map: PartitionMap) -> Self {
        Self { disk, map }
    }

    /// The disk as a whole.
    pub fn disk_mut(&mut self) -> &mut B {
        &mut self.disk
    }

    /// The disk back.
    pub fn into_disk(self) -> B {
        self.disk
    }
}

impl<B: Blocks> Partitions for MappedDisk<B> {
    type Error = NoPartition;
    type Blocks<'a>
        = Window<&'a mut B>
    where
        Self: 'a;

    fn open(&mut self, role: Role, _writable: bool) -> Result<Window<&mut B>, NoPartition> {
        self.map.window(&mut self.disk, role).ok_or(NoPartition(role))
    }
}
