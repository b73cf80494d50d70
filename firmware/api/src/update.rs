//! update: the firmware slots, and what is put into them.
//!
//! An installation is a conversation: [`Request::Install`], then the file in [`Request::Chunk`]s, each answered by
//! [`InstallReply`], so that the sender can never run ahead of the disk. A connection that ends before the last, empty
//! chunk cancels it; nothing of the unit has changed then, but that the slot is empty. After that chunk the file is
//! complete, and needs its sender no more.

use serde::{Deserialize, Serialize};

/// Most bytes of [`Request::Chunk`] and [`Request::Inspect`]: the head of a firmware file with its whole manifest.
pub const CHUNK_BYTES: usize = 128 << 10;

/// What may be asked of update. Everything but the first two by web only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// One [`FirmwareStatus`].
    Get,
    /// From here on the connection carries a [`FirmwareStatus`] now and after every change.
    Subscribe,
    /// Forget the boots that were counted against the confirmed firmware, so that the next boot starts it again:
    /// the way out of the rescue slot. Answered by [`Changed`].
    Forgive,
    /// The first bytes of a firmware file, at most [`CHUNK_BYTES`]: what is it, and would this unit take it?
    /// Answered by [`Inspected`]. Changes nothing.
    Inspect(Vec<u8>),
    /// A firmware file follows. Answered by [`InstallReply`].
    Install(InstallOrder),
    /// The next bytes of that file, at most [`CHUNK_BYTES`]; empty: that was all. Answered by [`InstallReply`].
    Chunk(Vec<u8>),
    /// End the installation that is under way on another connection. Answered by [`Changed`] when it has ended.
    Cancel,
    /// Forget a firmware that was installed and not started yet. Answered by [`Changed`].
    Discard {
        /// Who asks.
        author: String,
    },
    /// Go back to the firmware in the other slot at the next boot, on trial. Answered by [`Changed`].
    Restore {
        /// Who asks.
        author: String,
    },
    /// Somebody is at work on the unit: in rescue, it does not restart under their hands. Answered
    /// by `()`, which changes nothing else.
    Attended,
    /// Start the rescue firmware at the next boot, once. Answered by [`Changed`].
    Rescue {
        /// Who asks.
        author: String,
    },
}

/// What is to be installed, and for whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallOrder {
    /// Who asks: a user's name.
    pub author: String,
    /// Length of the file in bytes, if known: for showing progress.
    pub size: Option<u64>,
    /// Install it although it has failed on this unit before. Logged.
    pub even_if_it_failed: bool,
}

/// The answer to [`Request::Forgive`], [`Request::Cancel`], [`Request::Discard`], [`Request::Restore`] and
/// [`Request::Rescue`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Changed {
    /// Done; the next boot starts this slot: `A`, `B` or `R`.
    Next(char),
    /// Nothing was changed, and why.
    Refused(Refusal),
    /// Nothing was changed: this service may not ask this.
    Forbidden,
    /// Nothing was changed: the disk refused.
    Failed(String),
}

/// The answer to [`Request::Inspect`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Inspected {
    /// A firmware with a valid signature; whether this unit takes it is in [`Candidate::refusal`].
    Firmware(Box<Candidate>),
    /// Not a firmware that a trusted key signed.
    Refused(Refusal),
    /// This service may not ask this.
    Forbidden,
}

/// The answer to [`Request::Install`] and each [`Request::Chunk`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InstallReply {
    /// Send the next bytes.
    More,
    /// Written, read back from the disk, verified: the next boot starts it, on trial.
    Done(Box<Candidate>),
    /// Refused; the unit goes on as before.
    Refused(Refusal),
    /// This service may not ask this.
    Forbidden,
}

/// A firmware that was offered to the unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its version.
    pub version: String,
    /// Who signed it: the key's id in hex, and whether it is a development key.
    pub signer: String,
    /// The lowest version that the unit may go back to once this firmware is confirmed.
    pub floor: String,
    /// The lowest version that may install it.
    pub installable_from: String,
    /// What the firmware says about itself.
    pub notes: String,
    /// SHA-256 of its manifest, in hex.
    pub digest: String,
    /// The slot that it goes to, `A` or `B`.
    pub slot: char,
    /// The version in that slot, which is lost.
    pub replaces: Option<String>,
    /// The settings that this firmware cannot read and that are lost while it runs, one line each.
    pub loses: Vec<String>,
    /// Why this unit does not take it.
    pub refusal: Option<Refusal>,
}

