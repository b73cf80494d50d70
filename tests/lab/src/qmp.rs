//! QEMU's control socket (QMP): one JSON object a line.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

/// How long QEMU may take to answer; it is emulating on the same cores.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A conversation with QEMU.
#[derive(Debug)]
pub struct Qmp {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Qmp {
    /// Greets QEMU on a connected socket.
    pub(crate) fn greet(socket: UnixStream) -> Result<Self> {
        socket.set_read_timeout(Some(ANSWER_WITHIN))?;
        let mut qmp = Self { reader: BufReader::new(socket.try_clone()?), writer: socket };
        let greeting = qmp.read()?;
        ensure!(greeting.get("QMP").is_some(), "QEMU did not greet: {greeting}");
        qmp.execute("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// Runs a command and gives back its result; events that come before it are dropped.
    ///
    /// # Errors
    /// When QEMU refuses, or does not answer in time.
    pub fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        let mut line = json!({ "execute": command, "arguments": arguments }).to_string();
        line.push('\n');
        self.writer.write_all(line.as_bytes()).with_context(|| format!("sending {command} to QEMU"))?;
        loop {
            let mut answer = self.read().with_context(|| format!("waiting for QEMU to do {command}"))?;
            if let Some(error) = answer.get("error") {
                bail!("QEMU refused {command}: {error}");
            }
            if let Some(result) = answer.get_mut("return") {
                return Ok(result.take());
            }
        }
    }

    /// Runs a command of the human monitor and gives back its text.
    ///
    /// # Errors
    /// As [`Qmp::execute`].
    pub fn human(&mut self, line: &str) -> Result<String> {
        let answer = self.execute("human-monitor-command", &json!({ "command-line": line }))?;
        Ok(answer.as_str().unwrap_or_default().to_owned())
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        ensure!(self.reader.read_line(&mut line)? > 0, "QEMU closed its control socket");
        Ok(serde_json::from_str(&line)?)
    }
}
