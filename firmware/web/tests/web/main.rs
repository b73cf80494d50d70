//! The pages and the API as their users meet them: requests through the router, against services that are fakes
//! on real sockets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test crate")]

mod api;
mod backup;
mod debug;
mod fake;
mod firmware_api;
mod firmware_page;
mod forms;
mod guards;
mod history;
mod login;
mod logs;
mod metrics;
mod pages;
mod support;
