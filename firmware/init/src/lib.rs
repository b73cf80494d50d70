//! PID 1: mounts, supervises, keeps listening sockets, feeds the watchdog, stops in order.
//!
//! `docs/boot-order.md` tells the story; [`run`] and the main loop in `unit.rs` follow it from top to bottom. As
//! an ordinary process (any other PID) it supervises the same services in the same way, but mounts nothing,
//! changes no identity and ends when they have stopped: that is how tests and developers run a whole unit.

#![forbid(unsafe_code)]

mod anew;
mod announcer;
mod banner;
mod command_line;
mod data;
mod disk;
mod early;
mod label;
mod life;
mod log;
mod medium;
mod memory;
mod power_button;
mod randomness;
mod reset;
mod rights;
mod salvage;
mod socket;
mod start;
mod stick;
mod storage;
mod sysfs;
mod told;
mod unit;
mod watchdogs;

use crate::command_line::CommandLine;
use crate::life::Launch;
use crate::log::Log;
use crate::storage::Storage;
use crate::sysfs::Sysfs;
use crate::told::Told;
use crate::unit::{Sources, Unit};
use crate::watchdogs::Watchdogs;
use anyhow::Context;
use evener_api::init::CONSOLES;
use evener_api::{RESCUE_MODE, Service, control, net};
use evener_ipc::{Listener, subscribe};
use evener_observe::Dirs;
use evener_sys::power::{self, Finish};
use evener_sys::{mount, process};
use std::io::Write;
use std::path::Path;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

/// Pause between the words about a fatal error and the restart, for somebody to read them.
const READ_FOR: Duration = Duration::from_secs(10);

/// Runs the unit. As PID 1 it does not return.
///
/// # Errors
/// Outside the appliance: when it cannot start. As PID 1 the words go to the console and the unit restarts.
#[expect(clippy::needless_pass_by_value, reason = "every service has this signature")]
pub fn run(dirs: Dirs) -> anyhow::Result<()> {
    if std::process::id() == 1 {
        run_appliance(&dirs)
    }
    std::fs::create_dir_all(&dirs.run).context("cannot make the run directory")?;
    run_unit(&dirs, None)?;
    Ok(())
}

fn run_appliance(dirs: &Dirs) -> ! {
    say("evener-init: started");
    std::panic::set_hook(Box::new(|panic| give_up(&format!("init failed: {panic}"))));
    randomness::gather();
    let finished = early::prepare(&dirs.run).and_then(|()| {
        let line = std::fs::read_to_string("/proc/cmdline").context("cannot read the command line")?;
        let line = CommandLine::parse(&line);
        match stick::find(&Sysfs::new("/sys"), &line) {
            Some(stick) => stick::serve(&stick, &line.consoles),
            None => run_unit(dirs, Some(&line)),
        }
    });
    match finished {
        Ok((finish, _watchdogs_go_on)) => {
            let error = power::finish(finish);
            give_up(&format!("the kernel does not end the run: {error}"))
        }
        Err(error) => give_up(&format!("init failed: {error:#}")),
    }
}

/// `command_line` is `None` outside the appliance. Returns how the run is to end, and the watchdogs: open as they
/// are, they end a restart that hangs.
fn run_unit(dirs: &Dirs, command_line: Option<&CommandLine>) -> anyhow::Result<(Finish, Watchdogs)> {
    process::limit_open_files(rights::own_open_files()).context("cannot raise the limit of open files")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let log = if command_line.is_some() { Log::default() } else { Log::to_standard_error() };
        evener_observe::start_log_to("init", log.clone());
        let (wish, wishes) = mpsc::channel(1);
        if let Some(command_line) = command_line {
            open_consoles(&log, &command_line.consoles, &dirs.run);
            power::catch_ctrl_alt_del()
                .unwrap_or_else(|error| tracing::warn!(%error, "Ctrl-Alt-Del is not caught"));
            follow_power_button(wish.clone());
        }
        follow_signals(wish)?;
        let (mut unit, from) = assemble(dirs, command_line, &log, wishes)?;
        let finish = unit.run(from).await;
        if unit.reset {
            log.line("evener: factory reset: erasing all settings");
            if let Err(error) = reset::finish_at_the_end(dirs) {
                tracing::error!(
                    error = format!("{error:#}"),
                    "not everything is erased yet; the next start goes on"
                );
            }
        }
        if command_line.is_some() {
            leave(&mut unit.watchdogs, finish, &dirs.data);
        }
        log.line("evener: stopped");
        log.drained(Duration::from_secs(1)).await;
        anyhow::Ok((finish, unit.watchdogs))
    })?;
    // A preparation of disks that hangs must not hold up the end.
    runtime.shutdown_background();
    Ok(ended)
}

