//! The stick that installs: laid out, and written as files.
//!
//! One for all boards, as the firmware is: how large the disk is that it installs, the installer sees on the spot.

use std::path::Path;

use bytes::Bytes;
use evener_formats::ova::Machine;
use evener_formats::{Format, Sparse};
use evener_layout::Stick;

use crate::digest::Key;
use crate::disk_file::write_disk_file;
use crate::error::RecipeError;
use crate::firmware::Firmware;
use crate::image::in_a_slot;

/// As what it is written: to be copied to a stick as it is, and to be sent.
pub(crate) const FORMATS: [Format; 2] = [Format::Raw, Format::RawZst];
/// What an operator finds on the stick. Windows knows no other line ends everywhere.
const README: &str = include_str!("stick-readme.txt");

pub(crate) fn lay_out(firmware: &Firmware) -> Result<Sparse, RecipeError> {
    let stick = Stick { firmware: in_a_slot(firmware), files: vec![("README.TXT", readme())] };
    Ok(stick.build()?)
}

pub(crate) fn write(path: &Path, format: Format, stick: &Sparse) -> Result<(), RecipeError> {
    write_disk_file(path, format, &Machine::new("evener-installer"), stick)
}

/// What the files are a function of.
pub(crate) fn key(code: &str, firmware: &Firmware) -> String {
    Key::of_code("evener-installer-1", code).with("area", &firmware.area).with("readme", &readme()).finish()
}

fn readme() -> Bytes {
    README.replace('\n', "\r\n").into()
}
