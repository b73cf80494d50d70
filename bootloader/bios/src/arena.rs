//! The one range of memory that the loader gives out, from below; what was given out last may come back.
//!
//! That is all the way of a boot needs: the manifests of the slots stay, and of the kernels there is one at a time.

use core::cell::Cell;

use crate::map::Range;

/// Kernels begin at a multiple of this, where they can be started as they lie.
const KERNEL_ALIGN: u64 = 2 << 20;
/// And not below this, where the kernel was linked to run: one that lies lower moves itself up there.
const KERNEL_LOWEST: u64 = 16 << 20;
/// What is smaller is no kernel.
const KERNEL_BYTES: u64 = 1 << 20;
const PAGE: u64 = 4096;

/// Gives out memory.
#[derive(Debug)]
pub(crate) struct Arena {
    next: Cell<u64>,
    end: u64,
}

impl Arena {
    /// Gives out `range`.
    pub(crate) fn new(range: Range) -> Self {
        Self { next: Cell::new(range.start), end: range.end }
    }

    /// A place for `bytes`, and the mark to give back with.
    pub(crate) fn take(&self, bytes: usize) -> Option<(Range, Mark)> {
        let bytes = u64::try_from(bytes).ok()?;
        let before = self.next.get();
        let start = if bytes < KERNEL_BYTES {
            before.checked_next_multiple_of(PAGE)?
        } else {
            before.max(KERNEL_LOWEST).checked_next_multiple_of(KERNEL_ALIGN)?
        };
        let end = start.checked_add(bytes).filter(|end| *end <= self.end)?;
        self.next.set(end);
        Some((Range { start, end }, Mark { before, after: end }))
    }

    /// Takes back what was given out with `mark`, if nothing was given out since.
    pub(crate) fn give_back(&self, mark: &Mark) {
        if self.next.get() == mark.after {
            self.next.set(mark.before);
        }
    }
}

/// How far the arena was given out before and after a place was taken.
#[derive(Debug)]
pub(crate) struct Mark {
    before: u64,
    after: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn arena(start: u64, end: u64) -> Arena {
        Arena::new(Range { start, end })
    }

    #[test]
    fn a_kernel_lies_where_it_can_be_started() {
        let arena = arena(MIB, 64 * MIB);
        let (small, _) = arena.take(65536).unwrap();
        assert_eq!(small, Range { start: MIB, end: MIB + 65536 });
        let (kernel, _) = arena.take(7_000_064).unwrap();
        assert_eq!(kernel.start, 16 * MIB);
    }

    #[test]
    fn what_was_given_back_is_given_out_again() {
        let arena = arena(MIB, 32 * MIB);
        for _ in 0..10 {
            let (kernel, mark) = arena.take(12 << 20).unwrap();
            assert_eq!(kernel.start, 16 * MIB);
            assert!(arena.take(12 << 20).is_none());
            arena.give_back(&mark);
        }
    }

    #[test]
    fn what_is_not_the_last_stays_taken() {
        let arena = arena(MIB, 32 * MIB);
        let (first, mark) = arena.take(100).unwrap();
        let (second, _) = arena.take(100).unwrap();
        arena.give_back(&mark);
        let (third, _) = arena.take(100).unwrap();
        assert!(first.end <= second.start && second.end <= third.start);
    }

    #[test]
    fn more_than_there_is_is_refused() {
        assert!(arena(0, 0).take(1).is_none());
        assert!(arena(MIB, 16 * MIB).take(2 << 20).is_none());
        assert!(arena(MIB, u64::MAX).take(usize::MAX).is_none());
    }
}
