//! Clients that ask all the time, each on one kept connection, and count what becomes of it.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use evener_appliance::{Network, UNIT};
use evener_lab::http::{Connection, Request};

/// How long anything may take that the load waits for.
const LIMIT: Duration = Duration::from_secs(60);

/// What the clients have seen.
#[derive(Default)]
pub(crate) struct Load {
    stop: AtomicBool,
    pub(crate) seen: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Default, Debug)]
pub(crate) struct Seen {
    pub(crate) sent: u64,
    pub(crate) answered: u64,
    /// Answers by what they say.
    pub(crate) by: BTreeMap<String, u64>,
    pub(crate) lost: Vec<String>,
}

impl Load {
    /// One client on one kept connection, until the load stops.
    pub(crate) fn client(&self, network: &Network) {
        let stream = network.client.connect(SocketAddrV4::new(UNIT, 80)).unwrap();
        let mut connection = Connection::new(stream);
        let request = Request::new("GET", "shop", "/");
        while !self.stop.load(Ordering::SeqCst) {
            self.seen.lock().unwrap().sent += 1;
            let answer = connection.exchange(&request);
            let mut seen = self.seen.lock().unwrap();
            match answer {
                Ok(answer) if answer.status == 200 => {
                    seen.answered += 1;
                    *seen.by.entry(answer.words()).or_default() += 1;
                }
                Ok(answer) => seen.lost.push(format!("{} {}", answer.status, answer.words())),
                Err(error) => {
                    seen.lost.push(format!("{error:#}"));
                    self.changed.notify_all();
                    return;
                }
            }
            self.changed.notify_all();
        }
    }

    /// Waits until `good` holds of what was seen.
    pub(crate) fn wait(&self, what: &str, good: impl Fn(&Seen) -> bool) -> u64 {
        let seen = self.seen.lock().unwrap();
        let (seen, over) =
            self.changed.wait_timeout_while(seen, LIMIT, |seen| seen.lost.is_empty() && !good(seen)).unwrap();
        assert!(!over.timed_out() && seen.lost.is_empty(), "waiting for {what}: {seen:?}");
        seen.answered
    }

    /// Lets every client finish the request that it is at, and no more.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}
