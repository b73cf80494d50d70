//! One session of the menu from its first screen to its end, over whatever carries bytes.

use crate::gate::Who;
use crate::unit::Unit;
use evener_menu::{Answer, Opening, Order, Session};
use evener_sys::clock;
use std::future::pending;
use std::io;
use std::time::Duration;

/// How long what is shown may wait for its reader; then nobody is there.
const READ_WITHIN: Duration = Duration::from_secs(20);
/// Bytes that are looked at together.
const AT_ONCE: usize = 256;

/// Carries bytes to and from a person.
pub(crate) trait Wire: Send {
    /// What was typed, waiting for some; 0 at the end. Cancel safe.
    fn hear(&mut self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> + Send;
    /// Shows all of it.
    fn say(&mut self, text: &str) -> impl Future<Output = io::Result<()>> + Send;
}

/// Talks until the person is gone or has to go.
///
/// # Errors
/// When the wire broke.
pub(crate) async fn talk<W: Wire>(
    wire: &mut W,
    unit: &Unit,
    mut who: Who,
    opening: Opening,
) -> io::Result<()> {
    let mut session = Session::new(opening, clock::since_boot());
    let mut buffer = [0; AT_ONCE];
    loop {
        show(wire, &mut session).await?;
        let due = session.due();
        let timer = async {
            match due {
                Some(due) => tokio::time::sleep(due.saturating_sub(clock::since_boot())).await,
                None => pending().await,
            }
        };
        let order = tokio::select! {
            heard = wire.hear(&mut buffer) => match heard? {
                0 => return Ok(()),
                count => type_in(&mut session, buffer.get(..count).unwrap_or_default()),
            },
            () = timer => session.tick(clock::since_boot()),
        };
        let Some(order) = order else { continue };
        show(wire, &mut session).await?;
        if order == Order::End {
            return Ok(());
        }
        let answer = unit.carry_out(&mut who, order).await;
        if who.is_of_the_past(unit) {
            wire.say("\r\n  The password was changed elsewhere: log in again.\r\n").await?;
            return Ok(());
        }
        let end = session.answer(answer, clock::since_boot());
        if end == Some(Order::End) {
            return show(wire, &mut session).await;
        }
    }
}

/// Bytes behind one that gives an order are dropped: the session takes none until there is an answer.
fn type_in(session: &mut Session, bytes: &[u8]) -> Option<Order> {
    bytes.iter().find_map(|byte| session.byte(*byte, clock::since_boot()))
}

async fn show<W: Wire>(wire: &mut W, session: &mut Session) -> io::Result<()> {
    let text = session.output();
    if text.is_empty() {
        return Ok(());
    }
    tokio::time::timeout(READ_WITHIN, wire.say(&text)).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
}

/// Words that say nothing was changed, and why.
pub(crate) fn refused(reason: impl Into<String>) -> Answer {
    Answer::Refused(vec![reason.into()])
}
