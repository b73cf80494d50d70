//! The unit's SSH host key: Ed25519, born on the first start, kept on `data`, readable by this service only.
//!
//! Who connects compares its fingerprint, which stands in the log and in the menu of the terminals. Writes `host-key` in this
//! service's directory, whole or not at all.

use crate::ConsoleError;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, HashAlg, PrivateKey};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

const FILE: &str = "host-key";
/// Longest file that is read, in bytes; a key of this kind has 400.
const LONGEST: u64 = 16 * 1024;

/// A host key.
#[derive(Clone)]
pub struct HostKey(pub(crate) PrivateKey);

impl std::fmt::Debug for HostKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("HostKey").field(&self.fingerprint()).finish()
    }
}

impl HostKey {
    /// The one in `directory`; without one, or with one that cannot be used, a new one.
    ///
    /// # Errors
    /// When it can neither be read nor made and written.
    pub fn load_or_make(directory: &Path) -> Result<Self, ConsoleError> {
        let path = directory.join(FILE);
        match fs::metadata(&path).map(|metadata| metadata.len()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(ConsoleError::File { path, source }),
            Ok(length) => {
                let text = if length <= LONGEST { fs::read_to_string(&path).ok() } else { None };
                let key = text.and_then(|text| PrivateKey::from_openssh(text).ok());
                match key.filter(|key| key.algorithm() == Algorithm::Ed25519 && !key.is_encrypted()) {
                    Some(key) => return Ok(Self(key)),
                    None => tracing::error!("the SSH host key is damaged; a new one is made"),
                }
            }
        }
        let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519)
            .map_err(ConsoleError::Key)?;
        let text = key.to_openssh(LineEnding::LF).map_err(ConsoleError::Key)?;
        write(directory, text.as_bytes()).map_err(|source| ConsoleError::File { path, source })?;
        Ok(Self(key))
    }

    /// SHA-256 of its public half, as `ssh` shows it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }

    /// Its public half, as it stands in a `known_hosts` file.
    #[must_use]
    pub fn public(&self) -> String {
        self.0.public_key().to_openssh().unwrap_or_default()
    }
}

/// Under another name, to the disk, then renamed.
fn write(directory: &Path, bytes: &[u8]) -> io::Result<()> {
    let (path, new) = (directory.join(FILE), directory.join(format!("{FILE}.new")));
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, &path)?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn is_born_once_and_nobody_else_may_read_it() {
        let data = tempfile::tempdir().unwrap();
        let own = data.path().join("console");
        let first = HostKey::load_or_make(&own).unwrap();
        assert_eq!(HostKey::load_or_make(&own).unwrap().fingerprint(), first.fingerprint());
        assert!(first.public().starts_with("ssh-ed25519 ") && first.fingerprint().starts_with("SHA256:"));
        assert_eq!(fs::metadata(own.join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!format!("{first:?}").contains("PRIVATE"));
    }

    #[test]
    fn a_damaged_one_leads_to_a_new_one() {
        let data = tempfile::tempdir().unwrap();
        let first = HostKey::load_or_make(data.path()).unwrap();
        fs::write(data.path().join(FILE), "half").unwrap();
        assert_ne!(HostKey::load_or_make(data.path()).unwrap().fingerprint(), first.fingerprint());
    }
}
