//! Takes a bundle apart as its bytes come in.
//!
//! Push style and without IO: an HTTP upload, a file and a test feed it alike, in pieces of any size.

use std::ops::Range;

use evener_manifest::{AREA_BYTES, Header, Keyset, ManifestError, Part, PartCheck, PartKind};

use super::{
    AT_CRC, AT_SECTIONS, CRC, FORMAT, HEADER_BYTES, KIND_MANIFEST, MAGIC, MAX_SECTIONS, SECTION_BYTES,
};

/// Why a bundle is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The first eight bytes are not a bundle's.
    #[error("not a firmware file (magic at offset 0)")]
    Magic,
    /// A header field is wrong.
    #[error("firmware file header: {field} at offset {offset} is wrong")]
    Header {
        /// Which field.
        field: &'static str,
        /// Where it lies, in bytes.
        offset: usize,
    },
    /// The file is of a format that this program does not know; the header is whole.
    #[error("firmware file of format {0}, which needs a newer program")]
    Format(u32),
    /// The manifest is refused.
    #[error("manifest: {0}")]
    Manifest(ManifestError),
    /// A part differs from what the manifest says.
    #[error("{kind} at offset {offset}: {fault}")]
    Part {
        /// Which part.
        kind: PartKind,
        /// Where it begins in the file, in bytes.
        offset: u64,
        /// What is wrong with it.
        fault: ManifestError,
    },
    /// A part that the manifest names is not in the file.
    #[error("the file has no {0}, which its manifest names")]
    MissingPart(PartKind),
    /// Bytes between sections, which nobody vouches for, are not zero.
    #[error("the padding before offset {0} is not zero")]
    Padding(u64),
    /// There is more behind the last section.
    #[error("the file goes on behind its content, which ends at offset {0}")]
    Trailing(u64),
    /// The file ended too early.
    #[error("the file ends at offset {0}, in the middle of its content")]
    Truncated(u64),
}

/// What the bytes taken so far brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'i> {
    /// Nothing yet; push the next bytes.
    More,
    /// The manifest is complete and its signature held; see [`Reader::area`].
    Manifest,
    /// Bytes of a part. They are vouched for only when [`Event::PartDone`] follows.
    Data(Part, &'i [u8]),
    /// The part is complete and its digest is the manifest's.
    PartDone(Part),
    /// Everything that the manifest names was there.
    End,
}

#[derive(Clone, Copy, Debug)]
struct Section {
    kind: u32,
    size: u64,
}

#[derive(Debug)]
enum State {
    Header,
    /// At the start of section number `.0`.
    Begin(usize),
    Manifest {
        next: usize,
        left: u64,
    },
    Part {
        next: usize,
        left: u64,
        part: Part,
        check: Box<PartCheck>,
        start: u64,
    },
    /// Passes over a section of an unknown kind, then over `padding` zeros; the latter also behind the others.
    Skip {
        next: usize,
        left: u64,
        padding: u64,
    },
    End,
}

/// A bundle being read.
#[derive(Debug)]
pub struct Reader<'k> {
    keys: Keyset<'k>,
    state: State,
    offset: u64,
    sections: Vec<Section>,
    /// Header, then manifest area: the only bytes that are held.
    held: Vec<u8>,
    expected: Vec<Part>,
    unvouched: u64,
}

impl<'k> Reader<'k> {
    /// A reader that takes manifests signed with `keys`.
    #[must_use]
    pub fn new(keys: Keyset<'k>) -> Self {
        Self {
            keys,
            state: State::Header,
            offset: 0,
            sections: Vec::new(),
            held: Vec::with_capacity(HEADER_BYTES),
            expected: Vec::new(),
            unvouched: 0,
        }
    }

    /// Bytes so far in sections that the manifest does not name: passed over, and vouched for by nobody.
    #[must_use]
    pub fn unvouched(&self) -> u64 {
        self.unvouched
    }

    /// Manifest and signature; empty before [`Event::Manifest`].
    #[must_use]
    pub fn area(&self) -> &[u8] {
        match self.state {
            State::Header | State::Manifest { .. } => &[],
            _ => &self.held,
        }
    }

