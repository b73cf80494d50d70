//! What a board asks for is what is written.

use std::collections::BTreeSet;
use std::fs;

use evener_board::Board;
use evener_board::DiskFormat::{Ova, Qcow2, Raw, RawZst, Vhd, Vhdx, Vmdk};
use evener_formats::{Format, Survey};

use super::{Place, given_bundle};
use crate::OnDisk;

#[test]
fn every_format_that_a_board_asks_for_is_written_and_is_the_same_disk() {
    let place = Place::new();
    let shop = place.shop(false);
    let text = include_str!("../../../../board-support/boards/qemu.toml");
    let mut board = Board::parse(text).unwrap();
    board.disk.formats = [Raw, Qcow2, Vhd, Vhdx, Vmdk, Ova, RawZst].into();
    let (_, bundle, keyset) = given_bundle(&place);
    let images = crate::disks(&shop, &[board], &place.path("out"), &bundle, &keyset).unwrap();
    assert_eq!(images.disks.len(), 7);
    let mut digests = BTreeSet::new();
    for path in &images.disks {
        let mut file = OnDisk::new(fs::File::open(path).unwrap()).unwrap();
        let format = Format::of(&mut file).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert_eq!(name, format!("evener-qemu.{}", format.extension()));
        if format != Format::RawZst {
            digests.insert(Survey::of(&mut format.open(file).unwrap()).unwrap().digest());
        }
    }
    assert_eq!(digests.len(), 1);
}

#[test]
fn boards_that_are_installed_from_a_stick_get_one_stick_between_them() {
    let place = Place::new();
    let shop = place.shop(false);
    let boards = [
        include_str!("../../../../board-support/boards/lm2200.toml"),
        include_str!("../../../../board-support/boards/oem-x86.toml"),
    ];
    let boards = boards.map(|text| Board::parse(text).unwrap());
    let (_, bundle, keyset) = given_bundle(&place);
    let images = crate::disks(&shop, &boards, &place.path("out"), &bundle, &keyset).unwrap();
    let names: Vec<_> = images.stick.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    assert_eq!(names, ["evener-installer.raw", "evener-installer.raw.zst"]);
    let raw = fs::read(&images.stick[0]).unwrap();
    assert_eq!(&raw[512..520], b"EFI PART");
    let readme = b"Evener installer\r\n";
    assert!(raw.chunks(512).any(|sector| sector.starts_with(readme)), "operators find their instructions");
}
