//! Logs of a service, one line an event, and the directories it works in.
//!
//! A line is `LEVEL service: message key=value …`, without a time: init, which reads the lines of every
//! service, puts one clock's time in front of all of them.

#![forbid(unsafe_code)]

mod line;

use std::path::PathBuf;
use tracing_subscriber::filter::LevelFilter;
pub use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Where a service finds the others, and where it keeps what is its own.
#[derive(Clone, Debug)]
pub struct Dirs {
    /// Sockets and files that live as long as the unit is up; `/run/evener` on the appliance.
    pub run: PathBuf,
    /// The `data` partition; `/data` on the appliance. A service's own directory in it carries its name.
    pub data: PathBuf,
}

/// Sends the log of this process, from level INFO up, to standard error. Called a second time it does nothing.
pub fn start_log(service: &'static str) {
    start_log_to(service, std::io::stderr);
}

/// As [`start_log`], but to a writer of the caller's: init's own lines go where it puts everybody else's.
pub fn start_log_to<W>(service: &'static str, writer: W)
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .event_format(line::Line::new(service))
        .with_writer(writer);
    // An error only says that a log is set up already, which is what was asked for.
    let _ = tracing_subscriber::registry().with(LevelFilter::INFO).with(layer).try_init();
}
