//! The request's way to the server: what is here, then the rest of the body as the client sends it.

use crate::buffers::{Room, read_some};
use crate::exchange::Shared;
use crate::fault::Fault;
use crate::session::Job;
use bytes::BytesMut;
use evener_http1::{BodyReader, Progress};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{ReadHalf, WriteHalf};

/// Why the request could not be sent to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsent {
    /// The client's fault: the exchange is over.
    Client(Fault),
    /// The server takes no more. It may have answered nevertheless.
    Server,
}

/// What is to be sent, and where the rest of it comes from.
pub(crate) struct Outgoing<'s> {
    pub(crate) job: &'s Job,
    pub(crate) body: &'s mut BodyReader,
    pub(crate) input: &'s mut BytesMut,
    pub(crate) read: ReadHalf<'s>,
}

/// Sends the request: what is here, then the rest of the body as it comes.
pub(crate) async fn send(
    shared: &Shared<'_>,
    from: Outgoing<'_>,
    mut server: WriteHalf<'_>,
) -> Result<(), Unsent> {
    let Outgoing { job, body, input, mut read } = from;
    let mut left = &job.bytes[..];
    while !left.is_empty() {
        let written = server.write(left).await.map_err(|_| Unsent::Server)?;
        shared.sent.set(true);
        left = left.get(written..).unwrap_or_default();
    }
    let (mut out, mut room) = (BytesMut::new(), Room::default());
    while !body.is_done() {
        let before = input.len();
        let Ok(Progress { done }) = body.relay(input, job.wire, &mut out) else {
            return Err(break_off(shared, &mut server, Fault::BadBody).await);
        };
        if input.len() != before || !out.is_empty() {
            shared.body_touched.set(true);
            server.write_all(&out).await.map_err(|_| Unsent::Server)?;
            out.clear();
            shared.timer.allow(shared.plan.idle);
        }
        if done {
            break;
        }
        shared.client_owes.set(true);
        match read_some(&mut read, input, &mut room).await {
            Ok(1..) => shared.timer.allow(shared.plan.idle),
            Ok(0) | Err(_) => return Err(break_off(shared, &mut server, Fault::ClientGone).await),
        }
        shared.client_owes.set(false);
    }
    shared.complete.set(true);
    if !shared.answered.get() {
        shared.timer.allow(shared.plan.response_head);
    }
    Ok(())
}

/// The body cannot go on, by the client's fault. A server that is answering already learns that no more comes, and the
/// answer is finished.
async fn break_off(shared: &Shared<'_>, server: &mut WriteHalf<'_>, fault: Fault) -> Unsent {
    if shared.answered.get() {
        // On a connection that is broken the answer will show it.
        let _ = server.shutdown().await;
    }
    Unsent::Client(fault)
}
