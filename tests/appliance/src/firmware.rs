//! Firmwares made for a test: any version, any floor, and an illness if wanted.
//!
//! Made by the image builder's own recipes from this tree: kernel from the cache, loader as shipped, and as userland
//! the program of `tests/sick`, which is compiled once for all of them. Signed with the development key, so that a
//! unit whose image was built on this machine takes them. What comes out lies in `out/test-firmware`.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use evener_board::{Board, DiskFormat};
use evener_keys::{KeyFolder, SigningKey};
use evener_manifest::{Version, emit_keyset};
use evener_recipes::{
    DiskContent, Firmware, Ingredients, Packing, Parts, Policy, Reporter, Shop, Statement,
    command_line_template, parts, sign, write_bundle, write_disk,
};
use evener_sick::Sickness;

use crate::image::out;

/// The package with the userland.
const USERLAND: &str = "evener-sick";
const BOARD: &str = include_str!("../../../board-support/boards/qemu.toml");
/// What the signed command line says about init and panics, and what says that there is no such init and that a panic
/// waits for ever.
const SANE: &str = "init=/init panic=5";
const HANGS: &str = "init=/nope panic=0";

/// The parts for each illness and keyset, made once in a process.
static PARTS: Mutex<Option<HashMap<(Sickness, Keys), Parts>>> = Mutex::new(None);

/// A firmware to be made.
#[derive(Clone, Debug)]
pub struct TestFirmware {
    version: String,
    floor: String,
    installable_from: String,
    min_loader: String,
    sickness: Sickness,
    damage: Damage,
    keys: Keys,
}

/// The keys that a firmware and its loaders trust, and the one that signed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Keys {
    /// The development key, as what ships from this machine.
    Shipped,
    /// That and a second one; the first signed it.
    Two,
    /// The same; the second signed it.
    SignedBySecond,
}

/// What is wrong with a firmware beside what its programs do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    None,
    HangsBeforeInit,
    Rotten,
}

impl TestFirmware {
    /// A healthy firmware that calls itself `version`, such as `7.2.40`; without a floor, installable from anything
    /// and startable by any loader.
    #[must_use]
    pub fn new(version: &str) -> Self {
        let any = || "0.0.0".to_owned();
        Self {
            version: version.to_owned(),
            floor: any(),
            installable_from: any(),
            min_loader: any(),
            sickness: Sickness::None,
            damage: Damage::None,
            keys: Keys::Shipped,
        }
    }

    /// With this floor, at most its own version.
    #[must_use]
    pub fn floor(mut self, version: &str) -> Self {
        version.clone_into(&mut self.floor);
        self
    }

    /// Installable from this version on.
    #[must_use]
    pub fn installable_from(mut self, version: &str) -> Self {
        version.clone_into(&mut self.installable_from);
        self
    }

    /// Started by this loader or a later one.
    #[must_use]
    pub fn min_loader(mut self, version: &str) -> Self {
        version.clone_into(&mut self.min_loader);
        self
    }

    /// With this illness.
    #[must_use]
    pub fn sickness(mut self, sickness: Sickness) -> Self {
        self.sickness = sickness;
        self
    }

    /// It and its loaders trust a second key, too.
    #[must_use]
    pub fn brings_a_key(mut self) -> Self {
        self.keys = Keys::Two;
        self
    }

    /// It is signed with that second key.
    #[must_use]
    pub fn signed_with_that_key(mut self) -> Self {
        self.keys = Keys::SignedBySecond;
        self
    }

    /// Its kernel finds no init and waits for ever: a hang that only a watchdog ends.
    #[must_use]
    pub fn hangs_before_init(mut self) -> Self {
        self.damage = Damage::HangsBeforeInit;
        self
    }

    /// A block of its root file system is not the one that the hash tree was made of. The manifest is true to the
    /// damage: nothing is wrong with the file, and installing finds nothing.
    #[must_use]
    pub fn rotten(mut self) -> Self {
        self.damage = Damage::Rotten;
        self
    }

    /// The firmware file.
    ///
    /// # Errors
    /// When a version is none, or the builder fails; the error has its words.
    pub fn bundle(&self) -> Result<PathBuf> {
        self.make("evfw", |path, firmware, _| Ok(write_bundle(path, firmware)?))
    }

    /// A disk image (qcow2) of the tests' board with the firmware in slots A and R.
    ///
    /// # Errors
    /// As [`bundle`](Self::bundle).
    pub fn disk(&self) -> Result<PathBuf> {
        let board = Board::parse(BOARD)?;
        self.make("qcow2", |path, firmware, parts| {
            let content = DiskContent { firmware, data: parts.data.clone() };
            Ok(write_disk(path, DiskFormat::Qcow2, &board, &content)?)
        })
    }

