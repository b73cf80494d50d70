//! What the operator put on the stick: `install.toml` and `evener.toml`.

use crate::device;
use crate::disks::Sysfs;
use anyhow::Context;
use evener_config::first;
use evener_disk::INSTALLER;
use evener_install::Order;
use evener_sys::mount::{MountFlags, mount, unmount};
use evener_sys::open_regular;
use std::fs;
use std::io::Read;
use std::path::Path;

/// What is to be done where nobody answers.
const ORDER: &str = "install.toml";
/// The first configuration of the installed unit.
pub(crate) const FIRST: &str = "evener.toml";
/// Largest file that is taken, in bytes; a unit takes no larger configuration.
const MAX_BYTES: u64 = 1 << 20;

/// What was found. Either file may be missing; one that is wrong is told, and nothing is installed by itself then.
// No `Debug`: a first configuration holds a password.
#[derive(Default)]
pub(crate) struct Given {
    /// What is to be done without asking.
    pub(crate) order: Option<Order>,
    /// The text of the first configuration.
    pub(crate) first: Option<String>,
    /// What is wrong, in lines.
    pub(crate) faults: Vec<String>,
}

/// Reads the files of `stick`, whose partition is mounted on `point` for that. Writes nothing.
pub(crate) fn read(stick: &str, has_partition: bool, point: &Path) -> Given {
    if !has_partition {
        return Given::default();
    }
    let node = Sysfs::new("/sys").partition(stick, INSTALLER).unwrap_or_else(|| device("none"));
    let read = mounted(&node, point).and_then(|()| {
        let given = from_folder(point);
        unmount(point).context("cannot unmount it")?;
        Ok(given)
    });
    read.unwrap_or_else(|error| Given {
        faults: vec![format!("The files on this stick cannot be read: {error:#}.")],
        ..Given::default()
    })
}

fn mounted(node: &Path, point: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(point)?;
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount(node, point, "vfat", flags, None).with_context(|| format!("cannot mount {}", node.display()))
}

fn from_folder(folder: &Path) -> Given {
    let mut given = Given::default();
    match text(folder, ORDER).map(|text| text.map(|text| Order::parse(&text))) {
        Ok(Some(Ok(order))) => given.order = Some(order),
        Ok(Some(Err(error))) => given.faults.push(format!("{ORDER}, {error}.")),
        Ok(None) => {}
        Err(error) => given.faults.push(format!("{ORDER} cannot be read: {error:#}.")),
    }
    match text(folder, FIRST) {
        // The unit would refuse it, too, but after the old system is gone.
        Ok(Some(text)) => match first::parse(&text) {
            Ok(_) => given.first = Some(text),
            Err(errors) => given.faults.extend(errors.iter().map(|error| format!("{FIRST}, {error}."))),
        },
        Ok(None) => {}
        Err(error) => given.faults.push(format!("{FIRST} cannot be read: {error:#}.")),
    }
    given
}

/// The file with this name, in any case of letters.
fn text(folder: &Path, name: &str) -> anyhow::Result<Option<String>> {
    let found = fs::read_dir(folder)?.flatten().find(|entry| entry.file_name().eq_ignore_ascii_case(name));
    let Some(entry) = found else { return Ok(None) };
    let mut bytes = Vec::new();
    open_regular(&entry.path())?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    anyhow::ensure!(bytes.len() as u64 <= MAX_BYTES, "it is larger than 1 MiB");
    Ok(Some(String::from_utf8(bytes).context("it is not UTF-8 text")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use evener_install::{Existing, Which};

    fn given(files: &[(&str, &str)]) -> Given {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(folder.path().join(name), content).unwrap();
        }
        from_folder(folder.path())
    }

    #[test]
    fn both_files_are_read_in_any_case_and_both_may_be_missing() {
        let both = given(&[("INSTALL.TOML", "disk = \"only\"\r\n"), ("Evener.toml", "hostname = \"lb1\"\n")]);
        assert_eq!(both.order, Some(Order { disk: Which::Only, existing: Existing::Refuse }));
        assert_eq!((both.first.as_deref(), both.faults.len()), (Some("hostname = \"lb1\"\n"), 0));
        let none = given(&[("README.TXT", "")]);
        assert!(none.order.is_none() && none.first.is_none() && none.faults.is_empty());
    }

    #[test]
    fn what_is_wrong_is_told_with_file_line_and_field() {
        let wrong = given(&[
            ("install.toml", "\ndisk = \"first\""),
            ("evener.toml", "hostname = \"-\"\nweb_port = 0"),
        ]);
        assert!(wrong.order.is_none() && wrong.first.is_none());
        assert!(wrong.faults[0].starts_with("install.toml, line 2, disk: "), "{:?}", wrong.faults);
        for part in ["evener.toml, line 1: hostname", "evener.toml, line 2: web_port"] {
            assert!(wrong.faults.iter().any(|fault| fault.contains(part)), "{part} in {:?}", wrong.faults);
        }
    }

    #[test]
    fn a_file_that_is_too_large_or_no_text_is_told() {
        let large = "#".repeat(usize::try_from(MAX_BYTES).unwrap() + 1);
        assert!(given(&[("evener.toml", &large)]).faults[0].contains("larger than 1 MiB"));
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("install.toml"), [0xff, 0xfe]).unwrap();
        assert!(from_folder(folder.path()).faults[0].contains("not UTF-8"));
    }
}
