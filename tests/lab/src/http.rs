//! As much HTTP/1.1 as a test needs, over any stream: one exchange after the other, bodies whole in memory.

use std::io::{self, BufRead, BufReader, Read, Write};

use anyhow::{Context, Result, bail, ensure};

/// Longest head that is read, in bytes.
const MAX_HEAD: usize = 64 << 10;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Such as `GET`.
    pub method: String,
    /// Such as `/api/v1/status`.
    pub target: String,
    /// Names and values as they stand; `Content-Length` is added when it is written.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Such as 200.
    pub status: u16,
    /// Names and values as they stand.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without body for `host`.
    #[must_use]
    pub fn new(method: &str, host: &str, target: &str) -> Self {
        let headers = vec![("Host".into(), host.into())];
        Self { method: method.into(), target: target.into(), headers, body: Vec::new() }
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same with a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

impl Response {
    /// An answer with a body of text.
    #[must_use]
    pub fn text(status: u16, body: &str) -> Self {
        let headers = vec![("Content-Type".into(), "text/plain; charset=utf-8".into())];
        Self { status, headers, body: body.into() }
    }

    /// The value of a header, whatever the case of its name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The body as text; what is not UTF-8 is replaced.
    #[must_use]
    pub fn words(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One end of a connection.
#[derive(Debug)]
pub struct Connection<S> {
    reader: BufReader<S>,
}

impl<S: Read + Write> Connection<S> {
    /// Speaks HTTP on `stream`.
    pub fn new(stream: S) -> Self {
        Self { reader: BufReader::new(stream) }
    }

    /// The stream below.
    pub fn stream(&mut self) -> &mut S {
        self.reader.get_mut()
    }

    /// The stream below, for what is not HTTP. Bytes that came behind the last answer are lost.
    pub fn into_inner(self) -> S {
        self.reader.into_inner()
    }

    /// Sends a request and reads the answer.
    ///
    /// # Errors
    /// When the connection fails or the answer is not HTTP/1.
    pub fn exchange(&mut self, request: &Request) -> Result<Response> {
        self.send(request).context("sending the request")?;
        self.receive(&request.method)
    }

    /// Sends a request.
    ///
    /// # Errors
    /// What the stream says.
    pub fn send(&mut self, request: &Request) -> io::Result<()> {
        let mut bytes = format!("{} {} HTTP/1.1\r\n", request.method, request.target).into_bytes();
        let length = !request.body.is_empty() || matches!(&*request.method, "POST" | "PUT");
        write_rest(&mut bytes, &request.headers, length, &request.body);
        self.stream().write_all(&bytes)?;
        self.stream().flush()
    }

    /// Reads the answer to a request with this method.
    ///
    /// # Errors
    /// When the connection fails or the answer is not HTTP/1.
    pub fn receive(&mut self, method: &str) -> Result<Response> {
        let head = self.read_head()?.context("the connection was closed without an answer")?;
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Response::new(&mut fields);
        ensure!(parsed.parse(&head)?.is_complete(), "an answer head that is not complete");
        let status = parsed.code.context("an answer without status")?;
        let headers = owned(parsed.headers);
        let bodiless = method == "HEAD" || matches!(status, 100..=199 | 204 | 304);
        let body = if bodiless { Vec::new() } else { self.read_body(&headers, true)? };
        Ok(Response { status, headers, body })
    }

    /// Reads a request; `None` when the client has closed the connection in order.
    ///
    /// # Errors
    /// When the connection fails or the request is not HTTP/1.
    pub fn read_request(&mut self) -> Result<Option<Request>> {
        let Some(head) = self.read_head()? else { return Ok(None) };
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Request::new(&mut fields);
        ensure!(parsed.parse(&head)?.is_complete(), "a request head that is not complete");
        let method = parsed.method.context("a request without method")?.to_owned();
        let target = parsed.path.context("a request without target")?.to_owned();
        let headers = owned(parsed.headers);
        let body = self.read_body(&headers, false)?;
        Ok(Some(Request { method, target, headers, body }))
    }

    /// Answers a request with this method.
    ///
    /// # Errors
    /// What the stream says.
    pub fn answer(&mut self, method: &str, response: &Response) -> io::Result<()> {
        let mut bytes = format!("HTTP/1.1 {} Lab\r\n", response.status).into_bytes();
        let body: &[u8] = if method == "HEAD" { &[] } else { &response.body };
        write_rest(&mut bytes, &response.headers, method != "HEAD", body);
        self.stream().write_all(&bytes)?;
        self.stream().flush()
    }

    fn read_head(&mut self) -> Result<Option<Vec<u8>>> {
        let mut head = Vec::new();
        loop {
            let before = head.len();
            let count = self.reader.read_until(b'\n', &mut head)?;
            if count == 0 && before == 0 {
                return Ok(None);
            }
            ensure!(count > 0, "the connection ended within a head");
            ensure!(head.len() <= MAX_HEAD, "a head of more than {MAX_HEAD} bytes");
            if matches!(&head[before..], b"\r\n" | b"\n") && before > 0 {
                return Ok(Some(head));
            }
        }
    }

    fn read_body(&mut self, headers: &[(String, String)], until_close: bool) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        if find(headers, "transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            self.read_chunks(&mut body)?;
        } else if let Some(length) = find(headers, "content-length") {
            let length: u64 = length.trim().parse().context("Content-Length")?;
            let count = (&mut self.reader).take(length).read_to_end(&mut body)?;
            ensure!(count as u64 == length, "a body of {count} bytes where {length} were announced");
        } else if until_close {
            self.reader.read_to_end(&mut body)?;
        }
        Ok(body)
    }

    fn read_chunks(&mut self, body: &mut Vec<u8>) -> Result<()> {
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line)?;
            let digits = line.trim().split(';').next().unwrap_or_default();
            let length = u64::from_str_radix(digits, 16).with_context(|| format!("chunk size {line:?}"))?;
            let count = (&mut self.reader).take(length).read_to_end(body)?;
            ensure!(count as u64 == length, "a chunk that ends too early");
            let mut end = String::new();
            // After the last chunk: trailers, which no test needs, and an empty line.
            while self.reader.read_line(&mut end)? > 2 && length == 0 {
                end.clear();
            }
            if length == 0 {
                return Ok(());
            }
            if !end.ends_with('\n') {
                bail!("a chunk without an end");
            }
        }
    }
}

