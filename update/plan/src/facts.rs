//! What the decisions are made from.

use evener_disk::Slot;
use evener_handoff::LoaderKeys;
use evener_manifest::{KeyId, PartKind, Verified, Version, permits};
use evener_slot_table::{SlotFacts, SlotRecord, SlotState, SlotTable};

/// What a verified manifest says that decides about its installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The firmware's version.
    pub version: Version,
    /// The lowest version that the unit may go back to once it is confirmed.
    pub floor: Version,
    /// The lowest version that may install it.
    pub installable_from: Version,
    /// The oldest loader that may start it.
    pub min_loader: Version,
    /// The key that signed it.
    pub signer: KeyId,
    /// SHA-256 of the manifest: its identity.
    pub digest: [u8; 32],
    /// Size of the kernel in bytes.
    pub kernel: u64,
    /// Size of the root file system with its tree in bytes.
    pub rootfs: u64,
}

impl From<&Verified<'_>> for Statement {
    fn from(verified: &Verified<'_>) -> Self {
        let size = |kind| verified.part(kind).map_or(0, |part| part.size);
        Self {
            version: verified.version(),
            floor: verified.floor(),
            installable_from: verified.installable_from(),
            min_loader: verified.min_loader(),
            signer: verified.key().id,
            digest: verified.digest(),
            kernel: size(PartKind::Kernel),
            rootfs: size(PartKind::Rootfs),
        }
    }
}

/// What a slot's partitions hold at most, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Of a kernel.
    pub kernel: u64,
    /// Of a root file system with its tree.
    pub rootfs: u64,
}

/// What is known about the unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitFacts {
    /// The slot that is running; `None` without the loader's record.
    pub running: Option<Slot>,
    /// The version that is running.
    pub version: Version,
    /// The loader's version.
    pub loader: Version,
    /// The keys that the loader trusts; `None` where it does not say.
    pub loader_keys: Option<LoaderKeys>,
    /// The slot table; `None` when no copy of it is valid.
    pub table: Option<SlotTable>,
    /// For A, B, R what the manifest in the slot says, if it verifies.
    pub manifests: [Option<SlotFacts>; 3],
    /// For A, B, R whether the manifest in the slot was signed with a key that the running firmware has revoked.
    pub revoked: [bool; 3],
    /// For A, B, R what fits.
    pub room: [Room; 3],
    /// Manifest digests of firmware that was given up on this unit, besides the one that the table remembers.
    pub failed: Vec<[u8; 32]>,
}

impl UnitFacts {
    /// Whether a loader would start what is in `slot`, as far as a manifest shows: it is the firmware that the
    /// table means, it is not given up, and the floor permits it.
    #[must_use]
    pub fn may_boot(&self, slot: Slot) -> bool {
        let Some((table, record)) = self.record(slot) else { return false };
        let admitted = match record.state {
            SlotState::Confirmed => true,
            SlotState::Trial => record.tries > 0,
            SlotState::Empty | SlotState::Bad => false,
        };
        let found = slot.of(&self.manifests).filter(|found| found.digest == record.digest);
        admitted && found.is_some_and(|found| permits(found.version, table.floor))
    }

    pub(crate) fn record(&self, slot: Slot) -> Option<(&SlotTable, &SlotRecord)> {
        let table = self.table.as_ref()?;
        Some((table, table.slot(slot)))
    }
}
