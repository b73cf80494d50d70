//! Starting our own binary as a service with as little right as it needs, and seeing processes end.

use rustix::fs::{Gid, Uid};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitOptions, kill_process, set_parent_process_death_signal, setrlimit,
    wait,
};
pub use rustix::thread::CapabilitySet;
use rustix::thread::{
    CapabilitySets, configure_capability_in_ambient_set, remove_capability_from_bounding_set,
    set_capabilities, set_keep_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Who a service is and what it may do.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// Its user id.
    pub uid: u32,
    /// Its only group id.
    pub gid: u32,
    /// All that it, and whatever it might execute, can ever have.
    pub capabilities: CapabilitySet,
}

/// A service to be started.
#[derive(Debug)]
pub struct Spawn {
    /// The binary.
    pub program: PathBuf,
    /// Its arguments, without its name.
    pub arguments: Vec<OsString>,
    /// All of its environment, but for the lifeline's number.
    pub environment: &'static [(&'static str, &'static str)],
    /// Name of the environment variable that gets the number of `lifeline`.
    pub lifeline_name: &'static str,
    /// Its end of the lifeline.
    pub lifeline: OwnedFd,
    /// Standard output and standard error.
    pub output: OwnedFd,
    /// `None`: it stays what its parent is.
    pub identity: Option<Identity>,
    /// Most descriptors it may have open.
    pub open_files: u64,
}

impl Spawn {
    /// Starts it and returns its process id. It dies with the thread that started it.
    ///
    /// # Errors
    /// When it cannot be executed, or one of its rights cannot be taken away.
    pub fn start(self) -> io::Result<u32> {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that starts services")]
        let mut command = Command::new(&self.program);
        let lifeline = self.lifeline.as_raw_fd();
        command.args(&self.arguments).env_clear().envs(self.environment.iter().copied());
        command.env(self.lifeline_name, lifeline.to_string());
        command.stdin(Stdio::null()).stdout(self.output.try_clone()?).stderr(self.output);
        let (identity, open_files) = (self.identity, self.open_files);
        let prepare = move || {
            // SAFETY: the parent keeps the descriptor open until the child was started.
            fcntl_setfd(unsafe { BorrowedFd::borrow_raw(lifeline) }, FdFlags::empty())?;
            // A session of its own: Ctrl-C at a terminal is for init alone, which stops the services in order.
            rustix::process::setsid()?;
            limit_open_files(open_files)?;
            if let Some(identity) = identity {
                take_on(identity)?;
            }
            // Last, because a change of identity clears it.
            set_parent_process_death_signal(Some(Signal::KILL))?;
            Ok(())
        };
        // SAFETY: between fork and exec this only makes system calls, and allocates nothing.
        unsafe { command.pre_exec(prepare) };
        // Dropping the child is not waiting for it; `reap` sees its end.
        Ok(command.spawn()?.id())
    }
}

/// Sets the most descriptors that this process may have open, as far as its own hard limit allows.
///
/// # Errors
/// The kernel's reason.
pub fn limit_open_files(most: u64) -> io::Result<()> {
    let hard = rustix::process::getrlimit(Resource::Nofile).maximum;
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: Some(most) });
    if raised.is_err() {
        // Without the right to raise the hard limit: as much as there is.
        let current = Some(hard.map_or(most, |hard| hard.min(most)));
        setrlimit(Resource::Nofile, Rlimit { current, maximum: hard })?;
    }
    Ok(())
}

/// Gives up every right but those of `identity`, for good.
fn take_on(identity: Identity) -> io::Result<()> {
    let kept = identity.capabilities;
    // What is not in the bounding set cannot come back by any file that is executed. The kernel knows fewer than
    // 64 capabilities and says so.
    for bit in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        if !kept.contains(capability) {
            match remove_capability_from_bounding_set(capability) {
                Err(Errno::INVAL) => break,
                outcome => outcome?,
            }
        }
    }
    set_keep_capabilities(true)?;
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: kept })?;
    // The ambient set is what survives the execution of an ordinary file.
    for bit in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        if kept.contains(capability) {
            configure_capability_in_ambient_set(capability, true)?;
        }
    }
    set_no_new_privs(true)?;
    Ok(())
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this status.
    Status(i32),
    /// By this signal.
    Signal(i32),
}

/// The next child of this process that has ended, its process id and how; `None` when there is none left.
#[must_use]
pub fn reap() -> Option<(u32, Exit)> {
    loop {
        let (pid, status) = wait(WaitOptions::NOHANG).ok().flatten()?;
        let exit = match (status.exit_status(), status.terminating_signal()) {
            (Some(status), _) => Exit::Status(status),
            (None, Some(signal)) => Exit::Signal(signal),
            // Stopped or continued: not the end.
            (None, None) => continue,
        };
        if let Ok(pid) = u32::try_from(pid.as_raw_nonzero().get()) {
            return Some((pid, exit));
        }
    }
}

/// Sends SIGKILL. A process that is gone already is no error.
///
/// # Errors
/// Without the right to do so.
pub fn kill(pid: u32) -> io::Result<()> {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return Ok(()) };
    match kill_process(pid, Signal::KILL) {
        Err(Errno::SRCH) | Ok(()) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Tells the kernel how readily it may kill this process when memory runs out: -1000 never, 1000 first.
///
/// # Errors
/// When the process is gone, or without the right to lower the value.
pub fn set_out_of_memory_rank(pid: u32, rank: i16) -> io::Result<()> {
    std::fs::write(format!("/proc/{pid}/oom_score_adj"), rank.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    /// The value of a line of `/proc/self/status`.
    fn field<'a>(status: &'a str, name: &str) -> &'a str {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_once(':').unwrap().1.trim()
    }

    #[test]
    fn a_service_has_its_own_identity_and_only_the_capabilities_it_was_given() {
        let (lifeline, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let number = lifeline.as_raw_fd();
        let pid = Spawn {
            program: "/bin/cat".into(),
            arguments: vec![
                "/proc/self/status".into(),
                "/proc/self/environ".into(),
                "/proc/self/limits".into(),
            ],
            environment: &[("EVENER_SETTING", "7")],
            lifeline_name: "EVENER_TEST",
            lifeline: lifeline.into(),
            output: writer.into(),
            identity: Some(Identity { uid: 104, gid: 100, capabilities: CapabilitySet::NET_RAW }),
            open_files: 77,
        }
        .start()
        .unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(field(&text, "Uid"), "104\t104\t104\t104");
        assert_eq!(field(&text, "Gid"), "100\t100\t100\t100");
        assert_eq!(field(&text, "Groups"), "");
        assert_eq!(field(&text, "NoNewPrivs"), "1");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(u64::from_str_radix(field(&text, set), 16), Ok(1 << 13), "{set} in {text}");
        }
        assert!(text.contains(&format!("EVENER_TEST={number}\0")), "{text}");
        assert!(text.contains("EVENER_SETTING=7\0") && !text.contains("PATH="), "{text}");
        assert!(text.contains("Max open files            77"), "{text}");
        let ended = std::iter::repeat_with(reap).flatten().next().unwrap();
        assert_eq!(ended, (pid, Exit::Status(0)));
        assert_eq!(reap(), None);
        kill(pid).unwrap();
    }
}
