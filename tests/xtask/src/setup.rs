//! Installs what a task needs on Debian 12: packages with apt, targets with rustup.
//!
//! Says what it will install before it does, installs only what is missing, and asks for no more rights than
//! apt needs (sudo, unless it runs as root). Two of the packages are daemons that only measurements use
//! (HAProxy, nginx); they are kept from starting, now and at the next boot.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::steps::Journal;

/// Building the image: the kernel, the root filesystem, the ESP. `docs/building.md` says what each is for.
const FOR_IMAGE: [&str; 17] = [
    "bc",
    "bison",
    "cryptsetup-bin",
    "dosfstools",
    "e2fsprogs",
    "flex",
    "gcc",
    "libc6-dev",
    "libelf-dev",
    "linux-source-6.12",
    "make",
    "mtools",
    "patch",
    "perl",
    "squashfs-tools",
    "xz-utils",
    "zstd",
];
/// Booting it.
const FOR_RUN: [&str; 3] = ["ovmf", "qemu-system-x86", "qemu-utils"];
/// Testing it: a browser for the pages, `ip` for network namespaces, readers of disk formats and of captures that are not
/// ours.
const FOR_TEST: [&str; 8] = [
    "7zip",
    "chromium",
    "chromium-driver",
    "fonts-dejavu-core",
    "iproute2",
    "libvmdk-utils",
    "libxml2-utils",
    "tshark",
];
/// Measuring it beside others.
const FOR_BENCH: [&str; 3] = ["haproxy", "nginx-light", "wrk"];
/// Building the image once more under another clock.
const FOR_REPRODUCE: [&str; 1] = ["faketime"];
/// Services that those packages bring and that must not run.
const DAEMONS: [&str; 2] = ["haproxy", "nginx"];
/// The packages of the loaders, and what each is compiled for. rustup is asked for these targets because it may not be
/// set to install by itself what a build lacks.
pub(crate) const LOADERS: [(&str, &str); 2] =
    [("evener-uefi", "x86_64-unknown-uefi"), ("evener-bios", "x86_64-unknown-none")];

/// How much a task needs; each level includes the ones before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Needs {
    /// To build the image.
    Image,
    /// To boot it.
    Run,
    /// To test it.
    Test,
    /// To measure it.
    Bench,
    /// To build it twice.
    Reproduce,
}

impl Needs {
    fn packages(self) -> Vec<&'static str> {
        let groups: [(Self, &[&str]); 5] = [
            (Self::Image, &FOR_IMAGE),
            (Self::Run, &FOR_RUN),
            (Self::Test, &FOR_TEST),
            (Self::Bench, &FOR_BENCH),
            (Self::Reproduce, &FOR_REPRODUCE),
        ];
        groups.into_iter().filter(|(level, _)| *level <= self).flat_map(|(_, group)| group.to_vec()).collect()
    }
}

/// Installs what is missing; quick when nothing is.
pub(crate) fn prepare(journal: &mut Journal, needs: Needs) -> Result<()> {
    let packages = missing_packages(&needs.packages())?;
    if !packages.is_empty() {
        install_packages(journal, &packages)?;
    }
    for target in missing_targets()? {
        journal.say(&format!("set-up: adding the Rust target {target}"));
        journal.step(&format!("rustup {target}"), Command::new("rustup").args(["target", "add", target]))?;
    }
    Ok(())
}

