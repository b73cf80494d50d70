//! The configuration of a unit whose `data` partition is lost: only the second copy on `conf` remains.

use std::io;

use anyhow::{Context, Result};
use evener_config::Config;
use evener_disk::Role;
use evener_slots::Partitions;
use evener_store::{Draft, Files, NextIds, Store, finish_reset, order_reset, reset_is_ordered};

use crate::Unit;

/// A directory that keeps nothing: what is left of `data` when it had to be set aside.
struct Nothing;

impl Files for Nothing {
    fn list(&mut self) -> io::Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn read(&mut self, _: &str) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn write(&mut self, _: &str, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn sync(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn rename(&mut self, _: &str, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn remove(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The generation that comes back from `conf`; 0 for none, and for a unit that is marked for a factory reset.
pub(crate) fn generation(unit: &mut Unit<'_>) -> Result<u64> {
    if is_reset(unit)? {
        return Ok(0);
    }
    let device = unit.open(Role::Conf, true)?;
    let (store, _) = Store::open(Nothing, Some(device)).context("the settings cannot be read")?;
    Ok(store.current().map_or(0, |record| record.generation))
}

/// Changes the settings: one more generation.
pub(crate) fn change(unit: &mut Unit<'_>) -> Result<()> {
    let device = unit.open(Role::Conf, true)?;
    let (mut store, _) = Store::open(Nothing, Some(device)).context("the settings cannot be read")?;
    let draft = Draft {
        author: "bal".into(),
        unix_s: 0,
        cause: evener_store::Cause::default(),
        summary: vec!["x".repeat(700)],
        next_ids: NextIds { vs: 1, rs: 1 },
        config: Config::default(),
    };
    store.append(draft).context("the settings cannot be stored")?;
    match store.copy_warning() {
        Some(warning) => Err(warning.into()),
        None => Ok(()),
    }
}

/// Whether the unit is marked for a factory reset.
pub(crate) fn is_reset(unit: &mut Unit<'_>) -> Result<bool> {
    Ok(reset_is_ordered(&mut unit.open(Role::Conf, false)?)?)
}

/// Marks the unit for a factory reset.
pub(crate) fn order(unit: &mut Unit<'_>) -> Result<()> {
    Ok(order_reset(&mut unit.open(Role::Conf, true)?)?)
}

/// What init does with a unit that is marked; `data` is erased already.
pub(crate) fn reset(unit: &mut Unit<'_>) -> Result<()> {
    Ok(finish_reset(&mut unit.open(Role::Conf, true)?)?)
}
