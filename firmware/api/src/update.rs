//! update: the firmware slots.

use serde::{Deserialize, Serialize};

/// What may be asked of update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// One [`FirmwareStatus`].
    Get,
    /// Forget the boots that were counted against the confirmed firmware, so that the next boot starts it again:
    /// the way out of the rescue slot. By web only. Answered by [`Forgiven`].
    Forgive,
}

/// The answer to [`Request::Forgive`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Forgiven {
    /// The next boot starts this slot, `A` or `B`.
    Next(char),
    /// Nothing was changed: neither A nor B holds a firmware that was confirmed on this unit.
    NoFirmware,
    /// Nothing was changed: this service may not ask this.
    Forbidden,
    /// Nothing was changed: the slot table could not be written.
    Failed(String),
}

/// The slots as the disk has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirmwareStatus {
    /// `A`, `B` or `R`: the slot that is running.
    pub running: char,
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
}

/// One slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotStatus {
    /// `A`, `B` or `R`.
    pub slot: char,
    /// `empty`, `trial`, `confirmed`, `bad`.
    pub state: String,
    /// Version of the firmware in it, when its manifest verifies.
    pub version: Option<String>,
    /// Who signed it: the key's id in hex, and whether it is a development key.
    pub signer: Option<String>,
    /// Tries left of a slot on trial.
    pub tries: u8,
}
