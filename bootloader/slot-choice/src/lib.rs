//! Which slot to boot: facts in, an order out; and the whole way of a boot around it.
//!
//! [`choose`] is the rule: a pure function of the slot table and what was verified. [`boot`] is the sequence
//! every loader follows: look, choose, count, read once, verify those bytes, start; on a failure say why and
//! choose again. A loader for BIOS or UEFI gives it a disk and a [`Machine`] and adds no rule of its own, so
//! all of it is tested on a host, each corruption against the very code that boots.
//!
//! [`Keys`] listens to the person at the console; [`Listener`] tells their keys from what a serial line carries by itself.
//!
//! What an operator may get to see is in [`BootCode`], listed in `docs/boot-codes.md`.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

#[cfg(test)]
extern crate std;

mod asked;
mod choice;
mod code;
mod flow;
mod judge;
mod keys;

pub use asked::{Asked, Confirmation, IN_A_ROW, Listener, Typed};
pub use choice::{Boot, Counting, Facts, MAX_BOOTS_WITHOUT_HEALTH, Order, SlotFact, choose};
pub use code::BootCode;
pub use flow::{Machine, Started, boot};
pub use judge::judge;
pub use keys::{Keys, Terminal, Timer, wait_for_restart};
