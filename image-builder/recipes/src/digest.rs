//! SHA-256 of what goes into a build, in hexadecimal.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::{RecipeError, file};
use crate::shop::{make_folder, write_whole};

/// Collects named inputs into one key. Names and lengths are hashed too, so that no two different
/// sets of inputs have the same byte stream.
#[derive(Debug)]
pub(crate) struct Key(Sha256);

impl Key {
    pub(crate) fn new(recipe: &str) -> Self {
        Self(Sha256::new()).with("recipe", recipe.as_bytes())
    }

    /// A key of something that this program itself lays out: also of its own code, because a change of
    /// that is a change of what it makes. `code` is [`own_code`].
    pub(crate) fn of_code(recipe: &str, code: &str) -> Self {
        Self::new(recipe).with("code", code.as_bytes())
    }

    pub(crate) fn with(mut self, name: &str, content: &[u8]) -> Self {
        for part in [name.as_bytes(), content] {
            self.0.update((part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
        self
    }

    pub(crate) fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Digest of the running program. The name of its file may belong to a newer one by now.
pub(crate) fn own_code() -> Result<String, RecipeError> {
    let path = Path::new("/proc/self/exe");
    Ok(hex(&sha256(&file("reading", path, fs::read(path))?)))
}

/// Digest of a large file that rarely changes: remembered in `cache` under its path, size and time
/// of change, because hashing 150 MB at each build would be half of a build that has nothing to do. A
/// `locked` build believes the bytes only: a time of change can be set to anything.
pub(crate) fn of_source(path: &Path, cache: &Path, locked: bool) -> Result<String, RecipeError> {
    let about = file("reading", path, fs::metadata(path))?;
    let identity = format!("{}\0{}\0{}\0{}", path.display(), about.len(), about.mtime(), about.mtime_nsec());
    let memo = make_folder(cache.join("digests"))?.join(hex(&sha256(identity.as_bytes())));
    if !locked
        && let Ok(known) = fs::read_to_string(&memo)
        && known.len() == 64
    {
        return Ok(known);
    }
    let mut source = file("reading", path, File::open(path))?;
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        let read = file("reading", path, source.read(&mut chunk))?;
        if read == 0 {
            break;
        }
        hasher.update(chunk.get(..read).unwrap_or_default());
    }
    let digest = hex(&hasher.finalize());
    write_whole(&memo, digest.as_bytes())?;
    Ok(digest)
}
