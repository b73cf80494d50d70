//! What `make prove` found, kept in `docs/proof` with the commit and the date, and with a digest of the sources that it
//! is about.
//!
//! A proof takes too long to be repeated for each measurement, and says nothing about code that has changed since. So a
//! figure is given only while the sources that it covers are those that were proved, byte for byte; the rule is the
//! same for everybody and needs no history: [`sources`] over the folders that [`ITEMS`] names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use evener_manifest::sha256;
use serde_json::{Map, Value, json};

/// Where the firmware slots are written, chosen and counted.
const SLOTS: [&str; 8] = [
    "bootloader/devices",
    "bootloader/handoff",
    "bootloader/slot-choice",
    "update/disk",
    "update/manifest",
    "update/plan",
    "update/slot-table",
    "update/slots",
];

/// How the names of sources end: programs, and what the kernel is made from.
const SOURCES: [&str; 7] = ["config", "ld", "lock", "patch", "rs", "s", "toml"];

/// One thing that is proved.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// Of its file in `out/proof` and `docs/proof`.
    pub name: &'static str,
    /// What it is, for people.
    pub title: &'static str,
    /// The page beside its file that explains it.
    page: &'static str,
    /// Folders beside [`SLOTS`] whose sources it is about.
    more: &'static [&'static str],
}

/// All of them, as `make prove` runs them.
pub const ITEMS: [Item; 13] = [
    Item {
        name: "sweep",
        title: "Every write cut in every way, on a simulated disk",
        page: "power-cuts.md",
        more: &["firmware/store", "tests/sweep"],
    },
    Item {
        name: "mutants",
        title: "Flushes and re-reads taken out of the code, one at a time",
        page: "mutants.md",
        more: &["firmware/store", "tests/sweep"],
    },
    Item {
        name: "kills",
        title: "Cords pulled during updates of booted units",
        page: "kills.md",
        more: &["bootloader/uefi", "firmware/control", "firmware/init", "firmware/store", "update/update"],
    },
    Item {
        name: "flapping",
        title: "Five power cuts in a row, each within a minute of a start",
        page: "kills.md",
        more: &["bootloader/uefi", "firmware/init", "firmware/web", "update/update"],
    },
    Item {
        name: "sick",
        title: "Updates to firmwares that are ill",
        page: "sick-firmware.md",
        more: &["bootloader/uefi", "firmware/init", "firmware/supervise", "tests/sick", "update/update"],
    },
    Item {
        name: "reproduce",
        title: "The image built a second time, elsewhere and from nothing",
        page: "reproduce.md",
        more: &[
            "board-support",
            "bootloader/bios",
            "bootloader/stage2",
            "bootloader/uefi",
            "firmware",
            "image-builder",
        ],
    },
    Item {
        name: "fuzz",
        title: "Mutated bytes into every parser of a boot",
        page: "fuzz.md",
        more: &["image-builder/formats", "tests/fuzz"],
    },
    Item {
        name: "boards",
        title: "Every board, booted from its own file and updated",
        page: "boards.md",
        more: &[
            "board-support",
            "bootloader/bios",
            "bootloader/stage2",
            "bootloader/uefi",
            "firmware/init",
            "firmware/net",
            "image-builder/formats",
            "image-builder/layout",
            "update/update",
        ],
    },
    Item {
        name: "loader",
        title: "Loaders that are replaced in the field, and that boot from every kind of disk",
        page: "loader.md",
        more: &[
            "bootloader/bios",
            "bootloader/stage2",
            "bootloader/uefi",
            "firmware/init",
            "image-builder/formats",
            "update/update",
        ],
    },
    Item {
        name: "installer",
        title: "Disks that a stick installs",
        page: "installer.md",
        more: &[
            "bootloader/bios",
            "bootloader/stage2",
            "bootloader/uefi",
            "firmware/init",
            "firmware/install",
            "firmware/installer",
            "image-builder/formats",
            "image-builder/layout",
        ],
    },
    Item {
        name: "idle",
        title: "What an idle unit of the LM2200's class writes to its disk",
        page: "lm2200.md",
        more: &["board-support", "firmware", "update/update"],
    },
    Item {
        name: "console",
        title: "Bytes that arrive at the console of an LM2200 while it boots",
        page: "lm2200.md",
        more: &["board-support", "bootloader/bios", "bootloader/stage2", "firmware/init"],
    },
    Item {
        name: "bios",
        title: "Fallback, corruption, downgrade and update under a BIOS",
        page: "bios.md",
        more: &["bootloader/bios", "bootloader/stage2", "firmware/init", "update/update"],
    },
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

impl Item {
    fn folders(&self) -> impl Iterator<Item = &'static str> {
        SLOTS.into_iter().chain(self.more.iter().copied())
    }

    fn found(&self) -> PathBuf {
        root().join("out/proof").join(format!("{}.json", self.name))
    }

    fn kept(&self) -> PathBuf {
        root().join("docs/proof").join(format!("{}.json", self.name))
    }
}

