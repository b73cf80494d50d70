//! The lease of an interface, kept for the next life of this service.
//!
//! In the run directory, thus in memory: after a restart of the machine its times would mean nothing, and the server
//! may have given the address away. In a folder that only net may enter, since other services write beside it.

use crate::dhcp::Lease;
use evener_api::frame;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// What is kept of one interface.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    file: PathBuf,
    mac: [u8; 6],
}

impl Memory {
    /// Of the interface with this number and hardware address.
    pub(crate) fn new(folder: &Path, index: u32, mac: [u8; 6]) -> Self {
        Self { file: folder.join(format!("lease-{index}")), mac }
    }

    /// The lease of a former life, if it was this interface's.
    pub(crate) fn lease(&self) -> Option<Lease> {
        let bytes = fs::read(&self.file).ok()?;
        let (mac, lease): ([u8; 6], Lease) = frame::decode(bytes.get(frame::HEADER..)?).ok()?;
        (mac == self.mac).then_some(lease)
    }

    /// Keeps this lease, whole or not at all; `None`: there is none any more.
    pub(crate) fn keep(&self, lease: Option<&Lease>) -> io::Result<()> {
        let Some(lease) = lease else {
            return match fs::remove_file(&self.file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        };
        if let Some(folder) = self.file.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let new = self.file.with_extension("new");
        fs::write(&new, frame::encode(&(self.mac, lease)).map_err(io::Error::other)?)?;
        fs::rename(new, &self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_lease_is_read_back_for_the_same_interface_only_and_gone_when_it_is_lost() {
        let run = tempfile::tempdir().unwrap();
        let folder = run.path().join("net");
        let memory = Memory::new(&folder, 2, [1; 6]);
        assert_eq!(memory.lease(), None);
        memory.keep(None).unwrap();
        let lease = crate::dhcp::tests::lease();
        memory.keep(Some(&lease)).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        assert_eq!(memory.lease(), Some(lease));
        assert_eq!(Memory::new(&folder, 2, [2; 6]).lease(), None, "another card in its place");
        assert_eq!(Memory::new(&folder, 3, [1; 6]).lease(), None);
        memory.keep(None).unwrap();
        assert_eq!(memory.lease(), None);
    }
}
