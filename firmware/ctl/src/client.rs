//! Requests to the unit: TLS to the pinned certificate, one connection each.

use crate::arguments::{Fingerprint, Order, Password, Unit};
use crate::fault::Fault;
use crate::pin::Pin;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use evener_api::problem::Problem;
use evener_api::update::Candidate;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::Frame;
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// For TCP and TLS.
const CONNECT_WITHIN: Duration = Duration::from_secs(15);
/// For the answer to a question.
const ANSWER_WITHIN: Duration = Duration::from_secs(45);
/// For a whole firmware file, its verification included; the unit gives up earlier.
const FILE_WITHIN: Duration = Duration::from_secs(3 * 60 * 60);
/// Most bytes of an answer.
const ANSWER_BYTES: usize = 4 << 20;
/// Bytes read of the file at a time.
const READ_BYTES: usize = 64 << 10;

type Sent = UnsyncBoxBody<Bytes, io::Error>;

/// What a change of the slots answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Next {
    /// The slot that the next boot starts.
    pub(crate) next: char,
}

/// What an installation answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Installed {
    pub(crate) installed: Candidate,
}

/// One unit, and the right to ask it.
#[derive(Debug)]
pub(crate) struct Client {
    unit: Unit,
    fingerprint: Fingerprint,
    authorization: String,
}

impl Client {
    /// Finds fingerprint and password; nothing of the latter is read before the former is there.
    ///
    /// # Errors
    /// Without a fingerprint always: [`Fault::Unpinned`] with the one that the unit shows.
    pub(crate) async fn new(order: &Order) -> Result<Self, Fault> {
        let unit = order.unit.clone();
        let Some(fingerprint) = order.fingerprint else {
            return match connect(&unit, None).await {
                Ok(_) => Err(Fault::Unintelligible(unit.to_string())),
                Err(fault) => Err(fault),
            };
        };
        let password = password(&order.password)?;
        let authorization = format!("Basic {}", STANDARD.encode(format!("{}:{password}", order.user)));
        Ok(Self { unit, fingerprint, authorization })
    }

