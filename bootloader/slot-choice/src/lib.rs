//! Which slot to boot: facts in, an order out.
#![no_std]
#![forbid(unsafe_code)]
