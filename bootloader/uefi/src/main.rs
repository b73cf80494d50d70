//! The UEFI loader: a thin shell of disk, screen and jump around the pure crates.
//!
//! What is booted and why is decided in `evener-slot-choice`; here is only what needs firmware: the disk this
//! file was loaded from (`disk`), the consoles (`console`) and time (`clock`), memory and the start of the
//! kernel (`machine`), the other copy of this loader (`copies`), and the way to the watchdog that turns a hang into a counted failure (`pci`). Secure Boot is not used
//! yet: the chain of trust starts with the keyset embedded here.
//!
//! On any other target the package is an empty program, so that the workspace builds everywhere.
#![cfg_attr(target_os = "uefi", no_main, no_std)]

#[cfg(target_os = "uefi")]
extern crate alloc;

#[cfg(target_os = "uefi")]
mod clock;
#[cfg(any(target_os = "uefi", test))]
mod conout;
#[cfg(target_os = "uefi")]
mod console;
#[cfg(target_os = "uefi")]
mod copies;
#[cfg(target_os = "uefi")]
mod disk;
#[cfg(target_os = "uefi")]
mod machine;
#[cfg(target_os = "uefi")]
mod pci;
#[cfg(target_os = "uefi")]
mod port;
#[cfg(target_os = "uefi")]
mod start;

#[cfg(not(target_os = "uefi"))]
fn main() {}
