//! What a unit is made of before it is switched on: the board's QEMU machine, a disk, cables, a log.

use std::fs::{self, File};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use evener_board::{Board, FirmwareKind};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::keyboard::Keyboard;
use crate::kind::{Attachment, disk_devices, firmware_of_this_run};
use crate::program::Program;
use crate::qmp::Qmp;
use crate::serial::Serial;
use crate::switch::Switch;
use crate::unit::{DISK, Unit};
use crate::volatile::VolatileDisk;

/// The board that the tests imitate.
const BOARD: &str = include_str!("../../../board-support/boards/qemu.toml");
/// UEFI firmware of Debian's package `ovmf`: code, and the variables that each unit gets a copy of.
const OVMF: [&str; 2] = ["/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"];
/// The board's source of randomness.
const RANDOMNESS: &str = "virtio-rng-pci";
/// How long QEMU may take to open its sockets.
const START_WITHIN_S: i64 = 20;

/// Begin of the name of each unit's temporary folder.
pub const WORK_FOLDER: &str = "evener-lab-";

/// A port on the host that leads into the unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// TCP port of the unit.
    pub guest: u16,
}

#[derive(Clone, Debug)]
enum Disk {
    File {
        path: PathBuf,
        format: &'static str,
    },
    /// A [`VolatileDisk`]'s socket.
    Served(PathBuf),
}

#[derive(Clone, Debug)]
enum Wire {
    User(Vec<Forward>),
    Switch(Switch),
}

/// A network card and what its cable leads to.
#[derive(Clone, Debug)]
struct Nic {
    wire: Wire,
    /// The card in place of the board's.
    card: Option<Card>,
}

/// A network card of another make than the board's ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Card {
    /// QEMU's device model, one of those that a board file may name.
    pub model: &'static str,
    /// Whether it is in a slot behind a PCI Express port of its own, and not on the root bus. QEMU's `q35` has such ports.
    pub in_slot: bool,
}

/// A unit before it is switched on.
#[derive(Clone, Debug)]
pub struct Machine {
    name: String,
    disk: Disk,
    log: PathBuf,
    nics: Vec<Nic>,
    media: Vec<PathBuf>,
    memory_mib: Option<u32>,
    randomness: bool,
    board: Option<Board>,
    firmware: FirmwareKind,
    attachment: Option<Attachment>,
    serial: bool,
    screen: bool,
    further: Vec<String>,
}

impl Machine {
    /// A unit that boots from the disk image `disk`, which it writes to. What it says goes to `log`.
    #[must_use]
    pub fn new(name: &str, disk: &Path, log: &Path) -> Self {
        let format = if disk.extension().is_some_and(|e| e == "qcow2") { "qcow2" } else { "raw" };
        Self::made(name, Disk::File { path: disk.to_owned(), format }, log)
    }

    /// A unit whose disk forgets what was not flushed when its cord is pulled. What it says goes to `log`.
    #[must_use]
    pub fn with_disk(name: &str, disk: &VolatileDisk, log: &Path) -> Self {
        Self::made(name, Disk::Served(disk.socket().to_owned()), log)
    }

    fn made(name: &str, disk: Disk, log: &Path) -> Self {
        Self {
            name: name.to_owned(),
            disk,
            log: log.to_owned(),
            nics: Vec::new(),
            media: Vec::new(),
            memory_mib: None,
            randomness: true,
            board: None,
            firmware: firmware_of_this_run(),
            attachment: None,
            serial: true,
            screen: true,
            further: Vec::new(),
        }
    }

    /// As the machine that imitates `board`; with a BIOS if the board has nothing else.
    #[must_use]
    pub fn imitating(mut self, board: &Board) -> Self {
        if !board.firmware.contains(&FirmwareKind::Uefi) {
            self.firmware = FirmwareKind::Bios;
        }
        self.board = Some(board.clone());
        self
    }

    /// Started by this firmware, whatever this run of the tests says.
    #[must_use]
    pub fn started_by(mut self, firmware: FirmwareKind) -> Self {
        self.firmware = firmware;
        self
    }

    /// With a BIOS (SeaBIOS) in place of UEFI firmware.
    #[must_use]
    pub fn bios(self) -> Self {
        self.started_by(FirmwareKind::Bios)
    }

    /// With the disk attached like this, in place of the board's way.
    #[must_use]
    pub fn attached(mut self, attachment: Attachment) -> Self {
        self.attachment = Some(attachment);
        self
    }

    /// Without a serial port: nothing that it says is heard.
    #[must_use]
    pub fn without_serial(mut self) -> Self {
        self.serial = false;
        self
    }

