//! What was in force before: the history, one generation of it, and what that one was made from.

use crate::store::read;
use crate::{Digest, Files, Record, Store, StoreError};
use evener_api::control::GenerationInfo;
use evener_disk::Blocks;

impl<F: Files, B: Blocks> Store<F, B> {
    /// The last generations that can be read, newest first, at most `most`.
    pub fn history(&mut self, most: usize) -> Vec<GenerationInfo> {
        let newest: Vec<u64> = self.numbers.iter().rev().take(self.kept.min(most)).copied().collect();
        let format = self.format;
        let read = newest.into_iter().filter_map(|generation| read(&mut self.files, generation, format).ok());
        read.map(|(record, _)| record.info()).collect()
    }

    /// A generation as it was.
    ///
    /// # Errors
    /// [`StoreError::Read`] when it is not kept any more, [`StoreError::Unreadable`] when it is damaged.
    pub fn load(&mut self, generation: u64) -> Result<Record, StoreError> {
        self.find(generation).map(|(record, _)| record)
    }

    /// What a generation was made from: the one with the digest that it names. That is not always the number before it,
    /// because a damaged one may lie between them.
    ///
    /// # Errors
    /// [`StoreError::NoParent`] when it is not kept any more, or the generation is the first.
    pub fn parent_of(&mut self, child: &Record) -> Result<Record, StoreError> {
        let missing = StoreError::NoParent { generation: child.generation };
        let Some(parent) = &child.parent else { return Err(missing) };
        let before: Vec<u64> = self.numbers.range(..child.generation).rev().copied().collect();
        let mut found = before.into_iter().filter_map(|generation| self.find(generation).ok());
        found.find(|(_, digest)| digest == parent).map(|(record, _)| record).ok_or(missing)
    }

    /// The numbers of the generations after this one, oldest first.
    #[must_use]
    pub fn after(&self, generation: u64) -> Vec<u64> {
        self.numbers.range(generation.saturating_add(1)..).copied().collect()
    }

    fn find(&mut self, generation: u64) -> Result<(Record, Digest), StoreError> {
        read(&mut self.files, generation, self.format)
    }
}

impl Record {
    /// What the history says of it.
    #[must_use]
    pub fn info(&self) -> GenerationInfo {
        let Self { generation, author, unix_s, reason, undoes, restores, summary, .. } = self.clone();
        GenerationInfo { generation, author, unix_s, reason, undoes, restores, summary }
    }
}
