//! Why a key, a keyset or a signature cannot be used.

use std::io;
use std::path::{Path, PathBuf};

use evener_manifest::KeyId;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A key file or its directory could not be used.
    #[error("{verb} {}", path.display())]
    File {
        /// What was tried.
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file has other content than a key, a keyset or a signature.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A secret key that others may read.
    #[error("{} may be read by others (mode {mode:o}); chmod 600 it, or make a new key", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A key of this name exists and is not replaced.
    #[error("{} is there already; a key is never overwritten", .0.display())]
    Exists(PathBuf),
    /// A release build was given a development key.
    #[error("{} is a development key; a release is signed with a production key (evener-image keys init --production NAME)", .0.display())]
    Development(PathBuf),
    /// A firmware would carry a keyset that does not trust the key it is signed with.
    #[error(
        "{}: it {how} key {id}, which signs this firmware; a unit that runs it could not verify its own slot. \
         A key goes in a firmware that the next key signed (docs/keys.md)", path.display()
    )]
    Signer {
        /// The keyset file.
        path: PathBuf,
        /// `revokes` or `does not name`.
        how: &'static str,
        /// The key.
        id: KeyId,
    },
    /// A name that is not a plain file name.
    #[error("\"{0}\" is not a key name: letters, digits, '-' and '_' only")]
    Name(String),
    /// The system gave no random bytes.
    #[error("the system gave no random bytes: {0}")]
    Random(getrandom::Error),
}

impl KeyError {
    pub(crate) fn malformed(path: &Path, reason: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_owned(), reason: reason.into() }
    }
}

/// Attaches verb and path to an IO error.
pub(crate) fn at(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> KeyError {
    let path = path.to_owned();
    move |source| KeyError::File { verb, path, source }
}
