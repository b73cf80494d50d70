//! What the console of a unit tells the person before it.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::serial::Serial;

/// The words before the first password in the console's banner.
const BEFORE_PASSWORD: &str = "password  ";

/// The first password, as the console shows it until it was changed.
///
/// # Errors
/// When the console does not show one within `limit`.
pub fn first_password(serial: &Serial, limit: Duration) -> Result<String> {
    let line = serial.wait_for(BEFORE_PASSWORD, limit)?;
    let (_, after) = line.text.split_once(BEFORE_PASSWORD).context("the words just found")?;
    let word = after.split_whitespace().find(|word| word.len() > 8).context("a password behind the word")?;
    Ok(word.to_owned())
}
