//! Bill of materials and licence list of a firmware, written beside it.
//!
//! Everything in them is asked of who knows: cargo which crates it compiles, the kernel recipe its source, the host's
//! packages which C library is linked. Licence texts are those in the sources of the crates, and for the kernel and
//! the C library those that every Debian has.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use evener_manifest::Version;
use evener_supply::{Checksums, Component, Graph, Inventory, Kind, Node, Text, licences, sbom};

use crate::cargo::{PROGRAMS, home};
use crate::error::{RecipeError, file};
use crate::kernel::{self, Kernel};
use crate::shop::{Shop, write_whole};
use crate::tool::Tool;
use crate::toolchain::first_line;

/// Texts of licences that Debian's package `base-files` has, and their SPDX names as they begin in an expression.
const COMMON: [(&str, &str); 3] = [("GPL-2.0", "GPL-2"), ("GPL-3.0", "GPL-3"), ("LGPL-2.1", "LGPL-2.1")];
const COMMON_FOLDER: &str = "/usr/share/common-licenses";
/// How the file of a licence's text begins, in capitals.
const TEXTS: [&str; 6] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];
/// A longer file is no licence.
const TEXT_BYTES: u64 = 256 << 10;
/// Writes `evener-VERSION.cdx.json` and `evener-VERSION.licences.txt` into `out`; their paths.
///
/// # Errors
/// [`RecipeError`]: a program is missing or failed, or a crate is not pinned.
pub(crate) fn write(
    shop: &Shop<'_>,
    out: &Path,
    version: Version,
    kernel: &Kernel,
    tools: &[(&'static str, String)],
) -> Result<Vec<PathBuf>, RecipeError> {
    let lock_path = shop.workspace.join("Cargo.lock");
    let malformed = |path: &Path, reason: String| RecipeError::Malformed { path: path.to_owned(), reason };
    let lock = file("reading", &lock_path, fs::read_to_string(&lock_path))?;
    let lock = Checksums::parse(&lock).map_err(|error| malformed(&lock_path, error.to_string()))?;
    let tools = tools.iter().map(|(name, says)| ((*name).to_owned(), says.clone())).collect();
    let mut inventory = Inventory::new(&version.to_string(), tools);
    let mut foreign: Vec<Node> = Vec::new();
    for (package, target) in PROGRAMS {
        let graph = tree(shop, package, target)?;
        foreign.extend(graph.foreign().cloned());
        inventory.add_program(&graph, &lock).map_err(|error| malformed(&lock_path, error.to_string()))?;
    }
    inventory.add(kernel::about(shop, kernel)?);
    for component in linked()? {
        inventory.add(component);
    }
    let mut texts = of_crates(&foreign)?;
    texts.extend(common(&inventory)?);

    let bill = out.join(format!("evener-{version}.cdx.json"));
    let document = sbom(&inventory).map_err(|error| malformed(&bill, error.to_string()))?;
    write_whole(&bill, document.as_bytes())?;
    let list = out.join(format!("evener-{version}.licences.txt"));
    write_whole(&list, licences(&inventory, &texts).as_bytes())?;
    Ok(vec![bill, list])
}

/// What cargo compiles into the program of `package`.
fn tree(shop: &Shop<'_>, package: &str, target: &str) -> Result<Graph, RecipeError> {
    let tool = Tool::new("cargo", "nothing; Rust comes from https://rustup.rs")
        .args(["tree", "--quiet", "--edges", "normal", "--prefix", "depth", "--format", Graph::FORMAT])
        .args(["--package", package, "--target", target])
        .within(&shop.workspace);
    let tool = if shop.locked { tool.arg("--locked") } else { tool };
    let text = String::from_utf8_lossy(&tool.output()?).into_owned();
    Graph::parse(&text).map_err(|error| RecipeError::Malformed {
        path: format!("cargo tree --package {package}").into(),
        reason: error.to_string(),
    })
}

/// What is linked into the userland and is no crate.
fn linked() -> Result<Vec<Component>, RecipeError> {
    let component = |name: &str, version: String, licence: &str, purl: String, source: &str| Component {
        kind: Kind::Library,
        name: name.to_owned(),
        version,
        licence: licence.to_owned(),
        sha256: None,
        purl,
        source: source.to_owned(),
        properties: Vec::new(),
    };
    let debian = Tool::new("dpkg-query", "dpkg").args(["--show", "--showformat=${Version}", "libc6-dev"]);
    // Where there is no Debian the C library says which it is.
    let glibc = match debian.output() {
        Ok(version) => {
            let version = first_line(&version);
            let purl = format!("pkg:deb/debian/libc6-dev@{}?arch=amd64", version.replace('+', "%2B"));
            component("glibc", version, "LGPL-2.1-or-later", purl, "https://sourceware.org/git/glibc.git")
        }
        Err(_) => {
            let said = first_line(&Tool::new("getconf", "libc-bin").arg("GNU_LIBC_VERSION").output()?);
            let version = said.rsplit(' ').next().unwrap_or_default().to_owned();
            let purl = format!("pkg:generic/glibc@{version}");
            component("glibc", version, "LGPL-2.1-or-later", purl, "https://sourceware.org/git/glibc.git")
        }
    };
    let gcc = first_line(&Tool::new("gcc", "gcc").arg("-dumpfullversion").output()?);
    let rust = first_line(
        &Tool::new("rustc", "nothing; Rust comes from https://rustup.rs").arg("--version").output()?,
    );
    let rust = rust.split(' ').nth(1).unwrap_or_default().to_owned();
    Ok(vec![
        glibc,
        component(
            "libgcc",
            gcc.clone(),
            "GPL-3.0-or-later WITH GCC-exception-3.1",
            format!("pkg:generic/libgcc@{gcc}"),
            "https://gcc.gnu.org/git/gcc.git",
        ),
        component(
            "rust-std",
            rust.clone(),
            "MIT OR Apache-2.0",
            format!("pkg:generic/rust-std@{rust}"),
            "https://github.com/rust-lang/rust",
        ),
    ])
}

/// The licence texts in the sources of these crates, as cargo unpacked them.
fn of_crates(crates: &[Node]) -> Result<Vec<Text>, RecipeError> {
    let registries = home().join("registry/src");
    let mut roots = folders(&registries)?;
    roots.sort();
    let mut texts = Vec::new();
    for node in crates {
        let name = format!("{}-{}", node.name, node.version);
        let Some(source) = roots.iter().map(|root| root.join(&name)).find(|source| source.is_dir()) else {
            continue;
        };
        let of = format!("pkg:cargo/{}@{}", node.name, node.version.replace('+', "%2B"));
        for path in files(&source)? {
            let Some(file_name) = path.file_name().and_then(OsStr::to_str) else { continue };
            let capitals = file_name.to_ascii_uppercase();
            let small = fs::metadata(&path).is_ok_and(|about| about.len() <= TEXT_BYTES);
            if small && TEXTS.iter().any(|begin| capitals.starts_with(begin)) {
                let bytes = file("reading", &path, fs::read(&path))?;
                let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
                texts.push(Text { of: of.clone(), file: file_name.to_owned(), text });
            }
        }
    }
    texts.sort_by(|one, other| (&one.of, &one.file).cmp(&(&other.of, &other.file)));
    texts.dedup();
    Ok(texts)
}

/// The texts of what comes from no registry.
fn common(inventory: &Inventory) -> Result<Vec<Text>, RecipeError> {
    let mut texts = Vec::new();
    for component in inventory.components.values() {
        let Some((_, name)) = COMMON.iter().find(|(begin, _)| component.licence.starts_with(begin)) else {
            continue;
        };
        let path = Path::new(COMMON_FOLDER).join(name);
        if path.exists() {
            let text = file("reading", &path, fs::read_to_string(&path))?;
            texts.push(Text { of: component.purl.clone(), file: (*name).to_owned(), text });
        }
    }
    Ok(texts)
}

fn folders(path: &Path) -> Result<Vec<PathBuf>, RecipeError> {
    Ok(entries(path)?.into_iter().filter(|entry| entry.is_dir()).collect())
}

fn files(path: &Path) -> Result<Vec<PathBuf>, RecipeError> {
    Ok(entries(path)?.into_iter().filter(|entry| entry.is_file()).collect())
}

fn entries(path: &Path) -> Result<Vec<PathBuf>, RecipeError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in file("reading", path, fs::read_dir(path))? {
        found.push(file("reading", path, entry)?.path());
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
