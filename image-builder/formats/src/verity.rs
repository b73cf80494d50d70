//! The dm-verity hash tree (hash type 1, SHA-256, 4 KiB blocks, no superblock).
//!
//! Source: Linux `Documentation/admin-guide/device-mapper/verity.rst` and `drivers/md/dm-verity-target.c`.
//! Each hash is SHA-256(salt ‖ block). A hash block holds 128 hashes, the rest of the last one of a
//! level is zero. Levels lie on the disk from the top down, so the block that the root hash covers
//! comes first, directly at `hash_start`.
//!
//! Why no superblock: the kernel does not read it, `dm-mod.create=` states every parameter, and
//! those come from the signed manifest. A superblock would be a second, unsigned opinion.

use sha2::{Digest, Sha256};

/// Size of data blocks and of hash blocks, in bytes.
pub const BLOCK_BYTES: usize = 4096;
/// Size of one hash, in bytes.
pub const HASH_BYTES: usize = 32;

/// A hash tree, and the hash that vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// The root hash.
    pub root: [u8; HASH_BYTES],
    /// The tree as it lies behind the data; a multiple of [`BLOCK_BYTES`].
    pub bytes: Vec<u8>,
    /// Number of data blocks it covers.
    pub data_blocks: u64,
}

/// The data is not a positive number of whole blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{len} bytes are not a positive number of 4096-byte blocks")]
pub struct NotWholeBlocks {
    /// Size of the data, in bytes.
    pub len: usize,
}

impl Tree {
    /// Hashes `data` with `salt`.
    ///
    /// # Errors
    /// [`NotWholeBlocks`]: pad the data first; padding silently here would make the tree cover
    /// bytes that the caller does not write.
    pub fn of(data: &[u8], salt: &[u8]) -> Result<Self, NotWholeBlocks> {
        if data.is_empty() || !data.len().is_multiple_of(BLOCK_BYTES) {
            return Err(NotWholeBlocks { len: data.len() });
        }
        let mut levels: Vec<Vec<u8>> = Vec::new();
        let mut hashes = level(data, salt);
        while hashes.len() > HASH_BYTES {
            hashes.resize(hashes.len().next_multiple_of(BLOCK_BYTES), 0);
            let above = level(&hashes, salt);
            levels.push(hashes);
            hashes = above;
        }
        let mut root = [0; HASH_BYTES];
        root.copy_from_slice(&hashes);
        levels.reverse();
        Ok(Self { root, bytes: levels.concat(), data_blocks: (data.len() / BLOCK_BYTES) as u64 })
    }
}

/// The hashes of all blocks of `data`, one behind the other.
fn level(data: &[u8], salt: &[u8]) -> Vec<u8> {
    let salted = Sha256::new_with_prefix(salt);
    data.chunks(BLOCK_BYTES).flat_map(|block| salted.clone().chain_update(block).finalize()).collect()
}
