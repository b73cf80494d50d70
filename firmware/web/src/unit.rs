//! What the services of this unit say about themselves, asked all at once.
//!
//! One that is away or stuck costs a page at most [`PATIENCE`], and its own part of the page.

use crate::app::App;
use crate::status::VsStatus;
use evener_api::control::Snapshot;
use evener_api::{Service, checks, control, init, net, proxy, update};
use evener_config::VirtualService;
use serde::{Serialize, de::DeserializeOwned};
use std::sync::Arc;
use std::time::Duration;

/// How long a page waits for a service.
const PATIENCE: Duration = Duration::from_secs(1);

/// What has to be typed, or sent, to reset a unit.
pub(crate) const RESET_WORDS: &str = "factory reset";

/// Everything the pages show.
#[derive(Debug)]
pub(crate) struct Unit {
    /// The configuration; the last known one while control is away.
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) init: Option<init::UnitStatus>,
    pub(crate) net: Option<net::NetStatus>,
    pub(crate) checks: Option<checks::HealthReport>,
    pub(crate) proxy: Option<proxy::ProxyStatus>,
    pub(crate) update: Option<update::FirmwareStatus>,
    /// What init, control and update warn of.
    pub(crate) warnings: Vec<String>,
    /// Services that do not answer although they should.
    pub(crate) silent: Vec<Service>,
    /// It runs its rescue firmware and serves nobody.
    pub(crate) is_in_rescue: bool,
}

impl Unit {
    /// Asks them all.
    pub(crate) async fn look(app: &App, snapshot: Arc<Snapshot>) -> Self {
        let (init, net, checks, proxy, update, control) = tokio::join!(
            ask(app, Service::Init, init::Request::Get),
            ask(app, Service::Net, net::Request::Get),
            ask(app, Service::Checks, checks::Request::Get),
            ask(app, Service::Proxy, proxy::Request::Get),
            ask(app, Service::Update, update::Request::Get),
            ask(app, Service::Control, control::Request::Warnings),
        );
        let silent = [
            (Service::Init, init.is_none()),
            (Service::Net, net.is_none()),
            (Service::Control, control.is_none()),
            (Service::Checks, checks.is_none()),
            (Service::Proxy, proxy.is_none()),
            (Service::Update, update.is_none()),
        ];
        let is_in_rescue = app.is_in_rescue();
        let expected = |service: &Service| {
            !is_in_rescue || *service == Service::Init || Service::IN_RESCUE.contains(service)
        };
        let silent = silent.into_iter().filter_map(|(service, is)| is.then_some(service));
        let silent = silent.filter(expected).collect();
        let init = init.and_then(|reply| match reply {
            init::Reply::Status(status) => Some(*status),
            init::Reply::Done | init::Reply::Forbidden | init::Reply::Failed(_) => None,
        });
        let mut warnings = init.as_ref().map(|init| init.warnings.clone()).unwrap_or_default();
        if let Some(control::Reply::Warnings(of_control)) = control {
            warnings.extend(of_control);
        }
        warnings.extend(update.iter().flat_map(|update: &update::FirmwareStatus| update.warnings.clone()));
        Self { snapshot, init, net, checks, proxy, update, warnings, silent, is_in_rescue }
    }

    /// In the order in which they were made.
    pub(crate) fn services(&self) -> &[VirtualService] {
        &self.snapshot.config.shared.virtual_services
    }

    /// How a service does.
    pub(crate) fn status_of(&self, service: &VirtualService) -> VsStatus {
        VsStatus::of(service, self.checks.as_ref(), self.proxy.as_ref())
    }

    /// The unit's name.
    pub(crate) fn hostname(&self) -> &str {
        &self.snapshot.config.unit.hostname
    }
}

/// Asks init to end the unit's run.
///
/// # Errors
/// Why it does not, in words.
pub(crate) async fn end_run(app: &App, request: init::Request) -> Result<(), String> {
    match evener_ipc::call(app.run(), Service::Init, &request).await {
        Ok(init::Reply::Done) => Ok(()),
        Ok(init::Reply::Failed(reason)) => Err(reason),
        Ok(init::Reply::Forbidden | init::Reply::Status(_)) => Err(String::from("init refused it")),
        Err(error) => {
            tracing::error!(%error, "init does not answer");
            Err(String::from("init does not answer"))
        }
    }
}

async fn ask<Q, A>(app: &App, service: Service, request: Q) -> Option<A>
where
    Q: Serialize + Sync,
    A: DeserializeOwned,
{
    tokio::time::timeout(PATIENCE, evener_ipc::call(app.run(), service, &request)).await.ok()?.ok()
}
