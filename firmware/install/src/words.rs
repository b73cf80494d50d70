//! What the installer shows: lines of at most 79 characters, as they read on a serial line and on a screen.

use std::fmt::Write;

use evener_manifest::Version;

use crate::{Candidate, How, Step};

/// Steps of a progress that get a line, in percent.
const EVERY: u8 = 10;
/// Characters of what a disk says of itself that are shown.
const MODEL: usize = 40;

/// The disks with their numbers, and of each that is not offered why.
#[must_use]
pub fn list(disks: &[(usize, Candidate)], version: Version) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    for (number, disk) in disks {
        let refusal = disk.check().err();
        let number = match &refusal {
            None => number.to_string(),
            Some(_) => "-".to_owned(),
        };
        let size = decimal_size(disk.sectors);
        let _ =
            write!(text, "  {number:>2}  {:<9}{size:>9}  {:<8}{}", disk.name, disk.bus, shown(&disk.model));
        let serial = shown(&disk.serial);
        if !serial.is_empty() {
            let _ = write!(text, " [{serial}]");
        }
        text.push_str(if disk.removable { ", removable\n" } else { "\n" });
        let _ = match refusal {
            Some(refusal) => writeln!(text, "        not offered: {refusal}"),
            None => writeln!(text, "        holds: {}", disk.holds),
        };
        if disk.permits(How::Keep, version).is_ok() {
            text.push_str("        its configuration can be kept\n");
        }
    }
    if disks.iter().all(|(_, disk)| disk.check().is_err()) {
        text.push_str("\n  There is no disk here that Evener can be installed on.\n");
    }
    text
}

/// The one question.
#[must_use]
pub fn question() -> &'static str {
    "Answer with the number of a disk and what is to become of what it holds:\n\
     \x20 number, then \"erase\"   install; all that is on the disk is lost\n\
     \x20 number, then \"keep\"    replace the firmware; configuration and data stay\n\
     or with \"list\" to look again, or with \"off\" to switch off.\n"
}

/// A size as makers of disks state it: `512.1 GB`.
#[must_use]
pub fn decimal_size(sectors: u64) -> String {
    let tenths_of_a_megabyte = sectors.saturating_mul(512) / 100_000;
    for (megabytes, name) in [(1_000_000, "TB"), (1000, "GB"), (1, "MB")] {
        let tenths = tenths_of_a_megabyte.checked_div(megabytes).unwrap_or(0);
        if tenths >= 10 || name == "MB" {
            return format!("{}.{} {name}", tenths / 10, tenths % 10);
        }
    }
    String::new()
}

/// What a disk says of itself, without anything that could steer a terminal.
fn shown(text: &str) -> String {
    let plain = text.trim().chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' });
    plain.take(MODEL).collect()
}

/// Turns percentages into few lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meter {
    last: Option<(Step, u8)>,
}

impl Meter {
    /// A line, when there is something new to show.
    pub fn line(&mut self, step: Step, percent: u8) -> Option<String> {
        let tens = percent / EVERY;
        if self.last == Some((step, tens)) {
            return None;
        }
        self.last = Some((step, tens));
        let what = match step {
            Step::Writing => "writing",
            Step::Checking => "checking",
        };
        Some(format!("  {what:<9}{:>4} %", tens.saturating_mul(EVERY)))
    }
}

#[cfg(test)]
mod tests;
