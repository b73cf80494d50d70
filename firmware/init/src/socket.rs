//! Init's own socket: the state of the unit, and requests to end its run.

use crate::log::Log;
use crate::reset;
use evener_api::Service;
use evener_api::init::{Announcement, Reply, Request};
use evener_ipc::{Connection, IpcError, Listener, Peer};
use std::path::{Path, PathBuf};
use tokio::sync::{mpsc, oneshot};

/// A request that may be answered.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) request: Request,
    pub(crate) answer: oneshot::Sender<Reply>,
}

/// Serves the socket; what is allowed goes to the main loop.
pub(crate) async fn serve(listener: Listener, run: PathBuf, log: Log, asked: mpsc::Sender<Asked>) {
    listener.serve(|connection| answer_all(connection, run.clone(), log.clone(), asked.clone())).await;
}

async fn answer_all(
    mut connection: Connection,
    run: PathBuf,
    log: Log,
    asked: mpsc::Sender<Asked>,
) -> Result<(), IpcError> {
    let peer = connection.peer()?;
    while let Some(request) = connection.next_request::<Request>().await? {
        let reply = if !may_ask(peer, request) {
            Reply::Forbidden
        } else if let Request::FollowLog(after) = request {
            return tell_lines(connection, &log, after).await;
        } else if let Err(reason) = prepare(&run, request).await {
            tracing::error!(reason, ?request, "cannot be done");
            Reply::Failed(reason)
        } else {
            let (answer, reply) = oneshot::channel();
            if asked.send(Asked { request, answer }).await.is_err() {
                return Ok(());
            }
            let Ok(reply) = reply.await else { return Ok(()) };
            reply
        };
        connection.answer(&reply).await?;
    }
    Ok(())
}

/// Hands over the lines of the log, those of the past first. A follower that does not read costs this task and nothing
/// else; after 60 s it is hung up on.
async fn tell_lines(mut connection: Connection, log: &Log, mut after: u64) -> Result<(), IpcError> {
    let mut newest = log.newest();
    loop {
        newest.borrow_and_update();
        let lines = log.after(after);
        if let Some(last) = lines.lines.last() {
            after = last.number;
            connection.answer(&lines).await?;
            continue;
        }
        tokio::select! {
            changed = newest.changed() => if changed.is_err() { return Ok(()) },
            () = connection.closed() => return Ok(()),
        }
    }
}

/// What a request needs of the disk, before the main loop hears of it: that must not wait for a disk.
async fn prepare(run: &Path, request: Request) -> Result<(), String> {
    if request != Request::FactoryReset {
        return Ok(());
    }
    let run = run.to_owned();
    let ordered = tokio::task::spawn_blocking(move || reset::order(&run)).await;
    ordered.map_err(|error| error.to_string())?.map_err(|error| format!("{error:#}"))
}

fn may_ask(peer: Peer, request: Request) -> bool {
    match request {
        Request::Get => true,
        Request::Reboot => {
            [Service::Web, Service::Update, Service::Console].into_iter().any(|it| peer.is(it))
        }
        Request::PowerOff | Request::FactoryReset => peer.is(Service::Web) || peer.is(Service::Console),
        Request::Quiet { .. } | Request::SetClock(_) => peer.is(Service::Console),
        Request::Announce(Announcement::FirstPassword | Announcement::PasswordChanged) => {
            peer.is(Service::Control)
        }
        Request::FollowLog(_) => peer.is(Service::Log),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_who_need_it_may_end_the_run_or_speak_to_the_console() {
        let by = |service: Service, request| may_ask(Peer { uid: service.uid() }, request);
        assert!(by(Service::Web, Request::PowerOff) && by(Service::Web, Request::Reboot));
        assert!(by(Service::Update, Request::Reboot) && !by(Service::Update, Request::PowerOff));
        assert!(by(Service::Web, Request::FactoryReset));
        let quiet = Request::Quiet { terminal: 0, quiet: true };
        for request in
            [Request::Reboot, Request::PowerOff, Request::FactoryReset, quiet, Request::SetClock(1)]
        {
            assert!(by(Service::Console, request), "{request:?}");
        }
        assert!(!by(Service::Console, Request::Announce(Announcement::PasswordChanged)));
        assert!(by(Service::Control, Request::Announce(Announcement::FirstPassword)));
        for service in [Service::Update, Service::Control] {
            assert!(!by(service, Request::FactoryReset), "{service}");
            assert!(!by(service, quiet) && !by(service, Request::SetClock(1)), "{service}");
        }
        assert!(by(Service::Log, Request::FollowLog(0)) && !by(Service::Web, Request::FollowLog(0)));
        for service in [Service::Net, Service::Checks, Service::Proxy, Service::Log] {
            assert!(by(service, Request::Get));
            for request in
                [Request::Reboot, Request::PowerOff, Request::Announce(Announcement::PasswordChanged)]
            {
                assert!(!by(service, request), "{service} {request:?}");
            }
        }
    }
}
