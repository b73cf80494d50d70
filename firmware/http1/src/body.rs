//! Bodies: how one is delimited where it comes from and where it goes, and the way between the two.

use crate::chunk::{BadChunk, ChunkReader, Next};
use crate::field::{Meaning, put};
use bytes::{Buf, BytesMut};
use core::fmt::Write as _;

/// How a body ends where it comes from (RFC 9112 §6.3), and how far it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyReader {
    /// There is none, or it is read to its end.
    Done,
    /// This many bytes are still to come.
    Length(u64),
    /// Chunked coding.
    Chunked(ChunkReader),
    /// Everything until the connection ends; answers only.
    UntilClose,
}

/// How a body is delimited where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// As it is: its length was announced, or the connection's end is its end.
    Plain,
    /// Chunked coding.
    Chunked,
}

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The body is complete, with everything that ends it written.
    pub done: bool,
}

/// A body that does not keep to its framing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyFault {
    /// Not the chunked coding.
    #[error("the chunked coding is broken")]
    Chunk,
    /// The connection ended before the body did.
    #[error("the body ended early")]
    Truncated,
}

impl From<BadChunk> for BodyFault {
    fn from(_: BadChunk) -> Self {
        Self::Chunk
    }
}

impl BodyReader {
    /// A chunked body, at its start.
    #[must_use]
    pub fn chunked() -> Self {
        Self::Chunked(ChunkReader::default())
    }

    /// Whether nothing is left to read.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self, Self::Done | Self::Length(0))
    }

    /// Moves all of the body that is in `input` to `out`, framed for `wire`. Bytes after the body stay.
    ///
    /// # Errors
    /// [`BodyFault::Chunk`]; what came before the fault is in `out`.
    pub fn relay(
        &mut self,
        input: &mut BytesMut,
        wire: Wire,
        out: &mut BytesMut,
    ) -> Result<Progress, BodyFault> {
        match self {
            Self::Done => {}
            Self::Length(left) => {
                let now = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left = left.saturating_sub(now as u64);
                let done = *left == 0;
                move_data(input, now, wire, out);
                if !done {
                    return Ok(Progress { done: false });
                }
                if wire == Wire::Chunked {
                    out.extend_from_slice(b"0\r\n\r\n");
                }
            }
            Self::UntilClose => {
                let now = input.len();
                move_data(input, now, wire, out);
                return Ok(Progress { done: false });
            }
            Self::Chunked(reader) => loop {
                match reader.next(input)? {
                    Next::More => return Ok(Progress { done: false }),
                    Next::Framing(length) => input.advance(length),
                    Next::Data(length) => move_data(input, length, wire, out),
                    Next::End(length) => {
                        if wire == Wire::Chunked {
                            out.extend_from_slice(b"0\r\n");
                            write_trailer(input.get(..length).unwrap_or_default(), out);
                            out.extend_from_slice(b"\r\n");
                        }
                        input.advance(length);
                        break;
                    }
                }
            },
        }
        *self = Self::Done;
        Ok(Progress { done: true })
    }

    /// The connection that the body comes from has ended.
    ///
    /// # Errors
    /// [`BodyFault::Truncated`] unless that is how this body ends.
    pub fn end(&mut self, wire: Wire, out: &mut BytesMut) -> Result<(), BodyFault> {
        match self {
            Self::Done => return Ok(()),
            Self::Length(_) | Self::Chunked(_) => return Err(BodyFault::Truncated),
            Self::UntilClose => {}
        }
        if wire == Wire::Chunked {
            out.extend_from_slice(b"0\r\n\r\n");
        }
        *self = Self::Done;
        Ok(())
    }
}

fn move_data(input: &mut BytesMut, length: usize, wire: Wire, out: &mut BytesMut) {
    if length == 0 {
        return;
    }
    if wire == Wire::Chunked {
        // Writing to memory cannot fail.
        let _ = write!(out, "{length:x}\r\n");
    } else if out.is_empty() && length == input.len() {
        // The whole buffer is body: hand it over instead of copying it.
        core::mem::swap(input, out);
        return;
    }
    out.extend_from_slice(input.get(..length).unwrap_or_default());
    input.advance(length);
    if wire == Wire::Chunked {
        out.extend_from_slice(b"\r\n");
    }
}

