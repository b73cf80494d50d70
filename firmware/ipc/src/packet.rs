//! One packet of the lifeline: a value and at most one descriptor.

use evener_api::frame;
use evener_api::lifeline::MAX_PACKET;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::{Serialize, de::DeserializeOwned};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use tokio::io::Interest;
use tokio::net::UnixDatagram;

pub(crate) async fn send<T: Serialize>(
    socket: &UnixDatagram,
    message: &T,
    descriptor: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let frame = frame::encode(message).map_err(io::Error::other)?;
    let body = &frame[frame::HEADER..];
    socket
        .async_io(Interest::WRITABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            let descriptors = descriptor.as_slice();
            if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
                return Err(io::Error::other("no room for a descriptor"));
            }
            sendmsg(socket.as_fd(), &[IoSlice::new(body)], &mut ancillary, SendFlags::NOSIGNAL)?;
            Ok(())
        })
        .await
}

pub(crate) async fn receive<T: DeserializeOwned>(socket: &UnixDatagram) -> io::Result<(T, Option<OwnedFd>)> {
    socket
        .async_io(Interest::READABLE, || {
            let mut packet = [0; MAX_PACKET];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let message = recvmsg(
                socket.as_fd(),
                &mut [IoSliceMut::new(&mut packet)],
                &mut ancillary,
                RecvFlags::CMSG_CLOEXEC,
            )
            .map_err(|errno| if errno == Errno::INTR { Errno::AGAIN } else { errno })?;
            if message.bytes == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let descriptor = ancillary.drain().find_map(|item| match item {
                RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
                _ => None,
            });
            let body = packet.get(..message.bytes).unwrap_or(&packet);
            let word = frame::decode(body).map_err(io::Error::other)?;
            Ok((word, descriptor))
        })
        .await
}
