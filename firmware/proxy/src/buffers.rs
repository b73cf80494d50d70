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

/// How much is read at once in one direction of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Room {
    /// After a read that got `read` of the bytes there was room for: twice as much if that was all.
    fn follow(&mut self, read: usize, space: usize) {
        if read == space && space >= self.0 {
            self.0 = (2 * self.0).min(LARGEST);
        }
    }
}

/// Reads what is there, once. Zero: the peer sends nothing more. What a body fills to the brim gets twice the room the
/// next time, so that a large one costs few calls and a small one little memory.
pub(crate) async fn read_some(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    room: &mut Room,
) -> io::Result<usize> {
    if buffer.capacity() - buffer.len() < FIRST / 2 || (buffer.is_empty() && buffer.capacity() < room.0) {
        buffer.reserve(room.0);
    }
    let space = buffer.capacity() - buffer.len();
    let read = stream.read_buf(buffer).await?;
    room.follow(read, space);
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_that_fills_its_room_gets_more_of_it() {
        let bytes = vec![7; 4 << 20];
        let (mut source, mut room) = (&bytes[..], Room::default());
        let (mut one, mut other, mut reads) = (BytesMut::new(), BytesMut::new(), 0);
        // As it is done with a body: filled, handed over whole, written, and the other one is filled.
        while read_some(&mut source, &mut one, &mut room).await.unwrap() > 0 {
            std::mem::swap(&mut one, &mut other);
            one.clear();
            reads += 1;
            assert!(other.len() <= LARGEST);
        }
        assert!(reads < 45, "{reads}");
        let mut small = Room::default();
        for _ in 0..10 {
            let mut buffer = BytesMut::new();
            read_some(&mut &bytes[..1000], &mut buffer, &mut small).await.unwrap();
            assert!(buffer.capacity() <= FIRST);
        }
    }
}
