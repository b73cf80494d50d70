//! `evener-image diff`: how two disks or two bundles differ, in words.
//!
//! First what `inspect` says of both, item by item: versions, digests, partitions, the slot table, loaders. Then the
//! bytes, partition by partition: where the first difference is, and how many sectors differ. The format that a disk is
//! in is not content: a VHD and a qcow2 of the same disk are the same.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, bail};
use evener_disk::{INSTALLER, PartitionMap, Role, SECTOR};
use evener_formats::{Disk, bundle};
use evener_keys::PublicKey;
use evener_manifest::PartKind;

use crate::image_file::DiskFile;
use crate::inspect::{self, Entry, Report};

/// Bytes compared at a time.
const PIECE: u64 = 1 << 16;

/// What is read at a glance, in characters.
const SHORT: usize = 60;

/// How two files differ, a line each; nothing if they do not.
///
/// # Errors
/// A file cannot be read, or they are not of one kind.
pub(crate) fn diff(paths: [&Path; 2], keys: &[PublicKey]) -> anyhow::Result<Vec<String>> {
    match (is_bundle(paths[0])?, is_bundle(paths[1])?) {
        (true, true) => bundles(paths, keys),
        (false, false) => disks(paths, keys),
        (first, _) => {
            let [one, other] = paths.map(Path::display);
            let kinds = if first { ["a bundle", "a disk"] } else { ["a disk", "a bundle"] };
            bail!("{one} is {}, {other} is {}: there is nothing to compare", kinds[0], kinds[1]);
        }
    }
}

fn is_bundle(path: &Path) -> anyhow::Result<bool> {
    let mut start = Vec::new();
    let file = File::open(path).with_context(|| format!("reading {}", path.display()))?;
    let magic = bundle::MAGIC.len();
    file.take(magic as u64).read_to_end(&mut start).with_context(|| format!("reading {}", path.display()))?;
    Ok(start == bundle::MAGIC)
}

fn bundles(paths: [&Path; 2], keys: &[PublicKey]) -> anyhow::Result<Vec<String>> {
    let mut lines = in_words([&inspect::file(paths[0], keys)?, &inspect::file(paths[1], keys)?]);
    let mut files = [DiskFile::raw(paths[0])?, DiskFile::raw(paths[1])?];
    let mut sections = Vec::new();
    for (file, path) in files.iter_mut().zip(paths) {
        let mut header = vec![0; bundle::HEADER_BYTES];
        let whole = usize::try_from(file.length()).unwrap_or(usize::MAX).min(header.len());
        header.truncate(whole);
        Disk::read(file, 0, &mut header)?;
        sections.push(bundle::section_ranges(&header).with_context(|| path.display().to_string())?);
    }
    for (kind, one) in &sections[0] {
        let Some((_, other)) = sections[1].iter().find(|(other, _)| other == kind) else {
            lines.push(format!("{}: only A has it", section_name(*kind)));
            continue;
        };
        lines.extend(content(&section_name(*kind), &mut files, &[one.clone(), other.clone()])?);
    }
    for (kind, _) in &sections[1] {
        if !sections[0].iter().any(|(other, _)| other == kind) {
            lines.push(format!("{}: only B has it", section_name(*kind)));
        }
    }
    // What lies outside of the sections, if nothing else explains a difference.
    if lines.is_empty() {
        let whole = [0..files[0].length(), 0..files[1].length()];
        lines.extend(content("outside of the sections", &mut files, &whole)?);
    }
    Ok(lines)
}

fn section_name(kind: u32) -> String {
    let known = [PartKind::Kernel, PartKind::Rootfs, PartKind::LoaderUefi, PartKind::LoaderBios];
    match known.into_iter().find(|known| *known as u32 == kind) {
        Some(part) => part.to_string(),
        None if kind == 0 => "manifest and signature".to_owned(),
        None => format!("section of kind {kind}"),
    }
}

