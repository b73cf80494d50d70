//! Backups: made from what is in force, and read when they come back.
//!
//! The key of a backup takes 64 MiB and a good part of a second, so one at a time is derived, away from the loop that
//! serves. A file that comes back is held whole, which its limit of 10 MiB allows; it goes nowhere but to control.

use crate::app::App;
use axum::extract::multipart::{Field, Multipart, MultipartError};
use evener_api::control::{Change, Parts, Snapshot};
use evener_backup::{BackupError, Contents, ENTROPY, LARGEST, Made, Part};
use std::collections::BTreeMap;

/// Most bytes of a request that carries a backup: the file and what surrounds it.
pub(crate) const FORM_BYTES: usize = LARGEST + crate::BODY_BYTES;
/// Most bytes of a field that is no file.
const FIELD_BYTES: usize = 4096;
/// Name of the field with the file.
const FILE: &str = "backup";

/// Why there is no backup, or none comes back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The file, its password or the parts.
    #[error("{0}")]
    Backup(#[from] BackupError),
    /// The kernel gives no randomness, or the thread that computed ended early.
    #[error("the unit could not compute the key")]
    Computing,
    /// The form that carried it.
    #[error("the form did not arrive as a whole")]
    Broken,
    /// There is no file in the form.
    #[error("there is no file in the form: it is expected in the field {FILE}")]
    NoFile,
    /// A field that is not known, or larger than any.
    #[error("the field {0} is not known here, or too large")]
    Field(String),
    /// A word that is no part.
    #[error("{0} is no part of a backup: services, unit, users")]
    NoPart(String),
}

/// A backup of what is in force, with the name that its file is to have.
///
/// # Errors
/// [`Trouble::Backup`], [`Trouble::Computing`].
pub(crate) async fn make(
    app: &App,
    snapshot: &Snapshot,
    parts: &[Part],
    password: String,
) -> Result<(String, Vec<u8>), Trouble> {
    let hostname = snapshot.config.unit.hostname.clone();
    let name = format!("{}-{}.evbk", file_name(&hostname), snapshot.generation);
    let made = Made { unix_s: app.clock().unix_s(), hostname, generation: snapshot.generation };
    let contents = Contents::of(&snapshot.config, parts, evener_config::FORMAT, made);
    let mut entropy = [0; ENTROPY];
    getrandom::fill(&mut entropy).map_err(|_| Trouble::Computing)?;
    let sealed = compute(app, move || evener_backup::seal(&contents, &password, &entropy)).await?;
    Ok((name, sealed?))
}

/// What is in a backup, of these parts alone; of all that it has, where none is named.
///
/// # Errors
/// [`Trouble::Backup`], [`Trouble::Computing`].
pub(crate) async fn open(
    app: &App,
    file: Vec<u8>,
    password: String,
    parts: &[Part],
) -> Result<Contents, Trouble> {
    let opened = compute(app, move || evener_backup::open(&file, &password, evener_config::FORMAT)).await?;
    let contents = opened?;
    Ok(if parts.is_empty() { contents } else { contents.only(parts)? })
}

/// The change that brings them back, and what the history says of it where the operator gave no reason.
pub(crate) fn change(contents: Contents) -> (Change, String) {
    let Made { unix_s, hostname, generation } = &contents.made;
    // A name comes from the file, so it is as long as somebody made it.
    let hostname: String = hostname.chars().filter(|it| !it.is_control()).take(64).collect();
    let moment = evener_api::moment(*unix_s);
    let reason = format!("from the backup of {hostname}, generation {generation}, {moment} UTC");
    let Contents { services, unit, users, .. } = contents;
    (Change::Replace(Box::new(Parts { services, unit, users })), reason)
}

/// The parts of these words.
///
/// # Errors
/// [`Trouble::NoPart`].
pub(crate) fn parts<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Vec<Part>, Trouble> {
    let part =
        |word: &str| Part::of_word(word).ok_or_else(|| Trouble::NoPart(word.chars().take(40).collect()));
    words.into_iter().map(part).collect()
}

/// Computes where waiting hurts nobody, in turn.
async fn compute<T: Send + 'static>(
    app: &App,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Trouble> {
    let _turn = app.backups().acquire().await.map_err(|_| Trouble::Computing)?;
    tokio::task::spawn_blocking(work).await.map_err(|_| Trouble::Computing)
}

/// A form with a backup in it.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// The file.
    pub(crate) file: Vec<u8>,
    /// The other fields. Of several of one name the last counts.
    pub(crate) fields: BTreeMap<String, String>,
}

impl Sent {
    /// Reads a form that may have these fields beside the file.
    ///
    /// # Errors
    /// [`Trouble::Broken`], [`Trouble::NoFile`], [`Trouble::Field`]; [`Trouble::Backup`] for a file that is too large.
    pub(crate) async fn read(mut form: Multipart, known: &[&str]) -> Result<Self, Trouble> {
        let mut sent = Self::default();
        let mut has_file = false;
        while let Some(field) = form.next_field().await.map_err(|error| broken(&error))? {
            let name = field.name().unwrap_or_default().to_owned();
            let refused = || Trouble::Field(name.chars().take(40).collect());
            if name == FILE {
                sent.file = bytes(field, LARGEST, || Trouble::Backup(BackupError::TooLarge)).await?;
                has_file = true;
            } else if known.contains(&name.as_str()) {
                let text = String::from_utf8(bytes(field, FIELD_BYTES, refused).await?);
                let text = text.map_err(|_| refused())?;
                sent.fields.insert(name, text);
            } else {
                return Err(refused());
            }
        }
        if has_file { Ok(sent) } else { Err(Trouble::NoFile) }
    }

    /// A field's text; empty where there is no such field.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

async fn bytes(mut field: Field<'_>, most: usize, large: impl Fn() -> Trouble) -> Result<Vec<u8>, Trouble> {
    let mut bytes = Vec::new();
    while let Some(piece) = field.chunk().await.map_err(|error| broken(&error))? {
        if bytes.len() + piece.len() > most {
            return Err(large());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

fn broken(error: &MultipartError) -> Trouble {
    let is_large = error.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE;
    if is_large { Trouble::Backup(BackupError::TooLarge) } else { Trouble::Broken }
}

/// A unit's name as part of a file's: nothing that a shell or a header would read in its own way.
fn file_name(hostname: &str) -> String {
    let plain: String =
        hostname.chars().filter(|it| it.is_ascii_alphanumeric() || *it == '-').take(63).collect();
    if plain.is_empty() { String::from("evener") } else { plain }
}
