//! Refusals of the API as `application/problem+json` (RFC 9457).

use crate::app::Refused;
use crate::firmware::{Fault, sentence};
use crate::form;
use axum::Json;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use evener_api::control::Violation;
use evener_api::problem::Problem;
use evener_api::update::Refusal;
use std::time::Duration;

/// A refusal on its way out.
#[derive(Clone, Debug)]
pub(crate) struct Answer(Box<Content>);

#[derive(Clone, Debug)]
struct Content {
    status: StatusCode,
    problem: Problem,
    retry_after: Option<Duration>,
}

/// A refusal of this kind; `detail` says what happened and what to do.
pub(crate) fn answer(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Answer {
    let problem = Problem {
        kind: kind.to_owned(),
        title: title(kind).to_owned(),
        status: status.as_u16(),
        detail: Some(detail.into()),
        remedy: None,
        code: None,
        can_be_overridden: false,
        fields: Vec::new(),
    };
    Answer(Box::new(Content { status, problem, retry_after: None }))
}

/// What kind of object was sent, from which the paths of refused fields start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Service,
    Server,
    /// No object of the configuration: the paths stay whole.
    Whole,
}

/// Fields that were refused.
pub(crate) fn invalid(violations: Vec<Violation>) -> Answer {
    let detail = "Nothing was changed. Each refused field is listed with the reason.";
    let mut answer = answer(StatusCode::UNPROCESSABLE_ENTITY, "invalid-configuration", detail);
    answer.0.problem.fields = violations;
    answer
}

/// Parameters of an address that were refused.
pub(crate) fn invalid_parameters(violations: Vec<Violation>) -> Answer {
    let detail = "Each refused parameter is listed with the reason.";
    let mut answer = answer(StatusCode::UNPROCESSABLE_ENTITY, "invalid-parameter", detail);
    answer.0.problem.fields = violations;
    answer
}

/// A change that control refused. Its paths of fields start at the whole configuration; who sent one object
/// wants to find them in it.
pub(crate) fn refused(refused: Refused, sent: Sent) -> Answer {
    match refused {
        Refused::Invalid(mut violations) => {
            let list = match sent {
                Sent::Service => "virtual_services[",
                Sent::Server => "real_servers[",
                Sent::Whole => return invalid(violations),
            };
            for violation in &mut violations {
                if let Some(rest) = form::below(&violation.field, list) {
                    violation.field = rest.to_owned();
                }
            }
            invalid(violations)
        }
        Refused::Clashes(places) => {
            let detail = "Nothing was changed. What this generation set was changed again since; each place is listed with \
                the generations that did it. Undo those first, or set it by hand.";
            let mut answer = answer(StatusCode::CONFLICT, "undo-conflict", detail);
            answer.0.problem.fields = places;
            answer
        }
        Refused::Conflict { newest } => precondition(newest),
        Refused::NotFound => not_found(),
        Refused::InRescue => answer(StatusCode::CONFLICT, "in-rescue", crate::pages::IN_RESCUE),
        Refused::Failed(reason) => {
            let detail = format!("Nothing was changed: {reason}.");
            answer(StatusCode::SERVICE_UNAVAILABLE, "not-stored", detail)
        }
        Refused::Unknown => {
            answer(StatusCode::GATEWAY_TIMEOUT, "outcome-unknown", crate::pages::OUTCOME_UNKNOWN)
        }
    }
}

/// What update did not do.
pub(crate) fn not_installed(fault: Fault) -> Answer {
    match fault {
        Fault::Refused(refusal) => firmware(refusal),
        Fault::Away => answer(StatusCode::SERVICE_UNAVAILABLE, "service-unavailable", Fault::Away.words()),
        Fault::Lost => answer(StatusCode::BAD_GATEWAY, "interrupted", Fault::Lost.words()),
        failed @ Fault::Failed(_) => answer(StatusCode::INTERNAL_SERVER_ERROR, "disk-error", failed.words()),
    }
}