    /// Without a graphics card.
    #[must_use]
    pub fn without_screen(mut self) -> Self {
        self.screen = false;
        self
    }

    /// A network card behind QEMU's own router, which has a DHCP server, 10.0.2.2 for the host's loopback
    /// interface, and a free port of the host for each forward.
    #[must_use]
    pub fn user_network(mut self, forwards: &[Forward]) -> Self {
        self.nics.push(Nic { wire: Wire::User(forwards.to_vec()), card: None });
        self
    }

    /// A network card on a switch of the test.
    #[must_use]
    pub fn on(mut self, switch: &Switch) -> Self {
        self.nics.push(Nic { wire: Wire::Switch(switch.clone()), card: None });
        self
    }

    /// A network card of this make on a switch of the test.
    #[must_use]
    pub fn card_on(mut self, switch: &Switch, card: Card) -> Self {
        self.nics.push(Nic { wire: Wire::Switch(switch.clone()), card: Some(card) });
        self
    }

    /// A read-only medium, such as the one that [`config_medium`](crate::config_medium) makes.
    #[must_use]
    pub fn medium(mut self, image: &Path) -> Self {
        self.media.push(image.to_owned());
        self
    }

    /// Memory in MiB, in place of the board's.
    #[must_use]
    pub fn memory(mut self, mib: u32) -> Self {
        self.memory_mib = Some(mib);
        self
    }

    /// Without the board's source of randomness. Its processor has none either.
    #[must_use]
    pub fn without_randomness(mut self) -> Self {
        self.randomness = false;
        self
    }

    /// With another disk, from which it does not start: a raw image behind a QEMU device, such as `ide-hd,bus=ide.2`. Its
    /// block node and its device are called `id`.
    #[must_use]
    pub fn other_disk(mut self, id: &str, image: &Path, device: &str, read_only: bool) -> Self {
        let (file, mode) = (image.display(), if read_only { "on" } else { "off" });
        let node =
            format!("driver=raw,node-name={id},read-only={mode},file.driver=file,file.filename={file}");
        self.further.extend(["-blockdev".to_owned(), node, "-device".to_owned()]);
        self.further.push(format!("{device},id={id},drive={id}"));
        self
    }

    /// Switches the unit on.
    ///
    /// # Errors
    /// When QEMU or its firmware is missing, or QEMU does not come up; the error has its words.
    pub fn start(&self) -> Result<Unit> {
        let folder = tempfile::Builder::new().prefix(WORK_FOLDER).tempdir()?;
        let at = |name: &str| folder.path().join(name);
        if self.firmware == FirmwareKind::Uefi {
            fs::copy(OVMF[1], at("vars.fd"))
                .with_context(|| format!("copying {} (package ovmf)", OVMF[1]))?;
        }
        if let Some(parent) = self.log.parent() {
            fs::create_dir_all(parent)?;
        }
        let log = File::create(&self.log).with_context(|| format!("writing {}", self.log.display()))?;
        // QEMU connects to us: what it says first is not lost, whenever we get round to listening.
        let serial_socket = UnixListener::bind(at("serial"))?;
        let control_socket = UnixListener::bind(at("qmp"))?;
        let arguments = self.arguments(folder.path())?;
        let words = File::create(at("qemu.log"))?;
        let started = Instant::now();
        let (out, err) = (words.try_clone()?.into(), words.into());
        let process = Program::start("qemu-system-x86_64", &arguments, out, err)?;
        let complain = |error: anyhow::Error| {
            let said = fs::read_to_string(at("qemu.log")).unwrap_or_default();
            error.context(format!("starting the unit {}; QEMU said: {}", self.name, said.trim()))
        };
        let connected = accept(&serial_socket, &process)
            .and_then(|serial| Ok((serial, Qmp::greet(accept(&control_socket, &process)?)?)));
        let (serial, qmp) = connected.map_err(complain)?;
        let keyboard = Keyboard::new(&serial)?;
        let serial = Serial::follow(serial, log, started);
        let mut ports = Vec::new();
        for (index, nic) in self.nics.iter().enumerate() {
            if let Wire::Switch(switch) = &nic.wire {
                ports.push(switch.plug_unit(&at(&format!("nic{index}")))?);
            }
        }
        let line = (serial, keyboard);
        Ok(Unit::new(self.name.clone(), process, line, qmp, ports, started, folder))
    }

