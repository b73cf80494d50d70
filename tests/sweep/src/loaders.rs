//! The loaders of a unit: what a machine comes upon at power-on, and what the updater does to it.
//!
//! A loader here is bytes that one knows, and whether it works on this machine. One that does not, started by a machine by
//! itself, is the end of the unit: nothing below it helps. That is what the sweep looks for.

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use evener_disk::{Blocks, Lba, PartitionMap, Role, SECTOR, SECTORS_PER_MIB, Slot, SparseDisk};
use evener_formats::esp;
use evener_formats::fat16::extract;
use evener_handoff::{LoaderCopy, LoaderKind};
use evener_manifest::Version;
use evener_plan::{LoaderFacts, LoaderRest, LoaderStep, loader_step};
use evener_slot_table::SlotTable;
use evener_slots::{Loaders, Partitions as _, change};
use evener_stage2::{COPIES, MAX_BYTES, STAGE2_AT, Stage2};

use crate::Unit;
use crate::firmware::Catalogue;

/// In a sector between tables and partitions, which nothing else uses: this disk is in a machine with a BIOS.
const MACHINE: Lba = Lba(SECTORS_PER_MIB - 1);
const BIOS: [u8; SECTOR] = [0xb1; SECTOR];

/// One version of both loaders.
#[derive(Clone, Debug)]
pub struct Loader {
    /// Its version.
    pub version: Version,
    /// Whether it boots this machine.
    pub works: bool,
    /// `BOOTX64.EFI`.
    pub uefi: Bytes,
    /// The BIOS loader's file.
    pub bios: Bytes,
    /// Both EFI system partitions as far as they are written.
    pub esps: [Vec<u8>; 2],
}

impl Loader {
    pub(crate) fn make(version: Version, works: bool, salt: u8) -> Result<Self> {
        let uefi: Bytes = (0..900_u32).map(|index| index.to_le_bytes()[0] ^ salt).collect();
        let mut bios = vec![salt; STAGE2_AT + 4 * SECTOR];
        bios.get_mut(evener_stage2::COPIES_FIELD..STAGE2_AT + evener_stage2::HEADER_BYTES)
            .context("a file")?
            .fill(0);
        evener_stage2::seal(&mut bios, version)?;
        let esp = |role| -> Result<Vec<u8>> {
            let volume = esp::volume(role, uefi.clone())?;
            let end = volume
                .extents()
                .iter()
                .map(|extent| extent.at.saturating_add(extent.bytes.len() as u64))
                .max();
            let mut bytes = vec![0; usize::try_from(end.unwrap_or(0))?.next_multiple_of(SECTOR)];
            volume.read(0, &mut bytes);
            Ok(bytes)
        };
        let esps = [esp(Role::EspA)?, esp(Role::EspB)?];
        Ok(Self { version, works, uefi, bios: bios.into(), esps })
    }

    /// The bytes of a copy on the disk.
    #[must_use]
    pub fn image(&self, kind: LoaderKind, copy: LoaderCopy) -> &[u8] {
        let [a, b] = &self.esps;
        match (kind, copy) {
            (LoaderKind::Bios, _) => self.bios.get(STAGE2_AT..).unwrap_or_default(),
            (LoaderKind::Uefi, LoaderCopy::First) => a,
            (LoaderKind::Uefi, LoaderCopy::Second) => b,
        }
    }
}

/// Where a copy begins in its partition.
#[must_use]
pub fn start(kind: LoaderKind, copy: LoaderCopy) -> Lba {
    let [first, second] = COPIES;
    match (kind, copy) {
        (LoaderKind::Uefi, _) => Lba(0),
        (LoaderKind::Bios, LoaderCopy::First) => Lba(first),
        (LoaderKind::Bios, LoaderCopy::Second) => Lba(second),
    }
}

/// Puts the disk into a machine with a BIOS; before that it is in one with UEFI.
///
/// # Errors
/// Never.
pub(crate) fn into_bios_machine(disk: &mut SparseDisk) -> Result<()> {
    disk.write(MACHINE, &BIOS).map_err(|error| anyhow::anyhow!("{error:?}"))
}

impl<'c> Unit<'c> {
    /// What firmware the machine has.
    ///
    /// # Errors
    /// When the disk cannot be read.
    pub fn machine(&mut self) -> Result<LoaderKind> {
        let mut sector = [0; SECTOR];
        self.disk.read(MACHINE, &mut sector).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        Ok(if sector == BIOS { LoaderKind::Bios } else { LoaderKind::Uefi })
    }