/// A figure of the last proof; `None` when there is none, or the sources that it covers have changed since.
#[must_use]
pub fn figure(item: &str, name: &str) -> Option<Value> {
    let item = ITEMS.iter().find(|known| known.name == item)?;
    let kept: Value = serde_json::from_slice(&fs::read(item.kept()).ok()?).ok()?;
    let now = sources(&root(), item.folders()).ok()?;
    (kept["sources"] == now.as_str()).then(|| kept["figures"].get(name).cloned())?
}

/// Puts what the proofs left in `out/proof` into `docs/proof`, and tells about it there.
///
/// # Errors
/// When there is nothing, or a file cannot be read or written.
pub fn collect() -> Result<()> {
    let commit = said("git", &["rev-parse", "--short=12", "HEAD"])?;
    let changed =
        !said("git", &["status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs/proof"])?
            .is_empty();
    let commit = if changed { format!("{commit} and changes") } else { commit };
    let date = said("date", &["--utc", "+%Y-%m-%d"])?;
    let mut collected = 0;
    for item in &ITEMS {
        let Ok(bytes) = fs::read(item.found()) else {
            println!("{}: not proved in this run", item.name);
            continue;
        };
        let figures: Map<String, Value> =
            serde_json::from_slice(&bytes).with_context(|| format!("{}", item.found().display()))?;
        let kept = json!({
            "name": item.name,
            "commit": commit,
            "date": date,
            "sources": sources(&root(), item.folders())?,
            "figures": figures,
        });
        fs::write(item.kept(), format!("{kept:#}\n"))
            .with_context(|| format!("writing {}", item.kept().display()))?;
        collected += 1;
        println!("{}: kept in {}", item.name, item.kept().display());
    }
    ensure!(collected > 0, "out/proof is empty");
    keep_tables(&commit, &date)?;
    let page = root().join("docs/proof/README.md");
    fs::write(&page, page_text()).with_context(|| format!("writing {}", page.display()))
}

/// What a proof has to show beside figures comes as a page of its own, which gets commit and date below.
fn keep_tables(commit: &str, date: &str) -> Result<()> {
    for entry in fs::read_dir(root().join("out/proof"))? {
        let found = entry?.path();
        let Some(name) = found.file_name().filter(|_| found.extension().is_some_and(|it| it == "md")) else {
            continue;
        };
        let text = fs::read_to_string(&found).with_context(|| format!("{}", found.display()))?;
        let kept = root().join("docs/proof").join(name);
        fs::write(&kept, format!("{}\n\n{date}, commit {commit}.\n", text.trim_end()))
            .with_context(|| format!("writing {}", kept.display()))?;
    }
    Ok(())
}