fn missing_packages(wanted: &[&'static str]) -> Result<Vec<&'static str>> {
    // An error code only says that some are unknown to dpkg; those are missing like the rest.
    let output = Command::new("dpkg-query")
        .args(["--show", "--showformat", "${Package} ${db:Status-Status}\n"])
        .args(wanted)
        .stderr(Stdio::null())
        .output()
        .context("asking dpkg-query which packages there are; the set-up is made for Debian 12")?;
    let installed = String::from_utf8_lossy(&output.stdout);
    Ok(absent(&installed, wanted))
}

/// Those of `wanted` that `dpkg-query`'s answer does not list as installed.
fn absent(answer: &str, wanted: &[&'static str]) -> Vec<&'static str> {
    let has = |name: &str| answer.lines().any(|line| line.split_once(' ') == Some((name, "installed")));
    wanted.iter().copied().filter(|name| !has(name)).collect()
}

fn install_packages(journal: &Journal, packages: &[&str]) -> Result<()> {
    let root = is_root()?;
    let how = if root { "" } else { " with sudo" };
    journal.say(&format!("set-up: installing these Debian packages{how}: {}", packages.join(" ")));
    let script = install_script(packages);
    let mut command = if root { Command::new("sh") } else { Command::new("sudo") };
    if !root {
        command.arg("sh");
    }
    journal.step("apt", command.args(["-c", &script]))?;
    Ok(())
}

/// What root runs. `policy-rc.d` is Debian's way to say that no package may start its service.
fn install_script(packages: &[&str]) -> String {
    let packages_line = packages.join(" ");
    let mut script = format!(
        "set -eu\n\
         export DEBIAN_FRONTEND=noninteractive\n\
         policy=/usr/sbin/policy-rc.d\n\
         if [ ! -e $policy ]; then\n\
           trap 'rm -f /usr/sbin/policy-rc.d' EXIT\n\
           printf '#!/bin/sh\\nexit 101\\n' > $policy\n\
           chmod 755 $policy\n\
         fi\n\
         apt-get -q -o Acquire::Retries=3 update\n\
         apt-get -q -y -o Acquire::Retries=3 install --no-install-recommends {packages_line}\n"
    );
    for daemon in DAEMONS.into_iter().filter(|daemon| packages.iter().any(|name| name.starts_with(daemon))) {
        script
            .push_str(&format!("if command -v systemctl > /dev/null; then systemctl disable {daemon}; fi\n"));
    }
    script
}

fn is_root() -> Result<bool> {
    let output = Command::new("id").arg("-u").output().context("asking id -u")?;
    Ok(output.stdout.trim_ascii() == b"0")
}

fn missing_targets() -> Result<Vec<&'static str>> {
    let output = Command::new("rustup")
        .args(["target", "list", "--installed"])
        .output()
        .context("asking rustup which targets there are; Rust must come from https://rustup.rs")?;
    if !output.status.success() {
        bail!("rustup target list failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let installed = String::from_utf8_lossy(&output.stdout);
    let targets = LOADERS.into_iter().map(|(_, target)| target);
    Ok(targets.filter(|target| !installed.lines().any(|line| line == *target)).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn only_what_is_not_wholly_installed_is_missing() {
        let answer = "bc installed\nflex config-files\nlibc6-dev installed\n";
        assert_eq!(absent(answer, &["bc", "flex", "libc6-dev", "wrk"]), ["flex", "wrk"]);
    }

    #[test]
    fn running_needs_less_than_testing_and_testing_less_than_measuring() {
        assert!(!Needs::Run.packages().contains(&"chromium"));
        assert!(Needs::Test.packages().contains(&"qemu-system-x86"));
        assert!(!Needs::Test.packages().contains(&"haproxy"));
        assert!(Needs::Bench.packages().contains(&"haproxy"));
    }

    #[test]
    fn every_loader_is_compiled_for_the_target_that_the_image_builder_names() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let builder = fs::read_to_string(root.join("image-builder/recipes/src/cargo.rs")).unwrap();
        let mut programs = Vec::new();
        for folder in fs::read_dir(root.join("bootloader")).unwrap() {
            let manifest = fs::read_to_string(folder.unwrap().path().join("Cargo.toml")).unwrap();
            let manifest: toml::Table = toml::from_str(&manifest).unwrap();
            let package = &manifest["package"];
            if package["metadata"]["evener"]["layer"].as_str() == Some("L3") {
                programs.push(package["name"].as_str().unwrap().to_owned());
            }
        }
        programs.sort();
        let mut named = LOADERS.map(|(package, _)| package);
        named.sort_unstable();
        assert_eq!(programs, named);
        for (package, target) in LOADERS {
            assert!(builder.contains(&format!("_TARGET: &str = \"{target}\"")), "{package}: {target}");
        }
    }

    #[test]
    fn a_daemon_is_kept_from_starting_only_when_it_is_installed_now() {
        assert!(install_script(&["nginx-light", "wrk"]).contains("systemctl disable nginx;"));
        assert!(!install_script(&["wrk"]).contains("systemctl"));
    }
}
