//! How much of all cases is run, and which ones a sample is made of.

/// How much of all cases to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of them.
    Whole,
    /// Every first cut, lie and decay, and no second cut, until the first failure: what tells a program with a missing
    /// flush.
    UntilFailure,
    /// About one in `every` of them, chosen by `seed`.
    Sample {
        /// Chooses.
        seed: u64,
        /// One in so many.
        every: u64,
    },
}

/// Chooses the cases of a sample.
pub(crate) struct Dice {
    extent: Extent,
    state: u64,
}

impl Dice {
    /// Those of one job.
    pub(crate) fn new(extent: Extent, job: usize) -> Self {
        let seed = if let Extent::Sample { seed, .. } = extent { seed } else { 0 };
        let mut dice = Self { extent, state: seed ^ (job as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) };
        dice.roll();
        dice
    }

    /// splitmix64: any seed will do, and equal seeds choose equal cases everywhere.
    fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.roll().checked_rem(n).is_none_or(|rest| rest == 0)
    }

    /// Whether to run a case of an operation itself.
    pub(crate) fn first(&mut self) -> bool {
        match self.extent {
            Extent::Whole | Extent::UntilFailure => true,
            Extent::Sample { every, .. } => self.one_in(every),
        }
    }

    /// Whether second cuts are wanted at all.
    pub(crate) fn seconds(&self) -> bool {
        self.extent != Extent::UntilFailure
    }

    /// Whether to run a second cut.
    pub(crate) fn second(&mut self) -> bool {
        match self.extent {
            Extent::Whole => true,
            Extent::UntilFailure => false,
            Extent::Sample { every, .. } => self.one_in(every.saturating_mul(2)),
        }
    }
}
