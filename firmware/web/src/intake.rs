//! Bodies that are larger than any other: taken piece by piece, for as long as something comes.

use crate::app::App;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::FromRequestParts;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long a sender may pause.
const PAUSE: Duration = Duration::from_secs(30);
/// For what a refused sender still sends.
const REST_WITHIN: Duration = Duration::from_secs(120);

/// The body of a request, on its way in.
#[derive(Debug)]
pub(crate) struct Intake {
    body: Body,
    left: u64,
}

/// Why the rest of a body does not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// It is longer than may be.
    TooLarge,
    /// Nothing came for 30 s.
    Paused,
    /// The connection broke, or the sender left.
    Broken,
}

impl Intake {
    /// At most so many bytes of it.
    pub(crate) const fn new(body: Body, most: u64) -> Self {
        Self { body, left: most }
    }

    /// The next bytes; `None` at the end. Nothing is read ahead.
    ///
    /// # Errors
    /// Why there are no more, see [`Stopped`].
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Stopped> {
        loop {
            let frame = tokio::time::timeout(PAUSE, self.body.frame()).await.map_err(|_| Stopped::Paused)?;
            let Some(frame) = frame else { return Ok(None) };
            // What is no data is a trailer, which means nothing to us.
            let Ok(bytes) = frame.map_err(|_| Stopped::Broken)?.into_data() else { continue };
            self.left = self.left.checked_sub(bytes.len() as u64).ok_or(Stopped::TooLarge)?;
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
    }

    /// The answer to somebody who is still sending: on its way at once, while what still comes is read and thrown
    /// away. A sender that is cut off in the middle would see a broken connection, and never the reason.
    pub(crate) fn answer_early(mut self, answer: impl IntoResponse) -> Response {
        let mut response = answer.into_response();
        if !self.body.is_end_stream() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            tokio::spawn(tokio::time::timeout(REST_WITHIN, async move {
                while let Ok(Some(_)) = self.next().await {}
            }));
        }
        response
    }
}

/// Work that may keep a connection for longer than usual.
#[derive(Clone, Debug, Default)]
pub(crate) struct Errands(Arc<watch::Sender<u32>>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Errand(Errands);

impl Errands {
    /// From here on the connection is needed.
    pub(crate) fn begin(&self) -> Errand {
        self.0.send_modify(|running| *running = running.saturating_add(1));
        Errand(self.clone())
    }

    /// Returns as soon as none is under way.
    pub(crate) async fn done(&self) {
        // The sender is in our hand, so this cannot fail.
        let _ = self.0.subscribe().wait_for(|running| *running == 0).await;
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        self.0.0.send_modify(|running| *running = running.saturating_sub(1));
    }
}

impl FromRequestParts<App> for Errands {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Infallible> {
        // Without one, as when there is no connection at all, nobody asks.
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    fn body(pieces: Vec<Result<&'static [u8], std::io::Error>>) -> Body {
        Body::from_stream(stream::iter(pieces.into_iter().map(|piece| piece.map(Bytes::from_static))))
    }

    #[tokio::test]
    async fn a_body_ends_where_it_ends_or_where_it_may_not_go_on() {
        let mut whole = Intake::new(body(vec![Ok(b"ab"), Ok(b""), Ok(b"c")]), 3);
        assert_eq!(whole.next().await, Ok(Some(Bytes::from_static(b"ab"))));
        assert_eq!(whole.next().await, Ok(Some(Bytes::from_static(b"c"))));
        assert_eq!(whole.next().await, Ok(None));
        let mut large = Intake::new(body(vec![Ok(b"ab"), Ok(b"cd")]), 3);
        assert!(large.next().await.is_ok());
        assert_eq!(large.next().await, Err(Stopped::TooLarge));
        let mut broken = Intake::new(body(vec![Ok(b"ab"), Err(std::io::Error::other("gone"))]), 9);
        assert!(broken.next().await.is_ok());
        assert_eq!(broken.next().await, Err(Stopped::Broken));
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_that_pauses_is_not_waited_for() {
        let mut intake = Intake::new(Body::from_stream(stream::pending::<Result<Bytes, Infallible>>()), 9);
        assert_eq!(intake.next().await, Err(Stopped::Paused));
    }

    #[tokio::test]
    async fn an_errand_is_done_when_its_last_part_is() {
        let errands = Errands::default();
        errands.done().await;
        let (one, two) = (errands.begin(), errands.clone().begin());
        let waiting = tokio::spawn({
            let errands = errands.clone();
            async move { errands.done().await }
        });
        drop(one);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(two);
        waiting.await.unwrap();
    }
}
