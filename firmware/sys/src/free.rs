//! Room on a file system.

use std::io;
use std::path::Path;

/// Bytes that can still be written to the file system of this folder, by who is not root.
///
/// # Errors
/// When there is no such folder.
pub fn free_bytes(folder: &Path) -> io::Result<u64> {
    let about = rustix::fs::statvfs(folder)?;
    Ok(about.f_bavail.saturating_mul(about.f_frsize))
}

#[cfg(test)]
mod tests {
    #[test]
    fn there_is_room_where_there_is_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert!(super::free_bytes(folder.path()).unwrap() > 0);
        assert!(super::free_bytes(&folder.path().join("nonesuch")).is_err());
    }
}
