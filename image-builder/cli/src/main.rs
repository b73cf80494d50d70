//! `evener-image`: makes keys, builds and signs firmware and disk images, says what is in a file, checks it.
//!
//! The only program of the image builder; everything it does is in the crates below it, this one
//! parses arguments, prints, and maps errors to exit codes: 0 done, 1 failed (or not verified), 64
//! wrong usage; `diff` has its own.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use evener_board::Board;
use evener_keys::PublicKey;
use evener_manifest::{MAX_KEYS, emit_keyset};
use evener_recipes::{Images, Order, Shop, build, disks, kernel};

mod arguments;
#[cfg(test)]
mod bench;
mod convert;
mod diff;
mod image_file;
mod inspect;
mod keys;
mod say;
mod sign;

use arguments::{Build, Command, Convert, Disk, USAGE};
use say::Console;

fn main() -> ExitCode {
    let command = match arguments::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(usage) => {
            say::error(&usage.to_string());
            return ExitCode::from(64);
        }
    };
    let done = match command {
        Command::Help => {
            say::line(USAGE.trim_end());
            Ok(true)
        }
        Command::KeysInit { name, production } => keys::init(&name, production).map(|()| true),
        Command::KeysList => keys::list().map(|()| true),
        Command::KeysSet { file } => keys::show_set(&file).map(|()| true),
        Command::Kernel(order) => build_kernel(&order),
        Command::Build(order) => build_images(&order),
        Command::Disk(order) => build_disks(&order),
        Command::ShowDigest { file } => sign::digest(&file).map(|said| told(&said)),
        Command::SignDigest { key, digest } => sign::sign_digest(&key, &digest).map(|said| told(&said)),
        Command::PutSignatureIn { file, signature, key } => {
            put_signature_in(&file, &signature, key.as_deref())
        }
        Command::Inspect { file, key } => inspect_file(&file, key.as_deref()),
        Command::Verify { file, key } => verify_file(&file, &key),
        Command::Convert(order) => convert_file(&order),
        Command::Diff { files, key } => return diff_files(&files, key.as_deref()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say::error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn xdg(variable: &str, default: &str) -> anyhow::Result<PathBuf> {
    let set = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = match set {
        Some(folder) => folder,
        None => std::env::home_dir().context("no home directory ($HOME)")?.join(default),
    };
    Ok(folder.join("evener"))
}

/// The nearest directory upwards that is Evener's source tree.
fn workspace() -> anyhow::Result<PathBuf> {
    let here = std::env::current_dir().context("reading the current directory")?;
    let root = here.ancestors().find(|folder| folder.join("board-support/sources.lock").exists());
    root.map(Path::to_owned)
        .context("not inside Evener's source tree (no board-support/sources.lock upwards)")
}

fn shop<'a>(console: &'a Console, order: &Build) -> anyhow::Result<Shop<'a>> {
    let workspace = workspace()?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), |t| workspace.join(t));
    Ok(Shop {
        cache: xdg("XDG_CACHE_HOME", ".cache")?,
        work: target.join("image"),
        programs: target.join("image/cargo"),
        workspace,
        locked: order.locked,
        reporter: console,
    })
}

fn build_kernel(order: &Build) -> anyhow::Result<bool> {
    let console = Console::new();
    let shop = shop(&console, order)?;
    let kernel = kernel::kernel(&shop, order.kernel_source.as_deref())?;
    say::line(&format!("Linux {}", kernel.version));
    say::line(&format!("  image   {}", kernel.image.display()));
    say::line(&format!("  config  {}", kernel.config.display()));
    Ok(true)
}

fn build_images(order: &Build) -> anyhow::Result<bool> {
    let console = Console::new();
    let shop = shop(&console, order)?;
    let boards = read_boards(&shop.workspace, &order.board)?;
    let key = keys::choose(order, &console)?;
    let keyset = keys::keyset(order, &key, &shop.workspace)?;
    let out = order.out.clone().unwrap_or_else(|| shop.workspace.join("out"));
    let kernel_source = order.kernel_source.as_deref();
    let images = build(
        &shop,
        &Order {
            boards: &boards,
            out: &out,
            signer: key.signer(),
            keyset: &keyset,
            release: order.release,
            kernel_source,
        },
    )?;
    tell(&images)?;
    if order.sign_for.is_some() {
        say::line(&format!("next: evener-image sign {} --digest", images.bundle.display()));
    }
    Ok(true)
}

