//! One connection to one server.

use crate::target::{Target, Transport};
use crate::tls::connector;
use evener_syslog::{datagram, octet_counted};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::{TcpStream, UdpSocket};

/// How long connecting, and how long one message, may take.
const WITHIN: Duration = Duration::from_secs(10);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The network's reason.
    #[error("it cannot be reached: {0}")]
    Network(#[from] io::Error),
    /// Nobody answered.
    #[error("it did not answer within {WITHIN:?}")]
    Late,
    /// Nobody can be believed with this setting.
    #[error("it cannot be verified: {0}")]
    Trust(String),
}

/// A stream, encrypted or not.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A way to a server that is open.
pub(crate) enum Connection {
    /// Datagrams.
    Udp(UdpSocket),
    /// A stream; whatever a server says on it is read and ignored.
    Stream { reader: ReadHalf<Box<dyn Stream>>, writer: WriteHalf<Box<dyn Stream>> },
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// Why not.
    pub(crate) async fn open(target: &Target) -> Result<Self, ConnectError> {
        let opening = async {
            match &target.transport {
                Transport::Udp => {
                    let any: SocketAddr = match target.address {
                        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
                    };
                    let socket = UdpSocket::bind(any).await?;
                    socket.connect(target.address).await?;
                    Ok(Self::Udp(socket))
                }
                Transport::Tcp => Ok(Self::over(Box::new(TcpStream::connect(target.address).await?))),
                Transport::Tls(trust) => {
                    let (connector, name) = connector(trust, target.address.ip())?;
                    let stream = TcpStream::connect(target.address).await?;
                    Ok(Self::over(Box::new(connector.connect(name, stream).await?)))
                }
            }
        };
        tokio::time::timeout(WITHIN, opening).await.unwrap_or(Err(ConnectError::Late))
    }

    fn over(stream: Box<dyn Stream>) -> Self {
        let (reader, writer) = split(stream);
        Self::Stream { reader, writer }
    }

    /// Sends a message; when this returns the kernel has all of it.
    ///
    /// # Errors
    /// When the connection broke, or the server took nothing for 10 s.
    pub(crate) async fn send(&mut self, message: &str) -> io::Result<()> {
        let sending = async {
            match self {
                Self::Udp(socket) => socket.send(datagram(message)).await.map(drop),
                Self::Stream { writer, .. } => {
                    writer.write_all(&octet_counted(message)).await?;
                    writer.flush().await
                }
            }
        };
        tokio::time::timeout(WITHIN, sending).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Resolves when the server ends the connection; never for datagrams.
    pub(crate) async fn ended(&mut self) -> io::Error {
        match self {
            Self::Udp(_) => std::future::pending().await,
            Self::Stream { reader, .. } => {
                let mut ignored = [0; 512];
                loop {
                    match reader.read(&mut ignored).await {
                        Ok(1..) => {}
                        Ok(0) => return io::ErrorKind::UnexpectedEof.into(),
                        Err(error) => return error,
                    }
                }
            }
        }
    }

    /// Says goodbye, as TLS wants it.
    pub(crate) async fn close(&mut self) {
        if let Self::Stream { writer, .. } = self {
            // The server may be gone already.
            let _ = tokio::time::timeout(WITHIN, writer.shutdown()).await;
        }
    }
}
