//! Requests: read from a client, checked, and written anew for a server.

use crate::field::{
    Connection, HeadLimits, MOST_FIELDS, Meaning, Room, content_length, has_bare_line_feed, put, put_number,
    tokens,
};
use crate::{BodyReader, Refusal};
use bytes::BytesMut;
use core::fmt::Write as _;
use core::mem::MaybeUninit;
use core::net::{IpAddr, SocketAddr};
use httparse::Header;

/// Minor version of HTTP/1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

impl Version {
    pub(crate) const fn of(minor: Option<u8>) -> Self {
        if matches!(minor, Some(1)) { Self::Http11 } else { Self::Http10 }
    }
}

/// A request head that has one reading only.
#[derive(Debug)]
pub struct Request<'b> {
    /// As sent; methods are case-sensitive.
    pub method: &'b str,
    /// What the client speaks.
    pub version: Version,
    /// How the body that follows is read.
    pub body: BodyReader,
    /// The client may send another request after this one.
    pub keep_alive: bool,
    /// The client waits for `100 Continue` before it sends the body (RFC 9110 §10.1.1).
    pub expects_continue: bool,
    /// The protocol that the client asks to switch to (RFC 9110 §7.8), such as `websocket`.
    pub upgrade: Option<&'b [u8]>,
    target: Target<'b>,
    host: Option<&'b str>,
    fields: &'b [Header<'b>],
    connection: Connection<'b>,
}

/// The target in origin form: a fixed beginning, then what was sent.
#[derive(Debug)]
struct Target<'b>(&'static str, &'b str);

/// What is told to the server besides what the client said.
#[derive(Clone, Copy, Debug)]
pub struct Outbound {
    /// Appended to `X-Forwarded-For`; absent: that field passes as it came.
    pub forwarded_for: Option<IpAddr>,
    /// `Host` for a client of HTTP/1.0 that sent none.
    pub own_address: SocketAddr,
}

/// Reads one request head at the start of `buffer` and hands it to `accept`. Gives what that returned and the
/// head's length in bytes; `None` while the head is not complete.
///
/// # Errors
/// The rule that the request breaks.
pub fn read_request<R>(
    buffer: &[u8],
    limits: HeadLimits,
    accept: impl FnOnce(&Request<'_>) -> R,
) -> Result<Option<(R, usize)>, Refusal> {
    let mut room: Room<'_> = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let room = room.get_mut(..limits.fields.min(MOST_FIELDS)).unwrap_or_default();
    let mut parsed = httparse::Request::new(&mut []);
    let within = buffer.get(..limits.bytes).unwrap_or(buffer);
    let outcome =
        httparse::ParserConfig::default().parse_request_with_uninit_headers(&mut parsed, within, room);
    let length = match outcome {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if buffer.len() < limits.bytes => return Ok(None),
        Ok(httparse::Status::Partial) => {
            let line = within.trim_ascii_start().contains(&b'\n');
            return Err(if line { Refusal::TooLong } else { Refusal::TargetTooLong });
        }
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::TooManyFields),
        Err(httparse::Error::Version) => return Err(version_refusal(within)),
        Err(_) => return Err(Refusal::Syntax),
    };
    if has_bare_line_feed(within.get(..length).unwrap_or(within)) {
        return Err(Refusal::BareLineFeed);
    }
    let method = parsed.method.ok_or(Refusal::Syntax)?;
    let target = parsed.path.ok_or(Refusal::Syntax)?;
    let request = check(method, target, Version::of(parsed.version), parsed.headers)?;
    Ok(Some((accept(&request), length)))
}

/// `HTTP/2.0` is a version that we do not speak; `HTP/1.1` is nothing at all.
fn version_refusal(buffer: &[u8]) -> Refusal {
    let line = buffer.trim_ascii_start().split(|&byte| byte == b'\n').next().unwrap_or_default();
    let version = line.rsplit(|&byte| byte == b' ').next().unwrap_or_default().trim_ascii_end();
    match version {
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Refusal::Version
        }
        _ => Refusal::Syntax,
    }
}