    /// Takes bytes from the front of `input` and says how many and what came of it. Call again with
    /// the rest until it answers [`Event::More`] to an empty `input`, which asks for more.
    ///
    /// # Errors
    /// [`BundleError`]; the reader is of no use afterwards.
    pub fn push<'i>(&mut self, input: &'i [u8]) -> Result<(usize, Event<'i>), BundleError> {
        let (taken, event) = self.step(input)?;
        self.offset = self.offset.saturating_add(taken as u64);
        if event == Event::End && taken < input.len() {
            return Err(BundleError::Trailing(self.offset));
        }
        Ok((taken, event))
    }

    /// Says that no more input comes.
    ///
    /// # Errors
    /// [`BundleError::Truncated`] unless [`Event::End`] was reached.
    pub fn finish(&self) -> Result<(), BundleError> {
        match self.state {
            State::End => Ok(()),
            _ => Err(BundleError::Truncated(self.offset)),
        }
    }

    fn step<'i>(&mut self, input: &'i [u8]) -> Result<(usize, Event<'i>), BundleError> {
        match &mut self.state {
            State::Header => {
                let taken = hold(&mut self.held, HEADER_BYTES as u64, input);
                // A wrong file is told from a short one by its first bytes, not by the five hundredth.
                if !self.held.iter().zip(MAGIC).all(|(found, wanted)| found == wanted) {
                    return Err(BundleError::Magic);
                }
                if self.held.len() == HEADER_BYTES {
                    self.sections = sections(&self.held)?;
                    self.held.clear();
                    self.state = State::Begin(0);
                }
                Ok((taken, Event::More))
            }
            State::Begin(index) => {
                let index = *index;
                self.begin(index)
            }
            State::Manifest { next, left } => {
                let taken = hold(&mut self.held, *left, input);
                if self.held.len() as u64 == *left {
                    let (next, padding) = (*next, padding(*left));
                    self.verify()?;
                    self.state = State::Skip { next, left: 0, padding };
                    return Ok((taken, Event::Manifest));
                }
                Ok((taken, Event::More))
            }
            State::Part { next, left, part, check, start } => {
                if *left == 0 {
                    let (next, part, start) = (*next, *part, *start);
                    let fault = PartCheck::clone(check).finish();
                    fault.map_err(|fault| BundleError::Part { kind: part.kind, offset: start, fault })?;
                    self.expected.retain(|p| p.kind != part.kind);
                    self.state = State::Skip { next, left: 0, padding: padding(part.size) };
                    return Ok((0, Event::PartDone(part)));
                }
                let bytes = front(input, *left);
                if bytes.is_empty() {
                    return Ok((0, Event::More));
                }
                check.update(bytes);
                *left = left.saturating_sub(bytes.len() as u64);
                Ok((bytes.len(), Event::Data(*part, bytes)))
            }
            State::Skip { next, left, padding } => {
                let unknown = front(input, *left).len();
                let zeros = front(input.get(unknown..).unwrap_or_default(), *padding);
                let skipped = unknown.saturating_add(zeros.len());
                if zeros.iter().any(|byte| *byte != 0) {
                    return Err(BundleError::Padding(self.offset.saturating_add(skipped as u64)));
                }
                *left = left.saturating_sub(unknown as u64);
                *padding = padding.saturating_sub(zeros.len() as u64);
                if *left == 0 && *padding == 0 {
                    self.state = State::Begin(*next);
                    return self.after_skip(skipped);
                }
                Ok((skipped, Event::More))
            }
            State::End => Ok((0, Event::End)),
        }
    }

    /// Goes on at once behind the last section, so that a file's last byte brings [`Event::End`].
    fn after_skip<'i>(&mut self, skipped: usize) -> Result<(usize, Event<'i>), BundleError> {
        match self.state {
            State::Begin(index) if index == self.sections.len() => {
                let (_, event) = self.begin(index)?;
                Ok((skipped, event))
            }
            _ => Ok((skipped, Event::More)),
        }
    }

    fn begin<'i>(&mut self, index: usize) -> Result<(usize, Event<'i>), BundleError> {
        let Some(section) = self.sections.get(index).copied() else {
            if let Some(part) = self.expected.first() {
                return Err(BundleError::MissingPart(part.kind));
            }
            self.state = State::End;
            return Ok((0, Event::End));
        };
        let next = index.saturating_add(1);
        let size = section.size;
        self.state = if section.kind == KIND_MANIFEST {
            State::Manifest { next, left: size }
        } else if let Some(part) = self.expected.iter().find(|part| part.kind as u32 == section.kind) {
            if part.size != size {
                let (kind, fault) = (part.kind, ManifestError::PartSize);
                return Err(BundleError::Part { kind, offset: self.offset, fault });
            }
            State::Part { next, left: size, part: *part, check: Box::new(part.checker()), start: self.offset }
        } else {
            self.unvouched = self.unvouched.saturating_add(size);
            State::Skip { next, left: size, padding: padding(size) }
        };
        Ok((0, Event::More))
    }

    fn verify(&mut self) -> Result<(), BundleError> {
        let header = Header::parse(&self.held).map_err(BundleError::Manifest)?;
        let verified = header.verify(&self.keys).map_err(BundleError::Manifest)?;
        // Bytes behind the signature would be written into the slot, and nobody vouches for them.
        if header.bytes() != self.held.len() {
            return Err(BundleError::Header { field: "size of the manifest", offset: AT_SECTIONS + 8 });
        }
        self.expected = verified.parts().collect();
        Ok(())
    }
}

