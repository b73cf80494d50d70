//! The strict HTTP/1 codec that faces the network, for clients and for servers (RFC 9112). Bytes in, facts and
//! bytes out; no sockets here.
//!
//! A proxy is attacked through the difference between what it reads and what the server behind it reads. Two
//! rules close that gap. Whatever has two readings is refused: two lengths, a length beside a coding, two
//! hosts, a bare LF, a folded line, white space where none belongs. And nothing is passed on as it came:
//! framing, `Host` and `Connection` are written anew from what was understood.
//!
//! Header lines are read by `httparse`; what it lets pass and RFC 9112 does not is caught here.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

mod body;
mod chunk;
mod date;
mod field;
mod refusal;
mod request;
mod response;

pub use body::{BodyFault, BodyReader, Progress, Wire};
pub use chunk::MAX_TRAILER;
pub use date::http_date;
pub use field::HeadLimits;
pub use refusal::Refusal;
pub use request::{Outbound, Request, Version, read_request};
pub use response::{Response, ResponseFault, Toward, read_response};

/// Whether a head is to be read now: the bytes from `seen` on have an empty line, with or without its CR, and may
/// complete it; or there are as many bytes as a head may have, so that it is complete or refused. Lets a caller that
/// gets a head byte by byte parse it twice, not once a byte.
#[must_use]
pub fn is_head_due(buffer: &[u8], seen: usize, limits: HeadLimits) -> bool {
    let fresh = buffer.get(seen.saturating_sub(3)..).unwrap_or_default();
    seen == 0
        || buffer.len() >= limits.bytes
        || fresh.windows(2).any(|pair| pair == b"\n\n")
        || fresh.windows(3).any(|end| end == b"\n\r\n")
}