fn check<'b>(
    method: &'b str,
    target: &'b str,
    version: Version,
    fields: &'b [Header<'b>],
) -> Result<Request<'b>, Refusal> {
    if method == "CONNECT" {
        return Err(Refusal::Connect);
    }
    let (target, authority) = read_target(method, target)?;
    let mut connection = Connection::default();
    let mut host = None;
    let mut length = None;
    let mut coding = Coding::default();
    let mut expects_continue = false;
    let mut upgrade = None;
    for field in fields {
        match Meaning::of(field.name) {
            Meaning::Host => {
                let value = core::str::from_utf8(field.value).map_err(|_| Refusal::Host)?;
                if host.replace(value).is_some() || !is_host(value) {
                    return Err(Refusal::Host);
                }
            }
            Meaning::ContentLength => {
                let value = content_length(field.value).ok_or(Refusal::ContentLength)?;
                if length.replace(value).is_some() {
                    return Err(Refusal::ContentLength);
                }
            }
            Meaning::TransferEncoding => coding.read(field.value),
            Meaning::Connection => connection.read(field.value).map_err(|_| Refusal::TooManyNamed)?,
            Meaning::Upgrade if upgrade.is_none() => upgrade = Some(field.value),
            Meaning::Upgrade => return Err(Refusal::Syntax),
            // HTTP/1.0 knows no Expect (RFC 9110 §10.1.1).
            Meaning::Expect if version == Version::Http10 => {}
            Meaning::Expect if field.value.eq_ignore_ascii_case(b"100-continue") => expects_continue = true,
            Meaning::Expect => return Err(Refusal::Expectation),
            Meaning::Date | Meaning::ForwardedFor | Meaning::Hop | Meaning::Other => {}
        }
    }
    let host = match (host, authority) {
        (None, _) if version == Version::Http11 => return Err(Refusal::Host),
        (Some(host), Some(authority)) if !same_host(host, authority) => return Err(Refusal::HostMismatch),
        (host, authority) => host.or(authority),
    };
    let body = coding.body(length, version)?;
    let keep_alive = !connection.close && (version == Version::Http11 || connection.keep_alive);
    let may_upgrade = version == Version::Http11
        && connection.upgrade
        && matches!(body, BodyReader::Done | BodyReader::Length(0));
    let upgrade = upgrade.filter(|protocol| may_upgrade && is_tunnelled(protocol));
    // An empty body needs no permission to be sent.
    let expects_continue = expects_continue && !matches!(body, BodyReader::Done | BodyReader::Length(0));
    Ok(Request {
        method,
        version,
        body,
        keep_alive,
        expects_continue,
        upgrade,
        target,
        host,
        fields,
        connection,
    })
}

/// What `Transfer-Encoding` fields say.
#[derive(Default)]
struct Coding {
    present: bool,
    chunked: usize,
    others: usize,
    chunked_last: bool,
}

impl Coding {
    fn read(&mut self, value: &[u8]) {
        self.present = true;
        for token in tokens(value) {
            self.chunked_last = token.eq_ignore_ascii_case(b"chunked");
            if self.chunked_last { self.chunked += 1 } else { self.others += 1 }
        }
    }

    fn body(&self, length: Option<u64>, version: Version) -> Result<BodyReader, Refusal> {
        match (self.present, length) {
            (false, None) => Ok(BodyReader::Done),
            (false, Some(length)) => Ok(BodyReader::Length(length)),
            (true, Some(_)) => Err(Refusal::TwoLengths),
            (true, None) if version == Version::Http10 || self.chunked != 1 || !self.chunked_last => {
                Err(Refusal::TransferEncoding)
            }
            (true, None) if self.others > 0 => Err(Refusal::UnknownCoding),
            (true, None) => Ok(BodyReader::chunked()),
        }
    }
}

/// RFC 9112 §3.2: origin form, absolute form, or `*` for OPTIONS. Gives the origin form and the authority.
fn read_target<'b>(method: &str, target: &'b str) -> Result<(Target<'b>, Option<&'b str>), Refusal> {
    if !target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return Err(Refusal::Target);
    }
    if target.starts_with('/') {
        return Ok((Target("", target), None));
    }
    if target == "*" && method == "OPTIONS" {
        return Ok((Target("", target), None));
    }
    let (scheme, rest) = target.split_once("://").ok_or(Refusal::Target)?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(Refusal::Target);
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).ok_or(Refusal::Target)?;
    if authority.is_empty() || !is_host(authority) {
        return Err(Refusal::Target);
    }
    let target = match (path.is_empty(), path.starts_with('/')) {
        (true, _) if method == "OPTIONS" => Target("*", ""),
        (_, true) => Target("", path),
        (_, false) => Target("/", path),
    };
    Ok((target, Some(authority)))
}