/// Where manifest and signature lie in a file, in bytes. Nothing is verified: for those who put the signature in.
///
/// # Errors
/// [`BundleError::Magic`], [`BundleError::Header`], [`BundleError::Format`] or [`BundleError::Truncated`].
pub fn manifest_area(file: &[u8]) -> Result<Range<usize>, BundleError> {
    if !file.starts_with(MAGIC) {
        return Err(BundleError::Magic);
    }
    let truncated = BundleError::Truncated(file.len() as u64);
    let area = sections(file.get(..HEADER_BYTES).ok_or(truncated)?)?;
    let size = area.first().and_then(|section| usize::try_from(section.size).ok()).ok_or(truncated)?;
    let range = HEADER_BYTES..HEADER_BYTES.saturating_add(size);
    if range.end > file.len() { Err(truncated) } else { Ok(range) }
}

/// Reads and checks the section table.
/// Where the sections of a bundle lie, of which at least the header is given: for each its kind (0 the manifest area, else
/// that of the part) and its bytes in the file. Nobody vouches for any of it.
///
/// # Errors
/// [`BundleError`] about the header.
pub fn section_ranges(file: &[u8]) -> Result<Vec<(u32, Range<u64>)>, BundleError> {
    if !file.starts_with(MAGIC) {
        return Err(BundleError::Magic);
    }
    let header = file.get(..HEADER_BYTES).ok_or(BundleError::Truncated(file.len() as u64))?;
    let mut at = HEADER_BYTES as u64;
    let ranges = sections(header)?.into_iter().map(|section| {
        let range = at..at.saturating_add(section.size);
        at = range.end.saturating_add(padding(section.size));
        (section.kind, range)
    });
    Ok(ranges.collect())
}

fn sections(header: &[u8]) -> Result<Vec<Section>, BundleError> {
    let u32_at =
        |at: usize| header.get(at..).and_then(<[u8]>::first_chunk).copied().map_or(0, u32::from_le_bytes);
    let u64_at =
        |at: usize| header.get(at..).and_then(<[u8]>::first_chunk).copied().map_or(0, u64::from_le_bytes);
    let wrong = |field, offset| BundleError::Header { field, offset };
    if CRC.checksum(header.get(..AT_CRC).unwrap_or_default()) != u32_at(AT_CRC) {
        return Err(wrong("checksum", AT_CRC));
    }
    if u32_at(8) != FORMAT {
        return Err(BundleError::Format(u32_at(8)));
    }
    let count = u32_at(12);
    if !(1..=MAX_SECTIONS).contains(&count) {
        return Err(wrong("number of sections", 12));
    }
    let mut sections: Vec<Section> = Vec::new();
    for (index, at) in (0..count).zip((AT_SECTIONS..).step_by(SECTION_BYTES)) {
        let section = Section { kind: u32_at(at), size: u64_at(at.saturating_add(8)) };
        let is_manifest = section.kind == KIND_MANIFEST;
        if is_manifest != (index == 0) || sections.iter().any(|s| s.kind == section.kind) {
            return Err(wrong("section kind", at));
        }
        let limit = if is_manifest { AREA_BYTES as u64 } else { 1 << 40 };
        if section.size == 0 || section.size > limit {
            return Err(wrong("section size", at.saturating_add(8)));
        }
        sections.push(section);
    }
    Ok(sections)
}

/// Moves bytes from the front of `input` into `held` until it has `want`; says how many.
fn hold(held: &mut Vec<u8>, want: u64, input: &[u8]) -> usize {
    let bytes = front(input, want.saturating_sub(held.len() as u64));
    held.extend_from_slice(bytes);
    bytes.len()
}

/// At most `limit` bytes from the front of `input`.
fn front(input: &[u8], limit: u64) -> &[u8] {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(input.len());
    input.get(..limit).unwrap_or_default()
}

/// Zeros that follow a section of this size.
fn padding(size: u64) -> u64 {
    let over = size % HEADER_BYTES as u64;
    if over == 0 { 0 } else { (HEADER_BYTES as u64).saturating_sub(over) }
}
