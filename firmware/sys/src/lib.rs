//! The only crate with syscalls, netlink, raw sockets, real time and randomness.
//!
//! Each module is a thin, safe face over one thing the kernel offers; what to do with it is decided elsewhere.

#![expect(unsafe_code, reason = "this crate is where the unsafe faces of the kernel are made safe")]

pub mod capture;
pub mod clock;
pub mod console;
pub mod device;
pub mod disk;
pub mod echo;
mod free;
mod inherited;
pub mod mount;
mod name;
pub mod offload;
pub mod packet;
pub mod power;
pub mod process;
mod random;
mod regular;
pub mod resize;
pub mod watchdog;

pub use free::free_bytes;
pub use inherited::inherited_descriptor;
pub use name::set_host_name;
pub use random::{random_u64, wait_for_randomness};
pub use regular::open_regular;

/// Flag for opening a terminal that must not become our controlling one.
pub(crate) const WITHOUT_BECOMING_OURS: i32 = libc::O_NOCTTY;

/// Flags for opening a device that must never make us wait, nor become our controlling terminal.
pub const WITHOUT_WAITING: i32 = libc::O_NONBLOCK | libc::O_NOCTTY;
