//! Header fields: which belong to one connection only, and lists of tokens in their values.

use bytes::BytesMut;
use core::mem::MaybeUninit;
use httparse::Header;

/// Most fields that any limit can allow; room for this many is on the stack while a head is parsed.
pub(crate) const MOST_FIELDS: usize = 1000;

/// Room for the fields of one head. Nothing is written to it before it is needed.
pub(crate) type Room<'b> = [MaybeUninit<Header<'b>>; MOST_FIELDS];

/// How large a head may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes, with the empty line.
    pub bytes: usize,
    /// Fields, at most 1000.
    pub fields: usize,
}

/// What a field is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Connection,
    ContentLength,
    Date,
    Expect,
    ForwardedFor,
    Host,
    TransferEncoding,
    Upgrade,
    /// Belongs to this connection only (RFC 9110 §7.6.1) and is dropped.
    Hop,
    /// None of our business: passed on.
    Other,
}

impl Meaning {
    /// Looks at the length first, so that most names cost one comparison or none.
    pub(crate) fn of(name: &str) -> Self {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        match name.len() {
            2 if is("te") => Self::Hop,
            4 if is("host") => Self::Host,
            4 if is("date") => Self::Date,
            6 if is("expect") => Self::Expect,
            7 if is("upgrade") => Self::Upgrade,
            10 if is("connection") => Self::Connection,
            10 if is("keep-alive") => Self::Hop,
            14 if is("content-length") => Self::ContentLength,
            14 if is("http2-settings") => Self::Hop,
            15 if is("x-forwarded-for") => Self::ForwardedFor,
            16 if is("proxy-connection") => Self::Hop,
            17 if is("transfer-encoding") => Self::TransferEncoding,
            _ if name.contains('_') && Self::is_disguised(name) => Self::Hop,
            _ => Self::Other,
        }
    }

    /// Whether a reader that knows no difference between `_` and `-`, as CGI and what descends from it, takes this for
    /// one of the fields above. Other names with `_` are nobody's business.
    fn is_disguised(name: &str) -> bool {
        name.len() <= 17 && Self::of(&name.replace('_', "-")) != Self::Other
    }
}

/// Tokens of a comma-separated list, empty ones left out (RFC 9110 §5.6.1).
pub(crate) fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

/// What `Connection` fields say.
#[derive(Debug, Default)]
pub(crate) struct Connection<'b> {
    pub(crate) close: bool,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: bool,
    /// Fields that are named as belonging to this connection only.
    named: Vec<&'b [u8]>,
}

/// Fields that may be named in `Connection`. Each field of the head is compared with each of them.
const MOST_NAMED: usize = 64;

/// More than [`MOST_NAMED`] fields are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyNamed;

impl<'b> Connection<'b> {
    pub(crate) fn read(&mut self, value: &'b [u8]) -> Result<(), TooManyNamed> {
        for token in tokens(value) {
            if token.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if token.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if token.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade = true;
            } else if self.named.len() < MOST_NAMED {
                self.named.push(token);
            } else {
                return Err(TooManyNamed);
            }
        }
        Ok(())
    }

    pub(crate) fn names(&self, field: &str) -> bool {
        self.named.iter().any(|named| named.eq_ignore_ascii_case(field.as_bytes()))
    }
}

/// Whether a line of this head ends in LF without CR. `httparse` takes such a line; other readers do not.
pub(crate) fn has_bare_line_feed(head: &[u8]) -> bool {
    let before = core::iter::once(&0).chain(head);
    head.iter().zip(before).any(|(&byte, &before)| byte == b'\n' && before != b'\r')
}

/// One number in decimal, nothing else (RFC 9110 §8.6).
pub(crate) fn content_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    core::str::from_utf8(value).ok()?.parse().ok()
}

/// Writes one field.
pub(crate) fn put(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Writes a number in decimal, without an allocation.
pub(crate) fn put_number(out: &mut BytesMut, number: u64) {
    use core::fmt::Write as _;
    // Writing to memory cannot fail.
    let _ = write!(out, "{number}");
}
