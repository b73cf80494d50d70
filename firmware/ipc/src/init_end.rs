//! Init's end of a lifeline.

use crate::packet::{receive, send};
use evener_api::lifeline::{FromInit, ListenerKey, ToInit};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram as StdUnixDatagram;
use tokio::net::UnixDatagram;

/// Init's end of the lifeline of one service, for one of its lives.
#[derive(Debug)]
pub struct InitEnd {
    socket: UnixDatagram,
}

impl InitEnd {
    /// A new lifeline: this end, and the one that the service is born with.
    ///
    /// # Errors
    /// Without free descriptors.
    pub fn new() -> io::Result<(Self, OwnedFd)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        let socket = UnixDatagram::from_std(StdUnixDatagram::from(ours))?;
        Ok((Self { socket }, theirs))
    }

    /// Hands over a listener of the service's former life. Waits while the service does not read.
    ///
    /// # Errors
    /// When the service is gone.
    pub async fn give(&self, key: ListenerKey, listener: BorrowedFd<'_>) -> io::Result<()> {
        send(&self.socket, &FromInit::Kept(key), Some(listener)).await
    }

    /// Says that all listeners were handed over.
    ///
    /// # Errors
    /// When the service is gone.
    pub async fn go(&self) -> io::Result<()> {
        send(&self.socket, &FromInit::Go, None).await
    }

    /// Asks the service to finish.
    ///
    /// # Errors
    /// When the service is gone.
    pub async fn stop(&self) -> io::Result<()> {
        send(&self.socket, &FromInit::Stop, None).await
    }

    /// The service's next word, with a descriptor if it is [`ToInit::Keep`]. Cancel safe.
    ///
    /// # Errors
    /// When the service is gone, or says what is no word.
    pub async fn hear(&self) -> io::Result<(ToInit, Option<OwnedFd>)> {
        receive(&self.socket).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evener_api::lifeline::ListenerKey;
    use std::net::{Ipv4Addr, TcpListener};
    use std::os::fd::AsFd;

    #[tokio::test]
    async fn words_and_listeners_go_both_ways() {
        let (init, service) = InitEnd::new().unwrap();
        let service = UnixDatagram::from_std(StdUnixDatagram::from(service)).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let key = ListenerKey { address: listener.local_addr().unwrap(), worker: 3 };

        send(&service, &ToInit::Keep(key), Some(listener.as_fd())).await.unwrap();
        let (word, kept) = init.hear().await.unwrap();
        assert_eq!(word, ToInit::Keep(key));
        drop(listener);

        init.give(key, kept.unwrap().as_fd()).await.unwrap();
        init.go().await.unwrap();
        let (word, back) = receive::<FromInit>(&service).await.unwrap();
        assert_eq!(word, FromInit::Kept(key));
        assert_eq!(TcpListener::from(back.unwrap()).local_addr().unwrap(), key.address);
        assert_eq!(receive::<FromInit>(&service).await.unwrap().0, FromInit::Go);

        drop(service);
        assert_eq!(init.hear().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(init.stop().await.is_err());
    }
}