    /// What tells it from every other one made from the same tree.
    fn name(&self) -> String {
        let Self { version, floor, installable_from, min_loader, sickness, damage, keys } = self;
        let ill = match damage {
            Damage::None => sickness.name().replace(' ', "-"),
            Damage::HangsBeforeInit => "hangs-before-init".to_owned(),
            Damage::Rotten => "rotten".to_owned(),
        };
        let keys = match keys {
            Keys::Shipped => "",
            Keys::Two => "-two-keys",
            Keys::SignedBySecond => "-by-the-second-key",
        };
        format!("{version}-floor-{floor}-from-{installable_from}-loader-{min_loader}-{ill}{keys}")
    }

    /// Other tests of this process wait, and so do other processes, but for what is being written only: the file stays
    /// the same for whoever reads it, because it appears by a rename.
    fn make(
        &self,
        extension: &str,
        write: impl FnOnce(&Path, &Firmware, &Parts) -> Result<()>,
    ) -> Result<PathBuf> {
        let folder = out().join("test-firmware");
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let folder = folder.canonicalize()?;
        let mut parts = PARTS.lock().unwrap_or_else(PoisonError::into_inner);
        let lock = folder.join("lock");
        let lock = File::create(&lock).with_context(|| format!("making {}", lock.display()))?;
        lock.lock().context("waiting for another builder of test firmware")?;
        let known = parts.get_or_insert_default();
        let (key, _) = keys()?.development()?;
        let (second, _) = KeyFolder::new(folder.join("keys")).development()?;
        let keyset = match self.keys {
            Keys::Shipped => key.keyset(false)?,
            Keys::Two | Keys::SignedBySecond => {
                emit_keyset(false, &[key.public().entry(), second.public().entry()]).context("a keyset")?
            }
        };
        let trusts = if self.keys == Keys::Shipped { Keys::Shipped } else { Keys::Two };
        let sound = match known.entry((self.sickness, trusts)) {
            Entry::Occupied(made) => made.into_mut(),
            Entry::Vacant(place) => place.insert(cook(&folder, self.sickness, &keyset)?),
        };
        let key = if self.keys == Keys::SignedBySecond { second } else { key };
        let (firmware, parts) = self.sign(sound, &key, &keyset)?;
        let path = folder.join(format!("{}.{extension}", self.name()));
        write(&path, &firmware, &parts)?;
        Ok(path)
    }

    fn sign(&self, sound: &Parts, key: &SigningKey, keyset: &[u8]) -> Result<(Firmware, Parts)> {
        let mut parts = sound.clone();
        let mut template = command_line_template(&parts.root.verity);
        match self.damage {
            Damage::None => {}
            Damage::HangsBeforeInit => {
                anyhow::ensure!(template.contains(SANE), "{SANE:?} is not on the command line: {template}");
                template = template.replace(SANE, HANGS);
            }
            Damage::Rotten => {
                let mut bytes = parts.root.bytes.to_vec();
                *bytes.first_mut().context("an empty root file system")? ^= 1;
                parts.root.bytes = bytes.into();
            }
        }
        let policy = Policy {
            version: version(&self.version)?,
            floor: version(&self.floor)?,
            installable_from: version(&self.installable_from)?,
            min_loader: version(&self.min_loader)?,
        };
        let notes = format!("Made for a test: {}", self.name());
        let statement = Statement { policy, template, notes, toolchain: None, release: false };
        Ok((sign(&statement, &parts, key, keyset)?, parts))
    }
}

fn version(text: &str) -> Result<Version> {
    text.parse().map_err(|error| anyhow!("{text:?} is no version: {error}"))
}

fn keys() -> Result<KeyFolder> {
    KeyFolder::of_the_user().context("no home directory ($HOME)")
}

/// Compiles what is to be compiled and packs the root file system.
fn cook(folder: &Path, sickness: Sickness, keyset: &[u8]) -> Result<Parts> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let target = std::env::var_os("CARGO_TARGET_DIR");
    let target = target.map_or_else(|| workspace.join("target"), |target| workspace.join(target));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = match cache {
        Some(cache) => cache,
        None => std::env::home_dir().context("no home directory ($HOME)")?.join(".cache"),
    };
    let shop = Shop {
        cache: cache.join("evener"),
        work: folder.join("work"),
        // The image builder's, because nearly all that is compiled is the same.
        programs: target.join("image/cargo"),
        workspace,
        locked: false,
        reporter: &Words,
    };
    let ingredients = Ingredients {
        userland: USERLAND,
        keyset,
        files: &[(evener_sick::FILE, sickness.name().as_bytes())],
        packing: Packing::Quick,
        kernel_source: None,
    };
    Ok(parts(&shop, &ingredients)?)
}

/// Tells whoever runs the test with its output shown.
struct Words;

#[expect(clippy::print_stderr, reason = "for whoever runs a test and wonders what it is waiting for")]
impl Reporter for Words {
    fn say(&self, text: &str) {
        eprintln!("test firmware: {text}");
    }

    fn still(&self, text: &str, elapsed: Duration, log: &Path) {
        eprintln!("test firmware: {text}: {} s so far; log {}", elapsed.as_secs(), log.display());
    }
}