    fn arguments(&self, folder: &Path) -> Result<Vec<String>> {
        let mut board = self.board.clone().map_or_else(|| Board::parse(BOARD), Ok)?;
        board.qemu.memory_mib = self.memory_mib.unwrap_or(board.qemu.memory_mib);
        let show = |path: &Path| path.to_str().map(str::to_owned).context("a path that is not UTF-8");
        let socket = |name: &str| show(&folder.join(name));
        if !self.randomness {
            take_out_randomness(&mut board.qemu.extra)?;
        }
        let disk_devices = disk_devices(&mut board.qemu, self.attachment, DISK);
        let mut all = board.qemu.arguments();
        let mut add = |name: &str, value: String| all.extend([name.to_owned(), value]);
        // Threads with names: whoever wants to know what the unit's processors have used finds theirs.
        add("-name", format!("{},debug-threads=on", self.name));
        // Never KVM: where it is offered inside a virtual machine it often does not work.
        add("-accel", "tcg".into());
        add("-display", "none".into());
        if !self.screen {
            add("-vga", "none".into());
        }
        if self.firmware == FirmwareKind::Uefi {
            add("-drive", format!("if=pflash,unit=0,format=raw,readonly=on,file={}", OVMF[0]));
            add("-drive", format!("if=pflash,unit=1,format=raw,file={}", socket("vars.fd")?));
        }
        let disk = match &self.disk {
            Disk::File { path, format } => {
                format!("driver={format},node-name=disk,file.driver=file,file.filename={}", show(path)?)
            }
            Disk::Served(socket) => {
                format!("driver=nbd,node-name=disk,server.type=unix,server.path={}", show(socket)?)
            }
        };
        add("-blockdev", disk);
        disk_devices.into_iter().for_each(|device| add("-device", device));
        for (index, medium) in self.media.iter().enumerate() {
            let file = show(medium)?;
            let node = format!("medium{index}");
            add(
                "-blockdev",
                format!("driver=raw,read-only=on,node-name={node},file.driver=file,file.filename={file}"),
            );
            add("-device", format!("virtio-blk-pci,drive={node}"));
        }
        if self.nics.is_empty() {
            add("-nic", "none".into());
        }
        for (index, nic) in self.nics.iter().enumerate() {
            let id = format!("net{index}");
            let netdev = match &nic.wire {
                Wire::User(forwards) => forwards.iter().fold(format!("user,id={id}"), |text, forward| {
                    format!("{text},hostfwd=tcp:127.0.0.1:0-:{}", forward.guest)
                }),
                Wire::Switch(_) => {
                    let path = socket(&format!("nic{index}"))?;
                    format!("stream,id={id},server=on,addr.type=unix,addr.path={path}")
                }
            };
            add("-netdev", netdev);
            let mac = format!("52:54:00:00:00:{:02x}", index + 1);
            let mut place = String::new();
            let mut qemu = board.qemu.clone();
            if let Some(card) = nic.card {
                card.model.clone_into(&mut qemu.nic);
                if card.in_slot {
                    add("-device", format!("pcie-root-port,id=slot{index},chassis={index}"));
                    place = format!(",bus=slot{index}");
                }
            }
            add("-device", qemu.nic_device(&id, &mac) + &place);
        }
        add("-chardev", format!("socket,id=serial,server=off,path={}", socket("serial")?));
        // Without a port nobody is at the other end, but QEMU connects to us all the same.
        add("-serial", if self.serial { "chardev:serial" } else { "none" }.into());
        add("-chardev", format!("socket,id=qmp,server=off,path={}", socket("qmp")?));
        add("-mon", "chardev=qmp,mode=control".into());
        all.extend(self.further.iter().cloned());
        Ok(all)
    }
}

/// Takes the device out of QEMU's arguments; a board that has none under this name would prove nothing.
fn take_out_randomness(arguments: &mut Vec<String>) -> Result<()> {
    let device = ["-device", RANDOMNESS];
    let at = arguments.windows(2).position(|pair| pair == device);
    let at = at.with_context(|| format!("the board has no {RANDOMNESS}"))?;
    arguments.drain(at..at + device.len());
    Ok(())
}

/// QEMU's connection to `listener`.
fn accept(listener: &UnixListener, process: &Program) -> Result<std::os::unix::net::UnixStream> {
    let slice = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
    for _ in 0..START_WITHIN_S * 5 {
        ensure!(process.runs(), "QEMU ended at once");
        let mut waiting = [PollFd::new(listener, PollFlags::IN)];
        if poll(&mut waiting, Some(&slice))? > 0 {
            return Ok(listener.accept()?.0);
        }
    }
    anyhow::bail!("QEMU did not connect within {START_WITHIN_S} s")
}
