//! Tests of the shipped image, booted in QEMU and driven from outside.
//!
//! Everything here starts from `out/evener-qemu.qcow2` as the image builder wrote it, and talks to the unit as
//! an operator or a client does: over the network, on the serial line, by pulling its cord. This library has
//! what several tests and the measurements share.

mod api;
mod boards;
mod firmware;
mod hand;
mod image;
mod network;
mod reissue;
mod reloaded;
mod turn;
mod webdriver;

pub use api::{Answer, Api};
pub use boards::{BoardImage, board_images};
pub use evener_sick::{HAND_PORT, Sickness};
pub use firmware::TestFirmware;
pub use hand::Hand;
pub use image::{fresh_disk, log_path, proof_path, raw_disk, shipped_image, shipped_stick};
pub use network::{CLIENT, GATEWAY, Network, PASSWORD, SERVERS, UNIT};
pub use reissue::{reissued, shipped_bundle};
pub use reloaded::{Change, has_loader, reload};
pub use turn::Turn;
pub use webdriver::{Browser, View};

use std::time::Duration;

/// From power-on to PID 1's first line, with another unit on the same cores.
pub const BOOT_WITHIN: Duration = Duration::from_secs(90);
/// The first line of PID 1.
pub const INIT_STARTED: &str = "evener-init: started";
/// How the loader begins each line.
pub const LOADER: &str = "evener-loader:";
