//! A test's hand inside the unit: lines of words on TCP, each answered by one line.
//!
//! ```text
//! pid SERVICE                    → ok PID
//! signal SERVICE STOP|CONT|KILL  → ok PID
//! memory SERVICE                 → ok VmHWM=… kB VmRSS=… kB
//! fill data                      → ok BYTES      until nothing more goes on it, not even for root
//! free data                      → ok
//! panic                          → (none)        PID 1 ends
//! anything else                  → error WORDS
//! ```

use evener_api::Service;
use evener_sick::HAND_PORT;
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// A signal arrives within microseconds; this is for a busy machine.
const STANDSTILL_WITHIN: Duration = Duration::from_secs(5);
/// Pieces that data is filled with: large ones for speed, then what still fits.
const PIECES: [u64; 4] = [64 << 20, 1 << 20, 64 << 10, 4 << 10];

/// Takes commands from now on, in threads of their own.
pub(crate) fn lend(data: &Path) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, HAND_PORT))?;
    let ballast = data.join("ballast");
    thread::Builder::new().name("hand".into()).spawn(move || {
        for stream in listener.incoming().flatten() {
            let ballast = ballast.clone();
            thread::spawn(move || obey(&stream, &ballast));
        }
    })?;
    Ok(())
}

/// A caller that goes away takes nothing with it but its connection.
fn obey(stream: &TcpStream, ballast: &Path) -> Option<()> {
    for line in BufReader::new(stream).lines() {
        let words: Vec<String> = line.ok()?.split_whitespace().map(str::to_owned).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let answer = match carry_out(&words, ballast) {
            Ok(result) => format!("ok {result}"),
            Err(error) => format!("error {error}"),
        };
        writeln!(&mut &*stream, "{}", answer.trim_end()).ok()?;
    }
    Some(())
}

fn carry_out(words: &[&str], ballast: &Path) -> io::Result<String> {
    match words {
        ["pid", service] => Ok(pid(service)?.to_string()),
        ["signal", service, name] => {
            let signal = match *name {
                "STOP" => Signal::STOP,
                "CONT" => Signal::CONT,
                "KILL" => Signal::KILL,
                other => return Err(io::Error::other(format!("no signal {other:?}"))),
            };
            let pid = pid(service)?;
            kill_process(Pid::from_raw(pid).ok_or(Errno::SRCH)?, signal)?;
            if signal == Signal::STOP {
                await_standstill(pid)?;
            }
            Ok(pid.to_string())
        }
        ["memory", service] => memory(pid(service)?),
        ["fill", "data"] => fill(ballast),
        ["free", "data"] => fs::remove_file(ballast).map(|()| String::new()),
        #[expect(clippy::exit, reason = "PID 1 that ends is a kernel panic, which is what was asked for")]
        ["panic"] => std::process::exit(1),
        other => Err(io::Error::other(format!("{other:?} is no command"))),
    }
}

/// Returns when every thread stands still. A signal is on its way for a moment, in which a thread may take on one
/// more connection, to lose it when the process is killed.
fn await_standstill(pid: i32) -> io::Result<()> {
    let deadline = Instant::now() + STANDSTILL_WITHIN;
    loop {
        let mut moving = false;
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            let stat = fs::read_to_string(thread?.path().join("stat"))?;
            // The name, in brackets, may hold anything; the state follows the last one.
            moving |= stat.rsplit_once(") ").is_none_or(|(_, rest)| !rest.starts_with('T'));
        }
        if !moving {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(io::Error::other(format!("process {pid} does not stand still")));
        }
        thread::yield_now();
    }
}

/// The process whose first argument is the service's name.
fn pid(name: &str) -> io::Result<i32> {
    let service: Service = name.parse().map_err(io::Error::other)?;
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        // It may be gone by now.
        let Ok(line) = fs::read(entry.path().join("cmdline")) else { continue };
        if line.split(|byte| *byte == 0).nth(1) == Some(service.name().as_bytes()) {
            return Ok(pid);
        }
    }
    Err(io::Error::other(format!("{service} does not run")))
}

fn memory(pid: i32) -> io::Result<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim_start_matches(':').trim().to_owned()
    };
    Ok(format!("VmHWM={} VmRSS={}", field("VmHWM"), field("VmRSS")))
}

fn fill(ballast: &Path) -> io::Result<String> {
    let file = File::options().create(true).append(true).open(ballast)?;
    let mut end = file.metadata()?.len();
    for piece in PIECES {
        loop {
            match fallocate(&file, FallocateFlags::empty(), end, piece) {
                Ok(()) => end += piece,
                Err(Errno::NOSPC) => break,
                Err(error) => return Err(error.into()),
            }
        }
    }
    file.sync_all()?;
    Ok(end.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test that stops a program of its own")]
    fn a_process_that_was_stopped_stands_still() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = child.id().cast_signed();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::STOP).unwrap();
        await_standstill(pid).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(await_standstill(pid).is_err(), "there is nothing to stand still");
    }

    #[test]
    fn what_is_no_command_is_answered_with_words() {
        for words in [&["dance"][..], &["signal", "proxy", "HUP"], &["pid", "bash"], &["pid", "proxy"], &[]] {
            assert!(carry_out(words, Path::new("/nonexistent/ballast")).is_err(), "{words:?}");
        }
    }
}