    /// The object at `path`.
    ///
    /// # Errors
    /// When it does not come.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Fault> {
        let answer = self.exchange(Method::GET, path, None, empty(), ANSWER_WITHIN).await?;
        self.understood(&answer)
    }

    /// What a step without parameters answers.
    ///
    /// # Errors
    /// When it is refused, or no answer comes.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str) -> Result<T, Fault> {
        let answer = self.exchange(Method::POST, path, Some(0), empty(), ANSWER_WITHIN).await?;
        self.understood(&answer)
    }

    /// As [`post`](Self::post), for a step whose answer is empty.
    ///
    /// # Errors
    /// When it is refused, or no answer comes.
    pub(crate) async fn post_empty(&self, path: &str) -> Result<(), Fault> {
        self.exchange(Method::POST, path, Some(0), empty(), ANSWER_WITHIN).await.map(|_| ())
    }

    /// What the unit says to these bytes.
    ///
    /// # Errors
    /// When they are refused, or no answer comes.
    pub(crate) async fn post_bytes<T: DeserializeOwned>(
        &self,
        path: &str,
        bytes: Vec<u8>,
    ) -> Result<T, Fault> {
        let size = bytes.len() as u64;
        let body = Full::new(Bytes::from(bytes)).map_err(|never| match never {}).boxed_unsync();
        let answer = self.exchange(Method::POST, path, Some(size), body, ANSWER_WITHIN).await?;
        self.understood(&answer)
    }

    /// Sends a file of this size, read as it goes; `sent` counts the bytes that were taken from it.
    ///
    /// # Errors
    /// When it is refused, or no answer comes.
    pub(crate) async fn put_file(
        &self,
        path: &str,
        file: File,
        size: u64,
        sent: Arc<AtomicU64>,
    ) -> Result<Installed, Fault> {
        let frames = stream::unfold((file, sent), |(mut file, sent)| async move {
            let mut bytes = vec![0; READ_BYTES];
            match file.read(&mut bytes) {
                Ok(0) => None,
                Ok(count) => {
                    bytes.truncate(count);
                    sent.fetch_add(count as u64, Ordering::Relaxed);
                    Some((Ok(Frame::data(Bytes::from(bytes))), (file, sent)))
                }
                Err(error) => Some((Err(error), (file, sent))),
            }
        });
        let body = BodyExt::boxed_unsync(StreamBody::new(frames));
        let answer = self.exchange(Method::PUT, path, Some(size), body, FILE_WITHIN).await?;
        self.understood(&answer)
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        size: Option<u64>,
        body: Sent,
        within: Duration,
    ) -> Result<Bytes, Fault> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.unit.to_string())
            .header(AUTHORIZATION, &self.authorization)
            .header(CONNECTION, "close");
        let request = match size {
            Some(size) => {
                request.header(CONTENT_LENGTH, size).header(CONTENT_TYPE, "application/octet-stream")
            }
            None => request,
        };
        let request = request.body(body).map_err(|error| self.silent(error.to_string()))?;
        let stream = connect(&self.unit, Some(self.fingerprint)).await?;
        let answer = tokio::time::timeout(within, self.ask(stream, request));
        let (status, answer) = answer.await.map_err(|_| self.silent(format!("not within {within:?}")))??;
        if status.is_success() {
            return Ok(answer);
        }
        match serde_json::from_slice::<Problem>(&answer) {
            Ok(problem) => Err(Fault::Refused(Box::new(problem))),
            Err(_) => Err(Fault::Unintelligible(format!("{} answered {status}", self.unit))),
        }
    }

    async fn ask(
        &self,
        stream: TlsStream<TcpStream>,
        request: Request<Sent>,
    ) -> Result<(StatusCode, Bytes), Fault> {
        let silent = |error: hyper::Error| self.silent(chain(&error));
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(silent)?;
        // How it ends is told by the answer, or by its absence.
        let connection = tokio::spawn(connection);
        let response: Response<_> = sender.send_request(request).await.map_err(silent)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
        connection.abort();
        let body = body.map_err(|error| self.silent(error.to_string()))?;
        Ok((status, body.to_bytes()))
    }

    fn understood<T: DeserializeOwned>(&self, answer: &[u8]) -> Result<T, Fault> {
        serde_json::from_slice(answer)
            .map_err(|error| Fault::Unintelligible(format!("{}: {error}", self.unit)))
    }

    fn silent(&self, reason: String) -> Fault {
        Fault::Silent { unit: self.unit.clone(), reason }
    }
}

/// TCP and TLS to the unit.
async fn connect(unit: &Unit, expected: Option<Fingerprint>) -> Result<TlsStream<TcpStream>, Fault> {
    let unreachable = |source| Fault::Unreachable { unit: unit.clone(), source };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let pin = Arc::new(Pin::new(expected, Arc::clone(&provider)));
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| unreachable(io::Error::other(error)))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&pin) as _)
        .with_no_client_auth();
    let name =
        ServerName::try_from(unit.host.clone()).map_err(|error| unreachable(io::Error::other(error)))?;
    let shake = async {
        let stream = TcpStream::connect((unit.host.as_str(), unit.port)).await?;
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    };
    let late = || Err(io::Error::from(io::ErrorKind::TimedOut));
    match tokio::time::timeout(CONNECT_WITHIN, shake).await.unwrap_or_else(|_| late()) {
        Ok(stream) => Ok(stream),
        Err(source) => Err(match pin.seen() {
            Some(seen) if expected.is_none() => Fault::Unpinned { unit: unit.clone(), seen },
            Some(seen) if expected != Some(seen) => Fault::OtherCertificate { unit: unit.clone(), seen },
            _ => unreachable(source),
        }),
    }
}

/// An error with its causes: hyper's own words are few.
fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}

fn empty() -> Sent {
    Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync()
}

fn password(password: &Password) -> Result<String, Fault> {
    match password {
        Password::Given(password) => Ok(password.clone()),
        Password::Missing => Err(Fault::NoPassword),
        Password::File(path) => {
            let text =
                std::fs::read_to_string(path).map_err(|source| Fault::File { path: path.clone(), source })?;
            text.lines().next().filter(|line| !line.is_empty()).map(String::from).ok_or(Fault::NoPassword)
        }
    }
}