/// The page that shows every figure.
fn page_text() -> String {
    let mut text = "# What was proved\n\n\
        `make prove` runs what takes too long for every change, and writes its figures here, with the commit and the day.\n\
        This page and the JSON files beside it are made by it; do not edit them. `sources` in a JSON file is a digest of the\n\
        code that the figures are about: measurements quote a figure only while that code is the same.\n"
        .to_owned();
    for item in &ITEMS {
        let Some(kept) = fs::read(item.kept()).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok())
        else {
            continue;
        };
        text.push_str(&section(item, &kept));
        if item.kept().with_file_name(item.page).exists() {
            text.push_str(&format!("\nHow: [{0}]({0}).\n", item.page));
        }
    }
    text
}

fn section(item: &Item, kept: &Value) -> String {
    let words = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut text = format!(
        "\n## {}\n\n{}, commit {}.\n\n| figure | value |\n|---|---|\n",
        item.title,
        words(&kept["date"]),
        words(&kept["commit"])
    );
    for (name, value) in kept["figures"].as_object().into_iter().flatten() {
        match value {
            Value::Object(parts) => {
                for (part, value) in parts {
                    text.push_str(&format!("| {name}: {part} | {} |\n", words(value)));
                }
            }
            Value::Array(all) => text.push_str(&format!("| {name} | {} entries |\n", all.len())),
            value => text.push_str(&format!("| {name} | {} |\n", words(value))),
        }
    }
    text
}

/// A digest of every source and manifest below these folders: their paths and their bytes.
///
/// # Errors
/// When a folder cannot be read.
pub fn sources(root: &Path, folders: impl Iterator<Item = &'static str>) -> Result<String> {
    let mut files = Vec::new();
    for folder in folders {
        find(&root.join(folder), &mut files).with_context(|| format!("looking into {folder}"))?;
    }
    files.sort();
    let mut text = String::new();
    for file in files {
        let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        text.push_str(&format!("{} {name}\n", hex(&sha256(&fs::read(&file)?))));
    }
    Ok(hex(&sha256(text.as_bytes())))
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|extension| SOURCES.iter().any(|it| extension == *it)) {
            files.push(path);
        }
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn said(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).current_dir(root()).output();
    let output = output.with_context(|| format!("starting {program}"))?;
    ensure!(output.status.success(), "{program} failed ({})", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_changed_byte_or_name_is_another_digest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("crate/src");
        fs::create_dir_all(&path).unwrap();
        let digest = || sources(folder.path(), ["crate"].into_iter()).unwrap();
        fs::write(path.join("lib.rs"), "a").unwrap();
        fs::write(path.join("notes.md"), "not a source").unwrap();
        let first = digest();
        assert_eq!(first, digest());
        fs::write(path.join("notes.md"), "still not").unwrap();
        assert_eq!(first, digest());
        fs::write(path.join("lib.rs"), "b").unwrap();
        let second = digest();
        fs::rename(path.join("lib.rs"), path.join("other.rs")).unwrap();
        assert!(first != second && second != digest() && first != digest());
        assert!(sources(folder.path(), ["nothing"].into_iter()).is_err());
    }

    #[test]
    fn a_page_shows_every_figure_with_commit_and_day() {
        let kept = json!({ "commit": "abc", "date": "2026-01-01", "figures":
            { "kills": 40, "by_phase": { "upload": 3 }, "cases": [1, 2] } });
        let text = section(&ITEMS[2], &kept);
        for words in
            ["2026-01-01, commit abc", "| kills | 40 |", "| by_phase: upload | 3 |", "| cases | 2 entries |"]
        {
            assert!(text.contains(words), "{words}: {text}");
        }
    }

    #[test]
    fn every_item_covers_folders_that_exist() {
        for item in &ITEMS {
            for folder in item.folders() {
                assert!(root().join(folder).is_dir(), "{}: {folder}", item.name);
            }
        }
        assert_eq!(figure("nothing", "kills"), None);
    }
}
