//! Listening sockets: one for each worker of a service, on the same address.

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

/// Connections that may wait in the kernel until a worker takes them; the kernel cuts it to `somaxconn`.
const BACKLOG: i32 = 4096;

/// Binds one listener. `SO_REUSEPORT`: each worker has its own, and the kernel spreads the connections.
/// `IP_FREEBIND`: an address that the unit does not have yet, or has only while it is active, is no error.
///
/// # Errors
/// The kernel's reason.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    match address {
        SocketAddr::V4(_) => socket.set_freebind_v4(true)?,
        SocketAddr::V6(_) => {
            socket.set_only_v6(true)?;
            socket.set_freebind_v6(true)?;
        }
    }
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A listener that init kept over our restart.
///
/// # Errors
/// When it is not what it is said to be.
pub(crate) fn adopt(kept: OwnedFd, address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::from(kept);
    if listener.local_addr()? != address {
        return Err(io::Error::other("a kept listener has another address than it was kept for"));
    }
    listener.set_nonblocking(true)?;
    Ok(listener)
}
