//! A manifest and its parts, in a bundle or in a slot.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Context;
use evener_disk::{Blocks, Lba, Role, SECTOR, Slot};
use evener_formats::bundle::{BundleError, Event, Reader};
use evener_formats::verity::{BLOCK_BYTES, Tree};
use evener_manifest::{AREA_BYTES, Flags, Header, Keyset, ManifestError, Part, PartKind, Verified, Verity};
use evener_recipes::hex;

use super::Report;

/// Looks through a bundle from front to back, as the updater will.
pub(super) fn bundle(report: &mut Report, keys: &Keyset<'_>, name: &str, path: &Path) -> anyhow::Result<()> {
    let mut file = File::open(path).with_context(|| format!("reading {}", path.display()))?;
    let mut reader = Reader::new(*keys);
    let mut rootfs = Vec::new();
    let mut chunk = vec![0; 1 << 18];
    loop {
        let read = file.read(&mut chunk).with_context(|| format!("reading {}", path.display()))?;
        let mut rest = chunk.get(..read).unwrap_or_default();
        loop {
            let (taken, event) = match reader.push(rest) {
                Ok(done) => done,
                Err(error) => {
                    if error == BundleError::Manifest(ManifestError::UnknownKey) {
                        report.line("signed with a key that is not among the known ones (--key PUB)");
                    }
                    report.fault(error.to_string());
                    return Ok(());
                }
            };
            rest = rest.get(taken..).unwrap_or_default();
            match event {
                Event::Manifest => manifest(report, keys, reader.area()),
                Event::Data(part, bytes) if part.kind == PartKind::Rootfs => rootfs.extend_from_slice(bytes),
                Event::PartDone(part) => part_line(report, name, &part, Ok(())),
                Event::End => break,
                Event::Data(..) => {}
                Event::More if taken == 0 && rest.is_empty() => break,
                Event::More => {}
            }
        }
        if read == 0 {
            break;
        }
    }
    if let Err(error) = reader.finish() {
        report.fault(error.to_string());
        return Ok(());
    }
    if reader.unvouched() > 0 {
        let bytes = reader.unvouched();
        report.leave_out(format!("{bytes} bytes in sections that the manifest does not name"));
    }
    if let Ok(verified) = Header::parse(reader.area()).and_then(|h| h.verify(keys)) {
        tree(report, name, &verified.verity(), &rootfs);
    }
    Ok(())
}

/// Looks into the boot partition of a slot: manifest, kernel and loaders. Gives what the manifest says about
/// the rest, if it verified.
pub(super) fn slot<B: Blocks>(
    report: &mut Report,
    keys: &Keyset<'_>,
    name: &str,
    boot: &mut B,
) -> Option<Found> {
    let mut area = vec![0; AREA_BYTES];
    let whole = usize::try_from(boot.sectors()).unwrap_or(usize::MAX).saturating_mul(SECTOR).min(AREA_BYTES);
    area.truncate(whole);
    if boot.read(Lba(0), &mut area).is_err() {
        report.fault(format!("{name}: its boot partition cannot be read"));
        return None;
    }
    let header = match Header::parse(&area) {
        Ok(header) => header,
        Err(ManifestError::Magic) if area.iter().all(|byte| *byte == 0) => {
            report.line("  empty");
            return None;
        }
        Err(fault) => {
            report.fault(format!("{name}: manifest: {fault}"));
            return None;
        }
    };
    let verified = match header.verify(keys) {
        Ok(verified) => verified,
        Err(fault) => {
            report.item(
                "manifest",
                format!("names key {}; {fault}, so nothing else is shown", header.key_id()),
            );
            report.fault(format!("{name}: manifest: {fault}"));
            return None;
        }
    };
    describe(report, &verified);
    // Where a part lies in its partition is the same in every slot.
    let slot = Slot::A;
    let mut loader_bios = None;
    for part in verified.parts().filter(|part| part.kind.place(slot).role == Role::Boot(slot)) {
        let bytes = read(boot, part.kind.place(slot).at, part.size);
        let checked = check(&part, bytes.as_deref());
        part_line(report, name, &part, checked);
        if part.kind == PartKind::LoaderBios && checked.is_ok() {
            loader_bios = bytes;
        }
    }
    Some(Found {
        digest: verified.digest(),
        rootfs: verified.part(PartKind::Rootfs),
        verity: verified.verity(),
        loaders: Loaders { uefi: verified.part(PartKind::LoaderUefi), bios: loader_bios },
    })
}

