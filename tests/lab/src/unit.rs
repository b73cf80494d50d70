//! A unit that is switched on.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, ExitStatus};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;

use crate::link::PortId;
use crate::machine::Forward;
use crate::qmp::Qmp;
use crate::serial::Serial;

/// A running unit. Dropping it pulls the power cord.
#[derive(Debug)]
pub struct Unit {
    name: String,
    process: Process,
    serial: Serial,
    qmp: Qmp,
    ports: Vec<PortId>,
    started: Instant,
    /// Sockets and firmware variables; goes with the unit.
    _folder: TempDir,
}

impl Unit {
    pub(crate) fn new(
        name: String,
        process: Process,
        serial: Serial,
        qmp: Qmp,
        ports: Vec<PortId>,
        started: Instant,
        folder: TempDir,
    ) -> Self {
        Self { name, process, serial, qmp, ports, started, _folder: folder }
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

/// A program that dies with its handle, and with this process however that ends.
#[derive(Debug)]
pub(crate) struct Process {
    pid: Pid,
    end: Arc<(Mutex<Option<ExitStatus>>, Condvar)>,
}

impl Process {
    /// Starts `command` from a thread of its own. The signal that a parent's death sends is bound to the
    /// *thread* that forked, so that thread must live as long as the program.
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        let end: Arc<(Mutex<Option<ExitStatus>>, Condvar)> = Arc::default();
        let own = Arc::clone(&end);
        let (tell, told) = channel();
        std::thread::spawn(move || {
            let mut child = match command.spawn() {
                Ok(child) => child,
                Err(error) => return tell.send(Err(error)),
            };
            let sent = tell.send(Ok(child.id()));
            if let Ok(status) = child.wait() {
                *own.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
                own.1.notify_all();
            }
            sent
        });
        let id =
            told.recv().context("the starting thread ended")?.context("starting setpriv (util-linux)")?;
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw).context("a process without id")?;
        Ok(Self { pid, end })
    }

    /// Whether it has not ended yet.
    pub(crate) fn runs(&self) -> bool {
        self.end.0.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Waits for the end; `None` when it does not come within `limit`.
    pub(crate) fn wait(&self, limit: Duration) -> Option<ExitStatus> {
        let end = self.end.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (end, _) = self
            .end
            .1
            .wait_timeout_while(end, limit, |end| end.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        *end
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.runs() {
            // It may end in this very moment; then there is nothing to kill.
            let _ = kill_process(self.pid, Signal::KILL);
            self.wait(Duration::from_secs(10));
        }
    }
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

    #[test]
    fn a_program_dies_with_its_handle() {
        let mut command = Command::new("sleep");
        command.arg("600");
        let process = Process::start(command).unwrap();
        let pid = process.pid;
        assert!(process.runs());
        drop(process);
        assert!(rustix::process::test_kill_process(pid).is_err());
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        assert!(Process::start(Command::new("/nonexistent/program")).is_err());
    }
}