/// A refusal of `docs/firmware-refusals.md`.
fn firmware(refusal: Refusal) -> Answer {
    let status = match refusal.kind.as_str() {
        // The same request may succeed when something else on the unit has changed.
        "busy" | "cancelled" | "nothing-to-restore" | "nothing-to-discard" | "no-firmware" | "no-rescue"
        | "on-trial" | "slots-unknown" => StatusCode::CONFLICT,
        "disk-error" | "not-verified-on-disk" => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let title = match status {
        StatusCode::CONFLICT => title("not-possible"),
        StatusCode::INTERNAL_SERVER_ERROR => "The firmware is not installed",
        _ => "The firmware was refused",
    };
    let problem = Problem {
        title: title.to_owned(),
        status: status.as_u16(),
        detail: Some(sentence(&refusal.detail)),
        remedy: Some(sentence(&refusal.remedy)),
        code: Some(refusal.code),
        can_be_overridden: refusal.can_be_overridden,
        kind: refusal.kind,
        fields: Vec::new(),
    };
    Answer(Box::new(Content { status, problem, retry_after: None }))
}

/// A generation that is there and cannot be read.
pub(crate) fn unreadable(reasons: &str) -> Answer {
    let detail = format!("It cannot be shown: {reasons}.");
    answer(StatusCode::UNPROCESSABLE_ENTITY, "unreadable-generation", detail)
}

/// A service of the unit is away.
pub(crate) fn unavailable(detail: &str) -> Answer {
    answer(StatusCode::SERVICE_UNAVAILABLE, "service-unavailable", detail)
}

/// The generation in `If-Match` is not the newest.
pub(crate) fn precondition(newest: u64) -> Answer {
    let detail = format!("The configuration is at generation {newest} now. Read it again, then repeat.");
    answer(StatusCode::PRECONDITION_FAILED, "precondition-failed", detail)
}

/// No such object, or no such address.
pub(crate) fn not_found() -> Answer {
    answer(StatusCode::NOT_FOUND, "not-found", "There is nothing at this address.")
}

impl Answer {
    /// To be asked again after this time.
    pub(crate) fn after(mut self, time: Duration) -> Self {
        self.0.retry_after = Some(time);
        self
    }
}

/// The same words for all problems of a kind.
fn title(kind: &str) -> &'static str {
    match kind {
        "backup-content" => "The settings in the backup cannot be read",
        "backup-damaged" => "The backup is damaged",
        "backup-part-missing" => "The backup lacks a part",
        "backup-password" => "The backup has another password",
        "backup-too-costly" => "The backup asks for too much",
        "backup-too-new" => "A newer firmware made the backup",
        "backup-truncated" => "The backup is cut off",
        "confirmation-required" => "Nothing was reset",
        "cross-origin" => "Request of another site",
        "disk-error" => "The unit's disk refused",
        "in-rescue" => "Not in rescue",
        "incomplete" => "The body did not arrive as a whole",
        "interrupted" => "Interrupted in the middle",
        "invalid-configuration" => "The configuration would not be valid",
        "invalid-parameter" => "A parameter cannot be read",
        "malformed-json" => "The body could not be read",
        "malformed-request" => "Not a request that can be answered",
        "method-not-allowed" => "Not possible here",
        "not-a-backup" => "Not a backup",
        "not-computed" => "The unit could not compute it",
        "not-found" => "Not found",
        "not-possible" => "Not possible as things are",
        "not-stored" => "The change could not be stored",
        "outcome-unknown" => "Nobody knows whether the change was made",
        "password-change-required" => "The first password must be changed",
        "password-refused" => "The new password breaks a rule",
        "payload-too-large" => "The body is too large",
        "precondition-failed" => "Somebody else changed the configuration",
        "service-unavailable" => "A service of the unit does not answer",
        "timeout" => "The request took too long",
        "too-many-attempts" => "Too many wrong passwords",
        "undo-conflict" => "What is to be taken back was changed again",
        "unreadable-generation" => "The generation cannot be read",
        "unauthorized" => "User and password are needed",
        "unknown-parameter" => "Unknown parameter",
        "unknown-part" => "Unknown part of a backup",
        "unsupported-media-type" => "The body is not JSON",
        _ => "Refused",
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let Content { status, problem, retry_after } = *self.0;
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                WWW_AUTHENTICATE,
                HeaderValue::from_static(r#"Basic realm="Evener", charset="UTF-8""#),
            );
        }
        if let Some(time) = retry_after {
            let seconds = time.as_millis().div_ceil(1000).max(1);
            headers.insert(RETRY_AFTER, crate::pages::login::number(seconds));
        }
        response
    }
}

impl From<Answer> for Response {
    fn from(answer: Answer) -> Self {
        answer.into_response()
    }
}