/// Looks into the root partition of a slot.
pub(super) fn rootfs<B: Blocks>(report: &mut Report, name: &str, found: &Found, root: &mut B) {
    let Some(part) = found.rootfs else { return };
    let bytes = read(root, 0, part.size);
    part_line(report, name, &part, check(&part, bytes.as_deref()));
    tree(report, name, &found.verity, bytes.as_deref().unwrap_or_default());
}

/// A firmware that verified.
pub(super) struct Found {
    pub(super) digest: [u8; 32],
    rootfs: Option<Part>,
    verity: Verity,
    pub(super) loaders: Loaders,
}

/// The loaders that a verified firmware brings.
#[derive(Clone, Debug, Default)]
pub(super) struct Loaders {
    /// What its manifest says about the UEFI loader.
    pub(super) uefi: Option<Part>,
    /// The BIOS loader's file, which is what its manifest says.
    pub(super) bios: Option<Vec<u8>>,
}

fn manifest(report: &mut Report, keys: &Keyset<'_>, area: &[u8]) {
    if let Ok(verified) = Header::parse(area).and_then(|h| h.verify(keys)) {
        describe(report, &verified);
    }
}

fn describe(report: &mut Report, manifest: &Verified<'_>) {
    let key = manifest.key();
    let kind = if key.development { "development" } else { "production" };
    report.item("signature", format!("verified, {kind} key {}", key.id));
    let release = if manifest.flags().contains(Flags::RELEASE) { "release" } else { "not a release" };
    report.item("version", format!("{}, {release}", manifest.version()));
    report.item("floor", format!("{} (no way below it once this is confirmed)", manifest.floor()));
    report.item(
        "installs from",
        format!("{} on; needs loader {}", manifest.installable_from(), manifest.min_loader()),
    );
    report.item("build", hex(&manifest.build_id()));
    report.item("settings", format!("reads formats up to {}", manifest.config_format()));
    report.item("digest", format!("{} (of the manifest)", hex(&manifest.digest())));
    if let Some(notes) = manifest.notes() {
        report.item("notes", notes.escape_debug());
    }
    if let Some(toolchain) = manifest.toolchain() {
        report.item("made with", toolchain.escape_debug());
    }
    if let Ok(template) = manifest.template() {
        report.item("command line", template.as_str());
    }
}

fn part_line(report: &mut Report, place: &str, part: &Part, checked: Result<(), &'static str>) {
    let state = checked.map_or_else(|fault| format!("NOT verified: {fault}"), |()| "verified".to_owned());
    let name = part.kind.to_string();
    report.item(&name, format!("{} bytes, sha256 {}, {state}", part.size, hex(&part.sha256)));
    if let Err(fault) = checked {
        report.fault(format!("{place}: {name}: {fault}"));
    }
}

fn check(part: &Part, bytes: Option<&[u8]>) -> Result<(), &'static str> {
    match bytes.map(|bytes| part.check(bytes)) {
        None => Err("cannot be read"),
        Some(Err(ManifestError::PartSize)) => Err("size does not match"),
        Some(Err(_)) => Err("digest does not match"),
        Some(Ok(())) => Ok(()),
    }
}

/// Hashes the data blocks again and compares root hash and stored tree: what the kernel will check
/// block by block, all at once.
fn tree(report: &mut Report, place: &str, verity: &Verity, rootfs: &[u8]) {
    let data = usize::try_from(verity.data_blocks).unwrap_or(usize::MAX).saturating_mul(BLOCK_BYTES);
    let (Some(blocks), Some(stored)) = (rootfs.get(..data), rootfs.get(data..)) else {
        return;
    };
    let state = match Tree::of(blocks, &verity.salt) {
        Ok(tree) if tree.root != verity.root => "root hash does not match",
        Ok(tree) if tree.bytes != stored => "stored tree does not match",
        Ok(_) => "verified",
        Err(_) => "no data blocks",
    };
    let root = hex(&verity.root);
    report.item("hash tree", format!("{} data blocks, root {root}, {state}", verity.data_blocks));
    if state != "verified" {
        report.fault(format!("{place}: hash tree: {state}"));
    }
}

/// Reads bytes of a partition; none if they are not all there.
pub(super) fn read<B: Blocks>(from: &mut B, offset: u64, size: u64) -> Option<Vec<u8>> {
    let sector = SECTOR as u64;
    let sectors = size.div_ceil(sector);
    let first = offset / sector;
    if first.checked_add(sectors)? > from.sectors() {
        return None;
    }
    let mut bytes = vec![0; usize::try_from(sectors.checked_mul(sector)?).ok()?];
    from.read(Lba(first), &mut bytes).ok()?;
    bytes.truncate(usize::try_from(size).ok()?);
    Some(bytes)
}
