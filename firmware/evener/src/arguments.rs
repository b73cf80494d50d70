//! The command line of the binary.

use evener_api::Service;
use evener_observe::Dirs;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Shown after a mistake.
pub const HELP: &str = "\
usage: evener SERVICE [--run-dir DIR] [--data-dir DIR]
       evener ctl …        administers a unit from any machine; evener ctl --help
       evener --version

SERVICE is one of init, net, control, checks, proxy, web, update, log, console.
DIR is /run/evener and /data unless given.";

/// What is to be done.
#[derive(Debug)]
pub enum Job {
    /// Say which version this is.
    Version,
    /// Administer a unit, this one or another, as these words say.
    Ctl(Vec<OsString>),
    /// Be the installer of this stick, on these consoles.
    Install(String, Vec<String>, Dirs),
    /// Be this service.
    Serve(Service, Dirs),
}

/// What is wrong with the command line.
#[derive(Debug, PartialEq, Eq)]
pub struct UsageError(String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads the command line, its first word being the program's own name. PID 1 is always init: what the kernel
/// passes it are words from the kernel's command line.
///
/// # Errors
/// When there is no such service or option, or a word too many.
pub fn parse(words: impl IntoIterator<Item = OsString>, is_pid_1: bool) -> Result<Job, UsageError> {
    let mut words = words.into_iter();
    let program = words.next().unwrap_or_default();
    let mut dirs = Dirs { run: "/run/evener".into(), data: "/data".into() };
    if is_pid_1 {
        return Ok(Job::Serve(Service::Init, dirs));
    }
    let own_name = Path::new(&program).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let mut service = own_name.parse().ok();
    let mut is_first = true;
    while let Some(word) = words.next() {
        match word.to_str().unwrap_or_default() {
            "--version" => return Ok(Job::Version),
            "ctl" if is_first && service.is_none() => return Ok(Job::Ctl(words.collect())),
            // init alone starts it, on a stick.
            "installer" if is_first && service.is_none() => return installer(words, dirs),
            "--run-dir" => dirs.run = folder(words.next(), "--run-dir")?,
            "--data-dir" => dirs.data = folder(words.next(), "--data-dir")?,
            name if is_first && service.is_none() => {
                let known: Service = name.parse().map_err(|error| UsageError(format!("{error}")))?;
                service = Some(known);
            }
            other => return Err(UsageError(format!("{other:?} is not expected here"))),
        }
        is_first = false;
    }
    let service = service.ok_or_else(|| UsageError("which service?".into()))?;
    Ok(Job::Serve(service, dirs))
}

fn installer(words: impl Iterator<Item = OsString>, dirs: Dirs) -> Result<Job, UsageError> {
    let mut names = words.map(|word| word.into_string().unwrap_or_default());
    let stick = names.next().ok_or_else(|| UsageError("which disk is the stick?".into()))?;
    Ok(Job::Install(stick, names.collect(), dirs))
}

fn folder(value: Option<OsString>, option: &str) -> Result<PathBuf, UsageError> {
    value
        .filter(|value| !value.is_empty())
        .map(Into::into)
        .ok_or_else(|| UsageError(format!("{option} needs a directory")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str, is_pid_1: bool) -> Result<String, UsageError> {
        let job = parse(line.split(' ').map(Into::into), is_pid_1)?;
        Ok(match job {
            Job::Version => "version".into(),
            Job::Ctl(words) => format!("ctl {}", words.len()),
            Job::Install(stick, consoles, _) => format!("installer {stick} {consoles:?}"),
            Job::Serve(service, dirs) => format!("{service} {} {}", dirs.run.display(), dirs.data.display()),
        })
    }

    #[test]
    fn the_first_word_or_the_programs_name_picks_the_service() {
        assert_eq!(parsed("evener proxy", false).unwrap(), "proxy /run/evener /data");
        assert_eq!(parsed("/x/evener web --run-dir r --data-dir d", false).unwrap(), "web r d");
        assert_eq!(parsed("/sbin/init --data-dir d", false).unwrap(), "init /run/evener d");
        assert_eq!(parsed("evener --version", false).unwrap(), "version");
        assert_eq!(parsed("evener ctl --unit lb firmware", false).unwrap(), "ctl 3");
        let installer = parsed("evener installer sdb tty0 ttyS0", false).unwrap();
        assert_eq!(installer, "installer sdb [\"tty0\", \"ttyS0\"]");
    }

    #[test]
    fn pid_1_is_init_whatever_the_kernel_passes() {
        assert_eq!(parsed("/init splash panic", true).unwrap(), "init /run/evener /data");
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (line, part) in [
            ("evener", "which service"),
            ("evener bash", "\"bash\""),
            ("evener proxy web", "\"web\""),
            ("evener proxy --run-dir", "--run-dir needs"),
            ("init net", "\"net\""),
            ("init ctl", "\"ctl\""),
            ("evener installer", "which disk"),
        ] {
            let error = parsed(line, false).unwrap_err();
            assert!(error.0.contains(part), "{line}: {error}");
        }
    }
}
