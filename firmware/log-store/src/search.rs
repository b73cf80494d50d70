//! Which records somebody wants to see.

use evener_api::log::{MOST_RECORDS, Record, Search};

/// A search, prepared to look at many records.
#[derive(Debug)]
pub(crate) struct Filter<'a> {
    search: &'a Search,
    text: String,
}

impl<'a> Filter<'a> {
    pub(crate) fn new(search: &'a Search) -> Self {
        Self { search, text: search.text.to_lowercase() }
    }

    /// Most records wanted.
    pub(crate) fn most(&self) -> usize {
        usize::try_from(self.search.most.clamp(1, MOST_RECORDS)).unwrap_or(1)
    }

    /// Whether records with this number may still come in the direction of the search.
    pub(crate) fn is_ahead(&self, seq: u64) -> bool {
        match self.search.cursor {
            None => true,
            Some(cursor) if self.search.oldest_first => seq > cursor,
            Some(cursor) => seq < cursor,
        }
    }

    pub(crate) fn wants(&self, record: &Record) -> bool {
        let Search { since_unix_ms, until_unix_ms, level, service, .. } = self.search;
        self.is_ahead(record.seq)
            && since_unix_ms.is_none_or(|since| record.unix_ms >= since)
            && until_unix_ms.is_none_or(|until| record.unix_ms < until)
            && level.is_none_or(|level| record.level <= level)
            && service.as_ref().is_none_or(|service| *service == record.service)
            && (self.text.is_empty() || record.text.to_lowercase().contains(&self.text))
    }
}
