//! Connections to real servers: opened, and kept for the next request of the same worker.

use crate::buffers::Buffers;
use crate::fault::Fault;
use crate::timer::Timer;
use bytes::BytesMut;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Connections that a worker keeps open to one server while it has no use for them.
const KEPT: usize = 128;
/// How long one is kept. Below the idle time-outs that servers commonly have, but Apache's.
const KEPT_FOR: Duration = Duration::from_secs(30);
/// How long one has been idle at most that gets a request which must not be sent twice. The server may close
/// just as we send, and then nobody knows whether it saw the request; Apache closes after 5 s.
const FRESH_FOR: Duration = Duration::from_secs(4);

/// A connection to a server.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) stream: TcpStream,
    pub(crate) input: BytesMut,
    /// It has served a request before.
    pub(crate) reused: bool,
}

#[derive(Debug)]
struct Idle {
    stream: TcpStream,
    since: Instant,
}

/// The idle connections of a worker.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    idle: RefCell<BTreeMap<SocketAddr, Vec<Idle>>>,
}

impl Pool {
    /// A kept connection that is still open and says nothing, the one used last. `once`: for a request that must not be repeated.
    pub(crate) fn take(&self, address: SocketAddr, once: bool) -> Option<TcpStream> {
        let mut idle = self.idle.borrow_mut();
        let kept = idle.get_mut(&address)?;
        while let Some(Idle { stream, since }) = kept.pop() {
            if once && since.elapsed() > FRESH_FOR {
                // All before it are older still; others may use them.
                kept.push(Idle { stream, since });
                return None;
            }
            if is_open(&stream) {
                return Some(stream);
            }
        }
        None
    }

    /// Keeps a connection whose last answer was read to its end.
    pub(crate) fn give(&self, address: SocketAddr, stream: TcpStream) {
        let mut idle = self.idle.borrow_mut();
        let kept = idle.entry(address).or_default();
        if kept.len() < KEPT {
            kept.push(Idle { stream, since: Instant::now() });
        }
    }

    /// Closes what is too old, or was closed by the server.
    pub(crate) fn sweep(&self) {
        self.idle.borrow_mut().retain(|_, kept| {
            kept.retain(|idle| idle.since.elapsed() < KEPT_FOR && is_quiet(&idle.stream));
            !kept.is_empty()
        });
    }
}

/// Open, and nothing to read, as far as the runtime has heard: enough for throwing connections away.
fn is_quiet(stream: &TcpStream) -> bool {
    matches!(stream.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// Open, and nothing to read, as far as the kernel knows by now: the runtime learns it a turn of its loop later.
/// Bytes that nobody asked for would be taken for the next client's answer.
fn is_open(stream: &TcpStream) -> bool {
    use rustix::net::{RecvFlags, recv};
    matches!(recv(stream, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT), Err(rustix::io::Errno::AGAIN))
}

/// Opens a connection.
pub(crate) async fn open(address: SocketAddr, timer: &Timer, limit: Duration) -> Result<TcpStream, Fault> {
    timer.allow(limit);
    match timer.watch(TcpStream::connect(address)).await {
        Ok(Ok(stream)) => {
            // Fails only on a connection that is broken already, which its first use will show.
            let _ = stream.set_nodelay(true);
            Ok(stream)
        }
        Ok(Err(error)) if is_our_lack(&error) => Err(Fault::Exhausted),
        Ok(Err(_)) => Err(Fault::ConnectFailed),
        Err(_) => Err(Fault::ConnectTimeout),
    }
}

/// No descriptor or memory left on this unit: no server can be blamed, and none will help. (Ports run out for one
/// server at a time, so `EADDRNOTAVAIL` is none of these: another one can be reached.)
fn is_our_lack(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let lacks = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    error.raw_os_error().is_some_and(|code| lacks.iter().any(|lack| lack.raw_os_error() == code))
}

impl Upstream {
    /// For a request on `stream`.
    pub(crate) fn new(stream: TcpStream, reused: bool, buffers: &Buffers) -> Self {
        Self { stream, input: buffers.take(), reused }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[tokio::test]
    async fn a_connection_that_says_something_unasked_is_not_used_again() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let pool = Pool::default();
        pool.give(address, stream);
        let stream = pool.take(address, false).expect("it is silent");
        assert!(is_quiet(&stream));
        pool.give(address, stream);
        // The kernel has them when this returns, on the loopback; the runtime has had no turn to hear of it.
        server.write_all(b"unasked").unwrap();
        assert!(pool.take(address, false).is_none());
    }

    #[test]
    fn ports_that_ran_out_for_one_server_are_no_lack_of_this_unit() {
        use rustix::io::Errno;
        let lack = |errno: Errno| is_our_lack(&io::Error::from_raw_os_error(errno.raw_os_error()));
        assert!(lack(Errno::MFILE) && lack(Errno::NOMEM));
        assert!(!lack(Errno::ADDRNOTAVAIL) && !lack(Errno::CONNREFUSED));
    }
}