fn disks(paths: [&Path; 2], keys: &[PublicKey]) -> anyhow::Result<Vec<String>> {
    let mut files = [DiskFile::open(paths[0])?, DiskFile::open(paths[1])?];
    let [one, other] = [files[0].length(), files[1].length()];
    let mut lines = Vec::new();
    if one != other {
        lines.push(format!("size: A {one} bytes, B {other} bytes"));
    }
    let maps = [PartitionMap::read(&mut files[0]), PartitionMap::read(&mut files[1])];
    for (file, path) in files.iter().zip(paths) {
        if let Some(damage) = file.damage() {
            bail!("{}: {damage}", path.display());
        }
    }
    let [Ok(first), Ok(second)] = &maps else {
        for (name, map) in ["A", "B"].iter().zip(&maps) {
            if let Err(fault) = map {
                lines.push(format!("{name} has no partition table that can be used: {fault}"));
            }
        }
        // Two disks without tables may be the same all the same.
        if maps.iter().all(Result::is_err) {
            lines.retain(|line| line.starts_with("size"));
        }
        lines.extend(content("content", &mut files, &[0..one, 0..other])?);
        return Ok(lines);
    };
    lines.extend(in_words([&inspect::file(paths[0], keys)?, &inspect::file(paths[1], keys)?]));
    let mut inside: Vec<Range<u64>> = Vec::new();
    let of_role = |role: Role| (role.name(), [first.get(role), second.get(role)]);
    let installer = (INSTALLER, [first.installer(), second.installer()]);
    for (name, parts) in Role::ALL.into_iter().map(of_role).chain([installer]) {
        let places = parts.map(|part| {
            part.map(|part| {
                let start = part.start.0.saturating_mul(SECTOR as u64);
                start..start.saturating_add(part.sectors.saturating_mul(SECTOR as u64))
            })
        });
        if let [Some(one), Some(other)] = places {
            inside.extend([one.clone(), other.clone()]);
            lines.extend(content(name, &mut files, &[one, other])?);
        }
    }
    inside.sort_by_key(|range| range.start);
    let mut at = 0;
    for gap in inside.iter().map(|range| (range.start, range.end)).chain([(one.min(other), 0)]) {
        let range = at..gap.0.max(at);
        at = gap.1.max(at);
        let name = format!("outside of the partitions, from byte {} on", range.start);
        lines.extend(content(&name, &mut files, &[range.clone(), range])?);
    }
    Ok(lines)
}

/// How the items of two reports differ.
fn in_words(reports: [&Report; 2]) -> Vec<String> {
    let [one, other] = reports.map(items);
    let mut lines = Vec::new();
    for (name, text) in &one {
        match other.iter().find(|(theirs, _)| theirs == name) {
            Some((_, theirs)) if theirs == text => {}
            Some((_, theirs)) => lines.push(apart(name, text, theirs)),
            None => lines.push(format!("{name}: only in A: {text}")),
        }
    }
    let missing = |(name, _): &&(String, String)| !one.iter().any(|(ours, _)| ours == name);
    lines.extend(other.iter().filter(missing).map(|(name, text)| format!("{name}: only in B: {text}")));
    let [one, other] = reports.map(Report::faults);
    for (who, mine, theirs) in [("A", one, other), ("B", other, one)] {
        let only = mine.iter().filter(|fault| !theirs.contains(fault));
        lines.extend(only.map(|fault| format!("a fault in {who} only: {fault}")));
    }
    lines
}

