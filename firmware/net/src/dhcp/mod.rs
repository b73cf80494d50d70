//! DHCP for IPv4 (RFC 2131), the client's side.
//!
//! Pure: packets and time in, packets and a lease out. Why our own state machine and not smoltcp's: that one
//! keeps its addresses in smoltcp's own interface, while here they belong to the kernel, and a renewal has to go
//! out from an address that smoltcp must not have.

mod client;
pub(crate) mod message;

#[cfg(test)]
pub(crate) use client::tests;
pub(crate) use client::{Client, Lease};
