//! Why a step with a slot did not succeed.

use core::fmt;

use evener_disk::{Role, Slot};
use evener_formats::bundle::BundleError;
use evener_handoff::LoaderKind;
use evener_manifest::{ManifestError, PartKind};
use evener_slot_table::{NotRestorable, StoreError};

/// Why a step with a slot did not succeed. Unless it says otherwise, a slot that was being written stays empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The firmware file is refused.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A part is larger than its place in a slot. Nothing was changed.
    #[error("the {part} has {bytes} bytes, and partition {role} has room for {room}")]
    DoesNotFit {
        /// Which part.
        part: PartKind,
        /// Its size in bytes.
        bytes: u64,
        /// Where it belongs.
        role: Role,
        /// Bytes there.
        room: u64,
    },
    /// The slot is the one that is running, or it is rescue. Nothing was changed.
    #[error("slot {0} is not one to install into now")]
    Target(Slot),
    /// A partition cannot be opened.
    #[error("partition {role} cannot be opened: {reason}")]
    Open {
        /// Which.
        role: Role,
        /// The system's words.
        reason: String,
    },
    /// A partition cannot be read, written or flushed.
    #[error("partition {role} cannot be {doing}: {reason}")]
    Device {
        /// Which.
        role: Role,
        /// `read`, `written` or `flushed`.
        doing: &'static str,
        /// The device's words.
        reason: String,
    },
    /// What was read back from the disk is not what was written: the disk lies, or is dying.
    #[error("partition {role} does not hold what was written to it")]
    NotAsWritten {
        /// Which.
        role: Role,
    },
    /// The manifest in a slot is none, or no trusted key signed it.
    #[error("slot {slot}: {fault}")]
    Manifest {
        /// Which slot.
        slot: Slot,
        /// What is wrong.
        fault: ManifestError,
    },
    /// A part in a slot is not what the slot's manifest says.
    #[error("slot {slot}, {part}: {fault}")]
    Part {
        /// Which slot.
        slot: Slot,
        /// Which part.
        part: PartKind,
        /// What is wrong.
        fault: ManifestError,
    },
    /// The loader that a slot holds is what its manifest says, and none that a machine would start.
    #[error("slot {slot}: the {kind} cannot be written: {reason}")]
    Loader {
        /// Which slot.
        slot: Slot,
        /// Which loader.
        kind: LoaderKind,
        /// What is wrong with it.
        reason: String,
    },
    /// The firmware in a slot is whole, but not the one that the slot table is about; or the slot's state does not
    /// allow the step.
    #[error("slot {0} is not as the slot table has it")]
    NotAsRecorded(Slot),
    /// The slot cannot be gone back to. Nothing was changed.
    #[error("slot {0} {1}")]
    NotRestorable(Slot, NotRestorable),
    /// No copy of the slot table is valid. The updater never makes a new one: the loader derives it from the signed
    /// firmwares at the next boot, and stores it. Nothing was changed.
    #[error("no copy of the slot table is valid; the loader makes a new one when the unit is restarted")]
    TableLost,
    /// The slot table may be whole, but the disk does not read it. Nothing was changed.
    #[error("the slot table cannot be read from the disk")]
    TableUnreadable,
    /// The slot table was not written.
    #[error(transparent)]
    Table(#[from] StoreError),
}

impl Fault {
    /// A partition that failed while it was `doing` something.
    pub(crate) fn device(role: Role, doing: &'static str, error: &impl fmt::Debug) -> Self {
        Self::Device { role, doing, reason: format!("{error:?}") }
    }
}
