//! Interfaces, addresses, routes, DHCP.
//!
//! The kernel's network is read as a whole, compared with what it should be (`plan.rs`), and changed until the
//! two agree; any change, by whomever, makes it read again. Nothing is remembered that the kernel could tell, and
//! leases are kept (`memory.rs`), so this service may be killed at any moment, and its next life finds the network
//! as it was and goes on. What an interface has is left to it until its search for an address has a result.
//!
//! Interfaces are numbered by where their ports are, not as the kernel's drivers happened to find them, and those that
//! only follow another one are left alone (`ports.rs`).
//!
//! In rescue mode it takes on no address of a virtual service: whoever serves in its stead may have it.
//!
//! Without the file [`evener_api::net::OWN_NETWORK`] it only looks: on a developer's machine the network belongs
//! to somebody else.

#![forbid(unsafe_code)]

mod acquire;
mod arp;
mod dhcp;
mod fallback;
mod kernel;
mod memory;
mod network;
mod plan;
mod ports;
mod settings;
mod status;

use crate::kernel::Kernel;
use crate::network::{Folders, Network, Role};
use anyhow::Context;
use evener_api::net::{NetStatus, OWN_NETWORK, Request};
use evener_api::{RESCUE_MODE, Service};
use evener_ipc::{Connection, IpcError, Lifeline, Listener, publish, subscribe};
use evener_observe::Dirs;
use std::sync::Arc;
use tokio::sync::watch;

/// Runs the service until it is told to stop.
///
/// # Errors
/// When it cannot have its socket, or the kernel's, or loses that.
pub fn run(dirs: Dirs) -> anyhow::Result<()> {
    evener_observe::start_log(Service::Net.name());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(dirs))
}

async fn serve(dirs: Dirs) -> anyhow::Result<()> {
    let (lifeline, _kept) = Lifeline::start().await.context("no lifeline")?;
    let listener = Listener::bind(&dirs.run, Service::Net)?;
    let (status, published) = watch::channel(Arc::new(NetStatus::default()));
    tokio::spawn(listener.serve(move |connection| answer(connection, published.clone())));
    let (kernel, changes) = Kernel::connect().context("no netlink")?;
    let is_ours = dirs.run.join(OWN_NETWORK).exists();
    let serves = !dirs.run.join(RESCUE_MODE).exists();
    if !is_ours {
        tracing::info!("this network is not ours: looking only");
    }
    let control = subscribe(dirs.run.clone(), Service::Control, evener_api::control::Request::Subscribe);
    let folders =
        Folders { settings: dirs.data.join(Service::Net.name()), leases: dirs.run.join(Service::Net.name()) };
    let network = Network::new(kernel, Role { is_ours, serves }, status, folders, &lifeline);
    tokio::select! {
        () = network.run(changes, control, &lifeline) => anyhow::bail!("the connection to the kernel is lost"),
        // Addresses and routes stay: whoever stops us decides what becomes of the machine.
        () = lifeline.stopped() => Ok(()),
    }
}

async fn answer(mut connection: Connection, status: watch::Receiver<Arc<NetStatus>>) -> Result<(), IpcError> {
    while let Some(request) = connection.next_request().await? {
        match request {
            Request::Get => {
                let newest = Arc::clone(&status.borrow());
                connection.answer(&*newest).await?;
            }
            Request::Subscribe => return publish(&mut connection, status).await,
        }
    }
    Ok(())
}
