//! An installation from a stream of bytes: first an [`Offer`], then, when it is admitted, a [`Writing`].

use evener_disk::Slot;
use evener_formats::bundle::{Event, Reader};
use evener_manifest::{Keyset, Verified};
use evener_slot_table::SlotFacts;

use crate::check::verify;
use crate::fill::{PartWriter, check_room, empty, seal};
use crate::{Fault, Partitions};

/// The head of a firmware file, until its manifest is known. Writes nothing.
#[derive(Debug)]
pub struct Offer<'k> {
    reader: Reader<'k>,
    keys: Keyset<'k>,
}

impl<'k> Offer<'k> {
    /// Nothing yet, of a firmware signed with one of `keys`.
    #[must_use]
    pub fn new(keys: Keyset<'k>) -> Self {
        Self { reader: Reader::new(keys), keys }
    }

    /// Takes bytes from the front of `input` up to the end of the manifest. Returns how many, and whether
    /// the manifest is known now; the rest of `input` is for [`Writing::push`].
    ///
    /// # Errors
    /// [`Fault::Bundle`].
    pub fn push(&mut self, input: &[u8]) -> Result<(usize, bool), Fault> {
        let mut taken: usize = 0;
        while !self.is_known() {
            let rest = input.get(taken..).unwrap_or_default();
            let (bytes, event) = self.reader.push(rest)?;
            taken = taken.saturating_add(bytes);
            if event == Event::More && bytes == 0 && rest.is_empty() {
                return Ok((taken, false));
            }
        }
        Ok((taken, true))
    }

    /// The manifest, once it is known.
    #[must_use]
    pub fn verified(&self) -> Option<Verified<'_>> {
        verify(self.reader.area(), Slot::A, &self.keys).ok()
    }

    /// Empties `slot` to install into it. From here on whatever it held is gone; a cut, a fault or dropping the
    /// [`Writing`] leaves it empty.
    ///
    /// # Errors
    /// [`Fault::Target`] for rescue and for the `running` slot, [`Fault::DoesNotFit`], [`Fault::TableLost`],
    /// [`Fault::TableUnreadable`], [`Fault::Open`]: nothing was changed. [`Fault::Table`], [`Fault::Device`].
    /// [`Fault::Manifest`] when the manifest is not known yet.
    pub fn begin<P: Partitions>(
        self,
        parts: &mut P,
        slot: Slot,
        running: Option<Slot>,
    ) -> Result<Writing<'k>, Fault> {
        if slot == Slot::R || running == Some(slot) {
            return Err(Fault::Target(slot));
        }
        let verified = verify(self.reader.area(), slot, &self.keys)?;
        check_room(parts, slot, verified.parts())?;
        empty(parts, slot)?;
        let Self { reader, keys } = self;
        Ok(Writing { reader, keys, slot, writer: None })
    }

    fn is_known(&self) -> bool {
        !self.reader.area().is_empty()
    }
}

/// An installation under way: parts are written to the slot as they come. Holds the manifest and less than 4 KiB.
#[derive(Debug)]
pub struct Writing<'k> {
    reader: Reader<'k>,
    keys: Keyset<'k>,
    slot: Slot,
    writer: Option<PartWriter>,
}

impl Writing<'_> {
    /// The slot that is being written.
    #[must_use]
    pub fn slot(&self) -> Slot {
        self.slot
    }

    /// Takes the next bytes of the file, all of them. True when the file is complete.
    ///
    /// # Errors
    /// [`Fault::Bundle`], [`Fault::Open`], [`Fault::Device`]; the installation is over then.
    pub fn push<P: Partitions>(&mut self, parts: &mut P, input: &[u8]) -> Result<bool, Fault> {
        let mut rest = input;
        loop {
            let (taken, event) = self.reader.push(rest)?;
            let idle = taken == 0 && rest.is_empty();
            rest = rest.get(taken..).unwrap_or_default();
            match event {
                Event::Data(part, bytes) => {
                    let slot = self.slot;
                    let writer = self.writer.get_or_insert_with(|| PartWriter::new(part.kind, slot));
                    writer.write(parts, bytes)?;
                }
                Event::PartDone(_) => {
                    if let Some(writer) = self.writer.take() {
                        writer.end(parts)?;
                    }
                }
                Event::End => return Ok(true),
                Event::More if idle => return Ok(false),
                Event::More | Event::Manifest => {}
            }
        }
    }

    /// The file is complete: verifies what is on the disk and has the next boots try it. Durable when this returns.
    ///
    /// # Errors
    /// [`Fault::Bundle`] when the file is not complete, [`Fault::NotAsWritten`], [`Fault::Device`]: the slot stays
    /// empty. [`Fault::NotAsRecorded`] when the slot's record was changed meanwhile. [`Fault::Table`] when the last
    /// write failed: the slot is empty or on trial.
    pub fn finish<P: Partitions>(self, parts: &mut P) -> Result<SlotFacts, Fault> {
        let Self { reader, keys, slot, .. } = self;
        reader.finish()?;
        seal(parts, slot, reader.area(), &keys, |table, facts| table.installed(slot, facts))
    }
}
