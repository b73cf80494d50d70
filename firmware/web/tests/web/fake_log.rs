//! The service log, as far as the pages see it: finds what the test put there.

use evener_api::capture::{CHUNK_BYTES, CaptureStatus};
use evener_api::diagnose::Question;
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
    /// The capture.
    pub(crate) capture: Mutex<CaptureStatus>,
    /// Its file.
    pub(crate) file: Mutex<Vec<u8>>,
    /// What was asked of the network.
    pub(crate) questions: Mutex<Vec<Question>>,
    /// What was found out.
    pub(crate) lines: Mutex<Vec<String>>,
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

    fn reply(&self, request: Request) -> Reply {
        let mut capture = self.capture.lock().unwrap();
        match request {
            Request::Search(search) => return Reply::Found(self.search(&search)),
            Request::Capture => {}
            Request::Diagnose(question) => {
                self.questions.lock().unwrap().push(question);
                return Reply::Lines(self.lines.lock().unwrap().clone());
            }
            Request::StartCapture(_) if capture.running => {
                return Reply::Failed(String::from("a capture is running; stop it first"));
            }
            Request::StartCapture(order) => {
                *capture = CaptureStatus {
                    order: Some(order),
                    running: true,
                    began_unix_ms: 1_700_000_000_000,
                    ..CaptureStatus::default()
                };
            }
            Request::StopCapture => {
                (capture.running, capture.ended) = (false, String::from("It was stopped."));
            }
            Request::ReadCapture(_) if capture.order.is_none() => {
                return Reply::Failed(String::from("there is no capture"));
            }
            Request::ReadCapture(from) => {
                let file = self.file.lock().unwrap();
                let rest = &file[usize::try_from(from).unwrap().min(file.len())..];
                return Reply::Piece(rest[..rest.len().min(CHUNK_BYTES)].to_vec());
            }
        }
        Reply::Capture(capture.clone())
    }

    pub(crate) async fn answer(&self, mut connection: Connection) {
        while let Ok(Some(request)) = connection.receive::<Request>().await {
            if connection.send(&self.reply(request)).await.is_err() {
                return;
            }
        }
    }
}
