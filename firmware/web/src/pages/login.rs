//! Log-in, log-out, and the change of one's password.

use super::{fields, layout, page};
use crate::app::{ADMINISTRATOR, App, Denied, NewPassword, Source};
use crate::form::Form;
use crate::gate::{Posted, Visitor, read_form};
use axum::extract::{Query, Request, State};
use axum::http::header::{RETRY_AFTER, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

/// What the address of the log-in page carries.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Arrival {
    /// Where to go afterwards.
    #[serde(default)]
    next: String,
    /// A form was sent after the session had ended.
    ended: Option<String>,
}

/// The log-in page, to go on to `path` afterwards.
pub(crate) fn path_with_next(path: &str) -> String {
    if path == "/" || !is_ours(path) { String::from("/login") } else { format!("/login?next={path}") }
}

/// `GET /login`.
pub(crate) async fn show(State(_): State<App>, Query(arrival): Query<Arrival>) -> Response {
    let note = arrival.ended.is_some().then_some("Your session has ended. Please log in again.");
    page(log_in(&arrival.next, note))
}

/// `POST /login`.
pub(crate) async fn enter(State(app): State<App>, source: Source, request: Request) -> Response {
    let form = match read_form(request, &app).await {
        Ok(form) => form,
        Err(response) => return response,
    };
    let next = form.value("next");
    match app.authenticate(source, form.value("user").trim(), form.value("password")).await {
        Ok(user) => {
            tracing::info!(source = %source.0, user = %user.name, "logged in");
            let to = if user.must_change_password {
                "/password"
            } else if is_ours(next) {
                next
            } else {
                "/"
            };
            with_new_session(&app, &user, Redirect::to(to).into_response())
        }
        Err(Denied::Wrong) => {
            let text = "User or password is wrong.";
            (StatusCode::FORBIDDEN, Html(log_in(next, Some(text)).into_string())).into_response()
        }
        Err(Denied::Wait(time)) => {
            let seconds = time.as_millis().div_ceil(1000);
            let text = format!("Too many wrong passwords. Try again in {seconds} s.");
            let mut response = (StatusCode::TOO_MANY_REQUESTS, Html(log_in(next, Some(&text)).into_string()))
                .into_response();
            response.headers_mut().insert(RETRY_AFTER, number(seconds));
            response
        }
        Err(Denied::NotReady) => super::starting(),
    }
}

/// `POST /logout`.
pub(crate) async fn leave(State(app): State<App>, posted: Posted) -> Response {
    app.sessions().end(&posted.visitor.token);
    let mut response = Redirect::to("/login").into_response();
    set_cookie(&app, &mut response, "", "; Max-Age=0");
    response
}

/// `GET /password`.
pub(crate) async fn show_password(visitor: Visitor) -> Response {
    page(password_page(&visitor, None))
}

/// `POST /password`.
pub(crate) async fn change_password(State(app): State<App>, source: Source, posted: Posted) -> Response {
    let Posted { visitor, form } = posted;
    let refuse = |status: StatusCode, text: &str| {
        (status, Html(password_page(&visitor, Some(text)).into_string())).into_response()
    };
    let (current, new) = (form.value("current"), form.value("new"));
    match app.authenticate(source, &visitor.user.name, current).await {
        Ok(_) => {}
        Err(Denied::Wrong) => return refuse(StatusCode::FORBIDDEN, "The present password is wrong."),
        Err(Denied::Wait(time)) => {
            let text = format!("Too many wrong passwords. Try again in {} s.", time.as_secs() + 1);
            return refuse(StatusCode::TOO_MANY_REQUESTS, &text);
        }
        Err(Denied::NotReady) => return super::starting(),
    }
    if new != form.value("again") {
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, "The two new passwords differ. Type them again.");
    }
    match app.change_password(&visitor.user, new).await {
        Ok(()) => after_change(&app, &visitor),
        Err(NewPassword::Rule(rule)) => refuse(StatusCode::UNPROCESSABLE_ENTITY, &rule.to_string()),
        Err(NewPassword::Refused(refused)) => {
            let mut form = Form::default();
            let (status, text) = super::explain(refused, &mut form);
            let reasons: Vec<&str> = form.violations.iter().map(|one| one.reason.as_str()).collect();
            refuse(status, text.as_deref().unwrap_or(&reasons.join(" ")))
        }
    }
}

