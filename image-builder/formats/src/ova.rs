//! OVA: one file that vSphere, Workstation and VirtualBox import as a virtual machine.
//!
//! Source: DMTF DSP0243 (OVF 1.1) §6; POSIX.1-1988 ustar. A tar with three members in this order, which importers that
//! read a stream insist on: the description (`.ovf`), the digests (`.mf`), the disk (a stream-optimized VMDK).
//!
//! What the field found out the hard way: the manifest's lines are `SHA256(name)= hex` without a space before the
//! bracket; it lists the description and not itself; SHA-1 is refused by vSphere 6.7 and later.
//!
//! Digests and sizes come before what they are about, and the disk should be compressed once. So the disk is written
//! first, behind a gap for what is to come, and the two members before it are put there at last. The description says
//! how large the disk's file is; it is padded with line ends to the length that it has with the largest number there,
//! so that the gap is known.

use sha2::{Digest, Sha256};

use crate::image::{Disk, Target, WriteAt, WriteError};
use crate::survey::Survey;
use crate::vmdk;

mod ovf;
mod reader;
pub use ovf::{Firmware, Machine};
pub use reader::Reader;

const RECORD: u64 = 512;
const RECORD_BYTES: usize = 512;
/// What a ustar header can say: eleven octal digits.
const MOST_MEMBER: u64 = (8 << 30) - 1;

/// Writes `disk` as the only one of `machine`, and gives the length of the file in bytes.
///
/// # Errors
/// [`WriteError`]; the compressed disk has to stay below 8 GiB.
pub fn write<D: Disk, W: WriteAt>(
    disk: &mut D,
    survey: &Survey,
    machine: &Machine,
    file: &mut W,
) -> Result<u64, WriteError<D::Error, W::Error>> {
    let [description, manifest, image] = ["ovf", "mf", "vmdk"].map(|kind| member_name(machine, kind));
    let widest = ovf::text(machine, &image, survey, MOST_MEMBER).len();
    let manifest_bytes = sums(&[(&description, [0; 32]), (&image, [0; 32])]).len();
    let manifest_at = RECORD.saturating_add(padded(widest as u64));
    let image_at = manifest_at.saturating_add(RECORD).saturating_add(padded(manifest_bytes as u64));
    let content_at = image_at.saturating_add(RECORD);

    let mut hashed = Hashed { file, start: content_at, hash: Sha256::new(), at: 0 };
    let size = vmdk::write(disk, survey, &mut hashed)?;
    let digest: [u8; 32] = hashed.hash.finalize().into();
    if size > MOST_MEMBER {
        return Err(WriteError::Size { format: "OVA", length: survey.length(), most: MOST_MEMBER });
    }
    let mut text = ovf::text(machine, &image, survey, size);
    text.extend(std::iter::repeat_n('\n', widest.saturating_sub(text.len())));
    let sums = sums(&[(&description, Sha256::digest(&text).into()), (&image, digest)]);

    let mut file = Target(file);
    for (at, name, content) in [(0, &description, &text), (manifest_at, &manifest, &sums)] {
        file.put(at, &header(name, content.len() as u64))?;
        file.put(at.saturating_add(RECORD), content.as_bytes())?;
    }
    file.put(image_at, &header(&image, size))?;
    // Two records of zeros are the end of a tar.
    let end = content_at.saturating_add(padded(size)).saturating_add(2 * RECORD);
    file.end_at(end)?;
    Ok(end)
}

/// `evener.ovf`, `evener.mf`, `evener-disk1.vmdk`: the names that everybody's exports have.
fn member_name(machine: &Machine, kind: &str) -> String {
    let infix = if kind == "vmdk" { "-disk1" } else { "" };
    format!("{}{infix}.{kind}", machine.name())
}

fn sums(members: &[(&String, [u8; 32])]) -> String {
    let line = |(name, digest): &(&String, [u8; 32])| {
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("SHA256({name})= {hex}\n")
    };
    members.iter().map(line).collect()
}

/// A ustar header. Names are short (see [`Machine::new`]) and sizes checked, so all of it fits.
fn header(name: &str, size: u64) -> [u8; RECORD_BYTES] {
    let mut header = tar::Header::new_ustar();
    let _ = header.set_path(name);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_cksum();
    *header.as_bytes()
}

fn padded(size: u64) -> u64 {
    size.checked_next_multiple_of(RECORD).unwrap_or(u64::MAX)
}

/// A part of a file that is written from front to back, and hashed on the way.
struct Hashed<'a, W> {
    file: &'a mut W,
    start: u64,
    hash: Sha256,
    at: u64,
}

impl<W: WriteAt> WriteAt for Hashed<'_, W> {
    type Error = W::Error;

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), W::Error> {
        // The VMDK writer leaves nothing out and goes nowhere twice; its tests say so.
        debug_assert_eq!(offset, self.at, "not from front to back");
        self.file.write_at(self.start.saturating_add(offset), bytes)?;
        self.hash.update(bytes);
        self.at = self.at.saturating_add(bytes.len() as u64);
        Ok(())
    }

    fn set_length(&mut self, length: u64) -> Result<(), W::Error> {
        self.file.set_length(self.start.saturating_add(length))
    }
}
