//! The BIOS loader of a disk: the boot code of sector 0, and both copies of stage 2.
//!
//! A copy is compared with what the firmwares on the disk bring. A BIOS itself verifies nothing, and the boot code looks at
//! checksums only; so those are shown as well, and whether the three pieces belong together.

use evener_disk::{Blocks, Lba, PartitionMap, Role, SECTOR, Slot};
use evener_recipes::{hex, sha256};
use evener_stage2::{COPIES, MAX_BYTES, Stage2, copies_of, parts};

use super::disk::origin;
use super::firmware::Loaders;
use super::{Report, firmware};

/// Looks at what a BIOS would run.
pub(super) fn loader<B: Blocks>(
    report: &mut Report,
    map: &PartitionMap,
    disk: &mut B,
    brought: &[(Slot, Loaders)],
) {
    report.line("BIOS loader");
    let copies = [0, 1].map(|number| copy(report, map, disk, number, brought));
    let whole: Vec<Stage2<'_>> =
        copies.iter().filter_map(|bytes| Stage2::check(bytes.as_deref()?).ok()).collect();
    if let [first, second] = whole.as_slice()
        && first != second
    {
        report.item("copies", "differ: the second one is used when the first is damaged");
    }
    boot_code(report, map, disk, &whole);
}

/// The bytes of one copy, after they were reported on.
fn copy<B: Blocks>(
    report: &mut Report,
    map: &PartitionMap,
    disk: &mut B,
    number: usize,
    brought: &[(Slot, Loaders)],
) -> Option<Vec<u8>> {
    let name = format!("copy {number}");
    let at = COPIES.get(number)?.saturating_mul(SECTOR as u64);
    let bytes = map
        .window(disk, Role::BiosBoot)
        .and_then(|mut window| firmware::read(&mut window, at, MAX_BYTES as u64));
    let Some(bytes) = bytes else {
        report.fault(format!("BIOS loader: {name} cannot be read"));
        return None;
    };
    match Stage2::check(&bytes) {
        Ok(stage2) => {
            let (version, length) = (stage2.version(), stage2.bytes().len());
            let digest = hex(&sha256(stage2.bytes()));
            let is = |loaders: &Loaders| {
                let file = loaders.bios.as_deref().unwrap_or_default();
                parts(file).is_ok_and(|(_, brought)| brought == stage2)
            };
            let from = brought.iter().find(|(_, loaders)| is(loaders)).map(|(slot, _)| *slot);
            let state = origin(from, brought);
            report.item(
                &name,
                format!("version {version}, {length} bytes, CRC right, sha256 {digest}, {state}"),
            );
            if from.is_none() && !brought.is_empty() {
                report.fault(format!("BIOS loader: {name} is not one that a firmware here brings"));
            }
        }
        Err(fault) => {
            report.item(&name, format!("not whole: {fault}"));
            report.fault(format!("BIOS loader: {name}: {fault}"));
        }
    }
    Some(bytes)
}

fn boot_code<B: Blocks>(report: &mut Report, map: &PartitionMap, disk: &mut B, copies: &[Stage2<'_>]) {
    let mut sector = [0; SECTOR];
    if disk.read(Lba(0), &mut sector).is_err() {
        report.fault("boot sector: cannot be read");
        return;
    }
    let start = map.get(Role::BiosBoot).map_or(0, |part| part.start.0);
    if !sector.ends_with(&[0x55, 0xaa]) {
        report.fault("boot sector: it has no signature (55 aa at offset 510), so no BIOS starts it");
    } else if copies_of(&sector) != COPIES.map(|offset| Lba(start.saturating_add(offset))) {
        report.fault("boot sector: its code does not look for the loader in bios-boot");
    } else if copies.is_empty() {
        report.item("boot code", "no whole copy to compare with");
    } else if copies.iter().any(|copy| copy.came_with(&sector)) {
        report.item("boot code", "the one that came with the loader");
    } else {
        report.fault("boot sector: its code is not the one that came with the loader");
    }
}
