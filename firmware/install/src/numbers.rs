//! The numbers that people answer with.
//!
//! Disks come and go while the question stands, and an answer may be on its way: so a number is given once and never
//! comes to mean another disk, not even one that comes under the same name.

/// Numbers of disks, by whatever tells them apart.
#[derive(Clone, Debug)]
pub struct Numbers<K> {
    known: Vec<K>,
}

impl<K> Default for Numbers<K> {
    fn default() -> Self {
        Self { known: Vec::new() }
    }
}

impl<K: PartialEq> Numbers<K> {
    /// The number of this disk, from 1; the next one if it is new.
    pub fn of(&mut self, disk: K) -> usize {
        let index = self.known.iter().position(|known| *known == disk).unwrap_or_else(|| {
            self.known.push(disk);
            self.known.len().saturating_sub(1)
        });
        index.saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_never_comes_to_mean_another_disk() {
        let mut numbers = Numbers::default();
        let sequence =
            [("sda", 1), ("sdb", 2), ("sda", 1), ("sdb", 7), ("nvme0n1", 3), ("sdb", 7), ("sda", 1)];
        let given: Vec<usize> = sequence.into_iter().map(|disk| numbers.of(disk)).collect();
        assert_eq!(given, [1, 2, 1, 3, 4, 3, 1]);
    }
}
