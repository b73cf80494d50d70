//! One connection between two services, and the socket that accepts them.

use evener_api::{SERVICES_GID, Service, frame};
use rustix::fs::{Gid, Mode};
use serde::{Serialize, de::DeserializeOwned};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// How long [`call`] waits for the whole answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection may ask nothing, and how long an answer may take to be read.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why something could not be said to, or heard from, another service.
#[derive(Debug, thiserror::Error)]
pub enum IpcError {
    /// The socket could not be made.
    #[error("cannot listen on {path}")]
    Listen {
        /// Its file.
        path: PathBuf,
        /// The kernel's reason.
        source: io::Error,
    },
    /// Nobody answers there: the service is not running (yet).
    #[error("{service} cannot be reached at {path}")]
    Connect {
        /// The service that was wanted.
        service: Service,
        /// Its socket.
        path: PathBuf,
        /// The kernel's reason.
        source: io::Error,
    },
    /// The connection broke.
    #[error("the connection broke")]
    Broken(#[source] io::Error),
    /// The peer ended the connection where a value was due.
    #[error("the peer closed the connection")]
    Closed,
    /// A value is too large or not what was expected.
    #[error(transparent)]
    Frame(#[from] frame::FrameError),
    /// No answer within 10 s.
    #[error("no answer from {0} within {CALL_TIMEOUT:?}")]
    Timeout(Service),
}

/// The process at the other end, as the kernel knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its user id.
    pub uid: u32,
}

impl Peer {
    /// The service that runs under this uid.
    #[must_use]
    pub fn service(self) -> Option<Service> {
        Service::SUPERVISED.into_iter().chain([Service::Init]).find(|service| service.uid() == self.uid)
    }

    /// Whether this is that service; or the very uid that we run under ourselves, which is how all services run
    /// when they are tried out by hand, outside the appliance.
    #[must_use]
    pub fn is(self, service: Service) -> bool {
        self.uid == service.uid() || self.uid == rustix::process::getuid().as_raw()
    }
}

/// A service's own socket.
#[derive(Debug)]
pub struct Listener {
    inner: UnixListener,
}

impl Listener {
    /// Makes `<run>/<service>.sock`, open to the group of services. A file left by a former life is replaced.
    ///
    /// # Errors
    /// [`IpcError::Listen`] when the directory is missing or not writable.
    pub fn bind(run: &Path, service: Service) -> Result<Self, IpcError> {
        let path = run.join(service.socket_name());
        let made = (|| {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let inner = UnixListener::bind(&path)?;
            rustix::fs::chmod(&path, Mode::from_raw_mode(0o660))?;
            // Outside the appliance the group does not exist for us, and nobody else needs to connect.
            if rustix::process::getgid().as_raw() != SERVICES_GID {
                let _ = rustix::fs::chown(&path, None, Some(Gid::from_raw(SERVICES_GID)));
            }
            Ok(inner)
        })();
        made.map(|inner| Self { inner }).map_err(|source| IpcError::Listen { path, source })
    }

    /// The next connection.
    ///
    /// # Errors
    /// [`IpcError::Broken`] when the kernel is out of descriptors or memory; the listener stays usable.
    pub async fn accept(&self) -> Result<Connection, IpcError> {
        let (stream, _) = self.inner.accept().await.map_err(IpcError::Broken)?;
        Ok(Connection { stream })
    }
}

/// A connection to another service.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
}

impl Connection {
    /// Connects to `<run>/<service>.sock`.
    ///
    /// # Errors
    /// [`IpcError::Connect`] while the service is not listening, or another one in its place.
    pub async fn open(run: &Path, service: Service) -> Result<Self, IpcError> {
        let path = run.join(service.socket_name());
        match Self::to(&path, service).await {
            Ok(stream) => Ok(Self { stream }),
            Err(source) => Err(IpcError::Connect { service, path, source }),
        }
    }

    async fn to(path: &Path, service: Service) -> io::Result<UnixStream> {
        let stream = UnixStream::connect(path).await?;
        // While a service is away, another one could listen in its place: they share the directory.
        let uid = stream.peer_cred()?.uid();
        if (Peer { uid }).is(service) {
            return Ok(stream);
        }
        let words = format!("uid {uid} listens there, and that is not {service}");
        Err(io::Error::new(io::ErrorKind::PermissionDenied, words))
    }

    /// Who is at the other end.
    ///
    /// # Errors
    /// [`IpcError::Broken`] when the kernel does not say.
    pub fn peer(&self) -> Result<Peer, IpcError> {
        Ok(Peer { uid: self.stream.peer_cred().map_err(IpcError::Broken)?.uid() })
    }

    /// Sends one value.
    ///
    /// # Errors
    /// [`IpcError::Broken`] when the peer is gone, [`IpcError::Frame`] when the value is too large.
    pub async fn send<T: Serialize>(&mut self, value: &T) -> Result<(), IpcError> {
        let bytes = frame::encode(value)?;
        self.stream.write_all(&bytes).await.map_err(IpcError::Broken)
    }

    /// Receives one value; `None` when the peer ended the connection between two values.
    ///
    /// Not cancel safe: after dropping the future in the middle, drop the connection too.
    ///
    /// # Errors
    /// [`IpcError::Closed`] in the middle of a value, [`IpcError::Frame`] for bytes that are not a `T`.
    pub async fn receive<T: DeserializeOwned>(&mut self) -> Result<Option<T>, IpcError> {
        let mut header = [0; frame::HEADER];
        if self.stream.read(&mut header[..1]).await.map_err(IpcError::Broken)? == 0 {
            return Ok(None);
        }
        self.fill(&mut header[1..]).await?;
        let mut body = vec![0; frame::body_length(header)?];
        self.fill(&mut body).await?;
        Ok(Some(frame::decode(&body)?))
    }

