//! A unit: its disk, and what its programs do to it.

use core::fmt;
use std::ops::Range;

use anyhow::{Context, Result, anyhow, ensure};
use evener_disk::{Blocks, DiskGone, Lba, PartitionMap, Role, Slot, SparseDisk, TraceDisk, Window};
use evener_handoff::{LoaderCopy, LoaderKind, RunningLoader};
use evener_manifest::{Keyset, PartKind, Version};
use evener_slot_choice::{Asked, BootCode, Machine, Started, boot};
use evener_slot_table::{SlotTable, TRIES};
use evener_slots::{Offer, Partitions, check, table};

use crate::firmware::{Catalogue, Firmware};
use crate::loaders::{Loader, read_copy};

/// Bytes of an upload's pieces: neither whole sectors nor whole blocks, so that parts are written in several writes.
const PIECE: usize = 3000;

/// A unit whose disk remembers what is done to it.
#[derive(Clone, Debug)]
pub struct Unit<'c> {
    /// The firmwares and keys there are.
    pub catalogue: &'c Catalogue,
    /// The whole disk.
    pub disk: TraceDisk<SparseDisk>,
    /// The loader that started it, and its version.
    pub booted_by: Option<(RunningLoader, Version)>,
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

/// What a loader came to.
enum Ran<'c> {
    Booted(Booted),
    Loader(LoaderCopy, &'c Loader),
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
        Ok(Self { catalogue, disk, booted_by: None, map })
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

    /// Powers the machine on: runs the loader that it comes upon, and the one on trial when that is started, then looks at
    /// the firmware as dm-verity will, block by block. A loader on trial that hangs is ended by the watchdog, and the
    /// machine starts anew.
    ///
    /// # Errors
    /// When nothing was started, or something that is not whole, or not what its slot holds.
    pub fn boot(&mut self, asked: Option<Asked>) -> Result<Booted> {
        let kind = self.machine()?;
        for _ in 0..=TRIES {
            let (copy, loader) = self.installed(kind)?;
            let running = RunningLoader { kind, copy, on_trial: false };
            let on_trial = match self.run(loader, running, asked)? {
                Ran::Booted(booted) => return Ok(booted),
                Ran::Loader(copy, loader) => (RunningLoader { kind, copy, on_trial: true }, loader),
            };
            let (running, loader) = on_trial;
            if loader.works {
                return match self.run(loader, running, asked)? {
                    Ran::Booted(booted) => Ok(booted),
                    Ran::Loader(..) => Err(anyhow!("a loader on trial started another one")),
                };
            }
        }
        Err(anyhow!("a loader that hangs was started again and again"))
    }

    fn run(&mut self, loader: &'c Loader, running: RunningLoader, asked: Option<Asked>) -> Result<Ran<'c>> {
        let catalogue = self.catalogue;
        let mut console =
            Console { catalogue, running, asked, said: Vec::new(), started: None, chained: None };
        let started = boot(&mut self.disk, &mut console, &catalogue.keyset, loader.version)
            .map_err(|code| anyhow!("the loader halted with {code}: {:?}", console.said))?;
        let slot = match started {
            Started::Slot(slot) => slot,
            Started::Loader(copy) => {
                let bytes = console.chained.context("no loader was started")?;
                let found = read_copy(&mut self.disk, &self.map, catalogue, running.kind, copy)?;
                let loader = found.context("a loader was started that is not whole")?;
                ensure!(
                    loader.image(running.kind, copy) == bytes,
                    "another loader was started than the copy"
                );
                return Ok(Ran::Loader(copy, loader));
            }
        };
        self.booted_by = Some((running, loader.version));
        let keys = self.keys()?;
        let facts =
            check(self, slot, &keys).with_context(|| format!("slot {slot} was started, and is not whole"))?;
        let firmware = self.catalogue.of(&facts.digest).context("a firmware that nobody made")?;
        ensure!(
            console.started.as_deref() == Some(&firmware.part(PartKind::Kernel)[..]),
            "another kernel than that of slot {slot} was started"
        );
        Ok(Ran::Booted(Booted { slot, version: facts.version }))
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
        [&self.oldest, &self.shipped, &self.newer, &self.hanging, &self.newest]
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
#[derive(Debug)]
struct Console<'c> {
    catalogue: &'c Catalogue,
    running: RunningLoader,
    said: Vec<String>,
    started: Option<Vec<u8>>,
    asked: Option<Asked>,
    /// The bytes of the loader on trial that was started.
    chained: Option<Vec<u8>>,
}

impl Machine for Console<'_> {
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

    fn running(&self, _: &PartitionMap) -> Option<RunningLoader> {
        Some(self.running)
    }

    fn loader<B: Blocks>(
        &mut self,
        disk: &mut B,
        map: &PartitionMap,
        copy: LoaderCopy,
        file: &[u8],
    ) -> Result<(Vec<u8>, usize), BootCode> {
        let kind = self.running.kind;
        let found = read_copy(disk, map, self.catalogue, kind, copy).map_err(|_| BootCode::LoaderDiffers)?;
        let brought = |loader: &&Loader| match kind {
            LoaderKind::Uefi => loader.uefi == file,
            LoaderKind::Bios => loader.bios == file,
        };
        let loader = found.filter(brought).ok_or(BootCode::LoaderDiffers)?;
        let image = loader.image(kind, copy).to_vec();
        let bytes = image.len();
        Ok((image, bytes))
    }

    fn start_loader(&mut self, loader: &Vec<u8>, bytes: usize, _: LoaderCopy) -> Result<(), BootCode> {
        self.chained = loader.get(..bytes).map(<[u8]>::to_vec);
        Ok(())
    }
}
