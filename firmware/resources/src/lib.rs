//! The settings as resources of the API: where each is, what it can be asked, and what becomes of a change.
//!
//! Every object, list and single setting of the model has an address, which is its path in the model with the names that
//! `evener.toml` uses, so that there is one set of names to learn; an element of a list stands under its `id`, or its
//! `name`:
//!
//! ```text
//! /api/v1/virtual_services                        a list
//! /api/v1/virtual_services/3                      an object of it
//! /api/v1/virtual_services/3/check                a group of settings
//! /api/v1/virtual_services/3/real_servers/7       an object of a list within
//! /api/v1/interfaces/eth0/mtu                     a single setting
//! ```
//!
//! Nothing here knows of HTTP, users, or the disk: a change is a function from the configuration in force to the next
//! one, which control validates as a whole and stores. What a request may be asked at an address follows from the
//! shape of what is there ([`evener_config::shape`]); no list of addresses is written by hand, and none can be
//! forgotten.

#![forbid(unsafe_code)]

mod change;
mod openapi;
mod page;
mod place;
mod secret;
mod tag;

pub use change::{Changed, Method, change};
pub use openapi::openapi;
pub use page::{Page, page};
pub use place::{Fault, Place, find, read};
pub use secret::keep_secrets;
pub use tag::tag;
