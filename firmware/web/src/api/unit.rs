//! The unit itself: how it does, its password, its end.

use super::body::JsonBody;
use super::caller::{AnyCaller, Caller};
use super::problem::{self, Answer, Sent};
use super::tagged;
use crate::app::{ADMINISTRATOR, App, NewPassword};
use crate::unit::{RESET_WORDS, Unit, end_run};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use evener_api::{init, net, update};
use serde::{Deserialize, Serialize};

/// `GET /api/v1/status`. What belongs to a service that does not answer is `null`.
#[derive(Debug, Serialize)]
struct Status<'a> {
    version: Option<&'a str>,
    uptime_ms: Option<u64>,
    generation: u64,
    warnings: &'a [String],
    /// Services that do not answer.
    silent: Vec<&'static str>,
    memory: Option<Memory>,
    services: Option<Vec<Program<'a>>>,
    network: Option<&'a net::NetStatus>,
    firmware: Option<&'a update::FirmwareStatus>,
}

#[derive(Debug, Serialize)]
struct Program<'a> {
    service: &'static str,
    state: init::ServiceState,
    pid: Option<u32>,
    restarts: u32,
    last_end: &'a str,
    running_ms: u64,
}

/// The unit's memory, as the kernel counts it.
#[derive(Clone, Copy, Debug, Serialize)]
struct Memory {
    total_bytes: u64,
    available_bytes: u64,
}

/// `GET /api/v1/status`.
pub(crate) async fn status(State(app): State<App>, caller: Caller) -> Response {
    let unit = Unit::look(&app, caller.snapshot).await;
    let init = unit.init.as_ref();
    let memory = |init: &init::UnitStatus| Memory {
        total_bytes: init.memory_total_bytes,
        available_bytes: init.memory_available_bytes,
    };
    let generation = unit.snapshot.generation;
    let status = Status {
        version: init.map(|init| init.version.as_str()),
        uptime_ms: init.map(|init| init.uptime_ms),
        generation,
        warnings: &unit.warnings,
        silent: unit.silent.iter().map(|service| service.name()).collect(),
        memory: init.map(memory),
        services: init.map(|init| init.services.iter().map(program).collect()),
        network: unit.net.as_ref(),
        firmware: unit.update.as_ref(),
    };
    tagged(generation, &status)
}

fn program(health: &init::ServiceHealth) -> Program<'_> {
    Program {
        service: health.service.name(),
        state: health.state,
        pid: health.pid,
        restarts: health.restarts,
        last_end: &health.last_end,
        running_ms: health.running_ms,
    }
}

/// Body of [`password`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    password: String,
}

/// `POST /api/v1/users/{user}/password`.
pub(crate) async fn password(
    State(app): State<App>,
    caller: AnyCaller,
    Path(user): Path<String>,
    body: JsonBody,
) -> Result<StatusCode, Answer> {
    if user != ADMINISTRATOR || user != caller.user.name {
        return Err(problem::not_found());
    }
    let New { password } = body.read()?;
    match app.change_password(&caller.user, &password).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(NewPassword::Rule(rule)) => {
            Err(problem::answer(StatusCode::UNPROCESSABLE_ENTITY, "password-refused", rule.to_string()))
        }
        Err(NewPassword::Refused(refused)) => Err(problem::refused(refused, Sent::Service)),
    }
}

/// `POST /api/v1/system/reboot`.
pub(crate) async fn reboot(State(app): State<App>, caller: Caller) -> Result<StatusCode, Answer> {
    end(&app, &caller, init::Request::Reboot).await
}

/// `POST /api/v1/system/power-off`.
pub(crate) async fn power_off(State(app): State<App>, caller: Caller) -> Result<StatusCode, Answer> {
    end(&app, &caller, init::Request::PowerOff).await
}

async fn end(app: &App, caller: &Caller, request: init::Request) -> Result<StatusCode, Answer> {
    tracing::warn!(user = %caller.user.name, ?request, "asked for");
    end_run(app, request).await.map_err(|reason| problem::unavailable(&reason))?;
    Ok(StatusCode::ACCEPTED)
}

/// Body of [`factory_reset`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirmation {
    confirm: String,
}

/// `POST /api/v1/system/factory-reset`.
pub(crate) async fn factory_reset(
    State(app): State<App>,
    caller: Caller,
    body: JsonBody,
) -> Result<StatusCode, Answer> {
    let Confirmation { confirm } = body.read()?;
    if confirm != RESET_WORDS {
        let detail =
            format!("Nothing was reset. To reset this unit, send {{\"confirm\": \"{RESET_WORDS}\"}}.");
        return Err(problem::answer(StatusCode::UNPROCESSABLE_ENTITY, "confirmation-required", detail));
    }
    end(&app, &caller, init::Request::FactoryReset).await
}
