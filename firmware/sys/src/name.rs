//! The unit's name, as the kernel has it.

use std::io;

/// Sets the host name.
///
/// # Errors
/// For more than 64 bytes, or without the right to do so.
pub fn set_host_name(name: &str) -> io::Result<()> {
    Ok(rustix::system::sethostname(name.as_bytes())?)
}
