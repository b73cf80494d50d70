//! HTTPS on 8443: the pages an operator sees, and /api/v1.
//!
//! A face, and nothing else: the configuration is control's, and what is shown about the unit is asked of the
//! service that knows it, each time. When this service is down, traffic goes on; when another one is down, its
//! part of a page is missing and the page says so.
//!
//! ```text
//! listen → door (own addresses, places) → serve (TLS, limits)
//!                                          └ guard (origins, headers) → gate (sessions) → pages ─┐
//!                                                    └ api::caller (Basic) → api ┴→ app → control, checks, proxy …
//! ```
//!
//! Pages are made here, by `maud`, and need no script; the script refreshes what changes by itself and saves the
//! page that asks for certain.

#![forbid(unsafe_code)]

mod api;
mod app;
mod assets;
mod backup;
mod captures;
mod clock;
mod diagnose;
mod door;
mod exposition;
mod firmware;
mod form;
mod gate;
mod guard;
mod history;
mod identity;
mod intake;
mod kernel;
mod listen;
mod logs;
mod metrics;
mod pages;
mod rates;
mod serve;
mod session;
mod stall;
mod status;
mod unit;
mod upload;

pub use app::{App, Source};
pub use clock::Clock;

use anyhow::Context;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use evener_api::{Service, net};
use evener_ipc::Lifeline;
use evener_observe::Dirs;
use identity::{Identity, unit_id};
use serve::{Server, tls_config};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Most bytes of a request's body.
pub(crate) const BODY_BYTES: usize = 64 * 1024;
/// How long the start waits for the configuration, which says the port; without it there is nothing to show.
const CONFIG_WITHIN: Duration = Duration::from_secs(10);
/// How long the first start waits for the unit's addresses; later ones are only missing in the certificate.
const ADDRESSES_WITHIN: Duration = Duration::from_secs(3);

/// Why this service cannot do its work.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The kernel gives no randomness.
    #[error("the kernel gives no randomness")]
    Randomness,
    /// A file of this service cannot be read or written.
    #[error("cannot use {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// The kernel's reason.
        source: std::io::Error,
    },
    /// No certificate could be made.
    #[error("cannot make a certificate")]
    Certificate(#[source] rcgen::Error),
    /// Certificate and key are not a pair, or not what they claim to be.
    #[error("the certificate cannot be used")]
    Tls(#[from] rustls::Error),
    /// No address to listen on.
    #[error("cannot listen on port {port}")]
    Listen {
        /// Which port.
        port: u16,
        /// The kernel's reason.
        source: std::io::Error,
    },
}

/// Every page and the API over `app`, without the network below them.
pub fn app(app: App) -> Router {
    let pages = pages::routes()
        .layer(from_fn_with_state(app.clone(), pages::unless_in_rescue))
        .layer(from_fn_with_state(app.clone(), pages::ready_only));
    Router::new()
        .merge(pages)
        .merge(api::routes())
        .fallback(pages::not_found)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(from_fn(guard::every_request))
        .with_state(app)
}

/// Serves until told to stop.
///
/// # Errors
/// When the certificate or the lifeline cannot be had; in words. A port that cannot be had is none: the pages come up on another.
pub fn run(dirs: Dirs) -> anyhow::Result<()> {
    evener_observe::start_log(Service::Web.name());
    // One thread: an operator's pages need no more, and it costs the least memory.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(serve(dirs));
    // A password check that still runs is not waited for.
    runtime.shutdown_background();
    outcome
}

async fn serve(dirs: Dirs) -> anyhow::Result<()> {
    let (lifeline, kept) = Lifeline::start().await.context("no lifeline")?;
    let own = dirs.data.join(Service::Web.name());
    let state = App::new(&dirs.run, &unit_id(&own)?, Clock::real())?;

    let mut config = state.config();
    let net = evener_ipc::subscribe(dirs.run.clone(), Service::Net, net::Request::Subscribe);
    let first = tokio::time::timeout(CONFIG_WITHIN, config.wait_for(Option::is_some)).await;
    let first = first.ok().and_then(Result::ok).and_then(|snapshot| snapshot.as_ref().map(Arc::clone));
    let identity = if Identity::exists(&own) {
        Identity::load_or_make(&own, &[])?
    } else {
        let mut names = vec![String::from("localhost"), String::from("127.0.0.1"), String::from("::1")];
        names.extend(first.iter().map(|snapshot| snapshot.config.unit.hostname.clone()));
        names.extend(addresses(net.clone()).await.iter().map(ToString::to_string));
        Identity::load_or_make(&own, &names)?
    };
    tracing::info!(sha256 = identity.fingerprint(), "certificate");

    let mut listeners = listen::Listeners::new(lifeline.clone(), kept);
    let port = first.map(|snapshot| snapshot.config.unit.web_port);
    let listener = loop {
        if let Some(listener) = listeners.open_somewhere(port).await {
            break listener;
        }
        tokio::select! {
            () = lifeline.stopped() => return Ok(()),
            () = tokio::time::sleep(listen::RETRY) => {}
        }
    };
    let door = door::Door::new(config.clone(), net);
    let mut server = Server::new(tls_config(&identity)?, app(state), door);
    lifeline.ready().await;
    server.run(listener, &mut listeners, config, lifeline.stopped()).await;
    server.drain().await;
    Ok(())
}

/// The unit's addresses, as soon as it has some.
async fn addresses(mut status: evener_ipc::Subscription<net::NetStatus>) -> Vec<IpAddr> {
    let of = |status: &net::NetStatus| -> Vec<IpAddr> {
        status
            .interfaces
            .iter()
            .flat_map(|interface| &interface.addresses)
            .map(|(address, _)| *address)
            .collect()
    };
    let some =
        |status: &Option<Arc<net::NetStatus>>| status.as_ref().is_some_and(|status| !of(status).is_empty());
    match tokio::time::timeout(ADDRESSES_WITHIN, status.wait_for(some)).await {
        Ok(Ok(status)) => status.as_ref().map(|status| of(status)).unwrap_or_default(),
        _ => Vec::new(),
    }
}
