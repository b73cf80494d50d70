//! `/api/v1` as a program uses it.

use std::fmt;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use evener_lab::http::{Request, Response};
use evener_lab::{Host, https};
use serde_json::Value;

/// TCP port of pages and API.
const PORT: u16 = 8443;
/// How long one answer may take; the unit may be busy booting.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Bytes that [`Api::upload`] sends at a time.
const PIECE: usize = 64 << 10;

trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}
type Dial = Box<dyn Fn() -> Result<Box<dyn Wire>> + Send + Sync>;

/// A client of the API. Each call is a connection of its own.
pub struct Api {
    dial: Dial,
    server: IpAddr,
    authorization: String,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Api({})", self.server)
    }
}

/// What the API answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status, such as 201.
    pub status: u16,
    /// The whole answer.
    pub response: Response,
    /// The body; null when there is none.
    pub json: Value,
}

impl Api {
    /// A client on a host of the lab.
    #[must_use]
    pub fn over_lab(host: Arc<Host>, unit: Ipv4Addr, password: &str) -> Self {
        let dial = move || -> Result<Box<dyn Wire>> {
            let mut stream = host.connect(SocketAddrV4::new(unit, PORT))?;
            stream.set_limit(ANSWER_WITHIN);
            Ok(Box::new(stream))
        };
        Self::new(Box::new(dial), unit.into(), password)
    }

    /// A client on this machine, through a forwarded port.
    #[must_use]
    pub fn over_system(address: SocketAddr, password: &str) -> Self {
        let dial = move || -> Result<Box<dyn Wire>> {
            let stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN)?;
            stream.set_read_timeout(Some(ANSWER_WITHIN))?;
            Ok(Box::new(stream))
        };
        Self::new(Box::new(dial), address.ip(), password)
    }

    fn new(dial: Dial, server: IpAddr, password: &str) -> Self {
        let authorization = format!("Basic {}", STANDARD.encode(format!("bal:{password}")));
        Self { dial, server, authorization }
    }

    /// One call, whatever its outcome.
    ///
    /// # Errors
    /// When there is no answer, or its body is not JSON.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
        self.call_with(method, path, body.map(Value::to_string))
    }

    /// As [`Api::call`], with a body that need not be JSON although it is said to be.
    ///
    /// # Errors
    /// As [`Api::call`].
    pub fn call_with(&self, method: &str, path: &str, body: Option<String>) -> Result<Answer> {
        let mut request = Request::new(method, &self.server.to_string(), path)
            .header("Authorization", &self.authorization)
            .header("Connection", "close");
        if let Some(body) = body {
            request = request.header("Content-Type", "application/json").body(body);
        }
        let response = self.send(&request).with_context(|| format!("{method} {path}"))?;
        let json = match response.body.as_slice() {
            [] => Value::Null,
            bytes => serde_json::from_slice(bytes).with_context(|| format!("{method} {path}: not JSON"))?,
        };
        Ok(Answer { status: response.status, response, json })
    }

    /// Sends any request to the unit's pages or API.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn send(&self, request: &Request) -> Result<Response> {
        https::connect((self.dial)()?, self.server)?.exchange(request)
    }

    /// Sends a file in pieces; `sent` is told how many of its bytes are on their way before each.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn upload(&self, path: &str, file: &[u8], mut sent: impl FnMut(usize)) -> Result<Answer> {
        let mut connection = https::connect((self.dial)()?, self.server)?;
        let (server, authorization, length) = (self.server, &self.authorization, file.len());
        let head = format!(
            "PUT {path} HTTP/1.1\r\nHost: {server}\r\nAuthorization: {authorization}\r\n\
             Content-Type: application/octet-stream\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        let stream = connection.stream();
        let mut written = stream.write_all(head.as_bytes());
        for (index, piece) in file.chunks(PIECE).enumerate() {
            // A unit that refuses answers before it has read everything: the answer says more than the error.
            if written.is_err() {
                break;
            }
            sent(index * PIECE);
            written = stream.write_all(piece).and_then(|()| stream.flush());
        }
        sent(length);
        let answer = connection.receive("PUT").with_context(|| format!("PUT {path}: {written:?}"))?;
        let json = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        Ok(Answer { status: answer.status, response: answer, json })
    }

    /// The object at `path`.
    ///
    /// # Errors
    /// When the answer is not 200.
    pub fn get(&self, path: &str) -> Result<Value> {
        let answer = self.call("GET", path, None)?;
        ensure!(answer.status == 200, "GET {path}: {} {}", answer.status, answer.json);
        Ok(answer.json)
    }

    /// Adds an object below `path`.
    ///
    /// # Errors
    /// When the answer is not 201.
    pub fn add(&self, path: &str, object: &Value) -> Result<Value> {
        let answer = self.call("POST", path, Some(object))?;
        ensure!(answer.status == 201, "POST {path}: {} {}", answer.status, answer.json);
        Ok(answer.json)
    }

    /// Waits until the unit's pages are served: they start after the services that clients use.
    ///
    /// # Errors
    /// When they are not within `limit`.
    pub fn wait_until_served(&self, limit: Duration) -> Result<Value> {
        self.wait_for("/api/v1/status", limit, |_| true)
    }

    /// Asks for `path` again and again until `good` holds; gives back what it was.
    ///
    /// # Errors
    /// When it does not within `limit`.
    pub fn wait_for(&self, path: &str, limit: Duration, good: impl Fn(&Value) -> bool) -> Result<Value> {
        let deadline = Instant::now() + limit;
        loop {
            let last = self.get(path);
            match last {
                Ok(value) if good(&value) => return Ok(value),
                last if Instant::now() > deadline => bail!("waited {limit:?} for {path}; last: {last:?}"),
                // The unit has nothing to wake us with; asking ten times a second is what programs do.
                _ => std::thread::sleep(Duration::from_millis(100)),
            }
        }
    }
}
