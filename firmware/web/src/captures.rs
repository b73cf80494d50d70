//! Captures of packets: what a form or a program orders, and the file. The service log makes them.

use crate::app::App;
use crate::form::Form;
use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use evener_api::Service;
use evener_api::capture::{CaptureOrder, CaptureStatus};
use evener_api::control::Violation;
use evener_api::log::{Reply, Request};
use std::io;
use std::str::FromStr;

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// As things are it is not possible, in words.
    Refused(String),
    /// Log does not answer.
    Away,
}

/// The capture that runs, or the last one.
///
/// # Errors
/// [`Fault::Away`].
pub(crate) async fn status(app: &App) -> Result<CaptureStatus, Fault> {
    expect_status(ask(app, Request::Capture).await?)
}

/// Begins a capture. The order was looked at before.
///
/// # Errors
/// Why there is none.
pub(crate) async fn start(app: &App, user: &str, order: CaptureOrder) -> Result<CaptureStatus, Fault> {
    tracing::warn!(user, ?order, "a capture of packets is asked for");
    expect_status(ask(app, Request::StartCapture(order)).await?)
}

/// Ends the capture that runs, if one does.
///
/// # Errors
/// [`Fault::Away`].
pub(crate) async fn stop(app: &App) -> Result<CaptureStatus, Fault> {
    expect_status(ask(app, Request::StopCapture).await?)
}

/// The file of the last capture. It is passed on as it is read: this service never holds more than a piece of it.
///
/// # Errors
/// Why there is none; an answer that has begun breaks off instead.
pub(crate) async fn file(app: &App) -> Result<Response, Fault> {
    let first = piece(app, 0).await?;
    let length = first.len() as u64;
    let pieces = futures_util::stream::unfold(Some((app.clone(), length, Ok(first))), |state| async {
        let (app, from, bytes) = state?;
        match bytes {
            Ok(bytes) if bytes.is_empty() => None,
            Ok(bytes) => {
                let next = piece(&app, from).await;
                let from = from + next.as_ref().map_or(0, |next| next.len() as u64);
                Some((Ok(Bytes::from(bytes)), Some((app, from, next))))
            }
            Err(fault) => Some((Err(io::Error::other(format!("{fault:?}"))), None)),
        }
    });
    let mut response = Body::from_stream(pieces).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/vnd.tcpdump.pcap"));
    let name = HeaderValue::from_static("attachment; filename=\"evener-capture.pcap\"");
    headers.insert(CONTENT_DISPOSITION, name);
    Ok(response)
}

/// Fields of an order that are out of range.
pub(crate) fn violations(order: &CaptureOrder) -> Vec<Violation> {
    let faults = order.faults().into_iter();
    faults.map(|(field, reason)| Violation { field: field.to_owned(), reason }).collect()
}

/// The order in a form; what is wrong goes to the form.
pub(crate) fn read(form: &mut Form) -> Option<CaptureOrder> {
    let mut wrong = Vec::new();
    let default = CaptureOrder::default();
    let interface = Some(form.value("interface").trim().to_owned()).filter(|name| !name.is_empty());
    let address = value(form, "address", "Not an address, such as 10.0.0.5 or 2001:db8::5.", &mut wrong);
    let port = value(form, "port", "Not a port: 1 to 65535.", &mut wrong);
    let number = "Not a whole number in the range that stands below.";
    let most_packets = value(form, "most_packets", number, &mut wrong).unwrap_or(default.most_packets);
    let most_seconds = value(form, "most_seconds", number, &mut wrong).unwrap_or(default.most_seconds);
    let order = CaptureOrder { interface, address, port, most_packets, most_seconds, ..default };
    wrong.extend(violations(&order));
    let is_good = wrong.is_empty();
    form.refuse(wrong);
    is_good.then_some(order)
}

/// What an input holds; `None` when it is empty, or wrong, which is put down.
fn value<T: FromStr>(form: &Form, name: &str, reason: &str, wrong: &mut Vec<Violation>) -> Option<T> {
    let text = form.value(name).trim();
    if text.is_empty() {
        return None;
    }
    let value = text.parse().ok();
    if value.is_none() {
        wrong.push(Violation { field: name.to_owned(), reason: reason.to_owned() });
    }
    value
}

async fn piece(app: &App, from: u64) -> Result<Vec<u8>, Fault> {
    match ask(app, Request::ReadCapture(from)).await? {
        Reply::Piece(piece) => Ok(piece),
        _ => Err(Fault::Away),
    }
}

async fn ask(app: &App, request: Request) -> Result<Reply, Fault> {
    match evener_ipc::call(app.run(), Service::Log, &request).await {
        Ok(Reply::Failed(reason)) => Err(Fault::Refused(reason)),
        Ok(reply) => Ok(reply),
        Err(error) => {
            tracing::warn!(%error, "log does not answer");
            Err(Fault::Away)
        }
    }
}

fn expect_status(reply: Reply) -> Result<CaptureStatus, Fault> {
    match reply {
        Reply::Capture(status) => Ok(status),
        _ => Err(Fault::Away),
    }
}
