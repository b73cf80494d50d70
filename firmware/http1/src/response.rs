//! Responses: read from a server, checked, and written anew for a client.

use crate::field::{
    Connection, HeadLimits, MOST_FIELDS, Meaning, Room, content_length, has_bare_line_feed, put, tokens,
};
use crate::{BodyReader, Version, Wire};
use bytes::BytesMut;
use core::fmt::Write as _;
use core::mem::MaybeUninit;
use httparse::Header;

/// A response head from a server.
#[derive(Debug)]
pub struct Response<'b> {
    /// 100 to 999.
    pub status: u16,
    /// How the body that follows is read.
    pub body: BodyReader,
    /// The server takes another request on this connection.
    pub keep_alive: bool,
    length: Option<u64>,
    reason: &'b str,
    upgrade: Option<&'b [u8]>,
    fields: &'b [Header<'b>],
    connection: Connection<'b>,
}

/// Why a response cannot be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponseFault {
    /// Not an HTTP/1 status line and fields.
    #[error("the server's answer is not HTTP/1")]
    Syntax,
    /// A line that ends in LF without CR.
    #[error("a line of the server's answer does not end in CR LF")]
    BareLineFeed,
    /// Its body could be read in two ways.
    #[error("the server's answer has an unclear length")]
    Framing,
    /// Over the limits for a head.
    #[error("the head of the server's answer is too large")]
    TooLarge,
}

/// The client's side of a response.
#[derive(Clone, Copy, Debug)]
pub struct Toward<'d> {
    /// What the client speaks.
    pub version: Version,
    /// The client's connection stays open, if the framing allows.
    pub keep_alive: bool,
    /// For a server that sent no `Date` (RFC 9110 §6.6.1).
    pub date: &'d str,
}

/// Reads one response head at the start of `buffer` and hands it to `accept`. Gives what that returned and the
/// head's length in bytes; `None` while the head is not complete. `to_head`: the request was a HEAD.
///
/// # Errors
/// See [`ResponseFault`].
pub fn read_response<R>(
    buffer: &[u8],
    limits: HeadLimits,
    to_head: bool,
    accept: impl FnOnce(&Response<'_>) -> R,
) -> Result<Option<(R, usize)>, ResponseFault> {
    let mut room: Room<'_> = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let room = room.get_mut(..limits.fields.min(MOST_FIELDS)).unwrap_or_default();
    let mut parsed = httparse::Response::new(&mut []);
    let within = buffer.get(..limits.bytes).unwrap_or(buffer);
    let outcome =
        httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, within, room);
    let length = match outcome {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if buffer.len() < limits.bytes => return Ok(None),
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            return Err(ResponseFault::TooLarge);
        }
        Err(_) => return Err(ResponseFault::Syntax),
    };
    if has_bare_line_feed(within.get(..length).unwrap_or(within)) {
        return Err(ResponseFault::BareLineFeed);
    }
    let status = parsed.code.filter(|code| (100..=999).contains(code)).ok_or(ResponseFault::Syntax)?;
    let response = check(
        status,
        parsed.reason.unwrap_or_default(),
        Version::of(parsed.version),
        parsed.headers,
        to_head,
    )?;
    Ok(Some((accept(&response), length)))
}