/// Trailer fields, without those that must not come after the fact (RFC 9110 §6.5.1).
fn write_trailer(section: &[u8], out: &mut BytesMut) {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let Ok(httparse::Status::Complete((_, fields))) = httparse::parse_headers(section, &mut fields) else {
        return;
    };
    for field in fields {
        let forbidden =
            ["authorization", "cookie", "set-cookie", "trailer", "content-encoding", "content-type"];
        if Meaning::of(field.name) == Meaning::Other
            && !forbidden.iter().any(|name| field.name.eq_ignore_ascii_case(name))
        {
            put(out, field.name.as_bytes(), field.value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn relay_in_pieces(
        wire: Wire,
        reader: BodyReader,
        bytes: &[u8],
        piece: usize,
    ) -> Result<(Vec<u8>, bool, Vec<u8>), BodyFault> {
        let (mut reader, mut input, mut out, mut done) = (reader, BytesMut::new(), BytesMut::new(), false);
        for part in bytes.chunks(piece.max(1)) {
            input.extend_from_slice(part);
            if !done {
                done = reader.relay(&mut input, wire, &mut out)?.done;
            }
        }
        Ok((out.to_vec(), done, input.to_vec()))
    }

    #[test]
    fn a_chunked_body_is_the_same_however_it_arrives() {
        let coded = b"5;ext=\"1\"\r\nhello\r\n1\r\n \r\n00a\r\n0123456789\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\n\r\nGET /";
        for piece in 1..coded.len() {
            let plain = relay_in_pieces(Wire::Plain, BodyReader::chunked(), coded, piece).unwrap();
            assert_eq!(plain, (b"hello 0123456789".to_vec(), true, b"GET /".to_vec()), "{piece}");
            let (out, done, rest) =
                relay_in_pieces(Wire::Chunked, BodyReader::chunked(), coded, piece).unwrap();
            assert!(done && rest == b"GET /");
            assert!(out.ends_with(b"0\r\nX-Sum: 1\r\n\r\n"), "{}", out.escape_ascii());
            let again = relay_in_pieces(Wire::Plain, BodyReader::chunked(), &out, 3).unwrap();
            assert_eq!(again.0, b"hello 0123456789");
        }
    }

    #[test]
    fn broken_chunks_are_refused() {
        let cases: &[&[u8]] = &[
            b"5\nhello\r\n0\r\n\r\n",
            b"5\r\nhello\n0\r\n\r\n",
            b"5\r\nhelloX\r\n0\r\n\r\n",
            b"5 \r\nhello\r\n0\r\n\r\n",
            b" 5\r\nhello\r\n0\r\n\r\n",
            b"0x5\r\nhello\r\n0\r\n\r\n",
            b"+5\r\nhello\r\n0\r\n\r\n",
            b"-1\r\nhello\r\n0\r\n\r\n",
            b"\r\nhello\r\n0\r\n\r\n",
            b"5;a\x00b\r\nhello\r\n0\r\n\r\n",
            b"5;a\nb\r\nhello\r\n0\r\n\r\n",
            b"5;a\rb\r\nhello\r\n0\r\n\r\n",
            b"ffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
            b"0\r\nX: 1\n\r\n",
        ];
        for case in cases {
            let outcome = relay_in_pieces(Wire::Plain, BodyReader::chunked(), case, 4096);
            assert_eq!(outcome, Err(BodyFault::Chunk), "{}", case.escape_ascii());
        }
    }

    #[test]
    fn endless_framing_lines_are_refused() {
        for line in
            [[b"1;".as_slice(), &[b'x'; 5000]].concat(), [b"0\r\nX: ".as_slice(), &[b'x'; 9000]].concat()]
        {
            let outcome = relay_in_pieces(Wire::Plain, BodyReader::chunked(), &line, 100);
            assert_eq!(outcome, Err(BodyFault::Chunk));
        }
    }

    #[test]
    fn only_a_body_that_ends_with_the_connection_may_end_early() {
        let mut out = BytesMut::new();
        assert_eq!(BodyReader::Length(1).end(Wire::Plain, &mut out), Err(BodyFault::Truncated));
        assert_eq!(BodyReader::chunked().end(Wire::Plain, &mut out), Err(BodyFault::Truncated));
        assert_eq!(BodyReader::UntilClose.end(Wire::Chunked, &mut out), Ok(()));
        assert_eq!(&out[..], b"0\r\n\r\n");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_body_or_a_fault(bytes: Vec<u8>, piece in 1usize..64) {
            let _ = relay_in_pieces(Wire::Chunked, BodyReader::chunked(), &bytes, piece);
        }

        #[test]
        fn what_is_coded_is_read_back(parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..300), 0..8), piece in 1usize..500) {
            let (mut reader, mut out) = (BodyReader::UntilClose, BytesMut::new());
            for part in &parts {
                reader.relay(&mut BytesMut::from(&part[..]), Wire::Chunked, &mut out).unwrap();
            }
            reader.end(Wire::Chunked, &mut out).unwrap();
            let (body, done, rest) = relay_in_pieces(Wire::Plain, BodyReader::chunked(), &out, piece).unwrap();
            prop_assert!(done && rest.is_empty());
            prop_assert_eq!(body, parts.concat());
        }

        #[test]
        fn a_length_takes_exactly_its_bytes(body: Vec<u8>, after: Vec<u8>, piece in 1usize..64) {
            let all = [body.clone(), after.clone()].concat();
            let (out, _, rest) = relay_in_pieces(Wire::Plain, BodyReader::Length(body.len() as u64), &all, piece).unwrap();
            prop_assert_eq!(out, body);
            prop_assert_eq!(rest, after);
        }
    }
}
