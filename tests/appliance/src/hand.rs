//! The test's end of a [`Sickness::Hand`](crate::Sickness::Hand): commands to a unit from inside.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use evener_lab::{Host, Stream};
use evener_sick::HAND_PORT;

/// How long one command may take; filling a disk is the longest.
const LIMIT: Duration = Duration::from_secs(60);

/// A hand inside a unit. Each command is a connection of its own.
#[derive(Clone, Debug)]
pub struct Hand {
    host: Arc<Host>,
    unit: SocketAddrV4,
}

impl Hand {
    /// The hand of the unit at this address, as `host` reaches it.
    #[must_use]
    pub fn new(host: Arc<Host>, unit: Ipv4Addr) -> Self {
        Self { host, unit: SocketAddrV4::new(unit, HAND_PORT) }
    }

    /// Carries out a command; gives what it returned. `tests/sick/src/hand.rs` lists them.
    ///
    /// # Errors
    /// When the unit cannot be reached or did not do it; with its words.
    pub fn tell(&self, command: &str) -> Result<String> {
        let mut stream = self.send(command)?;
        let mut answer = String::new();
        stream.read_line(&mut answer).with_context(|| format!("{command}: no answer"))?;
        match answer.trim_end().split_once(' ').unwrap_or((answer.trim_end(), "")) {
            ("ok", result) => Ok(result.to_owned()),
            _ => bail!("{command}: {answer:?}"),
        }
    }

    /// Lets the kernel panic. There is no answer to that.
    ///
    /// # Errors
    /// When the unit cannot be reached.
    pub fn panic(&self) -> Result<()> {
        self.send("panic").map(drop)
    }

    /// Sends `STOP`, `CONT` or `KILL` to a service; gives its process.
    ///
    /// # Errors
    /// When the unit cannot be reached or the service does not run.
    pub fn signal(&self, service: &str, signal: &str) -> Result<u32> {
        Ok(self.tell(&format!("signal {service} {signal}"))?.parse()?)
    }

    /// The process of a service; `None` while there is none.
    ///
    /// # Errors
    /// When the unit cannot be reached.
    pub fn pid(&self, service: &str) -> Result<Option<u32>> {
        match self.tell(&format!("pid {service}")) {
            Ok(pid) => Ok(Some(pid.parse()?)),
            Err(error) => {
                ensure!(error.to_string().contains("does not run"), error);
                Ok(None)
            }
        }
    }

    fn send(&self, command: &str) -> Result<BufReader<Stream>> {
        let mut stream = self.host.connect(self.unit).with_context(|| command.to_owned())?;
        stream.set_limit(LIMIT);
        writeln!(stream, "{command}")?;
        Ok(BufReader::new(stream))
    }
}
