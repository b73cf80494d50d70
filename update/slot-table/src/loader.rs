//! A loader's trial: what the updater asks for, what the installed loader counts, and how it ends. Pure, as `change` is.
//!
//! ```text
//!   None --try_loader--> 3 tries --count_loader--> 2 --> 1 --> 0: given up
//!     ^                    |  |                                   |
//!     '--------------------'--'--- end_loader_trial --------------'
//! ```
//!
//! A loader differs from a firmware in that nothing below it can fall back. So the copy that has booted this machine
//! stays where it is and starts the new one, a few times at most; only what was healthy on top of the new one ends
//! the trial well (`docs/decisions/010-loader-update.md`).

use crate::{LoaderTrial, SlotTable, TRIES};

impl SlotTable {
    /// The loader with this digest lies whole in the copy that was not booted: the next boots go through it. False, and
    /// nothing is changed, when it is on trial or was given up.
    pub fn try_loader(&mut self, digest: [u8; 32]) -> bool {
        if self.loader.is_some_and(|loader| loader.digest == digest) {
            return false;
        }
        self.loader = Some(LoaderTrial { digest, tries: TRIES });
        true
    }

    /// Takes one try from the loader on trial; its digest. `None`, and nothing is changed, when there is none, or none
    /// is left.
    pub fn count_loader(&mut self) -> Option<[u8; 32]> {
        let loader = self.loader.as_mut()?;
        loader.tries = loader.tries.checked_sub(1)?;
        Some(loader.digest)
    }

    /// The trial is over: the loader has booted this unit, or nobody wants it any more. False when there was none.
    pub fn end_loader_trial(&mut self) -> bool {
        self.loader.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loader_is_started_three_times_and_then_given_up() {
        let mut table = SlotTable::default();
        assert_eq!(table.count_loader(), None);
        assert!(table.try_loader([1; 32]));
        for _ in 0..TRIES {
            assert_eq!(table.count_loader(), Some([1; 32]));
        }
        let given_up = table.clone();
        assert_eq!(table.count_loader(), None);
        assert!(!table.try_loader([1; 32]), "it is not tried again by itself");
        assert_eq!(table, given_up);
        assert!(table.try_loader([2; 32]), "another one is");
        assert!(table.end_loader_trial() && table.loader.is_none());
        assert!(!table.end_loader_trial());
    }
}
