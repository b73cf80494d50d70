//! What is in a file, in words; and what is wrong with it.
//!
//! One walk serves `inspect` and `verify`: it collects lines to read and faults. Nothing that a
//! manifest says is shown before its signature held, because a text that nobody vouches for reads
//! just like one that somebody does.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use evener_disk::{Blocks, SECTORS_PER_MIB};
use evener_formats::{Format, bundle};
use evener_keys::PublicKey;
use evener_manifest::{Keyset, MAX_KEYS, emit_keyset};

mod bios;
mod disk;
mod firmware;

use crate::image_file::DiskFile;

/// Something to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A line of its own: what the items behind it are about.
    Line(String),
    /// A line of a table.
    Item {
        /// Of what.
        name: String,
        /// And what.
        text: String,
    },
}

/// Lines to read, and faults.
#[derive(Debug, Default)]
pub(crate) struct Report {
    entries: Vec<Entry>,
    faults: Vec<String>,
    not_covered: Vec<String>,
}

impl Report {
    /// Everything, one item a line.
    pub(crate) fn text(&self) -> String {
        let lines = self.entries.iter().map(|entry| match entry {
            Entry::Line(text) => text.clone(),
            Entry::Item { name, text } => format!("  {name:<14} {text}"),
        });
        let mut text = lines.collect::<Vec<_>>().join("\n");
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

    /// Everything to read, in order; the first is about the file.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
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
        self.entries.push(Entry::Line(text.into()));
    }

    /// A line of a table: name, then text.
    fn item(&mut self, name: &str, text: impl std::fmt::Display) {
        self.entries.push(Entry::Item { name: name.to_owned(), text: text.to_string() });
    }

    fn leave_out(&mut self, what: impl Into<String>) {
        self.not_covered.push(what.into());
    }

    fn fault(&mut self, text: impl Into<String>) {
        self.faults.push(text.into());
    }
}

/// Looks into a bundle, a slot, or a disk image of any format.
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
        let mut disk = DiskFile::raw(path)?;
        firmware::slot(&mut report, &keys, "slot", &mut disk);
        report.leave_out("root filesystem and loader, which are in other partitions");
    } else {
        disk_file(&mut report, &keys, path)?;
    }
    Ok(report)
}

/// A disk, of whatever format.
fn disk_file(report: &mut Report, keys: &Keyset<'_>, path: &Path) -> anyhow::Result<()> {
    let name = path.display();
    let mut disk = DiskFile::open(path)?;
    let (kind, mebibytes) = (disk.format.extension(), disk.sectors() / SECTORS_PER_MIB);
    report.line(format!("{name}: {kind} disk image of {mebibytes} MiB"));
    let looked = disk::disk(report, keys, &mut disk);
    if let Some(damage) = disk.damage() {
        report.fault(format!("the file: {damage}"));
        return Ok(());
    }
    match looked {
        Err(error) if disk.format == Format::Raw => bail!(
            "{name}: neither a bundle (\"EVENERFW\" at offset 0), a slot (\"EVENERMF\"), nor a disk: {error}"
        ),
        looked => looked.with_context(|| name.to_string()),
    }
}

#[cfg(test)]
mod tests;
