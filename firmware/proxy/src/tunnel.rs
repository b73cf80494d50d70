//! After `101 Switching Protocols`: bytes, both ways, until both sides have ended or nothing moves for too long
//! (RFC 9110 §7.8). What the client sent ahead of the switch is passed on now, and not before.

use crate::buffers::{Room, read_some};
use crate::plan::Plan;
use crate::pool::Upstream;
use crate::session::Session;
use crate::timer::Timer;
use bytes::BytesMut;
use std::io;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{ReadHalf, WriteHalf};

/// Runs a tunnel to its end.
pub(crate) async fn run(session: &mut Session, plan: &Plan, upstream: &mut Upstream) {
    let (client_read, client_write) = session.stream.split();
    let (server_read, server_write) = upstream.stream.split();
    let timer = &session.timer;
    timer.allow(plan.idle);
    let up = one_way(client_read, &mut session.input, server_write, timer, plan.idle);
    let down = one_way(server_read, &mut upstream.input, client_write, timer, plan.idle);
    // Whether it ended well, broke or stood still, it is over, and both connections are closed.
    let _ = timer.watch(async { tokio::try_join!(up, down) }).await;
}

async fn one_way(
    mut from: ReadHalf<'_>,
    buffer: &mut BytesMut,
    mut to: WriteHalf<'_>,
    timer: &Timer,
    idle: Duration,
) -> io::Result<()> {
    let mut room = Room::default();
    loop {
        if !buffer.is_empty() {
            to.write_all(buffer).await?;
            buffer.clear();
            timer.allow(idle);
        }
        if read_some(&mut from, buffer, &mut room).await? == 0 {
            return to.shutdown().await;
        }
        timer.allow(idle);
    }
}
