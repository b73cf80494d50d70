//! The file: a header in the clear, the settings encrypted, a digest of all that.
//!
//! ```text
//! 0    8      10    12       16      20     24    40     64
//! +----+------+-----+--------+-------+------+-----+------+--------------------+---------+
//! |magic|version|kdf|memory  |passes |lanes |salt |nonce | length, then so    | SHA-256 |
//! |     | u16  | u16|KiB u32 | u32   | u32  | 16  | 24   | u32    many bytes  |   32    |
//! +----+------+-----+--------+-------+------+-----+------+--------------------+---------+
//! ```
//!
//! Little-endian. The key is Argon2id (RFC 9106) of the password with the salt and costs of the header; the bytes are
//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) of JSON, with the header as associated data, so that nobody can put
//! other costs in front of them. The digest is no protection against anybody: it tells a damaged file from a wrong
//! password, and does so before the key is derived, which takes memory and time.
//!
//! A header may ask for any cost. Whoever opens a file pays it, so there are limits, the same as for the hashes of passwords.

use crate::{BackupError, Contents};
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// Largest backup in bytes, 10 MiB: several times the largest configuration.
pub const LARGEST: usize = 10 << 20;
/// Random bytes that a backup takes: a salt and a nonce.
pub const ENTROPY: usize = SALT + NONCE;

const MAGIC: &[u8; 8] = b"EVENERBK";
/// The form of the file.
pub(crate) const VERSION: u16 = 1;
/// Argon2id, version 0x13.
const ARGON2ID: u16 = 1;
const SALT: usize = 16;
const NONCE: usize = 24;
const HEADER: usize = 68;
const TAG: usize = 16;
const DIGEST: usize = 32;

/// Most that a header may ask for: KiB of memory, passes, lanes.
const MOST: Cost = Cost { memory_kib: 128 << 10, passes: 10, lanes: 4 };
/// What a new backup asks for: 64 MiB and three passes, RFC 9106 §4's second choice but for the lanes, which bring nothing to
/// a unit that computes in one thread.
pub(crate) const USUAL: Cost = Cost { memory_kib: 64 << 10, passes: 3, lanes: 1 };

/// What the derivation of a key costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) memory_kib: u32,
    pub(crate) passes: u32,
    pub(crate) lanes: u32,
}

/// Makes a backup. Takes 64 MiB of memory and a good part of a second. `entropy` must be random, and never the same twice.
///
/// # Errors
/// [`BackupError::Weak`], [`BackupError::TooLarge`], [`BackupError::Seal`].
pub fn seal(contents: &Contents, password: &str, entropy: &[u8; ENTROPY]) -> Result<Vec<u8>, BackupError> {
    seal_at(USUAL, contents, password, entropy)
}

/// As [`seal`], at another cost.
pub(crate) fn seal_at(
    cost: Cost,
    contents: &Contents,
    password: &str,
    entropy: &[u8; ENTROPY],
) -> Result<Vec<u8>, BackupError> {
    if let Some(reason) = evener_config::why_not_a_password(password) {
        return Err(BackupError::Weak(reason));
    }
    let plain = serde_json::to_vec(contents).map_err(|_| BackupError::Seal)?;
    let sealed = plain.len().saturating_add(TAG);
    let whole = sealed.saturating_add(HEADER + DIGEST);
    let length = u32::try_from(sealed).ok().filter(|_| whole <= LARGEST);
    let length = length.ok_or(BackupError::TooLarge)?;
    let mut file = Vec::with_capacity(whole);
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&VERSION.to_le_bytes());
    file.extend_from_slice(&ARGON2ID.to_le_bytes());
    for number in [cost.memory_kib, cost.passes, cost.lanes] {
        file.extend_from_slice(&number.to_le_bytes());
    }
    file.extend_from_slice(entropy);
    file.extend_from_slice(&length.to_le_bytes());
    let header = Header::of(&file).ok_or(BackupError::Seal)?;
    let cipher = header.cipher(password)?;
    let sealed = cipher.encrypt(&XNonce::from(header.nonce), Payload { msg: &plain, aad: &file });
    file.extend_from_slice(&sealed.map_err(|_| BackupError::Seal)?);
    let digest = Sha256::digest(&file);
    file.extend_from_slice(&digest);
    Ok(file)
}

