//! A descriptor that the runtime waits for: consoles, input devices, packet sockets.

use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use tokio::io::unix::AsyncFd;

/// A descriptor that was opened non-blocking and can be waited for.
#[derive(Debug)]
pub struct Device {
    inner: AsyncFd<OwnedFd>,
}

impl Device {
    /// Takes the descriptor. To be called inside a runtime.
    ///
    /// # Errors
    /// For what cannot be waited for, such as an ordinary file.
    pub fn new(descriptor: OwnedFd) -> io::Result<Self> {
        // SAFETY: the descriptor is owned, stays open and is never replaced while it is in here: this type hands
        // out only borrows of it.
        let inner = unsafe { AsyncFd::register(descriptor) }.map_err(|error| error.into_parts().1)?;
        Ok(Self { inner })
    }

    /// Reads what there is, waiting for some; 0 at the end. Cancel safe.
    ///
    /// # Errors
    /// The kernel's reason.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.when_readable(|descriptor| Ok(rustix::io::read(descriptor, &mut *buffer)?)).await
    }

    /// Writes what there is room for, waiting for some. Cancel safe.
    ///
    /// # Errors
    /// The kernel's reason.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.inner.writable().await?;
            match ready.try_io(|inner| Ok(rustix::io::write(inner.as_fd(), bytes)?)) {
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(outcome) => return outcome,
                Err(_not_ready) => {}
            }
        }
    }

    /// Does `attempt` as soon as there is something to read, and again while it says
    /// [`io::ErrorKind::WouldBlock`].
    pub(crate) async fn when_readable<R>(
        &self,
        mut attempt: impl FnMut(BorrowedFd<'_>) -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            let mut ready = self.inner.readable().await?;
            match ready.try_io(|inner| attempt(inner.as_fd())) {
                Ok(Err(error)) if error.raw_os_error() == Some(Errno::INTR.raw_os_error()) => {}
                Ok(outcome) => return outcome,
                Err(_not_ready) => {}
            }
        }
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.get_ref().as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::{PipeFlags, pipe_with};

    #[tokio::test]
    async fn waits_for_what_is_written() {
        let (reader, writer) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).unwrap();
        let (reader, writer) = (Device::new(reader).unwrap(), Device::new(writer).unwrap());
        let mut buffer = [0; 8];
        let (read, written) = tokio::join!(reader.read(&mut buffer), writer.write(b"word"));
        assert_eq!((read.unwrap(), written.unwrap()), (4, 4));
        drop(writer);
        assert_eq!(reader.read(&mut buffer).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn an_ordinary_file_is_refused() {
        let file = tempfile::tempfile().unwrap();
        assert!(Device::new(file.into()).is_err());
    }
}
