//! What is in a file, in words; and what is wrong with it.
//!
//! One walk serves `inspect` and `verify`: it collects lines to read and faults. Nothing that a
//! manifest says is shown before its signature held, because a text that nobody vouches for reads
//! just like one that somebody does.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use evener_formats::{bundle, qcow2};
use evener_keys::PublicKey;
use evener_manifest::{Keyset, MAX_KEYS, emit_keyset};

mod bios;
mod disk;
mod firmware;
mod source;

use source::{OnDisk, Qcow2Disk, RawDisk};

/// Lines to read, and faults.
#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: Vec<String>,
    faults: Vec<String>,
    not_covered: Vec<String>,
}

impl Report {
    /// Everything, one item a line.
    pub(crate) fn text(&self) -> String {
        let mut text = self.lines.join("\n");
        if !self.not_covered.is_empty() {
            text.push_str(&format!("\nnot covered    {}", self.not_covered.join("; ")));
        }
        match self.faults.as_slice() {
            [] => text.push_str("\nno fault found\n"),
            faults => {
                text.push_str("\nfaults\n");
                faults.iter().for_each(|fault| text.push_str(&format!("  {fault}\n")));
            }
        }
        text
    }

    /// What of the file was not looked at, or is vouched for by nobody.
    pub(crate) fn not_covered(&self) -> &[String] {
        &self.not_covered
    }

    /// What is wrong; empty if everything verified.
    pub(crate) fn faults(&self) -> &[String] {
        &self.faults
    }

    fn line(&mut self, text: impl Into<String>) {
        self.lines.push(text.into());
    }

    /// A line of a table: name, then text.
    fn item(&mut self, name: &str, text: impl std::fmt::Display) {
        self.line(format!("  {name:<14} {text}"));
    }

    fn leave_out(&mut self, what: impl Into<String>) {
        self.not_covered.push(what.into());
    }

    fn fault(&mut self, text: impl Into<String>) {
        self.faults.push(text.into());
    }
}

/// Looks into a bundle, a slot, or a raw or qcow2 disk image.
///
/// # Errors
/// The file cannot be read, or is none of these.
pub(crate) fn file(path: &Path, keys: &[PublicKey]) -> anyhow::Result<Report> {
    let mut file = File::open(path).with_context(|| format!("reading {}", path.display()))?;
    let mut start = [0; 8];
    file.read_exact(&mut start)
        .with_context(|| format!("{}: shorter than any file of ours", path.display()))?;
    let entries: Vec<_> = keys.iter().take(MAX_KEYS).map(PublicKey::entry).collect();
    let keyset = emit_keyset(false, &entries)?;
    let keys = Keyset::parse(&keyset)?;
    let mut report = Report::default();
    let name = path.display();
    if start == *bundle::MAGIC {
        report.line(format!("{name}: firmware bundle"));
        firmware::bundle(&mut report, &keys, &path.display().to_string(), path)?;
    } else if start.starts_with(b"EVENERMF") {
        report.line(format!("{name}: contents of a boot partition"));
        let mut disk = RawDisk::open(path)?;
        firmware::slot(&mut report, &keys, "slot", &mut disk);
        report.leave_out("root filesystem and loader, which are in other partitions");
    } else if start.starts_with(&qcow2::MAGIC) {
        let reader = qcow2::Reader::open(OnDisk(file)).with_context(|| name.to_string())?;
        report.line(format!("{name}: qcow2 disk image of {} MiB", reader.length() >> 20));
        disk::disk(&mut report, &keys, &mut Qcow2Disk(reader))?;
    } else {
        let mut disk = RawDisk::open(path)?;
        report.line(format!("{name}: raw disk image of {} MiB", disk.mebibytes()));
        if let Err(error) = disk::disk(&mut report, &keys, &mut disk) {
            bail!(
                "{name}: neither a bundle (\"EVENERFW\" at offset 0), a slot (\"EVENERMF\"), a qcow2 file nor a disk: {error}"
            );
        }
    }
    Ok(report)
}

#[cfg(test)]
mod tests;
