//! The devices that loaders drive by themselves, whatever the firmware below them: the first serial port, and the
//! hardware watchdogs of PC chipsets.
//!
//! What a register access is differs between loaders and is theirs ([`Ports`], [`Bus`], [`Registers`]); which registers, in which
//! order and with which bounds is the same and here, where it is tested against devices that are broken or absent.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod uart;
mod watchdog;

pub use uart::{Ports, Uart};
pub use watchdog::{Armed, Bus, Function, Registers, SECONDS, arm, disarm};
