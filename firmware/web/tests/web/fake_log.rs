//! The service log, as far as the pages see it: finds what the test put there.

use evener_api::log::{Found, Level, Record, Reply, Request, Search};
use evener_ipc::Connection;
use std::sync::Mutex;

/// What log has, and what it was asked for.
#[derive(Debug, Default)]
pub(crate) struct FakeLog {
    /// Oldest first.
    pub(crate) records: Mutex<Vec<Record>>,
    /// Every search.
    pub(crate) asked: Mutex<Vec<Search>>,
}

impl FakeLog {
    /// Puts a line in.
    pub(crate) fn say(&self, level: Level, service: &str, text: &str) {
        let mut records = self.records.lock().unwrap();
        let seq = records.len() as u64 + 1;
        records.push(Record {
            seq,
            unix_ms: 1_700_000_000_000 + seq,
            since_boot_ms: 3000 + seq,
            boot: 0xc0ffee,
            service: service.to_owned(),
            level,
            text: text.to_owned(),
        });
    }

    fn search(&self, search: &Search) -> Found {
        self.asked.lock().unwrap().push(search.clone());
        let mut records = self.records.lock().unwrap().clone();
        if !search.oldest_first {
            records.reverse();
        }
        let after = search.cursor.and_then(|cursor| records.iter().position(|one| one.seq == cursor));
        let mut records = records.split_off(after.map_or(0, |at| at + 1));
        let most = search.most as usize;
        let next = records.get(most).and_then(|_| Some(records.get(most - 1)?.seq));
        records.truncate(most);
        Found { records, next }
    }

    pub(crate) async fn answer(&self, mut connection: Connection) {
        while let Ok(Some(Request::Search(search))) = connection.receive::<Request>().await {
            if connection.send(&Reply::Found(self.search(&search))).await.is_err() {
                return;
            }
        }
    }
}
