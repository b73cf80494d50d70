//! The menu of the console: bytes and time in, text and orders out.
//!
//! One [`Session`] is what one person sees at one place: the serial port, the screen, a connection by SSH. It draws with
//! nothing but lines of ASCII, so that whatever is connected (a VT100, a console server, a phone, a paper terminal) shows
//! it right, and whoever attaches in the middle gets the whole picture again with Ctrl-L or Enter. It decides what is
//! shown and asked; what is done about it is somebody else's: an [`Order`] leaves, an [`Answer`] comes back.
//!
//! A serial line may bring bytes that no person typed: noise, another machine's prompts, an echo. [`Knock`] finds out
//! whether a person is there, [`Bucket`] says when to stop listening for a while.

#![forbid(unsafe_code)]

mod bucket;
mod confirm;
mod date;
mod form;
mod knock;
mod line;
mod order;
mod passwords;
mod screen;
mod session;
mod setup;
mod state;
mod text;

pub use bucket::Bucket;
pub use date::parse_moment;
pub use knock::{Knock, QUIET};
pub use order::{Act, Answer, Order, Secret};
pub use session::{Opening, Place, Session};
pub use setup::{Addressing, Port, Setup};

/// Most bytes of output that one byte of input can cause: a screen of 24 rows of 80, each with its line end, and the echo.
pub const MOST_OUTPUT: usize = 24 * 82 + 1024;

#[cfg(test)]
mod tests;
