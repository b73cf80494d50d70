//! The generations of the configuration, as control tells of them.

use crate::app::{App, Refused};
use evener_api::control::{Change, Generation, GenerationInfo, Reply, Request, Transaction};

/// Generations that are asked for at most: as many as are kept.
pub(crate) const MOST: u16 = 100;

/// The last generations, newest first.
///
/// # Errors
/// Control is away.
pub(crate) async fn list(app: &App) -> Result<Vec<GenerationInfo>, Refused> {
    match app.ask_control(Request::History(MOST)).await? {
        Reply::History(generations) => Ok(generations),
        other => Err(Refused::by(other)),
    }
}

/// One generation as it was, its password hashes left out.
///
/// # Errors
/// It is not kept or cannot be read, or control is away.
pub(crate) async fn show(app: &App, generation: u64) -> Result<Generation, Refused> {
    match app.ask_control(Request::Generation(generation)).await? {
        Reply::Generation(generation) => Ok(*generation),
        other => Err(Refused::by(other)),
    }
}

/// The difference between two generations, in words.
///
/// # Errors
/// As [`show`].
pub(crate) async fn compare(app: &App, from: u64, to: u64) -> Result<Vec<String>, Refused> {
    difference(app, Request::Compare { from, to }).await
}

/// What a change would do, in words; it is not made.
///
/// # Errors
/// What would refuse it.
pub(crate) async fn would(
    app: &App,
    author: &str,
    based_on: Option<u64>,
    change: Change,
) -> Result<Vec<String>, Refused> {
    let transaction = Transaction { author: author.to_owned(), based_on, reason: None, change };
    difference(app, Request::Try(Box::new(transaction))).await
}

async fn difference(app: &App, request: Request) -> Result<Vec<String>, Refused> {
    match app.ask_control(request).await? {
        Reply::Difference(lines) => Ok(lines),
        other => Err(Refused::by(other)),
    }
}
