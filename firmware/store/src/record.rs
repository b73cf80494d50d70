//! A generation as bytes: JSON that any tool can read, with a digest around it.
//!
//! ```text
//! {"sha256":"<hex of the digest of the very bytes of record>","record":{"format":1,"generation":42,…}}
//! ```
//!
//! The digest tells a whole record from what a dying disk left of one. It is no signature: who can write the
//! disk can write a good record. `format` counts up with every change that an older firmware could not read; one that it
//! does not know it leaves alone. `sha256`, `record`, `format` and `generation` are where they are in every format to
//! come: an older firmware must be able to tell what it cannot read from what is damaged.

use evener_config::Config;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::Digest as _;
use std::fmt;

/// The format of records that this firmware writes, and the newest that it reads; the only one so far. It is in the
/// manifest of the firmware, so that another firmware can tell what would be lost.
pub const FORMAT: u16 = evener_config::FORMAT;

/// A configuration that was in force, with where it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    format: u32,
    /// Counts every accepted change, from 1.
    pub generation: u64,
    /// Digest of the record that this one was made from; absent in the first.
    pub parent: Option<Digest>,
    /// Who made it: a user's name, `evener.toml`, or `evener` itself.
    pub author: String,
    /// Seconds since 1970-01-01 UTC by the unit's clock.
    pub unix_s: u64,
    /// Why, in the words of who made it. As are the two below it, it is left out where there is none: such records are
    /// byte for byte what they were before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The generation that it takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<u64>,
    /// The generation that it brings back as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<u64>,
    /// The difference to the one before, in words, one line each.
    pub summary: Vec<String>,
    /// The ids to be given next.
    pub next_ids: NextIds,
    /// What was set. What nobody set is left out.
    #[serde(serialize_with = "sparse")]
    pub config: Config,
}

fn sparse<S: serde::Serializer>(config: &Config, serializer: S) -> Result<S::Ok, S::Error> {
    evener_config::sparse(config).map_err(serde::ser::Error::custom)?.serialize(serializer)
}

/// The ids to be given next: they only grow, so that an id never comes back for something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NextIds {
    /// For a virtual service.
    pub vs: u32,
    /// For a real server.
    pub rs: u32,
}

/// SHA-256 of a record. In JSON and in words: 64 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why bytes are not a record that this firmware can read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// They are not what was written.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// A newer firmware wrote them.
    #[error("a newer firmware wrote it, in format {format}")]
    Newer {
        /// In which format.
        format: u32,
        /// Which generation it is.
        generation: u64,
    },
}

impl Record {
    /// The format that it is written in: a firmware that reads at least this one reads this record.
    #[must_use]
    pub const fn format(&self) -> u32 {
        self.format
    }

    /// A record in this format.
    pub(crate) fn new(format: u16, generation: u64, parent: Option<Digest>, draft: crate::Draft) -> Self {
        let crate::Draft { author, unix_s, cause, summary, next_ids, config } = draft;
        let crate::Cause { reason, undoes, restores } = cause;
        let format = format.into();
        Self {
            format,
            generation,
            parent,
            author,
            unix_s,
            reason,
            undoes,
            restores,
            summary,
            next_ids,
            config,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    sha256: Digest,
    #[serde(borrow)]
    record: &'a RawValue,
}

/// The record as bytes, and the digest that a child names as its parent.
pub(crate) fn encode(record: &Record) -> Result<(Vec<u8>, Digest), serde_json::Error> {
    let raw = serde_json::value::to_raw_value(record)?;
    let digest = Digest::of(raw.get().as_bytes());
    let mut bytes = serde_json::to_vec(&Envelope { sha256: digest.clone(), record: &raw })?;
    bytes.push(b'\n');
    Ok((bytes, digest))
}

/// Reads a record of a format up to `newest` and checks that it is whole.
pub(crate) fn decode(bytes: &[u8], newest: u16) -> Result<(Record, Digest), Unreadable> {
    #[derive(Deserialize)]
    struct Head {
        format: u32,
        generation: u64,
    }
    let damaged = |error: serde_json::Error| Unreadable::Damaged(error.to_string());
    let Envelope { sha256, record } = serde_json::from_slice(bytes).map_err(damaged)?;
    if Digest::of(record.get().as_bytes()) != sha256 {
        return Err(Unreadable::Damaged(String::from("its digest does not match")));
    }
    let Head { format, generation } = serde_json::from_str(record.get()).map_err(damaged)?;
    if format > u32::from(newest) {
        return Err(Unreadable::Newer { format, generation });
    }
    Ok((serde_json::from_str(record.get()).map_err(damaged)?, sha256))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let draft = crate::Draft {
            author: "bal".into(),
            unix_s: 1_700_000_000,
            cause: crate::Cause::default(),
            summary: vec!["virtual service \"shop\" added".into()],
            next_ids: NextIds { vs: 2, rs: 3 },
            config: Config::default(),
        };
        Record::new(FORMAT, 7, Some(Digest::of(b"parent")), draft)
    }

    #[test]
    fn what_was_written_is_read_back() {
        let (bytes, digest) = encode(&record()).unwrap();
        assert_eq!(decode(&bytes, FORMAT), Ok((record(), digest)));
        let because = Record { reason: Some("näher am Kunden".into()), undoes: Some(6), ..record() };
        let (bytes, digest) = encode(&because).unwrap();
        assert_eq!(decode(&bytes, FORMAT), Ok((because, digest)));
    }

    #[test]
    fn what_has_no_cause_is_written_without_one() {
        let (bytes, _) = encode(&record()).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        for field in ["reason", "undoes", "restores"] {
            assert!(!text.contains(field), "{text}");
        }
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_noticed() {
        let (bytes, _) = encode(&record()).unwrap();
        for length in 0..bytes.len() - 1 {
            assert!(decode(&bytes[..length], FORMAT).is_err(), "cut at {length}");
        }
        // The line end after the object is decoration.
        for bit in 0..(bytes.len() - 1) * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&flipped, FORMAT).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_newer_format_is_told_from_damage() {
        let bytes = include_bytes!("../golden/of-a-later-format.json");
        assert_eq!(decode(bytes, FORMAT), Err(Unreadable::Newer { format: 2, generation: 9 }));
        let mut damaged = bytes.to_vec();
        damaged[200] ^= 1;
        assert!(matches!(decode(&damaged, FORMAT), Err(Unreadable::Damaged(_))));
    }

    #[test]
    fn the_format_of_released_firmware_is_still_read() {
        let bytes = include_bytes!("../golden/format-1.json");
        let (read, _) = decode(bytes, FORMAT).unwrap();
        assert_eq!((read.generation, read.reason, read.undoes, read.restores), (2, None, None, None));
        assert_eq!(read.config.shared.virtual_services[0].real_servers.len(), 2);
    }
}
