//! One cable: what a test does to it, and the thread that carries its frames.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

/// Frames that wait at a port before more are dropped, as in a real switch.
const QUEUE: usize = 4096;

/// A port of a switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId(pub(crate) usize);

/// What is wrong with a cable. The default is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Nothing passes, in either direction.
    pub cut: bool,
    /// Added to the time a frame takes towards the port's end.
    pub delay: Duration,
    /// Frames lost in each direction, of a thousand.
    pub loss_per_mille: u16,
    /// Frames that arrive twice, of a thousand.
    pub twice_per_mille: u16,
}

/// Frames on their way to one port's end.
#[derive(Debug)]
pub(crate) struct Cable {
    queue: SyncSender<(Instant, Vec<u8>)>,
}

impl Cable {
    /// A cable whose far end is `sink`, served by a thread that ends when the cable is dropped or the sink
    /// fails.
    pub(crate) fn new(mut sink: impl FnMut(Vec<u8>) -> std::io::Result<()> + Send + 'static) -> Self {
        let (queue, frames): (_, Receiver<(Instant, Vec<u8>)>) = sync_channel(QUEUE);
        std::thread::spawn(move || {
            while let Ok((due, frame)) = frames.recv() {
                // This is the delay that the test asked for, not a wait for something to happen.
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                if sink(frame).is_err() {
                    break;
                }
            }
        });
        Self { queue }
    }

    /// Hands a frame over; when the queue is full it is lost. `false` when the far end is gone.
    pub(crate) fn send(&self, due: Instant, frame: Vec<u8>) -> bool {
        !matches!(self.queue.try_send((due, frame)), Err(TrySendError::Disconnected(_)))
    }
}

/// A small seeded generator (xorshift64*), so that a lossy run can be repeated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// Whether an event of this probability happens now.
    pub(crate) fn falls(&mut self, per_mille: u16) -> bool {
        if per_mille == 0 {
            return false;
        }
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % 1000 < u64::from(per_mille)
    }
}