fn write_rest(bytes: &mut Vec<u8>, headers: &[(String, String)], length: bool, body: &[u8]) {
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    if length {
        bytes.extend_from_slice(format!("Content-Length: {}\r\n", body.len()).as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
}

fn owned(fields: &[httparse::Header<'_>]) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    fields.iter().map(|field| (field.name.to_owned(), text(field.value))).collect()
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream that reads from one buffer and writes to another.
    struct Tape(io::Cursor<Vec<u8>>, Vec<u8>);

    impl Read for Tape {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for Tape {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            self.1.write(data)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn hear(bytes: &[u8]) -> Connection<Tape> {
        Connection::new(Tape(io::Cursor::new(bytes.to_vec()), Vec::new()))
    }

    #[test]
    fn reads_bodies_of_each_kind_one_after_the_other() {
        let mut connection = hear(
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nabHTTP/1.1 204 No\r\n\r\n\
              HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n\
              HTTP/1.0 503 Busy\r\n\r\nto the end",
        );
        let mut bodies = Vec::new();
        for _ in 0..4 {
            bodies.push(connection.receive("GET").unwrap().words());
        }
        assert_eq!(bodies, ["ab", "", "abcde", "to the end"]);
        assert!(connection.receive("GET").is_err());
    }

    #[test]
    fn a_request_is_read_as_it_was_written() {
        let request = Request::new("POST", "x", "/a?b").header("X-A", "1").body("hello");
        let mut connection = hear(b"");
        connection.send(&request).unwrap();
        let written = connection.stream().1.clone();
        let read = hear(&written).read_request().unwrap().unwrap();
        assert_eq!((read.method, read.target, read.body), ("POST".into(), "/a?b".into(), b"hello".to_vec()));
        assert_eq!(find(&read.headers, "x-a"), Some("1"));
        assert_eq!(hear(b"").read_request().unwrap(), None);
    }

    #[test]
    fn what_ends_too_early_is_an_error() {
        for bytes in
            [&b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab"[..], b"HTTP/1.1 200 OK\r\nA", b"x\r\n\r\n"]
        {
            assert!(hear(bytes).receive("GET").is_err());
        }
    }
}
