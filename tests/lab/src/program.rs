//! A host program that never outlives the test.
//!
//! `setpriv --pdeathsig` makes the kernel kill it when this process ends in any way, also by a signal that
//! leaves no time to clean up.

use std::ffi::OsStr;
use std::fs;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

/// Linux counts processor time for programs in hundredths of a second, on every x86-64 (`USER_HZ`).
const TICKS_PER_SECOND: u32 = 100;

/// A program that dies with its handle, and with this process however that ends.
#[derive(Debug)]
pub struct Program {
    pid: Pid,
    end: Arc<(Mutex<Option<ExitStatus>>, Condvar)>,
}

impl Program {
    /// Starts a program; its standard input is empty.
    ///
    /// It is started from a thread of its own: the signal that a parent's death sends is bound to the *thread*
    /// that forked, so that thread must live as long as the program.
    ///
    /// # Errors
    /// When `setpriv` cannot be started. A program that is not there ends at once, with a failure.
    pub fn start<A: AsRef<OsStr>>(program: &str, arguments: &[A], out: Stdio, err: Stdio) -> Result<Self> {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", program]).args(arguments);
        command.stdin(Stdio::null()).stdout(out).stderr(err);
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
    #[must_use]
    pub fn runs(&self) -> bool {
        self.end.0.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Processor time that those of its threads have used whose name begins with `name`.
    ///
    /// # Errors
    /// When it has ended, or none of its threads is called so.
    pub fn thread_time(&self, name: &str) -> Result<Duration> {
        let folder = format!("/proc/{}/task", self.pid);
        let mut ticks = None;
        for thread in fs::read_dir(&folder).with_context(|| format!("looking into {folder}"))? {
            let status = fs::read_to_string(thread?.path().join("stat"))?;
            ticks = ticks_of(&status, name).map(|more| ticks.unwrap_or(0) + more).or(ticks);
        }
        let ticks = ticks.with_context(|| format!("no thread is called {name}"))?;
        Ok(Duration::from_secs(ticks) / TICKS_PER_SECOND)
    }

    /// Waits for the end; `None` when it does not come within `limit`.
    #[must_use]
    pub fn wait(&self, limit: Duration) -> Option<ExitStatus> {
        let end = self.end.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (end, _) = self
            .end
            .1
            .wait_timeout_while(end, limit, |end| end.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        *end
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.runs() {
            // It may end in this very moment; then there is nothing to kill.
            let _ = kill_process(self.pid, Signal::KILL);
            let _ = self.wait(Duration::from_secs(10));
        }
    }
}

/// User and system time in a line of `/proc/PID/task/TID/stat`, if the thread's name begins so (`proc(5)`).
fn ticks_of(status: &str, name: &str) -> Option<u64> {
    // The name is in parentheses and may hold any character.
    let (before, after) = status.rsplit_once(')')?;
    before.split_once('(').filter(|(_, known)| known.starts_with(name))?;
    let mut fields = after.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_threads_is_found_by_their_name() {
        let line = "77 (CPU 0/TCG) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 1 0";
        assert_eq!((ticks_of(line, "CPU "), ticks_of(line, "worker")), (Some(300), None));
        let busy =
            Program::start("sh", &["-c", "while :; do :; done"], Stdio::null(), Stdio::null()).unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while busy.thread_time("sh").unwrap_or_default() < Duration::from_millis(50) {
            assert!(std::time::Instant::now() < deadline && busy.runs());
        }
        assert!(busy.thread_time("no such name").is_err());
    }

    fn start(program: &str, argument: &str) -> Program {
        Program::start(program, &[argument], Stdio::null(), Stdio::null()).unwrap()
    }

    #[test]
    fn a_program_dies_with_its_handle() {
        let program = start("sleep", "600");
        let pid = program.pid;
        assert!(program.runs());
        drop(program);
        assert!(rustix::process::test_kill_process(pid).is_err());
    }

    #[test]
    fn the_end_of_a_program_is_seen() {
        assert!(start("true", "").wait(Duration::from_secs(60)).unwrap().success());
        assert!(!start("/nonexistent/program", "").wait(Duration::from_secs(60)).unwrap().success());
    }
}
