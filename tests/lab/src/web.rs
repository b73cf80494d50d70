//! A web server on a host: every answer says which server gave it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;

use crate::host::{Host, Shared};
use crate::http::{Connection, Request, Response};
use crate::stream::Stream;

type Answer = dyn Fn(&Request) -> Response + Send + Sync;

/// A web server; it ends when it is killed or dropped.
#[derive(Debug)]
pub struct WebServer {
    host: Arc<Host>,
    port: u16,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    stopped: AtomicBool,
    answered: AtomicU64,
}

impl WebServer {
    /// Answers every request on `port` of `host` with `answer`'s result.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn start(
        host: Arc<Host>,
        port: u16,
        answer: impl Fn(&Request) -> Response + Send + Sync + 'static,
    ) -> Result<Self> {
        let mut listener = host.listen(port)?;
        let state = Arc::new(State::default());
        let own = Arc::clone(&state);
        let answer: Arc<Answer> = Arc::new(answer);
        std::thread::spawn(move || {
            while !own.stopped.load(Ordering::SeqCst) {
                if let Some(stream) = listener.accept(Duration::from_millis(100)) {
                    let (state, answer) = (Arc::clone(&own), Arc::clone(&answer));
                    std::thread::spawn(move || converse(stream, &state, &*answer));
                }
            }
        });
        Ok(Self { host, port, state })
    }

    /// A server that answers with its name.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn named(host: Arc<Host>, port: u16, name: &str) -> Result<Self> {
        let name = name.to_owned();
        Self::start(host, port, move |_| Response::text(200, &name))
    }

    /// Requests answered so far, probes of the balancer among them.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.state.answered.load(Ordering::SeqCst)
    }

    /// Ends it as `kill -9` ends a program: connections are reset, new ones are refused.
    pub fn kill(&self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        self.host.reset_port(self.port);
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Answers the requests of one connection until either side ends it.
fn converse(mut stream: Stream, state: &State, answer: &Answer) {
    stream.set_limit(Duration::from_secs(600));
    let mut connection = Connection::new(stream);
    // A client that goes away in the middle is no fault of the server's.
    while let Ok(Some(request)) = connection.read_request() {
        let response = answer(&request);
        if state.stopped.load(Ordering::SeqCst) || connection.answer(&request.method, &response).is_err() {
            return;
        }
        state.answered.fetch_add(1, Ordering::SeqCst);
    }
}

/// Keeps the compiler honest about what crosses threads.
const _: fn() = || {
    fn crosses<T: Send + Sync>() {}
    crosses::<Shared>();
    crosses::<WebServer>();
};
