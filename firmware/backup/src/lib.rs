//! Backups of the settings: one file, encrypted with a password, with parts to choose from.
//!
//! A backup is made to be carried away, so it holds what the unit itself never gives out, the hashes of passwords, and is
//! encrypted as a whole. Which parts are in it is chosen when it is made, and again when it is brought back: the
//! services of one unit may go to another whose addresses stay as they are.
//!
//! The form of the file is in [`seal`]'s module, `file.rs`; this one says what is in it. Randomness is an argument, and
//! nothing here knows the time: who calls says when the backup is made.

#![forbid(unsafe_code)]

mod file;

pub use file::{ENTROPY, LARGEST, open, seal};

use evener_config::{Config, Shared, Unit, User};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A part of the settings that can be backed up and brought back by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Everything that a pair has in common, but for the accounts: the virtual services with their real servers.
    Services,
    /// What belongs to one unit: its network, its name.
    Unit,
    /// The accounts with the hashes of their passwords.
    Users,
}

impl Part {
    /// Every part.
    pub const ALL: [Self; 3] = [Self::Services, Self::Unit, Self::Users];

    /// Its word in requests: `services`, `unit`, `users`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Services => "services",
            Self::Unit => "unit",
            Self::Users => "users",
        }
    }

    /// The part of this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.word() == word)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Where and when a backup was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// Seconds since 1970-01-01 UTC by the unit's clock.
    pub unix_s: u64,
    /// Name of the unit.
    pub hostname: String,
    /// The generation of the settings that were in force.
    pub generation: u64,
}

/// What is in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    /// The format of settings that they are in, as the store counts it.
    pub format: u16,
    /// Where they are from.
    pub made: Made,
    /// [`Part::Services`]; no accounts are in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services: Option<Shared>,
    /// [`Part::Unit`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// [`Part::Users`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<User>>,
}

impl Contents {
    /// These parts of a configuration, which is in the store's format of this number.
    #[must_use]
    pub fn of(config: &Config, parts: &[Part], format: u16, made: Made) -> Self {
        let has = |part| parts.contains(&part);
        let services = || Shared { users: Vec::new(), ..config.shared.clone() };
        Self {
            format,
            made,
            services: has(Part::Services).then(services),
            unit: has(Part::Unit).then(|| config.unit.clone()),
            users: has(Part::Users).then(|| config.shared.users.clone()),
        }
    }

    /// The parts that it has.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        let has = |part: &Part| match part {
            Part::Services => self.services.is_some(),
            Part::Unit => self.unit.is_some(),
            Part::Users => self.users.is_some(),
        };
        Part::ALL.into_iter().filter(has).collect()
    }

    /// These parts of it alone.
    ///
    /// # Errors
    /// [`BackupError::Missing`]: one of them is not in it.
    pub fn only(self, parts: &[Part]) -> Result<Self, BackupError> {
        let there = self.parts();
        if let Some(part) = parts.iter().find(|part| !there.contains(part)) {
            return Err(BackupError::Missing(*part));
        }
        let has = |part| parts.contains(&part);
        Ok(Self {
            services: self.services.filter(|_| has(Part::Services)),
            unit: self.unit.filter(|_| has(Part::Unit)),
            users: self.users.filter(|_| has(Part::Users)),
            ..self
        })
    }
}

/// Why a backup cannot be made or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackupError {
    /// The password for a new backup breaks the rule of passwords.
    #[error("this password cannot be used: {0}")]
    Weak(String),
    /// The cipher or the derivation of the key refused; it never should.
    #[error("the backup cannot be encrypted")]
    Seal,
    /// The file, or what would be in it, is larger than a backup can be.
    #[error("it is larger than a backup can be, {} MiB", LARGEST >> 20)]
    TooLarge,
    /// It does not begin as a backup does.
    #[error("it is not a backup of Evener")]
    NotABackup,
    /// A newer firmware made it.
    #[error(
        "a newer firmware made it, in version {version} of the file; this one reads up to {}",
        file::VERSION
    )]
    NewerFile {
        /// The version of the file's form.
        version: u16,
    },
    /// A newer firmware made it, and this one cannot read its settings.
    #[error("a newer firmware made it, with settings in format {format}; this one reads up to {newest}")]
    NewerSettings {
        /// The format of its settings.
        format: u16,
        /// The newest that is read.
        newest: u16,
    },
    /// It ends too early.
    #[error("it is cut off: it has {bytes} bytes of {expected}")]
    Truncated {
        /// What is there.
        bytes: usize,
        /// What there was, as far as can be told.
        expected: usize,
    },
    /// It is not what was written.
    #[error("it is damaged: its digest does not match")]
    Damaged,
    /// Its key would cost more than a unit is ready to pay, or is derived in an unknown way.
    #[error("it asks for a derivation of its key that no unit does: {0}")]
    Cost(String),
    /// The file is whole, and the password does not open it.
    #[error("the password is not the one that it was made with")]
    Password,
    /// What was encrypted is no settings.
    #[error("{field}: {reason}")]
    Content {
        /// Path of the field, such as `services.virtual_services[0].port`.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A part was asked for that is not in it.
    #[error("it has no part {0}")]
    Missing(Part),
}

#[cfg(test)]
mod tests;
