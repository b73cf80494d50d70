//! The only crate with syscalls, netlink, raw sockets, real time and randomness.
//!
//! Each module is a thin, safe face over one thing the kernel offers; what to do with it is decided elsewhere.

#![expect(unsafe_code, reason = "this crate is where the unsafe faces of the kernel are made safe")]

pub mod clock;
pub mod disk;
mod inherited;
pub mod mount;
mod name;
pub mod packet;
pub mod power;
pub mod process;
mod random;
pub mod resize;
pub mod watchdog;

pub use inherited::inherited_descriptor;
pub use name::set_host_name;
pub use random::random_u64;
