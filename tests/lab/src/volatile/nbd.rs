//! The network block device protocol, server side, as much of it as QEMU uses: fixed newstyle negotiation, simple
//! replies, one request after the other
//! (<https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md>). All numbers are big-endian.

use std::io::{self, Read, Write};

/// What the export can: flags are present, FLUSH, FUA, TRIM.
const EXPORT_FLAGS: u16 = 1 | 1 << 2 | 1 << 3 | 1 << 5;
/// Fixed newstyle, no zeroes after the export's size.
const SERVER_FLAGS: u16 = 3;
const OPTION_MAGIC: &[u8; 8] = b"IHAVEOPT";
const OPTION_REPLY: u64 = 0x0003_e889_0455_65a9;
const REQUEST_MAGIC: u32 = 0x2560_9513;
const REPLY_MAGIC: u32 = 0x6744_6698;
/// Smallest, preferred and largest request in bytes.
const BLOCK_SIZES: [u32; 3] = [512, 4096, 32 << 20];
/// Longest option that is read, in bytes.
const MAX_OPTION: u32 = 4096;

const OPT_EXPORT_NAME: u32 = 1;
const OPT_ABORT: u32 = 2;
const OPT_INFO: u32 = 6;
const OPT_GO: u32 = 7;
const REP_ACK: u32 = 1;
const REP_INFO: u32 = 3;
const REP_UNSUPPORTED: u32 = 0x8000_0001;
const INFO_EXPORT: u16 = 0;
const INFO_BLOCK_SIZE: u16 = 3;

/// A request of the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) handle: u64,
    pub(super) what: What,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Read { at: u64, length: usize },
    Write { at: u64, data: Vec<u8>, through: bool },
    Flush,
    Trim,
    Disconnect,
    Unknown,
}

/// Why a request failed, as the number that the protocol has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Io = 5,
    Invalid = 22,
    NoSpace = 28,
}

/// Agrees with a client on an export of `bytes` bytes; `false` when the client wanted nothing more.
pub(super) fn negotiate(stream: &mut (impl Read + Write), bytes: u64) -> io::Result<bool> {
    stream.write_all(b"NBDMAGIC")?;
    stream.write_all(OPTION_MAGIC)?;
    stream.write_all(&SERVER_FLAGS.to_be_bytes())?;
    let zeroes = u32_of(stream)? & 2 == 0;
    loop {
        if &array::<8>(stream)? != OPTION_MAGIC {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let option = u32_of(stream)?;
        let length = u32_of(stream)?;
        if length > MAX_OPTION {
            return Err(io::ErrorKind::InvalidData.into());
        }
        // What the client calls the export, and what it wants to know of it, does not matter: there is one.
        bytes_of(stream, length as usize)?;
        match option {
            OPT_EXPORT_NAME => {
                stream.write_all(&bytes.to_be_bytes())?;
                stream.write_all(&EXPORT_FLAGS.to_be_bytes())?;
                stream.write_all(&[0; 124][..if zeroes { 124 } else { 0 }])?;
                return Ok(true);
            }
            OPT_GO | OPT_INFO => {
                let mut export = INFO_EXPORT.to_be_bytes().to_vec();
                export.extend_from_slice(&bytes.to_be_bytes());
                export.extend_from_slice(&EXPORT_FLAGS.to_be_bytes());
                option_reply(stream, option, REP_INFO, &export)?;
                let mut sizes = INFO_BLOCK_SIZE.to_be_bytes().to_vec();
                sizes.extend(BLOCK_SIZES.iter().flat_map(|size| size.to_be_bytes()));
                option_reply(stream, option, REP_INFO, &sizes)?;
                option_reply(stream, option, REP_ACK, &[])?;
                if option == OPT_GO {
                    return Ok(true);
                }
            }
            OPT_ABORT => {
                option_reply(stream, option, REP_ACK, &[])?;
                return Ok(false);
            }
            _ => option_reply(stream, option, REP_UNSUPPORTED, &[])?,
        }
    }
}

fn option_reply(stream: &mut impl Write, option: u32, kind: u32, data: &[u8]) -> io::Result<()> {
    let mut bytes = OPTION_REPLY.to_be_bytes().to_vec();
    for number in [option, kind, u32::try_from(data.len()).unwrap_or(u32::MAX)] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    bytes.extend_from_slice(data);
    stream.write_all(&bytes)
}

/// The next request.
pub(super) fn read_request(stream: &mut impl Read) -> io::Result<Request> {
    if u32_of(stream)? != REQUEST_MAGIC {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let flags = u16::from_be_bytes(array(stream)?);
    let kind = u16::from_be_bytes(array(stream)?);
    let handle = u64::from_be_bytes(array(stream)?);
    let at = u64::from_be_bytes(array(stream)?);
    let length = u32_of(stream)?;
    if length > BLOCK_SIZES[2] && kind <= 1 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let length = length as usize;
    let what = match kind {
        0 => What::Read { at, length },
        1 => What::Write { at, data: bytes_of(stream, length)?, through: flags & 1 == 1 },
        2 => What::Disconnect,
        3 => What::Flush,
        4 => What::Trim,
        _ => What::Unknown,
    };
    Ok(Request { handle, what })
}

/// Answers a request: with what was read, or that it was refused.
pub(super) fn reply(stream: &mut impl Write, handle: u64, result: Result<&[u8], Refused>) -> io::Result<()> {
    let (error, data) = match result {
        Ok(data) => (0, data),
        Err(refused) => (refused as u32, &[][..]),
    };
    let mut bytes = Vec::with_capacity(16 + data.len());
    bytes.extend_from_slice(&REPLY_MAGIC.to_be_bytes());
    bytes.extend_from_slice(&error.to_be_bytes());
    bytes.extend_from_slice(&handle.to_be_bytes());
    bytes.extend_from_slice(data);
    stream.write_all(&bytes)
}

fn array<const N: usize>(stream: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn u32_of(stream: &mut impl Read) -> io::Result<u32> {
    Ok(u32::from_be_bytes(array(stream)?))
}

fn bytes_of(stream: &mut impl Read, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}
