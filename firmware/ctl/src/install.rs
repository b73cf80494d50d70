//! A file on its way to a unit.

use crate::arguments::Install;
use crate::client::{Client, Installed};
use crate::fault::Fault;
use crate::screen::Screen;
use crate::{follow, show};
use evener_api::problem::Problem;
use evener_api::update::{CHUNK_BYTES, Candidate, FirmwareStatus};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Time between two looks at how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The beginning of a firmware file, which says what it is.
///
/// # Errors
/// [`Fault::File`].
pub(crate) fn head(path: &Path) -> Result<Vec<u8>, Fault> {
    let wrong = |source| Fault::File { path: path.to_owned(), source };
    let mut head = Vec::new();
    let file = File::open(path).map_err(wrong)?;
    file.take(CHUNK_BYTES as u64).read_to_end(&mut head).map_err(wrong)?;
    Ok(head)
}

/// Whether the unit would take it.
///
/// # Errors
/// Its refusal.
pub(crate) fn acceptable(candidate: &Candidate, even_if_it_failed: bool) -> Result<(), Fault> {
    match &candidate.refusal {
        Some(refusal) if !(refusal.can_be_overridden && even_if_it_failed) => {
            Err(Fault::Refused(Box::new(Problem {
                kind: refusal.kind.clone(),
                title: String::from("The firmware was refused"),
                status: 422,
                detail: Some(refusal.detail.clone()),
                remedy: Some(refusal.remedy.clone()),
                code: Some(refusal.code.clone()),
                can_be_overridden: refusal.can_be_overridden,
                fields: Vec::new(),
            })))
        }
        _ => Ok(()),
    }
}

/// Shows what it is, sends it, and waits until the unit has it; with `reboot`, until it is confirmed or given up.
///
/// # Errors
/// Why it is not installed, or was given up.
pub(crate) async fn install(client: &Client, order: &Install, screen: &mut Screen) -> Result<(), Fault> {
    let candidate: Candidate = client.post_bytes("/api/v1/firmware/inspect", head(&order.file)?).await?;
    screen.line(&show::candidate(&candidate));
    acceptable(&candidate, order.even_if_it_failed)?;
    let installed = send(client, order, screen).await?;
    if !order.reboot {
        return screen.answer(&installed, |installed| show::installed(&installed.installed));
    }
    screen.line(&format!(
        "{} is in slot {} and verified. The unit reboots into it.",
        candidate.version, candidate.slot
    ));
    client.post_empty("/api/v1/system/reboot").await?;
    let status = follow::until_settled(client, Some(&installed.installed), screen).await?;
    screen.answer(&status, |status: &FirmwareStatus| show::settled(status))
}

async fn send(client: &Client, order: &Install, screen: &mut Screen) -> Result<Installed, Fault> {
    let wrong = |source| Fault::File { path: order.file.clone(), source };
    let file = File::open(&order.file).map_err(wrong)?;
    let size = file.metadata().map_err(wrong)?.len();
    let path =
        if order.even_if_it_failed { "/api/v1/firmware?even-if-it-failed=true" } else { "/api/v1/firmware" };
    let sent = Arc::new(AtomicU64::new(0));
    let mut sending = std::pin::pin!(client.put_file(path, file, size, Arc::clone(&sent)));
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            answer = &mut sending => return answer,
            _ = looks.tick() => match sent.load(Ordering::Relaxed) {
                all if all >= size => screen.progress("Sent. The unit reads it back from its disk and verifies it …"),
                part => screen.bar("Sending", part, size),
            },
        }
    }
}
