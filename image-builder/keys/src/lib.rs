//! Signing keys on the builder's disk: made on first use, never in the source tree.
//!
//! Two kinds of key. A *development* key is made without asking, the first time somebody builds an
//! image, and lies unprotected in a file that only its owner may read; every keyset and every
//! screen that shows it says so. A *production* key is made on purpose (`keys init --production`);
//! only it can sign a release. It signs on the machine that builds, or on one that is given a digest
//! and gives back a signature ([`SigningKey::sign_digest`], [`parse_signature`]; `docs/keys.md`).
//!
//! Files live in `${XDG_CONFIG_HOME:-~/.config}/evener/keys`: `NAME.key` (mode 0600, the secret)
//! and `NAME.pub`, both one line of text:
//!
//! ```text
//! evener-secret-key-v1 development 64-hex-digits-of-the-ed25519-seed
//! evener-public-key-v1 development 64-hex-digits-of-the-public-key
//! ```
#![forbid(unsafe_code)]

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use evener_manifest::{
    KeyEntry, KeyId, ManifestError, SIGNATURE_BYTES, emit_keyset, public_key, sign, sign_digest,
};

mod error;
mod keyset;

pub use error::KeyError;
use error::at;
pub use keyset::KeysetFile;

/// Name of the key that is made without asking.
pub const DEVELOPMENT: &str = "development";

const SECRET_TAG: &str = "evener-secret-key-v1";
const PUBLIC_TAG: &str = "evener-public-key-v1";

/// A public key and what it may sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// The ed25519 public key.
    pub bytes: [u8; 32],
    /// Lies unprotected on a developer's machine; refused by a release.
    pub development: bool,
}

impl PublicKey {
    /// Short name of the key, as manifests carry it.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId::of(&self.bytes)
    }

    /// Reads a `.pub` file.
    ///
    /// # Errors
    /// [`KeyError::File`] or [`KeyError::Malformed`].
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text = fs::read_to_string(path).map_err(at("reading", path))?;
        Self::parse(&text).map_err(|reason| KeyError::malformed(path, reason))
    }

    /// Reads the line of a `.pub` file.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(line: &str) -> Result<Self, &'static str> {
        let (development, bytes) = parse_line(line, PUBLIC_TAG)?;
        Ok(Self { bytes, development })
    }

    /// The line of its `.pub` file.
    #[must_use]
    pub fn line(&self) -> String {
        line(PUBLIC_TAG, self.development, &self.bytes)
    }

    /// Its entry in a keyset.
    #[must_use]
    pub fn entry(&self) -> KeyEntry {
        KeyEntry { public: self.bytes, development: self.development, revoked: false }
    }
}

/// A key that signs. Its secret is never printed.
#[derive(Clone)]
pub struct SigningKey {
    seed: [u8; 32],
    development: bool,
    path: PathBuf,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.public().id()).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Reads a `.key` file.
    ///
    /// # Errors
    /// [`KeyError::File`], [`KeyError::Malformed`], or [`KeyError::Exposed`] if group or others
    /// have any right to it.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let about = fs::metadata(path).map_err(at("reading", path))?;
        let mode = about.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Exposed { path: path.to_owned(), mode });
        }
        let text = fs::read_to_string(path).map_err(at("reading", path))?;
        let (development, seed) =
            parse_line(&text, SECRET_TAG).map_err(|reason| KeyError::malformed(path, reason))?;
        Ok(Self { seed, development, path: path.to_owned() })
    }

    /// The key's public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey { bytes: public_key(&self.seed), development: self.development }
    }

    /// Signs manifest bytes.
    #[must_use]
    pub fn sign(&self, manifest: &[u8]) -> [u8; SIGNATURE_BYTES] {
        sign(manifest, &self.seed)
    }

    /// Signs a manifest of which only the SHA-256 is at hand.
    #[must_use]
    pub fn sign_digest(&self, manifest_sha256: &[u8; 32]) -> [u8; SIGNATURE_BYTES] {
        sign_digest(manifest_sha256, &self.seed)
    }

    /// The keyset that loader and firmware signed with this key carry.
    ///
    /// # Errors
    /// [`KeyError::Development`] if it is for a release and this is a development key.
    pub fn keyset(&self, release: bool) -> Result<Vec<u8>, KeyError> {
        if release && self.development {
            return Err(KeyError::Development(self.path.clone()));
        }
        emit_keyset(release, &[self.public().entry()])
            .map_err(|fault: ManifestError| KeyError::malformed(&self.path, fault.to_string()))
    }
}

/// A directory of keys.
#[derive(Clone, Debug)]
pub struct KeyFolder(PathBuf);