/// The change ended every session of the user; this one goes on under a new cookie.
fn after_change(app: &App, visitor: &Visitor) -> Response {
    app.sessions().end(&visitor.token);
    let user = app.snapshot().and_then(|snapshot| crate::app::administrator(&snapshot).cloned());
    match user.filter(|user| user.password != visitor.user.password) {
        Some(user) => with_new_session(app, &user, Redirect::to("/?done=password").into_response()),
        // Control has not sent the new configuration yet: the new password will do.
        None => Redirect::to("/login").into_response(),
    }
}

fn with_new_session(app: &App, user: &evener_config::User, mut response: Response) -> Response {
    match app.begin_session(user) {
        Ok(token) => {
            set_cookie(app, &mut response, &token, "");
            response
        }
        Err(error) => super::message(StatusCode::SERVICE_UNAVAILABLE, "Not possible", &error.to_string()),
    }
}

fn set_cookie(app: &App, response: &mut Response, token: &str, more: &str) {
    let text = format!("{}={token}; Path=/; Secure; HttpOnly; SameSite=Strict{more}", app.cookie());
    if let Ok(value) = HeaderValue::from_str(&text) {
        response.headers_mut().append(SET_COOKIE, value);
    }
}

/// Whether this is the address of one of our own pages, and nothing a browser could take for another site's.
fn is_ours(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_".contains(&byte);
    path.starts_with('/') && !path.starts_with("//") && path.bytes().all(plain)
}

pub(crate) fn number(number: u128) -> HeaderValue {
    HeaderValue::from_str(&number.to_string()).unwrap_or(HeaderValue::from_static("1"))
}

fn log_in(next: &str, note: Option<&str>) -> Markup {
    let content = html! {
        h1 { "Log in" }
        @if let Some(note) = note { p class="note bad" role="alert" { (note) } }
        form method="post" action="/login" {
            @if is_ours(next) { input type="hidden" name="next" value=(next); }
            div class="field" {
                label for="user" { "User" }
                input id="user" name="user" value=(ADMINISTRATOR) autocomplete="username"
                    autocapitalize="none" spellcheck="false" required;
            }
            div class="field" {
                label for="password" { "Password" }
                input id="password" name="password" type="password" autocomplete="current-password"
                    required autofocus aria-describedby="first";
                p class="hint" id="first" {
                    "A new unit shows its first password on its console (screen and serial line)."
                }
            }
            button class="primary" type="submit" { "Log in" }
        }
    };
    layout::bare("Log in", &content)
}

fn password_page(visitor: &Visitor, note: Option<&str>) -> Markup {
    let first = visitor.user.must_change_password;
    let content = html! {
        h1 { @if first { "Choose your password" } @else { "Change password" } }
        @if first {
            p { "The first password was shown on the console. Nothing else can be done before you replace it." }
        }
        @if let Some(note) = note { p class="note bad" role="alert" { (note) } }
        form method="post" action="/password" {
            (layout::csrf(visitor))
            input type="hidden" name="user" value=(visitor.user.name) autocomplete="username";
            (secret("current", "Present password", "current-password", ""))
            (secret("new", "New password", "new-password", "8 to 128 characters, and not the present one. Length counts more than signs."))
            (secret("again", "New password again", "new-password", ""))
            div class="actions" {
                button class="primary" type="submit" { "Change password" }
                @if !first { a class="button" href="/" { "Cancel" } }
            }
        }
    };
    layout::bare("Change password", &content)
}

fn secret(name: &str, label: &str, autocomplete: &str, hint: &str) -> Markup {
    html! {
        div class="field" {
            label for=(fields::id(name)) { (label) }
            input id=(fields::id(name)) name=(name) type="password" autocomplete=(autocomplete) required
                aria-describedby=[(!hint.is_empty()).then(|| format!("{name}-hint"))];
            @if !hint.is_empty() { p class="hint" id={ (name) "-hint" } { (hint) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_on_after_log_in_never_leads_elsewhere() {
        for path in ["/services/3/edit", "/system"] {
            assert_eq!(path_with_next(path), format!("/login?next={path}"));
        }
        for path in [
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "",
            "/a?b",
            "/%2f%2fevil",
            "/x\r\ny",
        ] {
            assert_eq!(path_with_next(path), "/login", "{path}");
        }
    }
}
