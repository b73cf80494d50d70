//! Linux, from source: where the source comes from, and what is done to it.
//!
//! The result is kept under the hash of all that went in (source, fragments, patches, this recipe's
//! version), so that a source tree that did not touch the kernel never builds it again. Building
//! happens beside the cache entry, which appears by one rename and carries the digest of its kernel
//! (`entry`); a lock file makes a second builder wait instead of building the same kernel twice.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::digest::{Key, of_source};
use crate::error::{RecipeError, file};
use crate::shop::{Shop, lock, make_folder, remove_folder, sync, temporary};
use crate::tool::Tool;

mod about;
mod config;
mod entry;
pub(crate) use about::about;
pub use config::{Fragment, Unmet, unmet};
use entry::{built, is_whole, store};

/// Raised when the steps below change in a way that changes the kernel.
const RECIPE: &str = "evener-kernel-2";
/// Where Debian's package puts its tarball.
const DEBIAN_SOURCE: &str = "/usr/src/linux-source-6.12.tar.xz";

/// The programs that make machine code, and their packages. Kbuild calls them by these names.
const COMPILERS: [(&str, &str); 2] = [("gcc", "gcc"), ("ld", "binutils")];

/// A kernel ready to be signed.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// The bzImage.
    pub image: PathBuf,
    /// The configuration that it was built with.
    pub config: PathBuf,
    /// Its version, for example `6.12.117`.
    pub version: String,
}

/// `board-support/sources.lock`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lock {
    linux: LockedSource,
    /// What the programs say of themselves: `toolchain` reads it.
    #[serde(rename = "toolchain", default)]
    _toolchain: toml::Table,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockedSource {
    version: String,
    #[serde(rename = "origin")]
    _origin: String,
    sha256: String,
}

/// What makes a kernel this kernel, apart from the source.
struct Ingredients {
    fragments: Vec<Fragment>,
    patches: Vec<(String, PathBuf, Vec<u8>)>,
    /// What compiler and linker say of themselves: another compiler makes another kernel.
    compilers: Vec<(&'static str, Vec<u8>)>,
}

impl Ingredients {
    fn read(workspace: &Path) -> Result<Self, RecipeError> {
        let folder = workspace.join("board-support/kernel");
        let mut fragments = Vec::new();
        for (name, path) in files(&folder, "config")? {
            let text = file("reading", &path, fs::read_to_string(&path))?;
            fragments.push(Fragment { name, text });
        }
        let mut patches = Vec::new();
        for (name, path) in files(&folder.join("patches"), "patch")? {
            let content = file("reading", &path, fs::read(&path))?;
            patches.push((name, path, content));
        }
        let mut compilers = Vec::new();
        for (program, package) in COMPILERS {
            compilers.push((program, Tool::new(program, package).arg("--version").output()?));
        }
        Ok(Self { fragments, patches, compilers })
    }

