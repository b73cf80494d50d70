//! The arguments of `convert` and `diff`.

use std::ffi::OsString;
use std::path::PathBuf;

use evener_formats::Format;
use evener_formats::ova::{Firmware, Machine};

use super::{Command, Usage, Words};

/// Options of `convert`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Convert {
    pub(crate) source: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) format: Format,
    pub(crate) force: bool,
    pub(crate) machine: Machine,
}

pub(super) fn convert(arguments: impl Iterator<Item = OsString>) -> Result<Command, Usage> {
    let options = ["--format", "--name", "--cpus", "--memory", "--ports", "--firmware"];
    let mut words = Words::split(arguments, &options, &["--force"])?;
    let mut machine = Machine::new(&words.text("--name")?.unwrap_or_else(|| "evener".to_owned()));
    machine.cpus = number(&mut words, "--cpus", 1, 128)?.unwrap_or(machine.cpus);
    machine.memory_mib = number(&mut words, "--memory", 128, 1 << 22)?.unwrap_or(machine.memory_mib);
    machine.ports = number(&mut words, "--ports", 1, 10)?.unwrap_or(machine.ports);
    if let Some(firmware) = words.text("--firmware")? {
        machine.firmware = match firmware.as_str() {
            "efi" => Firmware::Efi,
            "bios" => Firmware::Bios,
            _ => return Err(Usage(format!("--firmware: \"{firmware}\" is neither efi nor bios"))),
        };
    }
    let given = words.text("--format")?;
    let [source, target] = words.two(["FILE", "TARGET"])?;
    let known = || Format::ALL.map(Format::extension).join(", ");
    let format = match given {
        Some(name) => Format::named(&name)
            .ok_or_else(|| Usage(format!("--format: \"{name}\" is none of {}", known())))?,
        None => Format::of_name(&target.to_string_lossy()).ok_or_else(|| {
            Usage(format!("{}: the name says no format; --format one of {}", target.display(), known()))
        })?,
    };
    let force = words.flag("--force");
    Ok(Command::Convert(Convert { source: source.into(), target: target.into(), format, force, machine }))
}

fn number(words: &mut Words, name: &str, least: u32, most: u32) -> Result<Option<u32>, Usage> {
    let Some(text) = words.text(name)? else { return Ok(None) };
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.map(Some).ok_or_else(|| Usage(format!("{name}: {text} is not a number from {least} to {most}")))
}

pub(super) fn diff(arguments: impl Iterator<Item = OsString>) -> Result<Command, Usage> {
    let mut words = Words::split(arguments, &["--key"], &[])?;
    let key = words.path("--key");
    Ok(Command::Diff { files: words.two(["A", "B"])?.map(PathBuf::from), key })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Command, Usage> {
        super::super::parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn the_format_is_in_the_name_unless_it_is_given() {
        for (line, format) in [
            ("convert a b.vhd", Format::Vhd),
            ("convert a b.vhd --format ova", Format::Ova),
            ("convert --format=raw-zst a b", Format::RawZst),
            ("convert --force a b.raw.zst", Format::RawZst),
        ] {
            let Ok(Command::Convert(order)) = words(line) else { panic!("{line}") };
            assert_eq!((order.format, order.force), (format, line.contains("--force")), "{line}");
            assert_eq!(order.source, PathBuf::from("a"), "{line}");
        }
    }

    #[test]
    fn the_machine_of_an_ova_is_what_is_given() {
        let line = "convert a b.ova --name lb --cpus 4 --memory 2048 --ports 3 --firmware bios";
        let Ok(Command::Convert(order)) = words(line) else { panic!("{line}") };
        let mut machine = Machine::new("lb");
        (machine.cpus, machine.memory_mib, machine.ports) = (4, 2048, 3);
        machine.firmware = Firmware::Bios;
        assert_eq!(order.machine, machine);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, what) in [
            ("convert", "FILE is missing"),
            ("convert a", "TARGET is missing"),
            ("convert a b.vhd c", "unexpected c"),
            ("convert a b", "the name says no format"),
            ("convert a b.vhd --format iso", "\"iso\" is none of raw, qcow2, vhd"),
            ("convert a b.ova --cpus none", "--cpus: none is not a number from 1 to 128"),
            ("convert a b.ova --ports 11", "11 is not a number from 1 to 10"),
            ("convert a b.ova --firmware uefi", "neither efi nor bios"),
            ("diff a", "B is missing"),
            ("diff a b c", "unexpected c"),
        ] {
            let usage = words(line).unwrap_err().to_string();
            assert!(usage.contains(what), "{line}: {usage}");
        }
    }
}
