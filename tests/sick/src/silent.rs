//! A proxy that looks alive from everywhere but its clients: it starts, beats, follows the configuration, binds every
//! listener and reports it bound. It never takes a connection: the kernel completes the handshake, and then there is
//! silence.

use anyhow::Context;
use evener_api::control::Snapshot;
use evener_api::net::NetStatus;
use evener_api::proxy::{self, ProxyStatus, ServiceStatus};
use evener_api::{Service, control, net};
use evener_config::{Address, InterfaceName, Protocol, VirtualService, VsId};
use evener_ipc::{Connection, IpcError, Lifeline, Listener, subscribe};
use evener_observe::Dirs;
use socket2::{Domain, Socket, Type};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use tokio::sync::watch;

/// The shipped proxy's backlog, so that nobody is turned away either.
const BACKLOG: i32 = 4096;

/// Is silent until told to stop.
pub(crate) fn run(dirs: Dirs) -> anyhow::Result<()> {
    evener_observe::start_log(Service::Proxy.name());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Listeners of a former life are as mute as new ones.
        let (lifeline, _kept) = Lifeline::start().await.context("no lifeline")?;
        let socket = Listener::bind(&dirs.run, Service::Proxy)?;
        let (board, shown) = watch::channel(ProxyStatus::default());
        tokio::spawn(socket.serve(move |caller| tell(caller, shown.clone())));
        let mut snapshots =
            subscribe::<_, Snapshot>(dirs.run.clone(), Service::Control, control::Request::Subscribe);
        let mut nets = subscribe::<_, NetStatus>(dirs.run, Service::Net, net::Request::Subscribe);
        lifeline.ready().await;
        tracing::info!("serving nobody");
        let mut bound = BTreeMap::new();
        loop {
            let (snapshot, net) = (snapshots.borrow().clone(), nets.borrow().clone());
            board.send_replace(place(&mut bound, snapshot.as_deref(), net.as_deref()));
            tokio::select! {
                () = lifeline.stopped() => return Ok(()),
                Ok(()) = snapshots.changed() => {}
                Ok(()) = nets.changed() => {}
            }
        }
    })
}

async fn tell(mut caller: Connection, board: watch::Receiver<ProxyStatus>) -> Result<(), IpcError> {
    while let Some(proxy::Request::Get) = caller.next_request().await? {
        let status = board.borrow().clone();
        caller.answer(&status).await?;
    }
    Ok(())
}

/// Binds what is configured, and says so.
fn place(
    bound: &mut BTreeMap<VsId, (SocketAddr, Arc<TcpListener>)>,
    snapshot: Option<&Snapshot>,
    net: Option<&NetStatus>,
) -> ProxyStatus {
    let Some(snapshot) = snapshot else { return ProxyStatus::default() };
    let services = &snapshot.config.shared.virtual_services;
    let services: Vec<_> = services.iter().filter(|vs| vs.enabled && vs.protocol == Protocol::Tcp).collect();
    bound.retain(|id, _| services.iter().any(|vs| vs.id == *id));
    let services = services.into_iter().map(|vs| {
        let listening = address(vs, net).and_then(|wanted| {
            if bound.get(&vs.id).is_none_or(|(address, _)| *address != wanted) {
                let listener = bind(wanted).map_err(|error| error.to_string())?;
                bound.insert(vs.id, (wanted, Arc::new(listener)));
            }
            Ok(wanted)
        });
        ServiceStatus {
            vs: vs.id,
            bound: listening,
            connections: 0,
            accepted: 0,
            requests: 0,
            retries: 0,
            own_answers: 0,
            faults: Vec::new(),
            servers: Vec::new(),
        }
    });
    ProxyStatus { generation: snapshot.generation, workers: 1, services: services.collect() }
}

fn address(vs: &VirtualService, net: Option<&NetStatus>) -> Result<SocketAddr, String> {
    let own = |name: &InterfaceName| {
        let interfaces = net.map(|net| net.interfaces.as_slice()).unwrap_or_default();
        let interface = interfaces.iter().find(|interface| interface.name == *name);
        interface.and_then(|interface| interface.addresses.first()).map(|(ip, _)| *ip)
    };
    let ip: Option<IpAddr> = match &vs.address {
        Address::Literal(ip) => Some(*ip),
        Address::Own(name) => own(name),
    };
    ip.map(|ip| SocketAddr::new(ip, vs.port)).ok_or_else(|| "no address yet".to_owned())
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    if address.is_ipv4() {
        socket.set_freebind_v4(true)?;
    } else {
        socket.set_freebind_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