    fn key(&self, source_sha256: &str) -> String {
        let mut key = Key::new(RECIPE).with("source", source_sha256.as_bytes());
        for fragment in &self.fragments {
            key = key.with(&fragment.name, fragment.text.as_bytes());
        }
        for (name, _, content) in &self.patches {
            key = key.with(name, content);
        }
        for (program, version) in &self.compilers {
            key = key.with(program, version);
        }
        key.finish()
    }
}

/// The kernel of this source tree: from the cache, or built from Debian's source or `tarball`.
///
/// # Errors
/// [`RecipeError`]: no source, a source that is not the locked one in a `--locked` build, a symbol
/// that did not make it into the configuration, or a program that failed.
pub fn kernel(shop: &Shop<'_>, tarball: Option<&Path>) -> Result<Kernel, RecipeError> {
    let ingredients = Ingredients::read(&shop.workspace)?;
    let pinned = read_lock(&shop.workspace)?;
    let kernels = make_folder(shop.cache.join("kernel"))?;

    let locked = kernels.join(ingredients.key(&pinned.sha256));
    if tarball.is_none() && is_whole(shop, &locked)? {
        return built(&locked);
    }
    let (source, sha256) = find_source(shop, tarball, &pinned)?;
    let entry = kernels.join(ingredients.key(&sha256));
    let _guard = lock(shop, &entry.with_extension("lock"), "kernel")?;
    if !is_whole(shop, &entry)? {
        build(shop, &ingredients, &source, &entry)?;
        keep_source(shop, &source, &sha256)?;
    }
    built(&entry)
}

fn read_lock(workspace: &Path) -> Result<LockedSource, RecipeError> {
    let path = workspace.join("board-support/sources.lock");
    let text = file("reading", &path, fs::read_to_string(&path))?;
    let lock: Lock =
        toml::from_str(&text).map_err(|e| RecipeError::Malformed { path, reason: e.to_string() })?;
    Ok(lock.linux)
}

fn find_source(
    shop: &Shop<'_>,
    tarball: Option<&Path>,
    lock: &LockedSource,
) -> Result<(PathBuf, String), RecipeError> {
    let kept = kept_source(shop, &lock.sha256);
    let debian = PathBuf::from(DEBIAN_SOURCE);
    let source = match tarball {
        Some(path) => path.to_owned(),
        None if kept.exists() => kept,
        None if debian.exists() => debian,
        None => return Err(RecipeError::NoSource { cache: shop.cache.clone(), debian }),
    };
    let found = of_source(&source, &shop.cache, shop.locked)?;
    if found != lock.sha256 {
        if shop.locked {
            return Err(RecipeError::NotLocked { path: source, found, locked: lock.sha256.clone() });
        }
        shop.reporter.say(&format!(
            "kernel: {} is not the locked Linux {} (sha256 {found}); building it all the same",
            source.display(),
            lock.version
        ));
    }
    Ok((source, found))
}

fn kept_source(shop: &Shop<'_>, sha256: &str) -> PathBuf {
    shop.cache.join("sources").join(format!("linux-{sha256}.tar"))
}

/// Debian replaces its tarball with each point release; a copy lets the locked kernel be built again.
fn keep_source(shop: &Shop<'_>, source: &Path, sha256: &str) -> Result<(), RecipeError> {
    let kept = kept_source(shop, sha256);
    if kept.exists() {
        return Ok(());
    }
    make_folder(shop.cache.join("sources"))?;
    let temporary = temporary(&kept);
    file("copying", source, fs::copy(source, &temporary))?;
    sync(&temporary)?;
    file("renaming", &kept, fs::rename(&temporary, &kept))
}

fn build(shop: &Shop<'_>, ingredients: &Ingredients, source: &Path, entry: &Path) -> Result<(), RecipeError> {
    let log = entry.with_extension("log");
    file("emptying", &log, File::create(&log))?;
    let tree = entry.with_extension("building");
    remove_folder(&tree)?;
    make_folder(tree.clone())?;
    shop.reporter.say(&format!(
        "kernel: building Linux from {} (some minutes, once); log {}",
        source.display(),
        log.display()
    ));
    Tool::new("tar", "tar")
        .args(["--extract", "--strip-components=1", "--file"])
        .arg(source)
        .within(&tree)
        .run(shop, "kernel: unpacking", &log)?;
    for (name, path, _) in &ingredients.patches {
        Tool::new("patch", "patch")
            .args(["--strip=1", "--forward", "--batch"])
            .stdin(path)?
            .within(&tree)
            .run(shop, &format!("kernel: {name}"), &log)?;
    }
    configure(shop, ingredients, &tree, &log)?;
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    make(&tree).arg(format!("-j{jobs}")).arg("bzImage").run(shop, "kernel: compiling", &log)?;
    make(&tree).args(["-s", "kernelversion"]).run(shop, "kernel: version", &tree.join(".version-text"))?;
    store(&tree, entry, &log)
}

/// `make allnoconfig` with the fragments as the exceptions: whatever no fragment names is off.
fn configure(shop: &Shop<'_>, ingredients: &Ingredients, tree: &Path, log: &Path) -> Result<(), RecipeError> {
    let joined: String = ingredients.fragments.iter().map(|f| f.text.as_str()).collect();
    let exceptions = tree.join(".evener.config");
    file("writing", &exceptions, fs::write(&exceptions, joined))?;
    make(tree).env("KCONFIG_ALLCONFIG", exceptions.as_os_str()).arg("allnoconfig").run(
        shop,
        "kernel: configuring",
        log,
    )?;
    let config = tree.join(".config");
    let config = file("reading", &config, fs::read_to_string(&config))?;
    let unmet = unmet(&ingredients.fragments, &config);
    if unmet.is_empty() { Ok(()) } else { Err(RecipeError::Unmet(unmet)) }
}

/// `make` with who, where and when fixed, which the kernel would otherwise state about itself.
fn make(tree: &Path) -> Tool {
    Tool::new("make", "make (and gcc bc bison flex libelf-dev zstd)")
        .arg("ARCH=x86_64")
        .env("KBUILD_BUILD_TIMESTAMP", "Thu Jan  1 00:00:00 UTC 1970")
        .env("KBUILD_BUILD_USER", "evener")
        .env("KBUILD_BUILD_HOST", "evener")
        .env("KBUILD_BUILD_VERSION", "1")
        .within(tree)
}

/// The files of `folder` with this extension, by name.
fn files(folder: &Path, extension: &str) -> Result<Vec<(String, PathBuf)>, RecipeError> {
    let mut found = Vec::new();
    for entry in file("reading", folder, fs::read_dir(folder))? {
        let path = file("reading", folder, entry)?.path();
        if path.extension().is_some_and(|e| e == extension)
            && let Some(name) = path.file_name().and_then(|n| n.to_str())
        {
            found.push((name.to_owned(), path));
        }
    }
    found.sort();
    Ok(found)
}

/// The key of the tree's ingredients, were `gcc` to call itself `compiler`.
#[cfg(test)]
pub(crate) fn key_with(workspace: &Path, compiler: &[u8]) -> String {
    let mut ingredients = Ingredients::read(workspace).unwrap_or_else(|error| panic!("{error}"));
    let asked = ingredients.compilers.iter_mut().find(|(program, _)| *program == "gcc");
    if let Some((_, version)) = asked {
        *version = compiler.to_vec();
    }
    ingredients.key("")
}
