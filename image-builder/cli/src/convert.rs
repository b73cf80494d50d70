//! `evener-image convert`: a disk in another format.
//!
//! The source is looked over once before anything is written (see `evener_formats::Survey`), then read again in what it
//! holds. The target appears whole or not at all.

use std::fs::Permissions;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use evener_formats::{Disk, Format, ReaderError, Survey};
use evener_recipes::OnDisk;
use tempfile::NamedTempFile;

use crate::arguments::Convert;
use crate::image_file::DiskFile;

/// Between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(2);

/// Converts, and gives the line that says what came out.
pub(crate) fn convert(order: &Convert, say: &dyn Fn(&str)) -> anyhow::Result<String> {
    let Convert { source, target, format, force, machine } = order;
    check_target(source, target, *force)?;
    let disk = DiskFile::open(source)?;
    let from = disk.format;
    let mut disk = Metered::new(disk, say);
    let survey = Survey::of(&mut disk).with_context(|| source.display().to_string())?;

    let writing = || format!("writing {}", target.display());
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".evener-").suffix(".new").permissions(Permissions::from_mode(0o666));
    let file: NamedTempFile = builder.tempfile_in(folder).with_context(writing)?;
    disk.next_pass("writing", survey.used_bytes());
    let mut out = OnDisk::new(file.as_file().try_clone().with_context(writing)?).with_context(writing)?;
    let written = format.write(&mut disk, &survey, machine, &mut out);
    let bytes = written.with_context(|| format!("{} to {}", source.display(), target.display()))?;
    file.as_file().sync_all().with_context(writing)?;
    // Somebody may have made the target meanwhile.
    let placed = if *force { file.persist(target) } else { file.persist_noclobber(target) };
    placed.map_err(|failed| failed.error).with_context(writing)?;

    let mib = survey.length() / (1 << 20);
    let mut line = format!(
        "{}: {bytes} bytes, {} (from {}), a disk of {mib} MiB with {} MiB of content",
        target.display(),
        format.extension(),
        from.extension(),
        survey.used_bytes().div_ceil(1 << 20)
    );
    let grown = evener_formats::vhd::virtual_size(survey.length()).saturating_sub(survey.length());
    if *format == Format::Vhd && grown > 0 {
        line.push_str(&format!("; {grown} bytes of zeros behind it, because a VHD has whole MiB"));
    }
    Ok(line)
}

fn check_target(source: &Path, target: &Path, force: bool) -> anyhow::Result<()> {
    let about = match std::fs::metadata(target) {
        Ok(about) => about,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("writing {}", target.display())),
    };
    if !about.is_file() {
        bail!("{}: not a file; convert writes files only", target.display());
    }
    let id = |about: &std::fs::Metadata| (about.dev(), about.ino());
    if std::fs::metadata(source).is_ok_and(|source| id(&source) == id(&about)) {
        bail!("{}: is the source", target.display());
    }
    ensure!(force, "{}: is there already (--force writes over it)", target.display());
    Ok(())
}

/// A disk that says how far it was read.
struct Metered<'a> {
    disk: DiskFile,
    say: &'a dyn Fn(&str),
    pass: &'static str,
    /// Bytes read in this pass, and in all of it.
    read: u64,
    whole: u64,
    last: Instant,
}

impl<'a> Metered<'a> {
    fn new(disk: DiskFile, say: &'a dyn Fn(&str)) -> Self {
        let whole = disk.length();
        Self { disk, say, pass: "looking through", read: 0, whole, last: Instant::now() }
    }

    fn next_pass(&mut self, pass: &'static str, whole: u64) {
        (self.pass, self.read, self.whole) = (pass, 0, whole);
    }

    fn tell(&mut self) {
        if self.last.elapsed() >= PROGRESS {
            self.last = Instant::now();
            let percent = self.read.min(self.whole).saturating_mul(100) / self.whole.max(1);
            (self.say)(&format!("{}: {percent} %", self.pass));
        }
    }
}

impl Disk for Metered<'_> {
    type Error = ReaderError<io::Error>;

    fn length(&self) -> u64 {
        Disk::length(&self.disk)
    }

    fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), Self::Error> {
        Disk::read(&mut self.disk, at, out)?;
        self.read = self.read.saturating_add(out.len() as u64);
        self.tell();
        Ok(())
    }

    fn next_data(&mut self, at: u64) -> Result<Option<Range<u64>>, Self::Error> {
        // What is skipped counts as read, in the pass that goes over all of the disk.
        let next = self.disk.next_data(at)?;
        let start = next.as_ref().map_or(self.whole, |range| range.start);
        self.read = self.read.saturating_add(start.saturating_sub(at));
        Ok(next)
    }
}

#[cfg(test)]
mod tests;