/// Disks of a firmware whose signature came later.
fn build_disks(order: &Disk) -> anyhow::Result<bool> {
    let console = Console::new();
    let shop = shop(&console, &Build::default())?;
    let boards = read_boards(&shop.workspace, &order.board)?;
    let entries: Vec<_> = keys::known(order.key.as_deref())?.iter().map(PublicKey::entry).collect();
    let keyset = emit_keyset(false, entries.get(..MAX_KEYS).unwrap_or(&entries))?;
    let out = order.out.clone().unwrap_or_else(|| shop.workspace.join("out"));
    tell(&disks(&shop, &boards, &out, &order.bundle, &keyset)?)?;
    Ok(true)
}

/// The result goes where a program reads it, the rest to the terminal.
fn told(told: &sign::Told) -> bool {
    say::note(&told.notes);
    say::line(&told.result);
    true
}

fn put_signature_in(file: &Path, signature: &str, key: Option<&Path>) -> anyhow::Result<bool> {
    let signed = sign::put_in(file, signature, key, &keys::folder()?)?;
    say::line(&format!("{}: signed and verified", signed.display()));
    Ok(true)
}

fn tell(images: &Images) -> anyhow::Result<()> {
    for (part, bytes) in &images.sizes {
        say::line(&format!("{part:<12} {bytes:>10} bytes"));
    }
    for path in images.disks.iter().chain(&images.stick).chain(&images.documents).chain([&images.bundle]) {
        let about = std::fs::metadata(path).with_context(|| format!("reading {}", path.display()))?;
        say::line(&format!("{:<12} {:>10} bytes  {}", "wrote", about.len(), path.display()));
    }
    Ok(())
}

/// The boards that `names` asks for: one, several with commas between them, or `all`.
fn read_boards(workspace: &Path, names: &str) -> anyhow::Result<Vec<Board>> {
    let folder = workspace.join("board-support/boards");
    let known = known_boards(&folder)?;
    let asked: Vec<&str> = match names {
        "all" => known.iter().map(String::as_str).collect(),
        names => names.split(',').collect(),
    };
    let mut boards = Vec::new();
    for name in asked {
        anyhow::ensure!(
            known.iter().any(|k| k == name),
            "no board \"{name}\"; there are {}",
            known.join(", ")
        );
        let path = folder.join(format!("{name}.toml"));
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let board = Board::parse(&text).with_context(|| path.display().to_string())?;
        // Two boards of one name would write over each other's images.
        anyhow::ensure!(board.name == name, "{}: it calls itself \"{}\"", path.display(), board.name);
        boards.push(board);
    }
    Ok(boards)
}

fn known_boards(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            names.extend(path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned));
        }
    }
    names.sort();
    Ok(names)
}

fn inspect_file(file: &Path, key: Option<&Path>) -> anyhow::Result<bool> {
    let report = inspect::file(file, &keys::known(key)?)?;
    say::line(report.text().trim_end());
    Ok(true)
}

/// Exit codes as `diff` has them: 0 the same, 1 different, 2 it could not be found out.
fn diff_files([one, other]: &[PathBuf; 2], key: Option<&Path>) -> ExitCode {
    let lines = keys::known(key).and_then(|keys| diff::diff([one, other], &keys));
    match lines {
        Ok(lines) if lines.is_empty() => {
            say::line(&format!("{} and {} hold the same", one.display(), other.display()));
            ExitCode::SUCCESS
        }
        Ok(lines) => {
            lines.iter().for_each(|line| say::line(line));
            ExitCode::FAILURE
        }
        Err(error) => {
            say::error(&format!("{error:#}"));
            ExitCode::from(2)
        }
    }
}

fn convert_file(order: &Convert) -> anyhow::Result<bool> {
    let console = Console::new();
    say::line(&convert::convert(order, &|text| console.note(text))?);
    Ok(true)
}

fn verify_file(file: &Path, key: &Path) -> anyhow::Result<bool> {
    let report = inspect::file(file, &keys::known(Some(key))?)?;
    if report.faults().is_empty() {
        let not_covered = report.not_covered().join("; ");
        let besides =
            if not_covered.is_empty() { String::new() } else { format!("; not covered: {not_covered}") };
        say::line(&format!("{}: verified{besides}", file.display()));
        return Ok(true);
    }
    for fault in report.faults() {
        say::error(&format!("{}: {fault}", file.display()));
    }
    Ok(false)
}