/// Reads a backup. Takes the memory and the time that its header asks for, at most 128 MiB and ten passes.
/// `newest`: the newest format of settings that this firmware reads.
///
/// # Errors
/// Which of them says what is wrong with the file, or that the password is; see [`BackupError`].
pub fn open(file: &[u8], password: &str, newest: u16) -> Result<Contents, BackupError> {
    let (header, head, sealed) = checked(file)?;
    let cipher = header.cipher(password)?;
    let plain = cipher.decrypt(&XNonce::from(header.nonce), Payload { msg: sealed, aad: head });
    read(&plain.map_err(|_| BackupError::Password)?, newest)
}

/// The header, its bytes, and what was sealed, of a file that is whole.
fn checked(file: &[u8]) -> Result<(Header, &[u8], &[u8]), BackupError> {
    if file.len() > LARGEST {
        return Err(BackupError::TooLarge);
    }
    let begins = file.get(..MAGIC.len()).unwrap_or(file);
    if begins.is_empty() || !MAGIC.starts_with(begins) {
        return Err(BackupError::NotABackup);
    }
    let cut_off = |expected| BackupError::Truncated { bytes: file.len(), expected };
    let version = number(file, 8).map(u16::from_le_bytes).ok_or_else(|| cut_off(HEADER + TAG + DIGEST))?;
    if version > VERSION {
        return Err(BackupError::NewerFile { version });
    }
    let header = Header::of(file).ok_or_else(|| cut_off(HEADER + TAG + DIGEST))?;
    let end = HEADER.saturating_add(header.length);
    let whole = end.saturating_add(DIGEST);
    // A length that no backup has is no sign of where this one ended.
    if whole > LARGEST {
        return Err(BackupError::Damaged);
    }
    let digest = file.get(end..whole).ok_or_else(|| cut_off(whole))?;
    let (head, sealed) =
        file.get(..end).and_then(|told| told.split_at_checked(HEADER)).ok_or_else(|| cut_off(whole))?;
    let told = Sha256::new().chain_update(head).chain_update(sealed).finalize();
    if version == 0 || file.len() > whole || told.as_slice() != digest {
        return Err(BackupError::Damaged);
    }
    Ok((header, head, sealed))
}

/// The settings that were encrypted.
pub(crate) fn read(plain: &[u8], newest: u16) -> Result<Contents, BackupError> {
    #[derive(Deserialize)]
    struct Head {
        format: u16,
    }
    let misfit = |error: serde_path_to_error::Error<serde_json::Error>| {
        let field = error.path().to_string();
        let reason = evener_config::explain(&field, &error.inner().to_string());
        BackupError::Content { field, reason }
    };
    let parse = &mut serde_json::Deserializer::from_slice(plain);
    let Head { format } = serde_path_to_error::deserialize(parse).map_err(misfit)?;
    if format > newest {
        return Err(BackupError::NewerSettings { format, newest });
    }
    let parse = &mut serde_json::Deserializer::from_slice(plain);
    serde_path_to_error::deserialize(parse).map_err(misfit)
}

/// What stands in the clear.
#[derive(Debug)]
struct Header {
    kdf: u16,
    cost: Cost,
    salt: [u8; SALT],
    nonce: [u8; NONCE],
    /// Of what was sealed, in bytes.
    length: usize,
}

impl Header {
    /// `None` when there are not enough bytes.
    fn of(file: &[u8]) -> Option<Self> {
        let at = |at| number(file, at).map(u32::from_le_bytes);
        Some(Self {
            kdf: number(file, 10).map(u16::from_le_bytes)?,
            cost: Cost { memory_kib: at(12)?, passes: at(16)?, lanes: at(20)? },
            salt: number(file, 24)?,
            nonce: number(file, 40)?,
            length: usize::try_from(at(64)?).unwrap_or(usize::MAX),
        })
    }

    /// Derives the key.
    fn cipher(&self, password: &str) -> Result<XChaCha20Poly1305, BackupError> {
        let Cost { memory_kib, passes, lanes } = self.cost;
        if self.kdf != ARGON2ID {
            return Err(BackupError::Cost(format!("number {}, which is unknown", self.kdf)));
        }
        for (asked, most, what) in [
            (memory_kib, MOST.memory_kib, "KiB of memory"),
            (passes, MOST.passes, "passes"),
            (lanes, MOST.lanes, "lanes"),
        ] {
            if asked > most {
                return Err(BackupError::Cost(format!("{asked} {what}, and {most} are the most")));
            }
        }
        let refused = |error: argon2::Error| BackupError::Cost(error.to_string());
        let params = Params::new(memory_kib, passes, lanes, None).map_err(refused)?;
        let mut key = [0; 32];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(password.as_bytes(), &self.salt, &mut key)
            .map_err(refused)?;
        Ok(XChaCha20Poly1305::new(&key.into()))
    }
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}
