//! `evener-image`: makes keys, builds firmware and disk images, says what is in a file, checks it.
//!
//! The only program of the image builder; everything it does is in the crates below it, this one
//! parses arguments, prints, and maps errors to exit codes: 0 done, 1 failed (or not verified), 64
//! wrong usage.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use evener_board::Board;
use evener_keys::{KeyFolder, PublicKey, SigningKey};
use evener_recipes::{Order, Shop, Signer, build, kernel};

mod arguments;
mod inspect;
mod say;

use arguments::{Build, Command, USAGE};
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
        Command::KeysInit { name, production } => keys_init(&name, production),
        Command::Kernel(order) => build_kernel(&order),
        Command::Build(order) => build_images(&order),
        Command::Inspect { file, key } => inspect_file(&file, key.as_deref()),
        Command::Verify { file, key } => verify_file(&file, &key),
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

fn keys() -> anyhow::Result<KeyFolder> {
    KeyFolder::of_the_user().context("no home directory ($HOME)")
}

fn xdg(variable: &str, default: &str) -> anyhow::Result<PathBuf> {
    let set = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = match set {
        Some(folder) => folder,
        None => std::env::home_dir().context("no home directory ($HOME)")?.join(default),
    };
    Ok(folder.join("evener"))
}

fn keys_init(name: &str, production: bool) -> anyhow::Result<bool> {
    let keys = keys()?;
    let key = keys.create(name, !production)?;
    let kind = if production { "production" } else { "development" };
    say::line(&format!("{kind} key {} made", key.public().id()));
    say::line(&format!("  secret  {} (readable by you only; keep it)", keys.secret_path(name).display()));
    say::line(&format!("  public  {}", keys.public_path(name).display()));
    Ok(true)
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
    let board = read_board(&shop.workspace, &order.board)?;
    let key = signing_key(order, &console)?;
    let keyset = key.keyset(order.release)?;
    let out = order.out.clone().unwrap_or_else(|| shop.workspace.join("out"));
    let kernel_source = order.kernel_source.as_deref();
    let images = build(
        &shop,
        &Order {
            board: &board,
            out: &out,
            signer: Signer::Here(&key),
            keyset: &keyset,
            release: order.release,
            kernel_source,
        },
    )?;
    for (part, bytes) in &images.sizes {
        say::line(&format!("{part:<12} {bytes:>10} bytes"));
    }
    for path in images.disks.iter().chain([&images.bundle]) {
        let about = std::fs::metadata(path).with_context(|| format!("reading {}", path.display()))?;
        say::line(&format!("{:<12} {:>10} bytes  {}", "wrote", about.len(), path.display()));
    }
    Ok(true)
}

fn read_board(workspace: &Path, name: &str) -> anyhow::Result<Board> {
    let path = workspace.join("board-support/boards").join(format!("{name}.toml"));
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("no board \"{name}\": reading {}", path.display()))?;
    Board::parse(&text).with_context(|| path.display().to_string())
}

/// The key given, or the development key, made now if this is the first build.
fn signing_key(order: &Build, console: &Console) -> anyhow::Result<SigningKey> {
    if let Some(path) = &order.sign_with {
        return Ok(SigningKey::read(path)?);
    }
    anyhow::ensure!(
        !order.release,
        "a release is signed with a production key: --sign-with FILE (evener-image keys init --production NAME makes one)"
    );
    let (key, made) = keys()?.development()?;
    if made {
        console.note(&format!("made development key {} (for this machine only)", key.public().id()));
    }
    Ok(key)
}

/// Keys to check with: the one given, else every public key in the key directory.
fn public_keys(key: Option<&Path>) -> anyhow::Result<Vec<PublicKey>> {
    match key {
        Some(path) => Ok(vec![PublicKey::read(path)?]),
        None => Ok(keys()?.public_keys().into_iter().map(|(_, key)| key).collect()),
    }
}

fn inspect_file(file: &Path, key: Option<&Path>) -> anyhow::Result<bool> {
    let report = inspect::file(file, &public_keys(key)?)?;
    say::line(report.text().trim_end());
    Ok(true)
}

fn verify_file(file: &Path, key: &Path) -> anyhow::Result<bool> {
    let report = inspect::file(file, &public_keys(Some(key))?)?;
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
