//! A firmware that a page's script sends piece by piece, each in a request of its own.
//!
//! A page that is loaded anew would break off one long request; pieces go on where they stopped, and none of them
//! needs longer than any other request. The conversation with update waits here in between, at most as long as
//! update waits for its next chunk, which is a minute.

use crate::WebError;
use crate::app::App;
use crate::firmware::{Fault, Installing};
use axum::body::Bytes;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use evener_api::update::InstallOrder;
use std::sync::{Mutex as StdMutex, PoisonError};
use tokio::sync::Mutex;

/// Most bytes of a piece.
pub(crate) const PIECE_BYTES: usize = 512 << 10;

/// The upload that a page is at, if any: update takes one at a time.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    held: Mutex<Option<Held>>,
    /// Name of the one in `held`, for those who cannot wait for a piece to be taken.
    name: StdMutex<Option<String>>,
}

#[derive(Debug)]
struct Held {
    name: String,
    installing: Installing,
}

/// Why a piece was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// It does not continue what is there; so many bytes are.
    Elsewhere(u64),
    /// There is no such upload (any more).
    Gone,
    /// Update ended it.
    Fault(Fault),
}

impl Uploads {
    /// The name of the upload that waits for pieces.
    pub(crate) fn name(&self) -> Option<String> {
        self.name.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_name(&self, name: Option<String>) {
        *self.name.lock().unwrap_or_else(PoisonError::into_inner) = name;
    }
}

/// Begins one; gives the name that its pieces have to carry.
///
/// # Errors
/// Why update does not begin, or that the kernel gives no randomness.
pub(crate) async fn begin(app: &App, order: InstallOrder) -> Result<String, Fault> {
    let mut entropy = [0; 16];
    getrandom::fill(&mut entropy).map_err(|_| Fault::Failed(WebError::Randomness.to_string()))?;
    let name = URL_SAFE_NO_PAD.encode(entropy);
    let installing = Installing::begin(app, order).await?;
    let uploads = app.uploads();
    // What may still be there is one that update has given up.
    *uploads.held.lock().await = Some(Held { name: name.clone(), installing });
    uploads.set_name(Some(name.clone()));
    Ok(name)
}

/// Takes the piece that begins `offset` bytes into the file; gives the bytes that are there now.
///
/// # Errors
/// Why not, see [`NotTaken`].
pub(crate) async fn piece(app: &App, name: String, offset: u64, bytes: Bytes) -> Result<u64, NotTaken> {
    let app = app.clone();
    // In a task of its own: who asks may leave in the middle, and half a word to update would end everything.
    let taking = tokio::spawn(async move {
        let uploads = app.uploads();
        let mut place = uploads.held.lock().await;
        let held = place.as_mut().filter(|held| held.name == name).ok_or(NotTaken::Gone)?;
        let taken = held.installing.taken();
        if offset != taken {
            return Err(NotTaken::Elsewhere(taken));
        }
        match held.installing.push(&bytes).await {
            Ok(()) => Ok(held.installing.taken()),
            Err(fault) => {
                tracing::warn!(reason = fault.words(), "a firmware is not installed");
                *place = None;
                uploads.set_name(None);
                Err(NotTaken::Fault(fault))
            }
        }
    });
    taking.await.unwrap_or(Err(NotTaken::Gone))
}

/// The file is complete: has update verify it. Nobody has to wait for that; update tells everybody how it ended.
///
/// # Errors
/// [`NotTaken::Gone`].
pub(crate) async fn end(app: &App, name: &str) -> Result<(), NotTaken> {
    let uploads = app.uploads();
    let mut place = uploads.held.lock().await;
    let held = place.take_if(|held| held.name == name).ok_or(NotTaken::Gone)?;
    uploads.set_name(None);
    tokio::spawn(async move {
        match held.installing.finish().await {
            Ok(candidate) => {
                tracing::warn!(version = %candidate.version, slot = %candidate.slot, "a firmware is installed");
            }
            Err(fault) => tracing::warn!(reason = fault.words(), "a firmware is not installed"),
        }
    });
    Ok(())
}
