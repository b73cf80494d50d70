//! Buffers that go round: a connection holds one only while it has bytes to hold.

use bytes::BytesMut;
use std::cell::RefCell;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// First size of a buffer in bytes: most heads, and many whole messages.
const FIRST: usize = 8 * 1024;
/// Largest size in bytes that a buffer grows to while a body streams. Bounds what a connection can hold: one
/// buffer each way.
const LARGEST: usize = 128 * 1024;
/// Free buffers that a worker keeps.
const KEPT: usize = 256;

/// The free buffers of a worker.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    free: RefCell<Vec<BytesMut>>,
}

impl Buffers {
    /// An empty buffer.
    pub(crate) fn take(&self) -> BytesMut {
        self.free.borrow_mut().pop().unwrap_or_else(|| BytesMut::with_capacity(FIRST))
    }

    /// Gives one back; what is in it is thrown away.
    pub(crate) fn give(&self, mut buffer: BytesMut) {
        let mut free = self.free.borrow_mut();
        if free.len() < KEPT && (1..=2 * FIRST).contains(&buffer.capacity()) {
            buffer.clear();
            // Brings back the space in front that was read already.
            buffer.reserve(FIRST);
            free.push(buffer);
        }
    }
}

/// Makes room to read into; more of it each time the last read filled what there was.
fn make_room(buffer: &mut BytesMut) {
    let room = buffer.capacity() - buffer.len();
    if room >= FIRST / 2 {
        return;
    }
    let wish = if buffer.capacity() >= FIRST { (2 * buffer.capacity()).min(LARGEST) } else { FIRST };
    buffer.reserve(wish.saturating_sub(buffer.len()).max(FIRST));
}

/// Reads what is there, once. Zero: the peer sends nothing more.
pub(crate) async fn read_some(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
) -> io::Result<usize> {
    make_room(buffer);
    stream.read_buf(buffer).await
}
