//! Files in places that others may write to.

use crate::WITHOUT_WAITING;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Opens a file to be read, if it is a regular one: no link is followed to it, no pipe waited for, no device opened.
///
/// # Errors
/// When there is none, or what is there is something else.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | WITHOUT_WAITING).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("this is no regular file")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use std::io::Read;

    #[test]
    fn opens_a_file_and_neither_a_link_nor_a_pipe_nor_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link, pipe) =
            (folder.path().join("file"), folder.path().join("link"), folder.path().join("pipe"));
        std::fs::write(&file, "text").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let mut text = String::new();
        open_regular(&file).unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "text");
        // Without O_NONBLOCK the pipe would be waited for here.
        for other in [&link, &pipe, &folder.path().to_owned()] {
            assert!(open_regular(other).is_err(), "{}", other.display());
        }
    }
}
