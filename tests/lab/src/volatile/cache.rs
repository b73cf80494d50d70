//! A disk with a volatile write cache, and what is left of it when the power goes.
//!
//! A write is acknowledged when it is in the cache. A flush moves everything to stable storage. When the power
//! fails, each write since the last flush is there or is not, whatever the order they came in, and one of them may
//! be there in part: a disk writes its cache back when and in which order it likes.

use std::collections::VecDeque;
use std::io;

use super::pages::Pages;
use crate::random::Random;

/// Most bytes in the cache; beyond, the oldest write is on stable storage, as with a real disk's cache.
const CACHE: usize = 64 << 20;

/// What a power cut did to the writes that were not flushed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// Writes that were acknowledged and not flushed.
    pub unflushed: usize,
    /// How many of them are on the disk all the same.
    pub survived: usize,
    /// Whether one of them is there in part only.
    pub torn: bool,
}

/// The disk.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    stable: Pages,
    /// `stable` and every write in the cache: what a reader sees.
    seen: Pages,
    unflushed: VecDeque<(u64, Vec<u8>)>,
    held: usize,
}

impl Cache {
    pub(super) fn new(stable: Pages) -> Self {
        Self { seen: stable.clone(), stable, unflushed: VecDeque::new(), held: 0 }
    }

    pub(super) fn seen(&self) -> &Pages {
        &self.seen
    }

    /// Takes a write that [`Pages::holds`]; with `through` it is stable before anything else happens (FUA).
    pub(super) fn write(&mut self, at: u64, data: Vec<u8>, through: bool) -> io::Result<()> {
        self.seen.write(at, &data)?;
        if through {
            // What an older write in the cache has of these sectors is replaced there, too.
            for (other, bytes) in &mut self.unflushed {
                replace(*other, bytes, at, &data);
            }
            return self.stable.write(at, &data);
        }
        self.held += data.len();
        self.unflushed.push_back((at, data));
        while self.held > CACHE {
            let Some((at, data)) = self.unflushed.pop_front() else { break };
            self.held -= data.len();
            self.stable.write(at, &data)?;
        }
        Ok(())
    }

    pub(super) fn flush(&mut self) {
        for (at, data) in self.unflushed.drain(..) {
            self.stable.take_from(&self.seen, at, data.len());
        }
        self.held = 0;
    }

    /// The power fails; `random` decides what was written back before.
    pub(super) fn lose_power(&mut self, random: &mut Random) -> io::Result<Loss> {
        let writes = std::mem::take(&mut self.unflushed);
        self.held = 0;
        let count = writes.len();
        let survives = subset(count, random);
        let torn = (count > 0 && random.coin()).then(|| random.index(count));
        let mut loss = Loss { unflushed: count, survived: 0, torn: torn.is_some() };
        for (index, (at, data)) in writes.iter().enumerate() {
            if torn == Some(index) {
                // Begin or end of it, cut anywhere: also within a sector.
                let middle = random.index(data.len().max(1));
                let (begin, end) = data.split_at(middle);
                if random.coin() {
                    self.stable.write(*at, begin)?;
                } else {
                    self.stable.write(at + middle as u64, end)?;
                }
            } else if survives[index] {
                loss.survived += 1;
                self.stable.write(*at, data)?;
            }
        }
        self.seen = self.stable.clone();
        Ok(loss)
    }
}

/// Which of `count` writes survive. Each kind of loss has its share: a plain subset alone would hardly ever lose
/// nothing but the last write, or everything but one.
fn subset(count: usize, random: &mut Random) -> Vec<bool> {
    let chosen = random.index(count.max(1));
    match random.below(6) {
        0 => vec![false; count],
        1 => vec![true; count],
        2 => (0..count).map(|index| index < chosen).collect(),
        3 => (0..count).map(|index| index != chosen).collect(),
        4 => (0..count).map(|index| index == chosen).collect(),
        _ => (0..count).map(|_| random.coin()).collect(),
    }
}