fn assemble(
    dirs: &Dirs,
    command_line: Option<&CommandLine>,
    log: &Log,
    wishes: mpsc::Receiver<Finish>,
) -> anyhow::Result<(Unit, Sources)> {
    let (words_in, words) = mpsc::channel(256);
    let (asked_in, asked) = mpsc::channel(16);
    let listener = Listener::bind(&dirs.run, Service::Init).context("cannot make init's socket")?;
    tokio::spawn(socket::serve(listener, dirs.run.clone(), log.clone(), asked_in));
    let told = command_line.map(|line| Told::by(&line.handoff)).unwrap_or_default();
    for warning in &told.warnings {
        tracing::warn!("{warning}");
    }
    if told.rescue {
        std::fs::write(dirs.run.join(RESCUE_MODE), "").context("cannot write to the run directory")?;
    }
    let (storage, medium) = prepare_storage(dirs, command_line, told.reset);
    let sources = Sources {
        words,
        asked,
        children: signal(SignalKind::child())?,
        wishes,
        storage,
        medium,
        net: subscribe(dirs.run.clone(), Service::Net, net::Request::Subscribe),
        control: subscribe(dirs.run.clone(), Service::Control, control::Request::Subscribe),
    };
    let unit = Unit {
        launch: Launch {
            program: std::env::current_exe().context("cannot find the own binary")?,
            dirs: dirs.clone(),
            confine: command_line.is_some(),
        },
        log: log.clone(),
        words: words_in,
        watchdogs: if command_line.is_some() { Watchdogs::open() } else { Watchdogs::default() },
        handoff: told.record,
        warnings: told.warnings,
        rescue: told.rescue,
        reset: false,
        supervision: evener_supervise::Supervision::new(),
        lives: std::collections::BTreeMap::new(),
        kept: std::collections::BTreeMap::new(),
        last_life: 0,
        finish: None,
        start: start::Start::new(told.rescue),
        ready_said: false,
        announcer: announcer::Announcer::default(),
        shown_addresses: Vec::new(),
    };
    Ok((unit, sources))
}

/// Prepares the disks, then reads the medium, on a thread of their own, so that a slow one holds up no heartbeat and
/// no lease.
fn prepare_storage(
    dirs: &Dirs,
    command_line: Option<&CommandLine>,
    reset: bool,
) -> (oneshot::Receiver<Storage>, oneshot::Receiver<Option<String>>) {
    let ((prepared, storage), (read, medium)) = (oneshot::channel(), oneshot::channel());
    let root = command_line.map(|line| line.root.clone());
    let dirs = dirs.clone();
    tokio::task::spawn_blocking(move || {
        let Some(root) = root else {
            // Whoever runs a unit on a machine of his own has put everything in its place.
            return prepared.send(Storage { has_configuration: true, ..Storage::default() }).is_ok();
        };
        let ready = storage::prepare(&dirs, root.as_deref(), reset);
        let own_disk = ready.own_disk.clone();
        prepared.send(ready).is_ok() && read.send(storage::read_medium(&dirs, own_disk.as_deref())).is_ok()
    });
    (storage, medium)
}

/// Opens the consoles for the log, and gives the terminals behind them to the service that has the menu.
fn open_consoles(log: &Log, names: &[String], run: &Path) {
    let default = ["console".to_owned()];
    let names = if names.is_empty() { &default } else { names };
    for name in names {
        // A console that is named but not there is usual: one firmware runs on machines with and without.
        let number = match log.add_console(&Path::new("/dev").join(name)) {
            Ok(number) => number,
            Err(error) => {
                tracing::info!(name, %error, "this console cannot be written to");
                continue;
            }
        };
        // `tty0` is whichever screen is in front, and that is the first one; keys come from a screen of its own.
        let terminal = if name == "tty0" { "tty1" } else { name };
        let link = run.join(CONSOLES).join(format!("{number}-{terminal}"));
        if let Err(error) = storage::hand_out(&Path::new("/dev").join(terminal), Service::Console, &link) {
            tracing::warn!(terminal, error = format!("{error:#}"), "there is no menu on this console");
        }
    }
}

fn follow_power_button(wish: mpsc::Sender<Finish>) {
    let (pressed_in, mut pressed) = mpsc::channel(1);
    power_button::listen(&pressed_in);
    tokio::spawn(async move {
        while pressed.recv().await.is_some() {
            tracing::info!("the power button was pressed");
            if wish.send(Finish::PowerOff).await.is_err() {
                return;
            }
        }
    });
}

/// Ctrl-Alt-Del arrives at PID 1 as SIGINT; outside the appliance both signals come from a person or a test.
fn follow_signals(wish: mpsc::Sender<Finish>) -> anyhow::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if wish.send(Finish::Restart).await.is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// Leaves the disks whole, and the watchdogs stopped if nobody will feed them for long.
fn leave(watchdogs: &mut Watchdogs, finish: Finish, data: &Path) {
    power::sync();
    if mount::unmount(data).is_err()
        && let Err(error) = mount::make_read_only(data)
    {
        tracing::warn!(%error, "the data partition could not be closed");
    }
    power::sync();
    if finish == Finish::PowerOff {
        watchdogs.stop();
    }
}

/// One line to whatever the kernel gave us as a console, before or after there is a log.
fn say(text: &str) {
    // With no console there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn give_up(words: &str) -> ! {
    say(&format!("\nevener-init: {words}\nevener-init: restarting in {} s", READ_FOR.as_secs()));
    power::sync();
    std::thread::sleep(READ_FOR);
    say(&format!("evener-init: {}", power::finish(Finish::Restart)));
    loop {
        std::thread::park();
    }
}
