//! What can go wrong while cooking, each with the thing it went wrong with.

use std::io;
use std::path::PathBuf;

use crate::kernel::Unmet;

/// A step of the build failed.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// A file or directory could not be used.
    #[error("{verb} {}", path.display())]
    File {
        /// What was tried: "reading", "writing", …
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A host program is not installed, or could not be started.
    #[error("cannot start {program}; on Debian: apt-get install {package}")]
    Missing {
        /// The program.
        program: String,
        /// The Debian package that has it.
        package: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A host program said no.
    #[error("{program} failed ({status}); the end of {}:\n{tail}", log.display())]
    Failed {
        /// The program.
        program: String,
        /// Its exit status, in words.
        status: String,
        /// Where all it printed is.
        log: PathBuf,
        /// The last lines of that.
        tail: String,
    },
    /// A source is not the one that the lock file names, and the build is `--locked`.
    #[error("{} is not what board-support/sources.lock names: sha256 {found}, locked {locked}", path.display())]
    NotLocked {
        /// The source.
        path: PathBuf,
        /// Its digest.
        found: String,
        /// The digest in the lock file.
        locked: String,
    },
    /// A program is not the one that the lock file names, and the build is `--locked`.
    #[error("{program} says \"{found}\", and board-support/sources.lock names \"{locked}\"")]
    OtherTool {
        /// The program.
        program: &'static str,
        /// What it says of itself.
        found: String,
        /// What the lock file has; empty when it does not name the program.
        locked: String,
    },
    /// No kernel source anywhere.
    #[error(
        "no Linux source: neither a built kernel in {} nor {}; on Debian 12: apt-get install linux-source-6.12 \
         (from bookworm-security), or give a tarball with --kernel-source",
        cache.display(), debian.display()
    )]
    NoSource {
        /// The cache that was looked at.
        cache: PathBuf,
        /// Where Debian puts it.
        debian: PathBuf,
    },
    /// Kernel symbols that a fragment asks for and the configuration does not have.
    #[error("{} kernel symbols did not come out as the fragments ask:\n{}", .0.len(), lines(.0))]
    Unmet(Vec<Unmet>),
    /// A text file of ours does not parse.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, with line and field.
        reason: String,
    },
    /// Something came out larger than the place on the disk for it.
    #[error("{what} is {size} bytes; there is room for {room}")]
    TooLarge {
        /// What.
        what: String,
        /// Its size in bytes.
        size: u64,
        /// The size of its place in bytes.
        room: u64,
    },
    /// The disk description does not work out.
    #[error("laying out the disk")]
    Layout(#[from] evener_layout::LayoutError),
    /// The manifest cannot state this firmware.
    #[error("writing the manifest: {0}")]
    Manifest(String),
}

fn lines(unmet: &[Unmet]) -> String {
    unmet.iter().map(|u| format!("  {u}")).collect::<Vec<_>>().join("\n")
}

/// Attaches verb and path to an IO error.
pub(crate) fn file<T>(
    verb: &'static str,
    path: &std::path::Path,
    result: io::Result<T>,
) -> Result<T, RecipeError> {
    result.map_err(|source| RecipeError::File { verb, path: path.to_owned(), source })
}