fn check<'b>(
    status: u16,
    reason: &'b str,
    version: Version,
    fields: &'b [Header<'b>],
    to_head: bool,
) -> Result<Response<'b>, ResponseFault> {
    let mut connection = Connection::default();
    let mut length = None;
    let mut coding = None;
    let mut upgrade = None;
    for field in fields {
        match Meaning::of(field.name) {
            Meaning::ContentLength => {
                let value = content_length(field.value).ok_or(ResponseFault::Framing)?;
                // Twice the same is what some servers send, and has one reading only.
                if length.replace(value).is_some_and(|before| before != value) {
                    return Err(ResponseFault::Framing);
                }
            }
            Meaning::TransferEncoding => {
                let chunked = tokens(field.value).all(|token| token.eq_ignore_ascii_case(b"chunked"))
                    && tokens(field.value).count() == 1;
                if !chunked || coding.replace(()).is_some() {
                    return Err(ResponseFault::Framing);
                }
            }
            Meaning::Connection => connection.read(field.value).map_err(|_| ResponseFault::TooLarge)?,
            Meaning::Upgrade => upgrade = Some(field.value),
            _ => {}
        }
    }
    let bodiless = to_head || status < 200 || status == 204 || status == 304;
    let body = match (bodiless, coding, length) {
        (true, _, _) => BodyReader::Done,
        (false, Some(()), Some(_)) => return Err(ResponseFault::Framing),
        (false, Some(()), None) => BodyReader::chunked(),
        (false, None, Some(length)) => BodyReader::Length(length),
        (false, None, None) => BodyReader::UntilClose,
    };
    let keep_alive = !connection.close
        && (version == Version::Http11 || connection.keep_alive)
        && body != BodyReader::UntilClose
        && !is_doubtful(status, version, coding.is_some(), length);
    Ok(Response { status, body, keep_alive, length, reason, upgrade, fields, connection })
}

/// Whether the server may think that there is a body where there is none, or the other way round. What follows is then
/// nothing that the next answer could be read from: 204 with a body or 304 with a coding (RFC 9110 §8.6, RFC 9112
/// §6.1), and a coding in HTTP/1.0, which knows none.
fn is_doubtful(status: u16, version: Version, coded: bool, length: Option<u64>) -> bool {
    match status {
        204 => coded || length.is_some_and(|length| length > 0),
        304 => coded,
        _ => coded && version == Version::Http10,
    }
}

impl Response<'_> {
    /// Writes the head for a client: HTTP/1.1, framing and connection anew, fields of the server's connection
    /// left out. Gives how the body is to be framed, and whether the client's connection may stay open.
    pub fn write(&self, out: &mut BytesMut, toward: Toward<'_>) -> (Wire, bool) {
        out.reserve(256);
        // Writing to memory cannot fail.
        let _ = write!(out, "HTTP/1.1 {} {}\r\n", self.status, self.reason);
        let mut dated = self.status < 200;
        for field in self.fields {
            match Meaning::of(field.name) {
                Meaning::Date => dated = true,
                Meaning::Other | Meaning::ForwardedFor | Meaning::Host | Meaning::Expect => {}
                _ => continue,
            }
            if !self.connection.names(field.name) {
                put(out, field.name.as_bytes(), field.value);
            }
        }
        if !dated {
            put(out, b"Date", toward.date.as_bytes());
        }
        let (wire, delimited) = self.write_framing(out, toward.version);
        let keep_alive = toward.keep_alive && delimited;
        // 101 says what is spoken from now on, 426 what had to be spoken (RFC 9110 §15.5.22).
        if matches!(self.status, 101 | 426)
            && let Some(protocol) = self.upgrade
        {
            put(out, b"Connection", b"Upgrade");
            put(out, b"Upgrade", protocol);
        }
        if self.status >= 200 && !keep_alive {
            out.extend_from_slice(b"Connection: close\r\n");
        } else if self.status >= 200 && toward.version == Version::Http10 {
            out.extend_from_slice(b"Connection: keep-alive\r\n");
        }
        out.extend_from_slice(b"\r\n");
        (wire, keep_alive)
    }

    fn write_framing(&self, out: &mut BytesMut, version: Version) -> (Wire, bool) {
        match (self.body, version) {
            (BodyReader::Done, _) => {
                // A HEAD or 304 tells what a GET would have got; 1xx and 204 must not (RFC 9110 §8.6).
                if let Some(length) = self.length.filter(|_| self.status >= 200 && self.status != 204) {
                    let _ = write!(out, "Content-Length: {length}\r\n");
                }
                (Wire::Plain, true)
            }
            (BodyReader::Length(length), _) => {
                let _ = write!(out, "Content-Length: {length}\r\n");
                (Wire::Plain, true)
            }
            (BodyReader::Chunked(_) | BodyReader::UntilClose, Version::Http11) => {
                out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
                (Wire::Chunked, true)
            }
            (BodyReader::Chunked(_) | BodyReader::UntilClose, Version::Http10) => (Wire::Plain, false),
        }
    }
}

#[cfg(test)]
mod tests;