/// Puts the part of `data` (at `from`) that overlaps `bytes` (at `at`) over it.
fn replace(at: u64, bytes: &mut [u8], from: u64, data: &[u8]) {
    let start = at.max(from);
    let end = (at + bytes.len() as u64).min(from + data.len() as u64);
    for position in start..end {
        let (to, of) = (usize::try_from(position - at), usize::try_from(position - from));
        if let (Ok(to), Ok(of)) = (to, of) {
            bytes[to] = data[of];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECTOR: usize = 512;

    fn cache() -> Cache {
        Cache::new(Pages::over(tempfile::tempfile().unwrap(), 1 << 20).unwrap())
    }

    fn byte(cache: &Cache, at: u64) -> u8 {
        let mut byte = [0];
        cache.seen().read(at, &mut byte).unwrap();
        byte[0]
    }

    /// Sector `n` gets the byte `n + 1`, for ten sectors.
    fn ten_writes(cache: &mut Cache) {
        for n in 0..10_u8 {
            cache.write(u64::from(n) * SECTOR as u64, vec![n + 1; SECTOR], false).unwrap();
        }
    }

    #[test]
    fn what_was_flushed_survives_every_cut() {
        for seed in 0..200 {
            let mut cache = cache();
            ten_writes(&mut cache);
            cache.flush();
            cache.write(0, vec![99; SECTOR], false).unwrap();
            let loss = cache.lose_power(&mut Random::new(seed)).unwrap();
            assert_eq!(loss.unflushed, 1);
            assert!((1..10_u8).all(|n| byte(&cache, u64::from(n) * SECTOR as u64) == n + 1));
            assert!([1, 99].contains(&byte(&cache, 0)));
        }
    }

    #[test]
    fn seeds_lose_all_none_some_later_and_torn_writes() {
        let (mut all, mut none, mut reordered, mut torn) = (0, 0, 0, 0);
        for seed in 0..200 {
            let mut cache = cache();
            ten_writes(&mut cache);
            assert_eq!(byte(&cache, 9 * SECTOR as u64), 10, "a reader sees what is in the cache");
            let loss = cache.lose_power(&mut Random::new(seed)).unwrap();
            let there: Vec<bool> = (0..10).map(|n| byte(&cache, n * SECTOR as u64) != 0).collect();
            all += u32::from(loss.survived == 10);
            none += u32::from(!there.contains(&true));
            reordered += u32::from(there.windows(2).any(|pair| pair == [false, true]));
            torn += u32::from(loss.torn);
        }
        assert!(
            [all, none, reordered, torn].iter().all(|count| *count > 5),
            "{all} {none} {reordered} {torn}"
        );
    }

    #[test]
    fn the_same_seed_leaves_the_same_disk() {
        let left = |seed| {
            let mut cache = cache();
            ten_writes(&mut cache);
            cache.lose_power(&mut Random::new(seed)).unwrap();
            let mut bytes = vec![0; 10 * SECTOR];
            cache.seen().read(0, &mut bytes).unwrap();
            bytes
        };
        assert!((0..20).all(|seed| left(seed) == left(seed)));
        assert!((1..20).any(|seed| left(seed) != left(0)));
    }

    #[test]
    fn a_write_that_goes_through_outlives_the_older_ones_in_the_cache() {
        for seed in 0..50 {
            let mut cache = cache();
            cache.write(0, vec![1; 4 * SECTOR], false).unwrap();
            cache.write(SECTOR as u64, vec![2; SECTOR], true).unwrap();
            cache.lose_power(&mut Random::new(seed)).unwrap();
            assert_eq!(byte(&cache, SECTOR as u64), 2);
            assert_eq!(byte(&cache, 2 * SECTOR as u64 - 1), 2);
            assert!([0, 1].contains(&byte(&cache, 0)));
        }
    }

    #[test]
    fn a_full_cache_writes_its_oldest_back() {
        let mut cache = Cache::new(Pages::over(tempfile::tempfile().unwrap(), 80 << 20).unwrap());
        for mib in 0..65_u64 {
            cache.write(mib << 20, vec![1; 1 << 20], false).unwrap();
        }
        let loss = cache.lose_power(&mut Random::new(0)).unwrap();
        assert_eq!(loss.unflushed, 64);
        assert_eq!(byte(&cache, 0), 1);
    }
}
