//! Runs a host program to its end.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// Runs `program`, which Debian has in `package`, and gives back what it printed.
pub(crate) fn run(program: &str, package: &str, arguments: &[&OsStr]) -> Result<Vec<u8>> {
    // mkfs.vfat is not in an ordinary user's PATH on Debian.
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    let output = Command::new(program)
        .args(arguments)
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {program} (Debian package {package})"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} failed ({}): {}", output.status, said.trim());
    Ok(output.stdout)
}
