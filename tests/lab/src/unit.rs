//! A unit that is switched on.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tempfile::TempDir;

use crate::keyboard::Keyboard;
use crate::link::PortId;
use crate::machine::Forward;
use crate::program::Program;
use crate::qmp::Qmp;
use crate::serial::Serial;

/// Where a PC's screen has its characters in text mode.
const TEXT_SCREEN: u64 = 0xb_8000;
/// How long a key stays down, in milliseconds.
const PRESSED_MS: u32 = 20;

/// All of that memory: Linux lets the screen wander through it instead of copying rows.
const TEXT_SCREEN_BYTES: u64 = 0x8000;

/// Begin of the names of the threads in which QEMU emulates a processor each.
const PROCESSORS: &str = "CPU ";
/// QEMU's block node for the unit's disk.
pub(crate) const DISK: &str = "disk";

/// What a unit has written to its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Writes.
    pub writes: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Flushes.
    pub flushes: u64,
}

/// A running unit. Dropping it pulls the power cord.
#[derive(Debug)]
pub struct Unit {
    name: String,
    process: Program,
    serial: Serial,
    keyboard: Keyboard,
    qmp: Qmp,
    ports: Vec<PortId>,
    started: Instant,
    /// Sockets and firmware variables; goes with the unit.
    folder: TempDir,
}

impl Unit {
    pub(crate) fn new(
        name: String,
        process: Program,
        (serial, keyboard): (Serial, Keyboard),
        qmp: Qmp,
        ports: Vec<PortId>,
        started: Instant,
        folder: TempDir,
    ) -> Self {
        Self { name, process, serial, keyboard, qmp, ports, started, folder }
    }

    /// Its name in logs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it says.
    #[must_use]
    pub fn serial(&self) -> &Serial {
        &self.serial
    }

    /// Where a person would type on its serial line.
    #[must_use]
    pub fn keyboard(&self) -> &Keyboard {
        &self.keyboard
    }

    /// When QEMU was started: the zero of every [`Line::at`](crate::Line::at).
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
    }

    /// The switch port of its `index`-th card that is on a switch, from 0.
    #[must_use]
    pub fn port(&self, index: usize) -> Option<PortId> {
        self.ports.get(index).copied()
    }

    /// QEMU's control socket.
    pub fn qmp(&mut self) -> &mut Qmp {
        &mut self.qmp
    }

    /// The address on the host that leads to a forwarded port.
    ///
    /// # Errors
    /// When the port is not forwarded.
    pub fn forwarded(&mut self, forward: Forward) -> Result<SocketAddr> {
        let table = self.qmp.human("info usernet")?;
        let port = host_port(&table, forward.guest)
            .with_context(|| format!("port {} is not forwarded:\n{table}", forward.guest))?;
        Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    /// Presses keys together, once, on the keyboard that belongs to the screen; they are named as QEMU names them.
    ///
    /// # Errors
    /// When QEMU does not answer, or knows no such key.
    pub fn press(&mut self, keys: &[&str]) -> Result<()> {
        let keys: Vec<_> = keys.iter().map(|key| json!({ "type": "qcode", "data": key })).collect();
        self.qmp.execute("send-key", &json!({ "keys": keys, "hold-time": PRESSED_MS })).map(|_| ())
    }

    /// Presses the reset button.
    ///
    /// # Errors
    /// When QEMU does not answer.
    pub fn reset(&mut self) -> Result<()> {
        self.qmp.execute("system_reset", &json!({})).map(|_| ())
    }

    /// Presses the power button.
    ///
    /// # Errors
    /// When QEMU does not answer.
    pub fn press_power(&mut self) -> Result<()> {
        self.qmp.execute("system_powerdown", &json!({})).map(|_| ())
    }

    /// Saves what the screen shows to a PPM file.
    ///
    /// # Errors
    /// When QEMU cannot write it.
    pub fn screenshot(&mut self, path: &std::path::Path) -> Result<()> {
        self.qmp.execute("screendump", &json!({ "filename": path })).map(|_| ())
    }

    /// The characters of a screen in text mode, in rows of 80; what has scrolled off it may be among them.
    ///
    /// # Errors
    /// When QEMU does not give them.
    pub fn screen_text(&mut self) -> Result<String> {
        let file = self.folder.path().join("screen");
        let place = json!({ "val": TEXT_SCREEN, "size": TEXT_SCREEN_BYTES, "filename": file });
        self.qmp.execute("pmemsave", &place)?;
        let cells = std::fs::read(&file).context("reading what the screen shows")?;
        // Each character is followed by its colours.
        let characters: Vec<u8> = cells.iter().copied().step_by(2).collect();
        let rows = characters.chunks(80).map(|row| String::from_utf8_lossy(row).trim_end().to_owned());
        Ok(rows.collect::<Vec<_>>().join("\n"))
    }

    /// Waits until the unit has switched itself off.
    ///
    /// # Errors
    /// When it has not within `limit`, or QEMU failed.
    pub fn wait_off(&self, limit: Duration) -> Result<()> {
        let status = self.process.wait(limit);
        let status = status.with_context(|| format!("{} is still on after {limit:?}", self.name))?;
        ensure!(status.success(), "QEMU ended with {status}");
        Ok(())
    }

    /// Processor time that the unit's processors have used, all together, since power-on; QEMU's own is not in it.
    ///
    /// # Errors
    /// When the unit is off.
    pub fn processor_time(&self) -> Result<Duration> {
        self.process.thread_time(PROCESSORS)
    }

    /// What the unit has written to its disk since power-on.
    ///
    /// # Errors
    /// When QEMU does not answer.
    pub fn written(&mut self) -> Result<Written> {
        let all = self.qmp.execute("query-blockstats", &json!({}))?;
        let disk = all.as_array().into_iter().flatten().find(|one| one["node-name"] == DISK);
        let count = |name: &str| disk.and_then(|disk| disk["stats"][name].as_u64());
        let written = || {
            let (writes, bytes) = (count("wr_operations")?, count("wr_bytes")?);
            Some(Written { writes, bytes, flushes: count("flush_operations")? })
        };
        written().with_context(|| format!("QEMU tells nothing of the disk: {all}"))
    }

    /// Whether QEMU runs.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.process.runs()
    }
}

/// The host port in QEMU's table of forwards, whose rows read
/// `TCP[HOST_FORWARD]  12  127.0.0.1 40123  10.0.2.15  8443  0  0`.
fn host_port(table: &str, guest: u16) -> Option<u16> {
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [kind, _, _, host, _, inner, ..] = fields.as_slice() else { return None };
        let fits = kind.contains("HOST_FORWARD") && inner.parse() == Ok(guest);
        if fits { host.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_host_port_in_qemus_table() {
        let table = "Hub -1 (net0):\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\n  \
            TCP[HOST_FORWARD]  13       127.0.0.1 42407       10.0.2.15    80     0     0\n  \
            TCP[HOST_FORWARD]  12       127.0.0.1 36613       10.0.2.15  8443     0     0\n";
        assert_eq!(host_port(table, 8443), Some(36613));
        assert_eq!(host_port(table, 80), Some(42407));
        assert_eq!(host_port(table, 22), None);
    }
}
