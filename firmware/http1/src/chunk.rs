//! The chunked coding (RFC 9112 §7.1), read strictly: every line ends in CR LF, a size is hexadecimal digits and
//! nothing else. Extensions are read and left out; so nothing of them reaches the next reader.

use core::mem::take;

/// Bytes of a size line with its extensions.
const MAX_SIZE_LINE: usize = 1024;
/// Bytes of a trailer section.
pub const MAX_TRAILER: usize = 8 * 1024;

/// Where in the coding we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ChunkReader {
    at: At,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum At {
    #[default]
    Size,
    Data(u64),
    DataEnd,
    Trailer,
}

/// What the next bytes of the input are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// More input is needed to tell.
    More,
    /// This many bytes of framing.
    Framing(usize),
    /// This many bytes of the body.
    Data(usize),
    /// The last bytes: the trailer section with its empty line.
    End(usize),
}

/// Not the chunked coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadChunk;

impl ChunkReader {
    /// What comes next; the caller then drops that many bytes from the input, before it asks again.
    pub(crate) fn next(&mut self, input: &[u8]) -> Result<Next, BadChunk> {
        match self.at {
            At::Size => {
                let Some(line) = line(input, MAX_SIZE_LINE)? else { return Ok(Next::More) };
                let size = size(line)?;
                self.at = if size == 0 { At::Trailer } else { At::Data(size) };
                Ok(Next::Framing(line.len() + 2))
            }
            At::Data(left) => {
                if input.is_empty() {
                    return Ok(Next::More);
                }
                let now = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                let left = left.saturating_sub(now as u64);
                self.at = if left == 0 { At::DataEnd } else { At::Data(left) };
                Ok(Next::Data(now))
            }
            At::DataEnd => match input {
                [b'\r', b'\n', ..] => {
                    self.at = take(&mut At::Size);
                    Ok(Next::Framing(2))
                }
                [] | [b'\r'] => Ok(Next::More),
                _ => Err(BadChunk),
            },
            At::Trailer => trailer(input),
        }
    }
}

/// The line at the start of the input, without its CR LF.
fn line(input: &[u8], limit: usize) -> Result<Option<&[u8]>, BadChunk> {
    let Some(end) = input.iter().position(|&byte| byte == b'\n') else {
        return if input.len() < limit { Ok(None) } else { Err(BadChunk) };
    };
    let line = input.get(..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(BadChunk)?;
    let clean = |&byte: &u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
    if line.len() <= limit && line.iter().all(clean) { Ok(Some(line)) } else { Err(BadChunk) }
}

fn size(line: &[u8]) -> Result<u64, BadChunk> {
    let digits = line.split(|&byte| byte == b';').next().unwrap_or_default();
    if digits.is_empty() || digits.len() > 15 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(BadChunk);
    }
    let digits = core::str::from_utf8(digits).map_err(|_| BadChunk)?;
    u64::from_str_radix(digits, 16).map_err(|_| BadChunk)
}

/// The trailer section: empty, or fields, each line whole.
fn trailer(input: &[u8]) -> Result<Next, BadChunk> {
    let mut at = 0;
    loop {
        let rest = input.get(at..).unwrap_or_default();
        match line(rest, MAX_TRAILER.saturating_sub(at))? {
            None => return Ok(Next::More),
            Some([]) => return Ok(Next::End(at + 2)),
            Some(line) => at += line.len() + 2,
        }
        if at >= MAX_TRAILER {
            return Err(BadChunk);
        }
    }
}
