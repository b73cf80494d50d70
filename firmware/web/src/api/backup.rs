//! Backups: `POST /api/v1/backup` gives one, `POST /api/v1/restore` takes one.

use super::body::JsonBody;
use super::caller::Caller;
use super::history::Made;
use super::problem::{self, Answer, Sent as SentKind};
use super::tagged;
use crate::app::App;
use crate::backup::{self, Sent, Trouble};
use crate::history;
use axum::Json;
use axum::extract::multipart::{Multipart, MultipartRejection};
use axum::extract::{RawQuery, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use evener_backup::{BackupError, Part};
use serde::{Deserialize, Serialize};

/// Body of [`make`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    password: String,
    /// Absent: every part.
    #[serde(default)]
    parts: Option<Vec<String>>,
}

/// `POST /api/v1/backup`.
pub(crate) async fn make(State(app): State<App>, caller: Caller, body: JsonBody) -> Result<Response, Answer> {
    let Wanted { password, parts } = body.read()?;
    let parts = match &parts {
        Some(words) => backup::parts(words.iter().map(String::as_str))?,
        None => Part::ALL.to_vec(),
    };
    let made = backup::make(&app, &caller.snapshot, &parts, password).await?;
    tracing::warn!(user = %caller.user.name, ?parts, "a backup was made");
    Ok(download(made))
}

/// A backup on its way out.
pub(crate) fn download((name, file): (String, Vec<u8>)) -> Response {
    let mut response = file.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    response
}

/// What [`restore`] answers.
#[derive(Debug, Serialize)]
struct Restored {
    #[serde(flatten)]
    made: Made,
    parts: Vec<&'static str>,
}

/// What [`restore`] answers when it was only asked.
#[derive(Debug, Serialize)]
struct Would {
    parts: Vec<&'static str>,
    /// The difference that it would make, in words.
    lines: Vec<String>,
}

/// `POST /api/v1/restore`.
pub(crate) async fn restore(
    State(app): State<App>,
    caller: Caller,
    RawQuery(query): RawQuery,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Response, Answer> {
    let Query { parts, only_validate } = Query::of(query.as_deref().unwrap_or_default())?;
    let form = form.map_err(|_| {
        let detail = "Send the file as multipart/form-data, in the fields password and backup.";
        problem::answer(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)
    })?;
    let sent = Sent::read(form, &["password", "reason"]).await?;
    let password = sent.field("password").to_owned();
    let reason = Some(sent.field("reason").trim().to_owned()).filter(|reason| !reason.is_empty());
    let contents = backup::open(&app, sent.file, password, &parts).await?;
    let parts = contents.parts().into_iter().map(Part::word).collect();
    let (change, usual) = backup::change(contents);
    let (author, based_on) = (&caller.user.name, caller.based_on);
    let refused = |refused| problem::refused(refused, SentKind::Whole);
    if only_validate {
        let lines = history::would(&app, author, based_on, change).await.map_err(refused)?;
        return Ok(Json(Would { parts, lines }).into_response());
    }
    let reason = reason.or(caller.reason).unwrap_or(usual);
    let accepted = app.apply_because(author, based_on, Some(reason), change).await.map_err(refused)?;
    tracing::warn!(user = %author, ?parts, "a backup was brought back");
    let made = Made::of(accepted, caller.snapshot.generation);
    Ok(tagged(accepted.generation, &Restored { made, parts }))
}

/// What the address of [`restore`] carries.
#[derive(Debug, PartialEq, Eq)]
struct Query {
    /// Empty: every part that the backup has.
    parts: Vec<Part>,
    only_validate: bool,
}

impl Query {
    /// A misspelt parameter is refused: it would be silently without effect.
    fn of(query: &str) -> Result<Self, Answer> {
        let mut read = Self { parts: Vec::new(), only_validate: false };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("validate", "only")) => read.only_validate = true,
                Some(("parts", words)) => {
                    // A comma may come as it is, or in the way of forms.
                    let words = words.replace("%2C", ",").replace("%2c", ",");
                    read.parts.extend(backup::parts(words.split(','))?);
                }
                _ => {
                    let detail = "The parameters here are parts=services,unit,users and validate=only.";
                    return Err(problem::answer(StatusCode::BAD_REQUEST, "unknown-parameter", detail));
                }
            }
        }
        Ok(read)
    }
}

/// What is wrong with a backup, for a program.
impl From<Trouble> for Answer {
    fn from(trouble: Trouble) -> Self {
        let (status, kind) = match &trouble {
            Trouble::Backup(error) => match error {
                BackupError::Weak(_) => (StatusCode::UNPROCESSABLE_ENTITY, "password-refused"),
                BackupError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "payload-too-large"),
                BackupError::NotABackup => (StatusCode::UNPROCESSABLE_ENTITY, "not-a-backup"),
                BackupError::NewerFile { .. } | BackupError::NewerSettings { .. } => {
                    (StatusCode::UNPROCESSABLE_ENTITY, "backup-too-new")
                }
                BackupError::Truncated { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "backup-truncated"),
                BackupError::Damaged => (StatusCode::UNPROCESSABLE_ENTITY, "backup-damaged"),
                BackupError::Cost(_) => (StatusCode::UNPROCESSABLE_ENTITY, "backup-too-costly"),
                BackupError::Password => (StatusCode::UNPROCESSABLE_ENTITY, "backup-password"),
                BackupError::Content { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "backup-content"),
                BackupError::Missing(_) => (StatusCode::UNPROCESSABLE_ENTITY, "backup-part-missing"),
                BackupError::Seal => (StatusCode::INTERNAL_SERVER_ERROR, "not-computed"),
            },
            Trouble::Computing => (StatusCode::INTERNAL_SERVER_ERROR, "not-computed"),
            Trouble::Broken | Trouble::NoFile | Trouble::Field(_) => (StatusCode::BAD_REQUEST, "incomplete"),
            Trouble::NoPart(_) => (StatusCode::BAD_REQUEST, "unknown-part"),
        };
        problem::answer(status, kind, format!("Nothing was changed: {trouble}."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_is_read_and_a_misspelt_one_refused() {
        let read = Query::of("parts=services,users&validate=only").unwrap();
        assert_eq!(read, Query { parts: vec![Part::Services, Part::Users], only_validate: true });
        assert_eq!(Query::of("parts=services%2Cunit").unwrap().parts, [Part::Services, Part::Unit]);
        assert_eq!(Query::of("").unwrap(), Query { parts: Vec::new(), only_validate: false });
        for wrong in ["part=services", "parts=everything", "parts=", "validate=true", "validate", "parts"] {
            assert!(Query::of(wrong).is_err(), "{wrong}");
        }
    }
}