    /// As [`receive`](Self::receive), for a server: `None` also when the peer has asked nothing for 60 s.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub async fn next_request<T: DeserializeOwned>(&mut self) -> Result<Option<T>, IpcError> {
        tokio::time::timeout(PATIENCE, self.receive()).await.unwrap_or(Ok(None))
    }

    /// As [`send`](Self::send), for a server.
    ///
    /// # Errors
    /// As [`send`](Self::send); [`IpcError::Broken`] also when the peer does not take it within 60 s.
    pub async fn answer<T: Serialize>(&mut self, value: &T) -> Result<(), IpcError> {
        let late = || Err(IpcError::Broken(io::ErrorKind::TimedOut.into()));
        tokio::time::timeout(PATIENCE, self.send(value)).await.unwrap_or_else(|_| late())
    }

    async fn fill(&mut self, buffer: &mut [u8]) -> Result<(), IpcError> {
        match self.stream.read_exact(buffer).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(IpcError::Closed),
            Err(error) => Err(IpcError::Broken(error)),
        }
    }

    /// Resolves when the peer ends the connection (or, against the protocol, sends something).
    pub async fn closed(&self) {
        // Readiness may be left over from the last read, so only the end itself, or bytes, count.
        while self.stream.readable().await.is_ok() {
            match self.stream.try_read(&mut [0]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                _ => return,
            }
        }
    }
}

/// Asks a service one thing.
///
/// # Errors
/// As [`Connection::open`] and [`Connection::receive`]; [`IpcError::Timeout`] after 10 s.
pub async fn call<Q, A>(run: &Path, service: Service, request: &Q) -> Result<A, IpcError>
where
    Q: Serialize + Sync,
    A: DeserializeOwned,
{
    let exchange = async {
        let mut connection = Connection::open(run, service).await?;
        connection.send(request).await?;
        connection.receive().await?.ok_or(IpcError::Closed)
    };
    tokio::time::timeout(CALL_TIMEOUT, exchange).await.unwrap_or(Err(IpcError::Timeout(service)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use evener_api::checks::{HealthReport, Request};
    use rustix::fs::Uid;

    #[tokio::test]
    async fn a_call_is_answered_and_the_peer_is_known() {
        let run = tempfile::tempdir().unwrap();
        let listener = Listener::bind(run.path(), Service::Checks).unwrap();
        let server = tokio::spawn(async move {
            let mut connection = listener.accept().await.unwrap();
            let peer = connection.peer().unwrap();
            assert_eq!(connection.receive::<Request>().await.unwrap(), Some(Request::Get));
            connection.send(&HealthReport { generation: 7, servers: vec![] }).await.unwrap();
            peer
        });
        let report: HealthReport = call(run.path(), Service::Checks, &Request::Get).await.unwrap();
        assert_eq!(report.generation, 7);
        assert_eq!(server.await.unwrap().uid, rustix::process::getuid().as_raw());
    }

    #[tokio::test]
    async fn who_listens_in_the_place_of_a_service_is_not_spoken_to() {
        let run = tempfile::tempdir().unwrap();
        let path = run.path().join(Service::Control.socket_name());
        std::fs::set_permissions(run.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        // Needs root: nobody else can listen under another uid than his own.
        let listener = std::thread::spawn({
            let path = path.clone();
            move || {
                // Of this thread only, which ends here.
                rustix::thread::set_thread_res_uid(None, Some(Uid::from_raw(Service::Web.uid())), None)?;
                std::os::unix::net::UnixListener::bind(path)
            }
        });
        let _listener = listener.join().unwrap().unwrap();
        let error = Connection::open(run.path(), Service::Control).await.unwrap_err();
        assert!(
            matches!(&error, IpcError::Connect { source, .. }
            if source.kind() == io::ErrorKind::PermissionDenied),
            "{error}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_asks_nothing_or_reads_nothing_is_left() {
        let run = tempfile::tempdir().unwrap();
        let listener = Listener::bind(run.path(), Service::Net).unwrap();
        let (server, _client) = tokio::join!(listener.accept(), Connection::open(run.path(), Service::Net));
        let mut server = server.unwrap();
        assert!(server.next_request::<Request>().await.unwrap().is_none());
        let much = vec![0_u8; 1 << 20];
        let mut answers = 0;
        while server.answer(&much).await.is_ok() {
            answers += 1;
            assert!(answers < 100);
        }
    }

    #[tokio::test]
    async fn a_socket_left_behind_is_replaced() {
        let run = tempfile::tempdir().unwrap();
        drop(Listener::bind(run.path(), Service::Net).unwrap());
        let listener = Listener::bind(run.path(), Service::Net).unwrap();
        let (accepted, opened) = tokio::join!(listener.accept(), Connection::open(run.path(), Service::Net));
        accepted.unwrap();
        opened.unwrap();
    }

    #[tokio::test]
    async fn an_absent_service_is_named() {
        let run = tempfile::tempdir().unwrap();
        let error = call::<_, HealthReport>(run.path(), Service::Checks, &Request::Get).await.unwrap_err();
        assert!(error.to_string().contains("checks cannot be reached"), "{error}");
    }
}
