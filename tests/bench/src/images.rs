//! The disk of the firmware in every format: how large, how long it takes, and whether it is the same bytes again.
//!
//! The source is the disk that `make image` wrote. The second writing starts from another format of the first, so that
//! *identical* also says that nothing of the way a disk was described gets into the file. Whether a format *boots* is from
//! the last `make prove`, while the code that it was about is the same.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use evener_appliance::{raw_disk, shipped_image};
use evener_disk::Role;
use evener_formats::ova::Machine;
use evener_formats::{AnyDisk, Format, Survey, fat16};
use evener_lab::DiskFile;
use evener_recipes::OnDisk;
use evener_stage2::{BOOT_CODE_BYTES, MAX_BYTES, Stage2};
use serde_json::{Value, json};

use crate::proof;
use crate::report::{Report, Row};

/// Size of the partition with the UEFI loader.
const ESP_BYTES: usize = 16 << 20;

/// Measures and reports.
///
/// # Errors
/// When the image is missing or a file cannot be written.
pub fn run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let source = shipped_image()?;
    let other = folder.path().join("other.vhdx");
    write(Format::Vhdx, &source, &other)?;
    let mut rows = Vec::new();
    for format in Format::ALL {
        let name = |number: u32| folder.path().join(format!("{number}.{}", format.extension()));
        let (first, second) = (name(1), name(2));
        let begun = Instant::now();
        write(format, &source, &first)?;
        let seconds = (begun.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        write(format, &other, &second)?;
        let about = std::fs::metadata(&first)?;
        rows.push(
            Row::new(format.extension())
                .figure("bytes", json!(about.len()))
                .figure("allocated_bytes", json!(about.blocks().saturating_mul(512)))
                .figure("seconds_to_write", json!(seconds))
                .figure("identical_twice", json!(same(&first, &second)?))
                .figure("boots", boots(format)),
        );
        for path in [first, second] {
            std::fs::remove_file(path)?;
        }
    }
    rows.push(loaders(folder.path())?);
    Report::new("images", rows).publish()
}

/// What starts the disk: how large the two programs are.
fn loaders(folder: &Path) -> Result<Row> {
    let mut disk = DiskFile::open(&raw_disk(folder)?)?;
    let volume = disk.peek(Role::EspA, 0, ESP_BYTES)?;
    let uefi = fat16::extract(&volume, "EFI/BOOT/BOOTX64.EFI").context("the UEFI loader")?;
    let bios = disk.peek(Role::BiosBoot, 0, MAX_BYTES)?;
    let bios = Stage2::check(&bios).map_err(|error| anyhow!("the BIOS loader: {error}"))?;
    Ok(Row::new("loaders")
        .figure("uefi_bytes", json!(uefi.len()))
        .figure("bios_stage2_bytes", json!(bios.bytes().len()))
        .figure("bios_boot_code_bytes", json!(BOOT_CODE_BYTES)))
}

/// Whether the last proof booted every file of this format; `None` when the code that it was about has changed since.
fn boots(format: Format) -> Option<Value> {
    proof::figure("boards", "boots")?.get(format.extension()).cloned()
}

/// Writes a disk in another format, to stable storage.
fn write(format: Format, source: &Path, target: &Path) -> Result<()> {
    let mut disk = open(source)?;
    let survey = Survey::of(&mut disk)?;
    let mut file = OnDisk::new(File::create(target)?)?;
    let machine = Machine::new("evener-qemu");
    format.write(&mut disk, &survey, &machine, &mut file).with_context(|| target.display().to_string())?;
    Ok(file.into_file()?.sync_all()?)
}

fn open(path: &Path) -> Result<AnyDisk<'static, std::io::Error>> {
    let file = File::open(path).with_context(|| format!("reading {}", path.display()))?;
    let mut file = OnDisk::new(file)?;
    Ok(Format::of(&mut file)?.open(file)?)
}

/// Are two files the same, to the byte and in length?
fn same(one: &Path, other: &Path) -> Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let length = one.metadata()?.len();
    if length != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut a, mut b) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let mut rest = length;
    while rest > 0 {
        let here = usize::try_from(rest).unwrap_or(usize::MAX).min(a.len());
        let (a, b) = (a.get_mut(..here).unwrap_or_default(), b.get_mut(..here).unwrap_or_default());
        one.read_exact(a)?;
        other.read_exact(b)?;
        if a != b {
            return Ok(false);
        }
        rest = rest.saturating_sub(here as u64);
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_or_a_length_that_differs_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut content = vec![7; (1 << 20) + 10];
        std::fs::write(path("a"), &content).unwrap();
        std::fs::write(path("b"), &content).unwrap();
        assert!(same(&path("a"), &path("b")).unwrap());
        content[(1 << 20) + 9] = 8;
        std::fs::write(path("b"), &content).unwrap();
        assert!(!same(&path("a"), &path("b")).unwrap());
        std::fs::write(path("b"), &content[..1 << 20]).unwrap();
        assert!(!same(&path("a"), &path("b")).unwrap());
    }
}
