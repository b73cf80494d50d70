//! A unit: its disk, and what its programs do to it.

use core::fmt;
use std::ops::Range;

use anyhow::{Context, Result, anyhow, ensure};
use evener_disk::{Blocks, DiskGone, Lba, PartitionMap, Role, Slot, SparseDisk, TraceDisk, Window};
use evener_manifest::{Keyset, PartKind, Version};
use evener_slot_choice::{Asked, BootCode, Machine, boot};
use evener_slot_table::SlotTable;
use evener_slots::{Offer, Partitions, check, table};

use crate::firmware::{Catalogue, Firmware, LOADER};

/// Bytes of an upload's pieces: neither whole sectors nor whole blocks, so that parts are written in several writes.
const PIECE: usize = 3000;

/// A unit whose disk remembers what is done to it.
#[derive(Clone, Debug)]
pub struct Unit<'c> {
    /// The firmwares and keys there are.
    pub catalogue: &'c Catalogue,
    /// The whole disk.
    pub disk: TraceDisk<SparseDisk>,
    map: PartitionMap,
}

/// What a boot came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Booted {
    /// The slot that was started; every block of it is what a key signed.
    pub slot: Slot,
    /// The version in it.
    pub version: Version,
}

impl<'c> Unit<'c> {
    /// Puts the disk into a unit.
    ///
    /// # Errors
    /// When neither partition table can be used.
    pub fn new(disk: SparseDisk, catalogue: &'c Catalogue) -> Result<Self> {
        Self::with(TraceDisk::new(disk), catalogue)
    }

    /// The same, with a disk that is to go wrong.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with(mut disk: TraceDisk<SparseDisk>, catalogue: &'c Catalogue) -> Result<Self> {
        let map = PartitionMap::read(&mut disk).map_err(|fault| anyhow!("partition table: {fault}"))?;
        Ok(Self { catalogue, disk, map })
    }

    /// The keys that the unit trusts.
    ///
    /// # Errors
    /// Never with the catalogue's keyset.
    pub fn keys(&self) -> Result<Keyset<'c>> {
        Ok(Keyset::parse(&self.catalogue.keyset)?)
    }

    /// The partitions.
    #[must_use]
    pub fn map(&self) -> &PartitionMap {
        &self.map
    }

    /// Runs the loader, then looks at the firmware it started as dm-verity will, block by block.
    ///
    /// # Errors
    /// When nothing was started, or something that is not whole, or not what its slot holds.
    pub fn boot(&mut self, asked: Option<Asked>) -> Result<Booted> {
        let mut console = Console { asked, ..Console::default() };
        let slot = boot(&mut self.disk, &mut console, &self.catalogue.keyset, LOADER)
            .map_err(|code| anyhow!("the loader halted with {code}: {:?}", console.said))?;
        let keys = self.keys()?;
        let facts =
            check(self, slot, &keys).with_context(|| format!("slot {slot} was started, and is not whole"))?;
        let kernel =
            self.catalogue.of(&facts.digest).context("a firmware that nobody made")?.part(PartKind::Kernel);
        ensure!(
            console.started.as_deref() == Some(&kernel[..]),
            "another kernel than that of slot {slot} was started"
        );
        Ok(Booted { slot, version: facts.version })
    }

    /// The slot table.
    ///
    /// # Errors
    /// When no copy of it is valid.
    pub fn table(&mut self) -> Result<SlotTable> {
        Ok(table(self)?)
    }

    /// Installs `firmware` to `slot` as an upload does.
    ///
    /// # Errors
    /// As the shipped functions.
    pub fn install(&mut self, firmware: &Firmware, slot: Slot, running: Slot) -> Result<()> {
        let mut offer = Offer::new(self.keys()?);
        let mut pieces = firmware.bundle.chunks(PIECE);
        let mut rest: &[u8] = &[];
        for piece in pieces.by_ref() {
            let (taken, known) = offer.push(piece)?;
            if known {
                rest = piece.get(taken..).unwrap_or_default();
                break;
            }
        }
        let mut writing = offer.begin(self, slot, Some(running))?;
        writing.push(self, rest)?;
        for piece in pieces {
            writing.push(self, piece)?;
        }
        writing.finish(self)?;
        Ok(())
    }

    /// Whether `slot` holds `firmware`, every block of it as the disk has it.
    ///
    /// # Errors
    /// When it does not.
    pub fn holds(&mut self, slot: Slot, firmware: &Firmware) -> Result<()> {
        let keys = self.keys()?;
        let facts = check(self, slot, &keys).with_context(|| format!("slot {slot} does not verify"))?;
        ensure!(
            facts.digest == firmware.digest,
            "slot {slot} holds {}, not {}",
            facts.version,
            firmware.version
        );
        Ok(())
    }

    /// Where a role lies on the disk, in sectors.
    ///
    /// # Errors
    /// When there is no such partition.
    pub fn range(&self, role: Role) -> Result<Range<u64>> {
        let part = self.map.get(role).with_context(|| format!("no partition {role}"))?;
        Ok(part.start.0..part.start.0.saturating_add(part.sectors))
    }
}

impl Catalogue {
    /// The firmware with this digest.
    #[must_use]
    pub fn of(&self, digest: &[u8; 32]) -> Option<&Firmware> {
        [&self.oldest, &self.shipped, &self.newer, &self.newest]
            .into_iter()
            .find(|firmware| firmware.digest == *digest)
    }
}

/// One partition as the kernel gives it: a device of its own, whose flush makes its own writes durable and no others.
#[derive(Debug)]
pub struct Device<'a> {
    disk: &'a mut TraceDisk<SparseDisk>,
    range: Range<u64>,
}

impl Device<'_> {
    fn window(&mut self) -> Window<&mut TraceDisk<SparseDisk>> {
        let sectors = self.range.end.saturating_sub(self.range.start);
        Window::new(self.disk, Lba(self.range.start), sectors)
    }
}

impl Blocks for Device<'_> {
    type Error = DiskGone;

    fn sectors(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    fn read(&mut self, at: Lba, buffer: &mut [u8]) -> Result<(), DiskGone> {
        self.window().read(at, buffer)
    }

    fn write(&mut self, at: Lba, data: &[u8]) -> Result<(), DiskGone> {
        self.window().write(at, data)
    }

    fn flush(&mut self) -> Result<(), DiskGone> {
        self.disk.flush_range(self.range.clone())
    }
}

impl Partitions for Unit<'_> {
    type Error = anyhow::Error;
    type Blocks<'a>
        = Device<'a>
    where
        Self: 'a;

    fn open(&mut self, role: Role, _writable: bool) -> Result<Device<'_>> {
        let range = self.range(role)?;
        Ok(Device { disk: &mut self.disk, range })
    }
}

/// What the loader needs besides the disk.
#[derive(Debug, Default)]
struct Console {
    said: Vec<String>,
    started: Option<Vec<u8>>,
    asked: Option<Asked>,
}

impl Machine for Console {
    type Memory = Vec<u8>;

    fn say(&mut self, line: fmt::Arguments<'_>) {
        self.said.push(line.to_string());
    }

    fn allocate(&mut self, bytes: usize) -> Option<Vec<u8>> {
        Some(vec![0; bytes])
    }

    fn asked(&mut self, _last: bool) -> Option<Asked> {
        self.asked
    }

    fn start(&mut self, image: &Vec<u8>, bytes: usize, _line: &str) -> Result<(), BootCode> {
        self.started = image.get(..bytes).map(<[u8]>::to_vec);
        Ok(())
    }
}
