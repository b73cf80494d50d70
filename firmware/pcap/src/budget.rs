//! When a capture has had enough.

use core::time::Duration;

/// What a capture may take, and what it has taken.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    most_packets: u64,
    most_bytes: u64,
    most_time: Duration,
    packets: u64,
    bytes: u64,
}

/// Why a capture ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enough {
    /// It has as many packets as it was to have.
    Packets,
    /// The file is as large as it may be.
    Bytes,
    /// Its time is over.
    Time,
}

impl Budget {
    /// A capture of at most so many packets, bytes of the whole file, and so much time.
    #[must_use]
    pub const fn new(most_packets: u64, most_bytes: u64, most_time: Duration, file_header: u64) -> Self {
        Self { most_packets, most_bytes, most_time, packets: 0, bytes: file_header }
    }

    /// Whether it ends before another packet, `since` its beginning.
    #[must_use]
    pub fn is_over(&self, since: Duration) -> Option<Enough> {
        if self.packets >= self.most_packets {
            Some(Enough::Packets)
        } else if since >= self.most_time {
            Some(Enough::Time)
        } else {
            None
        }
    }

    /// Takes a packet that needs so many bytes in the file.
    ///
    /// # Errors
    /// [`Enough::Bytes`] when there is no room for it: it is not taken, and the capture ends.
    pub fn take(&mut self, bytes: u64) -> Result<(), Enough> {
        let all = self.bytes.saturating_add(bytes);
        if all > self.most_bytes {
            return Err(Enough::Bytes);
        }
        (self.bytes, self.packets) = (all, self.packets.saturating_add(1));
        Ok(())
    }

    /// Packets taken.
    #[must_use]
    pub const fn packets(&self) -> u64 {
        self.packets
    }

    /// Bytes of the file.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_bytes_and_time_each_end_it() {
        let second = Duration::from_secs(1);
        let mut budget = Budget::new(2, 224, 10 * second, 24);
        assert_eq!(budget.is_over(9 * second), None);
        assert_eq!(budget.is_over(10 * second), Some(Enough::Time));
        assert_eq!(budget.take(100), Ok(()));
        assert_eq!(budget.take(101), Err(Enough::Bytes), "it would be one byte too many");
        assert_eq!(budget.take(100), Ok(()));
        assert_eq!((budget.packets(), budget.bytes()), (2, 224));
        assert_eq!(budget.is_over(second), Some(Enough::Packets));
    }
}