impl KeyFolder {
    /// The user's own keys, in `${XDG_CONFIG_HOME:-~/.config}/evener/keys`; `None` without a home directory.
    #[must_use]
    pub fn of_the_user() -> Option<Self> {
        let set = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let folder = set.or_else(|| Some(std::env::home_dir()?.join(".config")))?;
        Some(Self(folder.join("evener/keys")))
    }

    /// The keys in `folder`, which need not exist yet.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Where the secret key `name` lies.
    #[must_use]
    pub fn secret_path(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.key"))
    }

    /// Where the public key `name` lies.
    #[must_use]
    pub fn public_path(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.pub"))
    }

    /// The public keys in this folder that can be read, by file name.
    #[must_use]
    pub fn public_keys(&self) -> Vec<(PathBuf, PublicKey)> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let mut keys: Vec<_> = entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|e| e == "pub"))
            .filter_map(|path| PublicKey::read(&path).ok().map(|key| (path, key)))
            .collect();
        keys.sort_by(|a, b| a.0.cmp(&b.0));
        keys
    }

    /// The keys in this folder by name, with whether the secret half is there, too.
    #[must_use]
    pub fn list(&self) -> Vec<(String, PublicKey, bool)> {
        let name = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let keys = self.public_keys().into_iter();
        keys.map(|(path, key)| (name(&path), key, path.with_extension("key").exists())).collect()
    }

    /// The development key; made if it is not there. The flag says whether it was made now.
    ///
    /// # Errors
    /// As [`KeyFolder::create`] and [`SigningKey::read`].
    pub fn development(&self) -> Result<(SigningKey, bool), KeyError> {
        match self.create(DEVELOPMENT, true) {
            Ok(key) => Ok((key, true)),
            Err(KeyError::Exists(path)) => Ok((SigningKey::read(&path)?, false)),
            Err(error) => Err(error),
        }
    }

    /// Makes a key and writes both files.
    ///
    /// # Errors
    /// [`KeyError::Exists`] rather than overwriting; [`KeyError::File`], [`KeyError::Random`],
    /// [`KeyError::Name`].
    pub fn create(&self, name: &str, development: bool) -> Result<SigningKey, KeyError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(plain) {
            return Err(KeyError::Name(name.to_owned()));
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0).map_err(at("making", &self.0))?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(KeyError::Random)?;
        let path = self.secret_path(name);
        let key = SigningKey { seed, development, path };
        let unique = key.public().id().to_string();
        write_new(&key.path, 0o600, &unique, &line(SECRET_TAG, development, &seed))?;
        // The secret decides; a public file left behind by somebody else is replaced.
        let public = self.public_path(name);
        let text = line(PUBLIC_TAG, development, &key.public().bytes);
        fs::write(&public, text).map_err(at("writing", &public))?;
        Ok(key)
    }
}

/// Creates the file whole: two builders that start at once must not mix their keys, so it is
/// written under a name of its own (`unique`) and linked to the final one, which fails if that exists.
fn write_new(path: &Path, mode: u32, unique: &str, text: &str) -> Result<(), KeyError> {
    if path.exists() {
        return Err(KeyError::Exists(path.to_owned()));
    }
    let temporary = path.with_extension(unique);
    let mut options = OpenOptions::new();
    let mut file =
        options.write(true).create_new(true).mode(mode).open(&temporary).map_err(at("making", &temporary))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(at("writing", &temporary))?;
    let linked = fs::hard_link(&temporary, path);
    fs::remove_file(&temporary).map_err(at("removing", &temporary))?;
    match linked {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Err(KeyError::Exists(path.to_owned())),
        other => other.map_err(at("making", path)),
    }
}

fn line(tag: &str, development: bool, bytes: &[u8; 32]) -> String {
    let kind = if development { "development" } else { "production" };
    format!("{tag} {kind} {}\n", hex(bytes))
}

fn parse_line(text: &str, tag: &str) -> Result<(bool, [u8; 32]), &'static str> {
    let mut words = text.split_whitespace();
    if words.next() != Some(tag) {
        return Err("not a key of the kind expected (first word)");
    }
    let development = match words.next() {
        Some("development") => true,
        Some("production") => false,
        _ => return Err("second word is neither development nor production"),
    };
    let bytes = words.next().and_then(parse_hex).filter(|_| words.next().is_none());
    Ok((development, bytes.ok_or("third and last word is not 64 hex digits")?))
}

/// Reads a signature as the offline machine prints it: 128 hex digits, with white space around them or not.
#[must_use]
pub fn parse_signature(text: &str) -> Option<[u8; SIGNATURE_BYTES]> {
    parse_hex(text.trim())
}

/// Reads a digest as `evener-image sign --digest` prints it: 64 hex digits.
#[must_use]
pub fn parse_digest(text: &str) -> Option<[u8; 32]> {
    parse_hex(text.trim())
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse_hex<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    if text.len() != 2 * BYTES || !text.bytes().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