    /// The copy that a machine starts by itself: the first one that looks whole to it.
    ///
    /// # Errors
    /// When there is none, or one that looks whole and is not, or one that does not work.
    pub(crate) fn installed(&mut self, kind: LoaderKind) -> Result<(LoaderCopy, &'c Loader)> {
        for copy in LoaderCopy::ALL {
            if let Some(loader) = self.copy(kind, copy)? {
                ensure!(loader.works, "the machine came upon loader {}, which does not work", loader.version);
                return Ok((copy, loader));
            }
        }
        bail!("no copy of the {kind} is whole")
    }

    /// The loader in a copy; `None` when no machine would start it.
    ///
    /// # Errors
    /// When a machine would start it, and it is none that somebody made.
    pub fn copy(&mut self, kind: LoaderKind, copy: LoaderCopy) -> Result<Option<&'c Loader>> {
        let map = self.map().clone();
        read_copy(&mut self.disk, &map, self.catalogue, kind, copy)
    }

    /// What the updater does to the loaders in a boot whose firmware, in `running`, is healthy. The plan of the shipped
    /// service, over the same functions.
    ///
    /// # Errors
    /// What went wrong.
    pub fn follow_loaders(&mut self, running: Slot, firmware: Version) -> Result<LoaderRest> {
        let mut wrote_other_kind = false;
        loop {
            let step = self.loader_step(running, firmware, wrote_other_kind)?;
            let (loaders, step) = match step {
                Ok(found) => found,
                Err(rest) => return Ok(rest),
            };
            match step {
                LoaderStep::Write(kind, copy) => {
                    wrote_other_kind |= kind != self.machine()?;
                    loaders.write(self, kind, copy)?;
                }
                LoaderStep::Try(digest) => {
                    change(self, |table| table.try_loader(digest))?;
                }
                LoaderStep::EndTrial => {
                    change(self, SlotTable::end_loader_trial)?;
                }
            }
        }
    }

    /// The next step and the loaders that it is about, or why there is none.
    ///
    /// # Errors
    /// What went wrong.
    pub(crate) fn loader_step(
        &mut self,
        running: Slot,
        firmware: Version,
        wrote_other_kind: bool,
    ) -> Result<Result<(Loaders, LoaderStep), LoaderRest>> {
        let (copy, version) = self.booted_by.context("it was not booted")?;
        let keys = self.keys()?;
        let loaders = Loaders::of(self, running, &keys)?;
        let table = self.table()?;
        let facts = LoaderFacts {
            running: copy,
            version,
            firmware,
            brought: loaders.digests(),
            same: loaders.same(),
            start_every_slot: loaders.start_every_slot(),
            table: &table,
            wrote_other_kind,
        };
        Ok(loader_step(&facts).map(|step| (loaders, step)))
    }

    /// Writes `loader` over a copy, as the builder does.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn put_loader(&mut self, loader: &Loader, kind: LoaderKind, copy: LoaderCopy) -> Result<()> {
        let written = self.open(kind.role(copy), true)?.write(start(kind, copy), loader.image(kind, copy));
        written.map_err(|error| anyhow::anyhow!("{error:?}"))
    }
}

/// The loader in a copy, as [`Unit::copy`].
pub(crate) fn read_copy<'c, B: Blocks>(
    disk: &mut B,
    map: &PartitionMap,
    catalogue: &'c Catalogue,
    kind: LoaderKind,
    copy: LoaderCopy,
) -> Result<Option<&'c Loader>> {
    let mut window = map.window(disk, kind.role(copy)).context("a partition is missing")?;
    let mut read = |bytes: usize| -> Result<Vec<u8>> {
        let mut found = vec![0; bytes];
        window.read(start(kind, copy), &mut found).map_err(|error| anyhow::anyhow!("{error:?}"))?;
        Ok(found)
    };
    let starts = match kind {
        // What makes a sector one of a FAT volume to those who look: its signature, and 512 bytes in a sector.
        LoaderKind::Uefi => {
            let sector = read(SECTOR)?;
            sector.ends_with(&[0x55, 0xaa]) && sector.get(0x0b..0x0d) == Some(&[0, 2])
        }
        LoaderKind::Bios => Stage2::check(&read(MAX_BYTES)?).is_ok(),
    };
    if !starts {
        return Ok(None);
    }
    for loader in catalogue.loaders() {
        let image = loader.image(kind, copy);
        if read(image.len())? == image {
            return Ok(Some(loader));
        }
    }
    // Not bit for bit, but firmware looks for a file, and may find it whole.
    if kind == LoaderKind::Uefi {
        let sectors = usize::try_from(kind.role(copy).sectors().unwrap_or(0))?;
        match extract(&read(sectors.saturating_mul(SECTOR))?, esp::LOADER_PATH) {
            Ok(file) => {
                let known = catalogue.loaders().iter().find(|loader| loader.uefi == file);
                return known.map(Some).context("a machine would start a file that is torn");
            }
            Err(_) => return Ok(None),
        }
    }
    bail!("the {copy} copy of the {kind} is torn, and a machine would start it")
}