/// Why a firmware, or a step, was refused. Words and codes are those of `docs/firmware-refusals.md`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Stable, such as `F05`.
    pub code: String,
    /// The same as a word for programs, such as `below-floor`.
    pub kind: String,
    /// What is wrong, with versions or offsets.
    pub detail: String,
    /// What to do about it.
    pub remedy: String,
    /// Whether [`InstallOrder::even_if_it_failed`] overcomes it.
    pub can_be_overridden: bool,
}

/// The slots as the disk has them, and what is being done to them.
///
/// Fields that a unit does not send have their defaults: a program of a later version reads it too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FirmwareStatus {
    /// `A`, `B` or `R`: the slot that is running; `?` where there is no loader.
    pub running: char,
    /// How it runs: `normal`, `trial` or `rescue`; empty where there is no loader.
    pub mode: String,
    /// A, B and R.
    pub slots: Vec<SlotStatus>,
    /// The lowest version this unit may go back to.
    pub floor: String,
    /// Boots since one was last found healthy; 0 once this one is.
    pub boots_without_health: u8,
    /// Set while the slot table had to be derived because no copy of it was valid.
    pub degraded: bool,
    /// The last slot that failed, in words.
    pub last_failure: Option<String>,
    /// The slot that the next boot starts, as far as is known.
    pub next: Option<char>,
    /// The proof of health of the running firmware, until it is done.
    pub proving: Option<Proving>,
    /// The installation under way, or the last one since the service started.
    pub installation: Option<Installation>,
    /// What "restore previous" would do: the version in the other slot, or why not.
    pub restore: Option<Restorable>,
    /// The loader that started the unit, once the running firmware has proved its health.
    pub loader: Option<LoaderStatus>,
    /// What was installed, confirmed, given up and restored; newest first, bounded.
    pub history: Vec<Happening>,
    /// What an operator must see of all this, each with what to do about it.
    pub warnings: Vec<String>,
}

/// One slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotStatus {
    /// `A`, `B` or `R`.
    pub slot: char,
    /// `empty`, `trial`, `confirmed`, `bad`; `unknown` when no slot table can be read.
    pub state: String,
    /// Version of the firmware in it, when its manifest verifies.
    pub version: Option<String>,
    /// Who signed it: the key's id in hex, and whether it is a development key.
    pub signer: Option<String>,
    /// What it says about itself.
    pub notes: Option<String>,
    /// Tries left of a slot on trial.
    pub tries: u8,
    /// Whether the unit's floor forbids to start it.
    pub below_floor: bool,
}

/// The loader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoaderStatus {
    /// `UEFI` or `BIOS`.
    pub kind: String,
    /// Its version.
    pub version: String,
    /// Which copy started the unit: `first` or `second`.
    pub copy: String,
    /// What becomes of it, in words; absent when it is the one that the running firmware brings, or a newer one.
    pub update: Option<String>,
}

/// How far the running firmware is with proving its health.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proving {
    /// Whether it is on trial, so that it is given up when it does not succeed in time.
    pub on_trial: bool,
    /// Seconds without a fault so far.
    pub healthy_s: u64,
    /// Seconds that it takes.
    pub needed_s: u64,
    /// Seconds left to succeed; absent when not on trial.
    pub left_s: Option<u64>,
    /// What is wrong right now.
    pub fault: Option<String>,
}

/// An installation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installation {
    /// What it is at.
    pub phase: Phase,
    /// Bytes of the file that were taken.
    pub taken: u64,
    /// Length of the file, if known.
    pub size: Option<u64>,
    /// What it is; absent until its manifest was read.
    pub candidate: Option<Candidate>,
    /// Who started it.
    pub author: String,
}

/// What an installation is at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Taking and writing the file.
    Writing,
    /// Reading it back from the disk.
    Verifying,
    /// Installed: the next boot starts it.
    Installed,
    /// Ended by somebody, or the sender went away.
    Cancelled,
    /// Refused.
    Refused(Refusal),
}

/// What "restore previous" would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restorable {
    /// The slot, `A` or `B`.
    pub slot: char,
    /// The version in it.
    pub version: String,
    /// Settings that it cannot read and that are lost while it runs, one line each.
    pub loses: Vec<String>,
    /// Why it is not possible.
    pub refusal: Option<Refusal>,
}

/// Something that happened to a slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happening {
    /// Seconds since 1970-01-01 UTC by the unit's clock.
    pub unix_s: u64,
    /// `installed`, `refused`, `cancelled`, `confirmed`, `failed`, `restored`, `retried`, `refilled`, `discarded`,
    /// `rescue`, `loader`.
    pub what: String,
    /// Which slot, if any.
    pub slot: Option<char>,
    /// Version of the firmware, if known.
    pub version: Option<String>,
    /// Who did it: a user, or `unit`.
    pub author: String,
    /// Reason or result, in words; empty when there is nothing to add.
    pub detail: String,
}
