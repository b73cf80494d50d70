//! What a unit starts with: the first configuration, and the first password while it is the first.
//!
//! ```text
//! no generation      evener.toml present and good → it; else the defaults
//!                    with a password in it → that one; else a random one, to be changed at the first sign-in
//! a generation       evener.toml is not looked at
//!   password is still the first, and its file is gone (a reboot: the run directory is memory)
//!                    → a new one, in a new generation: nobody can have written down one that was never shown
//! ```
//!
//! The file with the first password is written after the generation with its hash. Cut between the two, the
//! next start finds no file and makes another password.

use crate::apply::ids_after;
use crate::password;
use crate::writer::summary;
use crate::{Generations, unix_s};
use anyhow::Context;
use evener_config::first::{self, FirstConfig, FirstPassword};
use evener_config::{Config, User, diff, validate};
use evener_store::{Cause, Draft};
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The account that the first password is for.
pub(crate) const ADMINISTRATOR: &str = "bal";
/// Name of the file with the first password, in the run directory.
const PASSWORD_FILE: &str = "first-password";
/// Name of the first configuration, in the run directory.
const FIRST_FILE: &str = "evener.toml";
/// Largest first configuration that is read, in bytes.
const MAX_FIRST: u64 = 1 << 20;

/// Makes sure that there is a configuration, and a first password to be shown if nobody chose another yet. Gives what
/// the operator must know about it.
pub(crate) fn begin(store: &mut Generations, run: &Path) -> anyhow::Result<Vec<String>> {
    let Some(record) = store.current() else { return make_first(store, run) };
    if run.join(FIRST_FILE).exists() {
        tracing::info!("{FIRST_FILE} is not used: the unit has a configuration");
    }
    // Written by another firmware, perhaps with other rules. It was good then; changes will tell.
    for violation in validate(&record.config) {
        tracing::warn!("the stored configuration breaks a rule: {violation}");
    }
    // A unit that cannot write goes on with what it has: traffic needs the configuration, not the password.
    match renew_first_password(store, run) {
        Ok(()) => Ok(Vec::new()),
        Err(error) => {
            tracing::error!("the first password cannot be renewed: {error:#}");
            let reason = format!(
                "The first password cannot be shown, because no new one could be stored ({error:#}). \
                 Make room on the disk or replace it, then restart the unit."
            );
            Ok(vec![reason])
        }
    }
}

/// Whether the administrator has not chosen a password yet.
pub(crate) fn has_first_password(config: &Config) -> bool {
    config.shared.users.iter().any(|user| user.name == ADMINISTRATOR && user.must_change_password)
}

/// Removes the file with the first password, once it is one no longer.
pub(crate) fn remove_password_file(run: &Path) -> io::Result<()> {
    match fs::remove_file(run.join(PASSWORD_FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn make_first(store: &mut Generations, run: &Path) -> anyhow::Result<Vec<String>> {
    let (author, first, mut lines) = match read_first(run) {
        None => ("evener", defaults(), Vec::new()),
        Some(Ok(first)) => (FIRST_FILE, first, Vec::new()),
        Some(Err(reasons)) => {
            for reason in &reasons {
                tracing::error!("{FIRST_FILE} is refused, {reason}");
            }
            tracing::error!("nothing of {FIRST_FILE} is used: the unit starts with the defaults");
            let lines = reasons.into_iter().map(|reason| format!("{FIRST_FILE} refused, {reason}"));
            ("evener", defaults(), lines.collect())
        }
    };
    let warnings = lines.iter().map(|line| format!("{line}. Nothing of it is used.")).collect();
    let FirstConfig { mut config, password } = first;
    let (hash, shown) = match password {
        Some(FirstPassword::Clear(password)) => (password::hash(&password)?, None),
        Some(FirstPassword::Hash(hash)) => (hash, None),
        None => {
            let password = password::random()?;
            (password::hash(&password)?, Some(password))
        }
    };
    let must_change_password = shown.is_some();
    config.shared.users = vec![User { name: ADMINISTRATOR.to_owned(), password: hash, must_change_password }];
    lines.extend(diff(&Config::default(), &config));
    append(store, author, lines, config)?;
    match shown {
        Some(password) => write_password(run, &password).context("cannot write the first password")?,
        None => remove_password_file(run).context("cannot remove a former first password")?,
    }
    Ok(warnings)
}

fn defaults() -> FirstConfig {
    FirstConfig { config: Config::default(), password: None }
}

/// The first configuration of the medium; `None` without one.
fn read_first(run: &Path) -> Option<Result<FirstConfig, Vec<String>>> {
    let mut bytes = Vec::new();
    let read = fs::File::open(run.join(FIRST_FILE))
        .and_then(|file| file.take(MAX_FIRST + 1).read_to_end(&mut bytes));
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => return Some(Err(vec![format!("it cannot be read: {error}")])),
        Ok(_) => {}
    }
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_FIRST) {
        return Some(Err(vec![format!("it is larger than {MAX_FIRST} bytes")]));
    }
    let Ok(text) = String::from_utf8(bytes) else {
        return Some(Err(vec![String::from("it is not UTF-8 text")]));
    };
    let parsed = first::parse(&text).map_err(|errors| errors.iter().map(ToString::to_string).collect());
    Some(parsed.and_then(|first| match &first.password {
        Some(FirstPassword::Hash(hash)) => match password::why_unusable(hash) {
            Some(reason) => Err(vec![format!("password_hash: {reason}")]),
            None => Ok(first),
        },
        Some(FirstPassword::Clear(_)) | None => Ok(first),
    }))
}

/// Makes and shows a new first password unless the one in force is there to be read, or was changed.
fn renew_first_password(store: &mut Generations, run: &Path) -> anyhow::Result<()> {
    let Some(record) = store.current() else { return Ok(()) };
    if !has_first_password(&record.config) {
        return remove_password_file(run).context("cannot remove the first password");
    }
    let shown = fs::read_to_string(run.join(PASSWORD_FILE)).ok();
    let mut config = record.config.clone();
    let Some(user) = config.shared.users.iter_mut().find(|user| user.name == ADMINISTRATOR) else {
        return Ok(());
    };
    if shown.is_some_and(|shown| password::is_right(shown.trim(), &user.password)) {
        return Ok(());
    }
    let password = password::random()?;
    user.password = password::hash(&password)?;
    append(store, "evener", vec![format!("a new first password for {ADMINISTRATOR}")], config)?;
    write_password(run, &password).context("cannot write the first password")
}

fn append(store: &mut Generations, author: &str, lines: Vec<String>, config: Config) -> anyhow::Result<()> {
    let next_ids = store.current().map_or_else(|| ids_after(&config), |record| record.next_ids);
    let author = author.to_owned();
    let (unix_s, cause, summary) = (unix_s(), Cause::default(), summary(lines));
    store.append(Draft { author, unix_s, cause, summary, next_ids, config })?;
    Ok(())
}

/// Writes the file in one step, so that init never reads a half; readable by us and root alone.
fn write_password(run: &Path, password: &str) -> io::Result<()> {
    let temporary = run.join("first-password.tmp");
    let _ = fs::remove_file(&temporary);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(password.as_bytes())?;
    fs::rename(&temporary, run.join(PASSWORD_FILE))
}