/// `uri-host [":" port]` (RFC 9110 §7.2). Empty is allowed; user names and lists are not.
fn is_host(value: &str) -> bool {
    let (host, port) = match value.strip_prefix('[') {
        Some(literal) => {
            let Some((address, rest)) = literal.split_once(']') else { return false };
            if address.is_empty() || !address.bytes().all(|b| b.is_ascii_hexdigit() || b":.".contains(&b)) {
                return false;
            }
            ("", rest.strip_prefix(':').or(rest.is_empty().then_some("")))
        }
        None => match value.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (value, Some("")),
        },
    };
    let name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=%".contains(&byte);
    host.bytes().all(name) && port.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

fn same_host(one: &str, other: &str) -> bool {
    let bare = |host: &'_ str| host.strip_suffix(":80").or(host.strip_suffix(':')).unwrap_or(host).to_owned();
    bare(one).eq_ignore_ascii_case(&bare(other))
}

/// Whether a switch to this protocol is passed on. HTTP itself is not: a server that took `h2c` would see
/// requests that nobody here has read.
fn is_tunnelled(protocol: &[u8]) -> bool {
    let starts =
        |known: &[u8]| protocol.get(..known.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(known));
    !protocol.is_empty()
        && !protocol.contains(&b',')
        && !starts(b"h2")
        && !starts(b"http/")
        && !starts(b"tls/")
}

impl Request<'_> {
    /// Whether repeating it does the same as sending it once (RFC 9110 §9.2.2). Names are as registered.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        matches!(self.method, "GET" | "HEAD" | "OPTIONS" | "PUT" | "DELETE" | "TRACE")
    }

    /// Writes the head for a server: the target in origin form, HTTP/1.1, framing and connection anew, fields of
    /// this connection left out (RFC 9110 §7.6.1).
    pub fn write(&self, out: &mut BytesMut, add: Outbound) {
        out.reserve(256);
        for part in [self.method, " ", self.target.0, self.target.1, " HTTP/1.1\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        match self.host {
            Some(host) => put(out, b"Host", host.as_bytes()),
            // Writing to memory cannot fail.
            None => _ = write!(out, "Host: {}\r\n", add.own_address),
        }
        for field in self.fields {
            match Meaning::of(field.name) {
                Meaning::Other | Meaning::Date => {}
                Meaning::ForwardedFor if add.forwarded_for.is_none() => {}
                _ => continue,
            }
            if !self.connection.names(field.name) {
                put(out, field.name.as_bytes(), field.value);
            }
        }
        if let Some(client) = add.forwarded_for {
            self.write_forwarded_for(out, client);
        }
        match self.body {
            BodyReader::Length(length) => {
                out.extend_from_slice(b"Content-Length: ");
                put_number(out, length);
                out.extend_from_slice(b"\r\n");
            }
            BodyReader::Chunked(_) => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
            BodyReader::Done | BodyReader::UntilClose => {}
        }
        if self.expects_continue {
            out.extend_from_slice(b"Expect: 100-continue\r\n");
        }
        if let Some(protocol) = self.upgrade {
            put(out, b"Connection", b"Upgrade");
            put(out, b"Upgrade", protocol);
        }
        out.extend_from_slice(b"\r\n");
    }

    /// One field: what came, then the client.
    fn write_forwarded_for(&self, out: &mut BytesMut, client: IpAddr) {
        out.extend_from_slice(b"X-Forwarded-For: ");
        for field in self.fields {
            if Meaning::of(field.name) == Meaning::ForwardedFor
                && !field.value.is_empty()
                && !self.connection.names(field.name)
            {
                out.extend_from_slice(field.value);
                out.extend_from_slice(b", ");
            }
        }
        let _ = write!(out, "{client}\r\n");
    }
}

#[cfg(test)]
mod tests;
