//! A host's TCP connections, used like the system's: blocking, with a time limit on every wait.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{RecvError, Socket, State};

use crate::host::{Shared, on_port, tcp_socket};

/// Connections that may wait for [`Listener::accept`].
const BACKLOG: usize = 16;
/// The time limit of a stream that was given none.
const LIMIT: Duration = Duration::from_secs(30);

/// One TCP connection. Dropping it closes it in order.
#[derive(Debug)]
pub struct Stream {
    shared: Arc<Shared>,
    handle: SocketHandle,
    limit: Duration,
}

impl Stream {
    pub(crate) fn new(shared: Arc<Shared>, handle: SocketHandle) -> Self {
        Self { shared, handle, limit: LIMIT }
    }

    /// Changes how long one read or write may take.
    pub fn set_limit(&mut self, limit: Duration) {
        self.limit = limit;
    }

    /// Ends the connection with a reset.
    pub fn reset(self) {
        self.shared.lock().sockets.get_mut::<Socket<'_>>(self.handle).abort();
        self.shared.work();
    }

    fn wait<T>(&self, mut ready: impl FnMut(&mut Socket<'static>) -> Option<io::Result<T>>) -> io::Result<T> {
        let done = self.shared.wait_until(Instant::now() + self.limit, |stack| {
            ready(stack.sockets.get_mut::<Socket<'static>>(self.handle))
        });
        self.shared.work();
        done.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wait(|socket| match socket.recv_slice(buffer) {
            Ok(0) if !buffer.is_empty() => None,
            Ok(count) => Some(Ok(count)),
            Err(RecvError::Finished) => Some(Ok(0)),
            Err(RecvError::InvalidState) => Some(Err(io::ErrorKind::ConnectionReset.into())),
        })
    }
}

impl Write for Stream {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.wait(|socket| match socket.send_slice(data) {
            Ok(0) if !data.is_empty() => None,
            Ok(count) => Some(Ok(count)),
            Err(_) => Some(Err(io::ErrorKind::BrokenPipe.into())),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let mut stack = self.shared.lock();
        stack.sockets.get_mut::<Socket<'_>>(self.handle).close();
        stack.leaving.push(self.handle);
        drop(stack);
        self.shared.work();
    }
}

/// Accepts connections on one port. Dropping it stops that; accepted connections live on.
#[derive(Debug)]
pub struct Listener {
    shared: Arc<Shared>,
    port: u16,
    waiting: Vec<SocketHandle>,
}

impl Listener {
    pub(crate) fn new(shared: Arc<Shared>, port: u16) -> Result<Self> {
        let mut listener = Self { shared, port, waiting: Vec::new() };
        for _ in 0..BACKLOG {
            listener.refill()?;
        }
        Ok(listener)
    }

    /// The next connection; `None` when none comes within `limit`, or the port was reset.
    pub fn accept(&mut self, limit: Duration) -> Option<Stream> {
        let Self { shared, waiting, .. } = self;
        let found = shared.wait_until(Instant::now() + limit, |stack| {
            let state = |handle: &SocketHandle| stack.sockets.get::<Socket<'_>>(*handle).state();
            if waiting.iter().all(|handle| state(handle) == State::Closed) {
                return Some(None);
            }
            let opened = |handle: &SocketHandle| {
                !matches!(state(handle), State::Listen | State::SynReceived | State::Closed)
            };
            waiting.iter().position(opened).map(Some)
        })??;
        let handle = self.waiting.swap_remove(found);
        // A port that was reset meanwhile takes no new connections.
        let _ = self.refill();
        Some(Stream::new(Arc::clone(&self.shared), handle))
    }

    fn refill(&mut self) -> Result<()> {
        let mut socket = tcp_socket();
        socket.listen(on_port(self.port)).map_err(|error| anyhow::anyhow!("listening: {error:?}"))?;
        self.waiting.push(self.shared.lock().sockets.add(socket));
        Ok(())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut stack = self.shared.lock();
        for handle in self.waiting.drain(..) {
            stack.sockets.get_mut::<Socket<'_>>(handle).abort();
            stack.leaving.push(handle);
        }
        drop(stack);
        self.shared.work();
    }
}
