//! Finds the disk in an OVA, and holds the other members against their digests.

use std::ops::Range;

use sha2::{Digest, Sha256};

use super::{RECORD, RECORD_BYTES, padded};
use crate::image::{Disk, ReadAt, ReaderError, fetch};
use crate::survey::CLUSTER_BYTES;
use crate::vmdk;

/// More members than any export has.
const MOST_MEMBERS: usize = 64;
/// Manifests are a line a member.
const MOST_MANIFEST: u64 = 64 << 10;

/// An OVA, opened at its disk.
#[derive(Debug)]
pub struct Reader<F> {
    disk: vmdk::Reader<Inside<F>>,
    at: u64,
}

/// A member: its name, and where its content lies.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    name: String,
    at: u64,
    size: u64,
}

impl<F: ReadAt> Reader<F> {
    /// Reads all headers, checks the digests of all members, and opens the one disk.
    ///
    /// # Errors
    /// [`ReaderError`] naming field and offset in the OVA. More than one disk is refused.
    pub fn open(mut file: F) -> Result<Self, ReaderError<F::Error>> {
        let members = members(&mut file)?;
        check(&mut file, &members)?;
        let mut disks = members.iter().filter(|member| member.name.ends_with(".vmdk"));
        let Some(disk) = disks.next() else {
            return Err(ReaderError::Unsupported { field: "OVA without a .vmdk", offset: 0, value: 0 });
        };
        if let Some(second) = disks.next() {
            let offset = second.at.saturating_sub(RECORD);
            return Err(ReaderError::Unsupported { field: "second disk", offset, value: second.size });
        }
        let inside = Inside { file, at: disk.at, size: disk.size };
        let opened = vmdk::Reader::open(inside).map_err(|error| error.moved(disk.at))?;
        Ok(Self { disk: opened, at: disk.at })
    }
}

fn members<F: ReadAt>(file: &mut F) -> Result<Vec<Member>, ReaderError<F::Error>> {
    let mut members = Vec::new();
    let mut at = 0_u64;
    loop {
        let mut record = [0; RECORD_BYTES];
        fetch(file, "tar header", at, &mut record)?;
        if record == [0; RECORD_BYTES] && !members.is_empty() {
            return Ok(members);
        }
        let header = tar::Header::from_byte_slice(&record);
        if header.as_ustar().is_none() && header.as_gnu().is_none() {
            return Err(ReaderError::Format { format: "tar", offset: at });
        }
        let sum = record.iter().enumerate().fold(0_u32, |sum, (place, byte)| {
            sum.saturating_add(if (148..156).contains(&place) { 32 } else { u32::from(*byte) })
        });
        if header.cksum().ok() != Some(sum) {
            return Err(ReaderError::Checksum { what: "tar header", offset: at });
        }
        let content = at.saturating_add(RECORD);
        let Some(size) = header.entry_size().ok().filter(|size| *size <= file.length()) else {
            let (field, value) = ("size of a member", header.entry_size().unwrap_or(u64::MAX));
            return Err(ReaderError::Unsupported { field, offset: at.saturating_add(124), value });
        };
        if members.len() == MOST_MEMBERS {
            let (field, value) = ("number of members", MOST_MEMBERS as u64);
            return Err(ReaderError::Unsupported { field, offset: at, value });
        }
        let name = String::from_utf8_lossy(&header.path_bytes()).into_owned();
        members.push(Member { name, at: content, size });
        at = content.saturating_add(padded(size));
    }
}

/// Holds every member that the manifest lists against its digest. An OVA without a manifest is allowed by the standard.
fn check<F: ReadAt>(file: &mut F, members: &[Member]) -> Result<(), ReaderError<F::Error>> {
    let Some(manifest) = members.iter().find(|member| member.name.ends_with(".mf")) else { return Ok(()) };
    if manifest.size > MOST_MANIFEST {
        let (field, offset) = ("size of the manifest", manifest.at);
        return Err(ReaderError::Unsupported { field, offset, value: manifest.size });
    }
    let mut text = vec![0; usize::try_from(manifest.size).unwrap_or(0)];
    fetch(file, "manifest", manifest.at, &mut text)?;
    let mut offset = manifest.at;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let here = offset;
        offset = offset.saturating_add(line.len() as u64);
        let line = String::from_utf8_lossy(line);
        if line.trim().is_empty() {
            continue;
        }
        let parsed = line.strip_prefix("SHA256(").and_then(|rest| rest.split_once(")= "));
        let Some((name, digest)) = parsed else {
            return Err(ReaderError::Unsupported { field: "line of the manifest", offset: here, value: 0 });
        };
        let Some(member) = members.iter().find(|member| member.name == name) else {
            return Err(ReaderError::Unsupported { field: "member in the manifest", offset: here, value: 0 });
        };
        if digest_of(file, member)? != digest.trim().to_ascii_lowercase() {
            return Err(ReaderError::Checksum { what: "member of an OVA", offset: member.at });
        }
    }
    Ok(())
}

fn digest_of<F: ReadAt>(file: &mut F, member: &Member) -> Result<String, ReaderError<F::Error>> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; CLUSTER_BYTES];
    let mut done = 0;
    while done < member.size {
        let here = usize::try_from(member.size.saturating_sub(done)).unwrap_or(usize::MAX).min(CLUSTER_BYTES);
        let piece = buffer.get_mut(..here).unwrap_or_default();
        fetch(file, "member", member.at.saturating_add(done), piece)?;
        hash.update(&*piece);
        done = done.saturating_add(here as u64);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A member as a file of its own.
#[derive(Debug)]
struct Inside<F> {
    file: F,
    at: u64,
    size: u64,
}

impl<F: ReadAt> ReadAt for Inside<F> {
    type Error = F::Error;

    fn length(&self) -> u64 {
        self.size.min(self.file.length().saturating_sub(self.at))
    }

    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), F::Error> {
        self.file.read_at(self.at.saturating_add(offset), out)
    }
}

impl<F: ReadAt> Disk for Reader<F> {
    type Error = ReaderError<F::Error>;

    fn length(&self) -> u64 {
        self.disk.length()
    }

    fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), Self::Error> {
        self.disk.read(at, out).map_err(|error| error.moved(self.at))
    }

    fn next_data(&mut self, at: u64) -> Result<Option<Range<u64>>, Self::Error> {
        self.disk.next_data(at).map_err(|error| error.moved(self.at))
    }
}