/// Two texts that differ, beside each other; of long ones only what differs, with the word before it.
fn apart(name: &str, one: &str, other: &str) -> String {
    if one.len().max(other.len()) <= SHORT {
        return format!("{name}: A {one}; B {other}");
    }
    let [ours, theirs] = [one, other].map(|text| text.split_whitespace().collect::<Vec<_>>());
    let start = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
    let end = ours.iter().rev().zip(theirs.iter().rev()).take_while(|(a, b)| a == b).count();
    let middle = |words: &[&str]| {
        let end = words.len().saturating_sub(end);
        words.get(start..end).map(|words| words.join(" ").trim_end_matches(',').to_owned())
    };
    let before = start.checked_sub(1).and_then(|last| ours.get(last)).map(|word| format!("… {word} "));
    match (middle(&ours), middle(&theirs)) {
        (Some(a), Some(b)) if !a.is_empty() && !b.is_empty() => {
            format!("{name}: {}A {a}; B {b}", before.unwrap_or_default())
        }
        _ => format!("{name}: A {one}; B {other}"),
    }
}

/// Each item with a name that says what it is about; without the first line, which is about the file.
fn items(report: &Report) -> Vec<(String, String)> {
    let mut about = String::new();
    let mut items = Vec::new();
    for entry in report.entries().iter().skip(1) {
        match entry {
            Entry::Line(line) if line.starts_with(' ') => items.push((about.clone(), line.trim().to_owned())),
            Entry::Line(line) => {
                let (name, text) = line.split_once("  ").unwrap_or((line, ""));
                about = name.to_owned();
                if !text.is_empty() {
                    items.push((about.clone(), text.trim().to_owned()));
                }
            }
            Entry::Item { name, text } if about.is_empty() => items.push((name.clone(), text.clone())),
            Entry::Item { name, text } => items.push((format!("{about}, {name}"), text.clone())),
        }
    }
    items
}

/// Compares bytes: a line, if some differ.
fn content(
    name: &str,
    files: &mut [DiskFile; 2],
    ranges: &[Range<u64>; 2],
) -> anyhow::Result<Option<String>> {
    let [one, other] = ranges;
    let (mut first, mut sectors) = (None, 0_u64);
    let lengths = [one.end.saturating_sub(one.start), other.end.saturating_sub(other.start)];
    let length = lengths[0].min(lengths[1]);
    let mut buffers = [vec![0; 1 << 16], vec![0; 1 << 16]];
    let mut at = 0;
    while let Some(data) = next_data(files, [one.start, other.start], at)?.filter(|data| *data < length) {
        let here = data / PIECE * PIECE;
        let piece = usize::try_from(length.saturating_sub(here).min(PIECE)).unwrap_or(0);
        for ((file, buffer), range) in files.iter_mut().zip(&mut buffers).zip(ranges) {
            buffer.resize(piece, 0);
            Disk::read(file, range.start.saturating_add(here), buffer)?;
        }
        let [ours, theirs] = &buffers;
        if ours != theirs {
            let place = ours.iter().zip(theirs).position(|(a, b)| a != b).unwrap_or(0) as u64;
            first.get_or_insert(here.saturating_add(place));
            let differ = ours.chunks(SECTOR).zip(theirs.chunks(SECTOR)).filter(|(a, b)| a != b);
            sectors = sectors.saturating_add(differ.count() as u64);
        }
        at = here.saturating_add(PIECE);
    }
    Ok(match first {
        Some(first) => {
            Some(format!("{name}: first difference at byte {first} of it, sectors that differ: {sectors}"))
        }
        None if lengths[0] != lengths[1] => {
            Some(format!("{name}: A has {} bytes, B has {}; the same up to there", lengths[0], lengths[1]))
        }
        None => None,
    })
}

/// Where the next bytes are that are not known to be zero in both, counted from the two starts.
fn next_data(files: &mut [DiskFile; 2], starts: [u64; 2], at: u64) -> anyhow::Result<Option<u64>> {
    let mut next: Option<u64> = None;
    for (file, start) in files.iter_mut().zip(starts) {
        if let Some(found) = file.next_data(start.saturating_add(at))? {
            let found = found.start.saturating_sub(start);
            next = Some(next.map_or(found, |before| before.min(found)));
        }
    }
    Ok(next)
}

#[cfg(test)]
mod tests;
