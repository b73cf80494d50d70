//! To add, change and delete a real server.

use super::fields::{self, Field};
use super::service_edit::{confirm, not_deleted};
use super::services::{authority, find, title};
use super::ways_back::done_at;
use super::{layout, server_path, service_path};
use crate::app::App;
use crate::form::Form;
use crate::gate::{Operator, OperatorPosted, Visitor};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use evener_api::control::Change;
use evener_config::{RealServer, RsId, VirtualService, VsId};
use maud::html;

/// `GET /services/{vs}/servers/new`.
pub(crate) async fn new(
    State(app): State<App>,
    Operator(visitor): Operator,
    Path(vs): Path<u32>,
) -> Response {
    let Some(service) = find(&visitor, VsId(vs)) else { return super::gone() };
    let about = About { visitor: &visitor, service, server: None };
    show(&app, about, &Form::of_new_server(service), None, StatusCode::OK).await
}

/// `POST /services/{vs}/servers/new`.
pub(crate) async fn add(State(app): State<App>, Path(vs): Path<u32>, posted: OperatorPosted) -> Response {
    let OperatorPosted { visitor, mut form } = posted;
    let Some(service) = find(&visitor, VsId(vs)) else { return super::gone() };
    let about = About { visitor: &visitor, service, server: None };
    let Some(server) = form.server(&RealServer::new(std::net::Ipv4Addr::UNSPECIFIED.into(), 80)) else {
        return show(&app, about, &form, None, StatusCode::UNPROCESSABLE_ENTITY).await;
    };
    finish(&app, about, form, (None, Change::AddRs(service.id, server)), "added").await
}

/// `GET /services/{vs}/servers/{rs}/edit`.
pub(crate) async fn edit(
    State(app): State<App>,
    Operator(visitor): Operator,
    Path((vs, rs)): Path<(u32, u32)>,
) -> Response {
    let Some((service, server)) = find_server(&visitor, vs, rs) else { return super::gone() };
    let about = About { visitor: &visitor, service, server: Some(server) };
    show(&app, about, &Form::of_server(server), None, StatusCode::OK).await
}

/// `POST /services/{vs}/servers/{rs}/edit`.
pub(crate) async fn save(
    State(app): State<App>,
    Path((vs, rs)): Path<(u32, u32)>,
    posted: OperatorPosted,
) -> Response {
    let OperatorPosted { visitor, mut form } = posted;
    let Some((service, present)) = find_server(&visitor, vs, rs) else { return super::gone() };
    let about = About { visitor: &visitor, service, server: Some(present) };
    let Some(server) = form.server(present) else {
        return show(&app, about, &form, None, StatusCode::UNPROCESSABLE_ENTITY).await;
    };
    if form.value("seen") != seen(present) {
        return show(&app, about, &form, Some(super::CHANGED_MEANWHILE), StatusCode::CONFLICT).await;
    }
    // Based on this very generation: what `seen` was compared with may be old when control gets the change.
    let change = (Some(visitor.snapshot.generation), Change::ReplaceRs(service.id, server));
    finish(&app, about, form, change, "saved").await
}

/// `GET /services/{vs}/servers/{rs}/delete`.
pub(crate) async fn ask_delete(
    State(app): State<App>,
    Operator(visitor): Operator,
    Path((vs, rs)): Path<(u32, u32)>,
) -> Response {
    let Some((service, server)) = find_server(&visitor, vs, rs) else { return super::gone() };
    let unit = super::look(&app, &visitor).await;
    let path = server_path(service.id, server.id);
    let content = html! {
        div class="card narrow" data-confirm {
            h1 { "Delete " (authority(server)) "?" }
            p {
                "The real server leaves " b { (title(service)) } ": it gets no new requests. "
                "The machine itself is not touched."
            }
            (confirm(&visitor, &format!("{path}/delete"), "Delete this real server", &service_path(service.id)))
        }
    };
    super::page(layout::page(layout::Tab::Services, "Delete", &visitor, &unit, &content))
}

/// `POST /services/{vs}/servers/{rs}/delete`.
pub(crate) async fn delete(
    State(app): State<App>,
    Path((vs, rs)): Path<(u32, u32)>,
    posted: OperatorPosted,
) -> Response {
    let change = Change::DeleteRs(VsId(vs), RsId(rs));
    match app.apply(&posted.visitor.user.name, None, change).await {
        Ok(accepted) => {
            let path = service_path(VsId(vs));
            Redirect::to(&done_at(&path, "deleted", &posted.visitor, accepted)).into_response()
        }
        Err(refused) => not_deleted(refused),
    }
}

/// What a form is about.
#[derive(Clone, Copy)]
struct About<'a> {
    visitor: &'a Visitor,
    service: &'a VirtualService,
    /// Absent while it is yet to be made.
    server: Option<&'a RealServer>,
}

fn find_server(visitor: &Visitor, vs: u32, rs: u32) -> Option<(&VirtualService, &RealServer)> {
    let service = find(visitor, VsId(vs))?;
    Some((service, service.real_servers.iter().find(|server| server.id == RsId(rs))?))
}

/// The settings that a form was made from, to notice that somebody else changed them meanwhile.
fn seen(server: &RealServer) -> String {
    format!("{} {} {}", authority(server), server.weight.0, server.enabled)
}

/// Makes a change of the generation it is based on, if that matters.
async fn finish(
    app: &App,
    about: About<'_>,
    mut form: Form,
    (based_on, change): (Option<u64>, Change),
    done: &str,
) -> Response {
    match app.apply_because(&about.visitor.user.name, based_on, form.reason(), change).await {
        Ok(_) => Redirect::to(&format!("{}?done={done}", service_path(about.service.id))).into_response(),
        Err(refused) => {
            let (status, problem) = super::explain(refused, &mut form);
            show(app, about, &form, problem.as_deref(), status).await
        }
    }
}

async fn show(
    app: &App,
    about: About<'_>,
    form: &Form,
    problem: Option<&str>,
    status: StatusCode,
) -> Response {
    let About { visitor, service, server } = about;
    let unit = super::look(app, visitor).await;
    let heading = server
        .map_or_else(|| String::from("Add a real server"), |server| format!("Edit {}", authority(server)));
    let back = service_path(service.id);
    let content = html! {
        nav class="crumbs" aria-label="Where you are" {
            a href="/services" { "Virtual Services" }
            span aria-hidden="true" { "/" } a href=(back) { (title(service)) }
        }
        h1 { (heading) }
        (fields::summary(form, problem))
        form class="settings" method="post" novalidate {
            (layout::csrf(visitor))
            @if let Some(server) = server { input type="hidden" name="seen" value=(seen(server)); }
            fieldset class="card" {
                legend { "Real server" }
                (fields::text(form, Field::new("address", "IP address",
                    "IPv4 or IPv6 address of the machine that does the work, such as 10.0.0.5.")))
                (fields::number(form, Field::new("port", "Port",
                    "1 to 65535.")))
                (fields::number(form, Field::new("weight", "Weight",
                    "Its share under weighted scheduling, 1 to 65535. Default 1000.")))
                (fields::tick(form, Field::new("enabled", "Enabled",
                    "A disabled server gets no new requests; what it is doing it finishes.")))
            }
            (fields::reason(form))
            div class="actions" {
                button class="primary" type="submit" {
                    @if server.is_some() { "Save" } @else { "Add the real server" }
                }
                a class="button" href=(back) { "Cancel" }
            }
        }
    };
    let markup = layout::page(layout::Tab::Services, &heading, visitor, &unit, &content);
    (status, Html(markup.into_string())).into_response()
}
