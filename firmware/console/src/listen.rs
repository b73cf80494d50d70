//! The listening sockets of SSH: one on each of the unit's own addresses, kept by init across our restarts.
//!
//! Outside the appliance, where the network is not the unit's own, there is one on a port of the loopback that was free.

use crate::own;
use crate::ssh::Ssh;
use crate::unit::Unit;
use evener_api::lifeline::ListenerKey;
use evener_api::net::OWN_NETWORK;
use evener_ipc::{Kept, Lifeline};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener as StdTcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Pause before an address that could not be had is tried again: it may be too new for the kernel.
const RETRY: Duration = Duration::from_secs(5);
/// Pause after a connection could not be accepted, for want of descriptors.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// Connections that wait in the kernel to be accepted.
const BACKLOG: i32 = 32;
/// How long what was sent may go without an acknowledgement; then the other end is gone.
const GONE_AFTER: Duration = Duration::from_secs(90);

type Open = BTreeMap<SocketAddr, JoinHandle<()>>;

/// Listens wherever the unit has an address, until told to stop.
pub(crate) async fn follow(lifeline: Lifeline, mut kept: Kept, ssh: Ssh, unit: Arc<Unit>) {
    let on_appliance = unit.run().join(OWN_NETWORK).exists();
    let (mut config, mut net) = (unit.config(), unit.net());
    let mut open = Open::new();
    loop {
        let wanted = if on_appliance {
            let snapshot = config.borrow_and_update().clone();
            let net = net.borrow_and_update().clone();
            net.zip(snapshot).map(|(net, snapshot)| own::places(&net, &snapshot))
        } else if open.is_empty() {
            Some(BTreeSet::from([SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)]))
        } else {
            None
        };
        let mut failed = false;
        // Before it is known which addresses there are, nothing is given up.
        if let Some(wanted) = wanted {
            failed = adjust(&lifeline, &mut kept, &mut open, &wanted, &ssh).await;
            if !on_appliance {
                failed = false;
            }
        }
        tell(&unit, &ssh, &open);
        let again =
            async { if failed { tokio::time::sleep(RETRY).await } else { std::future::pending().await } };
        tokio::select! {
            () = lifeline.stopped() => return,
            Ok(()) = config.changed(), if on_appliance => {}
            Ok(()) = net.changed(), if on_appliance => {}
            () = again => {}
        }
    }
}

/// Opens what is wanted and closes what is not; whether something could not be opened.
async fn adjust(
    lifeline: &Lifeline,
    kept: &mut Kept,
    open: &mut Open,
    wanted: &BTreeSet<SocketAddr>,
    ssh: &Ssh,
) -> bool {
    let gone: Vec<SocketAddr> = open.keys().filter(|address| !wanted.contains(address)).copied().collect();
    for address in gone {
        if let Some(task) = open.remove(&address) {
            task.abort();
        }
        lifeline.forget(key(address)).await;
    }
    let mut failed = false;
    for address in wanted.iter().filter(|address| !open.contains_key(address)).copied().collect::<Vec<_>>() {
        let former = kept.remove(&key(address));
        let is_kept = former.is_some();
        match listener(address, former) {
            Ok(listener) => {
                let bound = listener.local_addr().unwrap_or(address);
                if !is_kept {
                    lifeline.keep(key(bound), listener.as_fd()).await;
                }
                tracing::info!(address = %bound, kept = is_kept, "SSH listens");
                open.insert(bound, tokio::spawn(accept(listener, ssh.clone())));
            }
            Err(error) => {
                tracing::warn!(%address, %error, "SSH cannot listen there yet");
                failed = true;
            }
        }
    }
    for key in std::mem::take(kept).into_keys() {
        lifeline.forget(key).await;
    }
    failed
}

fn key(address: SocketAddr) -> ListenerKey {
    ListenerKey { address, worker: 0 }
}

fn listener(address: SocketAddr, former: Option<OwnedFd>) -> io::Result<TcpListener> {
    let listener = match former {
        Some(descriptor) => StdTcpListener::from(descriptor),
        None => {
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
            if address.is_ipv6() {
                socket.set_only_v6(true)?;
            }
            socket.set_reuse_address(true)?;
            socket.bind(&address.into())?;
            socket.listen(BACKLOG)?;
            socket.into()
        }
    };
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

async fn accept(listener: TcpListener, ssh: Ssh) {
    loop {
        match listener.accept().await {
            Ok((stream, source)) => {
                let ssh = ssh.clone();
                if let Err(error) = set_up(&stream) {
                    tracing::debug!(%error, "a connection has none of its limits");
                }
                tokio::spawn(async move { ssh.serve(stream, source.ip()).await });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
            }
        }
    }
}

fn set_up(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(GONE_AFTER))
}

/// What the menu shows about it.
fn tell(unit: &Unit, ssh: &Ssh, open: &Open) {
    let mut lines: Vec<(String, String)> =
        open.keys().map(|address| (String::from("listens on"), address.to_string())).collect();
    if lines.is_empty() {
        let is_off = unit.snapshot().is_some_and(|snapshot| !snapshot.config.unit.ssh.is_on);
        let why = if is_off { "no address: it is switched off" } else { "no address: the unit has none yet" };
        lines.push((String::from("listens on"), String::from(why)));
    }
    lines.push((String::from("host key"), format!("ED25519 {}", ssh.fingerprint())));
    lines.push((String::from("log in"), String::from("as bal, with the password of the pages")));
    unit.tell_ssh(lines);
}
