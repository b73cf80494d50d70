//! The programs of ours in an image: the userland binary, the UEFI loader and the BIOS loader.
//!
//! The loaders embed the keyset, named by `EVENER_KEYSET`; the userland reads it from its verified root
//! filesystem. Paths of the building machine are mapped away
//! and the environment is stripped (`tool`), so that two machines build the same bytes from the
//! same compiler. Cargo decides what needs building; a second run costs its own check and no more.

use std::path::{Path, PathBuf};

use crate::digest::{hex, sha256};
use crate::error::RecipeError;
use crate::shop::{Shop, make_folder, write_whole};
use crate::tool::Tool;

const USERLAND_TARGET: &str = "x86_64-unknown-linux-gnu";
const UEFI_TARGET: &str = "x86_64-unknown-uefi";
const BIOS_TARGET: &str = "x86_64-unknown-none";

/// The packages whose programs are in an image, and the targets that they are compiled for.
pub(crate) const PROGRAMS: [(&str, &str); 3] =
    [("evener", USERLAND_TARGET), ("evener-uefi", UEFI_TARGET), ("evener-bios", BIOS_TARGET)];

/// Writes the keyset where the compiler of the loaders finds it. The name is its digest: another keyset is another
/// path, so cargo notices.
pub(crate) fn keyset_file(shop: &Shop<'_>, keyset: &[u8]) -> Result<PathBuf, RecipeError> {
    let path = shop.work_folder("keyset")?.join(hex(&sha256(keyset)));
    if !path.exists() {
        write_whole(&path, keyset)?;
    }
    Ok(path)
}

/// The static `evener` binary.
///
/// glibc and not musl: measured, musl's `memmove` makes bulk TLS four times slower. The target is
/// given explicitly, or `crt-static` would hit build scripts and procedural macros too.
///
/// The crate `getrandom` looks its system call up with `dlsym`, which finds nothing in a static
/// program; it then polls `/dev/random`. That wait never makes the kernel gather timing noise, so a
/// machine with no source of randomness in hardware would wait for ever
/// (`docs/decisions/003-entropy.md`). Its backend is therefore named.
///
/// `package` has a program of the same name.
pub(crate) fn userland(shop: &Shop<'_>, package: &str) -> Result<PathBuf, RecipeError> {
    let flags = ["-Ctarget-feature=+crt-static", "--cfg=getrandom_backend=\"linux_getrandom\""];
    let cargo = cargo(shop, &flags)?.args(["--release", "--package", package, "--bin", package]);
    let log = shop.log("userland")?;
    shop.reporter.say(&format!("userland: cargo build of {package}; log {}", log.display()));
    cargo.args(["--target", USERLAND_TARGET]).run(shop, "userland: compiling", &log)?;
    Ok(target_folder(shop)?.join(USERLAND_TARGET).join("release").join(package))
}

/// `BOOTX64.EFI`.
pub(crate) fn loader_uefi(shop: &Shop<'_>, keyset: &Path) -> Result<PathBuf, RecipeError> {
    // Without /Brepro the linker writes the time of day into the PE header.
    loader(shop, keyset, "uefi", UEFI_TARGET, &["-Clink-arg=/Brepro"])
        .map(|folder| folder.join("evener-uefi.efi"))
}

/// The BIOS loader's file as the linker leaves it: no checksum yet.
pub(crate) fn loader_bios(shop: &Shop<'_>, keyset: &Path) -> Result<PathBuf, RecipeError> {
    loader(shop, keyset, "bios", BIOS_TARGET, &[]).map(|folder| folder.join("evener-bios"))
}

/// Builds the loader for `kind` of firmware; gives the folder it is in.
fn loader(
    shop: &Shop<'_>,
    keyset: &Path,
    kind: &str,
    target: &str,
    flags: &[&str],
) -> Result<PathBuf, RecipeError> {
    let package = format!("evener-{kind}");
    let arguments = ["--profile", "loader", "--target", target, "--package", &package];
    let cargo = cargo(shop, flags)?.env("EVENER_KEYSET", keyset).args(arguments.map(str::to_owned));
    let log = shop.log(&format!("loader-{kind}"))?;
    shop.reporter.say(&format!("{kind} loader: cargo build; log {}", log.display()));
    cargo.run(shop, &format!("{kind} loader: compiling"), &log)?;
    Ok(target_folder(shop)?.join(target).join("loader"))
}

fn target_folder(shop: &Shop<'_>) -> Result<PathBuf, RecipeError> {
    make_folder(shop.programs.clone())
}

/// Cargo's own folder.
pub(crate) fn home() -> PathBuf {
    let given = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    given.or_else(|| std::env::home_dir().map(|home| home.join(".cargo"))).unwrap_or_default()
}

fn cargo(shop: &Shop<'_>, flags: &[&str]) -> Result<Tool, RecipeError> {
    let home = home();
    let maps = [(shop.workspace.as_path(), "/evener"), (home.as_path(), "/cargo")];
    let mut rust_flags: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
    let mut c_flags = String::from("-fno-record-gcc-switches ");
    for (from, to) in maps {
        rust_flags.push(format!("--remap-path-prefix={}={to}", from.display()));
        c_flags.push_str(&format!("-ffile-prefix-map={}={to} ", from.display()));
    }
    let tool = Tool::new("cargo", "nothing; Rust comes from https://rustup.rs")
        .arg("build")
        .arg("--target-dir")
        .arg(target_folder(shop)?)
        // Separated by 0x1f, so that a path with a space in it is one flag.
        .env("CARGO_ENCODED_RUSTFLAGS", rust_flags.join("\u{1f}"))
        .env("CFLAGS", c_flags.trim_end())
        // What C code takes for the time of its compilation (mimalloc prints it): https://reproducible-builds.org/docs/source-date-epoch/.
        .env("SOURCE_DATE_EPOCH", "0")
        .within(&shop.workspace);
    Ok(if shop.locked { tool.arg("--locked") } else { tool })
}
