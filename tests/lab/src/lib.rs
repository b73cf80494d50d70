//! The lab: QEMU units on a virtual switch whose other ports are hosts in the test.
//!
//! ```text
//!   Unit (QEMU, the shipped image) ──unix socket──┐
//!   Unit …                         ──unix socket──┤  Switch        Host (smoltcp): clients, servers, DHCP
//!                                                 ├─ a thread a ──┤
//!                                                 │  port         Host …
//! ```
//! Nothing here needs root, a tap device or a free port: frames travel over Unix sockets, hosts are TCP/IP
//! stacks in the test process. A test can cut, delay, lose, duplicate and record what any link carries, damage
//! the disk between two boots, and read what the unit says on its serial line.
//!
//! Every wait has a time-out, and every program that a test starts dies with the test, even with one that is
//! killed (`setpriv --pdeathsig`).
#![allow(clippy::disallowed_methods, reason = "runs QEMU and its tools on the developer's machine")]

mod arp;
mod console;
mod dhcp;
mod disk;
mod host;
pub mod http;
#[cfg(feature = "https")]
pub mod https;
mod keyboard;
mod kind;
mod link;
mod machine;
mod medium;
mod program;
mod qmp;
mod random;
mod serial;
mod stick;
mod stream;
mod switch;
mod tap;
mod tool;
mod unit;
mod volatile;
mod web;

pub use arp::Arp;
pub use console::first_password;
pub use dhcp::{DhcpServer, asks_for_address};
pub use disk::{DiskFile, overlay, overlay_of, raw_copy};
pub use host::{Host, HostSetup, UdpSocket};
pub use keyboard::{Held, Keyboard};
pub use kind::Attachment;
pub use link::{Faults, PortId};
pub use machine::{Card, Forward, Machine, WORK_FOLDER};
pub use medium::config_medium;
pub use program::Program;
pub use qmp::Qmp;
pub use random::Random;
pub use serial::{Line, Serial};
pub use stick::stick_with;
pub use stream::{Listener, Stream};
pub use switch::Switch;
pub use tap::{Seen, Tap};
pub use unit::{Unit, Written};
pub use volatile::{Counts, Loss, Moment, VolatileDisk};
pub use web::WebServer;
