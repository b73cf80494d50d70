//! Captures of packets: one at a time, on a thread of its own, into a file on `data`.
//!
//! On the disk and not in memory, because a small unit has less memory than a capture may be large. The file stays until
//! the next capture or the next start of this service: what it holds is private. Room for the settings stays free, or a
//! capture would keep them from being changed.

use evener_api::capture::{CHUNK_BYTES, CaptureOrder, CaptureStatus};
use evener_pcap::{
    Budget, Enough, FILE_HEADER_BYTES, Filter, RECORD_HEADER_BYTES, SNAP_BYTES, file_header, record_header,
};
use evener_sys::capture::{CaptureSocket, FilterInstruction};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Name of the file in the service's own folder.
const FILE: &str = "capture.pcap";
/// Bytes on `data` that a capture leaves free.
const LEFT_FREE: u64 = 32 << 20;
/// How soon a capture notices that it is to stop.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The capture that runs, or the last one. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Captures(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    status: Mutex<CaptureStatus>,
    stop: AtomicBool,
}

impl Captures {
    /// In this folder; what a former life captured is removed.
    pub(crate) fn new(folder: &Path) -> Self {
        // Usually there is none.
        let _ = fs::remove_file(folder.join(FILE));
        let (status, stop) = (Mutex::default(), AtomicBool::new(false));
        Self(Arc::new(Shared { folder: folder.to_owned(), status, stop }))
    }

    pub(crate) fn status(&self) -> CaptureStatus {
        self.lock().clone()
    }

    /// Begins a capture. Blocking.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub(crate) fn start(&self, mut order: CaptureOrder) -> Result<CaptureStatus, String> {
        if let Some((field, reason)) = order.faults().first() {
            return Err(format!("{field}: {reason}"));
        }
        let mut status = self.lock();
        if status.running {
            return Err(String::from("a capture is running; stop it first"));
        }
        let free = evener_sys::free_bytes(&self.0.folder)
            .map_err(|error| format!("there is no place for it: {error}"))?;
        let room = free.saturating_sub(LEFT_FREE);
        if room < evener_api::capture::LEAST_BYTES {
            return Err(String::from("the data partition has no room for it"));
        }
        order.most_bytes = order.most_bytes.min(room);
        let filter = Filter { address: order.address, port: order.port };
        let program: Vec<FilterInstruction> =
            filter.compile().into_iter().map(|step| (step.code, step.jt, step.jf, step.k)).collect();
        let socket = CaptureSocket::open(order.interface.as_deref(), &program)
            .map_err(|error| format!("the interface cannot be listened to: {error}"))?;
        let file = self.make_file().map_err(|error| format!("the file cannot be made: {error}"))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        *status = CaptureStatus {
            order: Some(order.clone()),
            running: true,
            began_unix_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
            bytes: FILE_HEADER_BYTES,
            ..CaptureStatus::default()
        };
        self.0.stop.store(false, Relaxed);
        let own = self.clone();
        tokio::task::spawn_blocking(move || own.run(&order, &socket, file));
        Ok(status.clone())
    }

    /// Ends the capture that runs, within a fraction of a second.
    pub(crate) fn stop(&self) -> CaptureStatus {
        self.0.stop.store(true, Relaxed);
        self.status()
    }

    /// A piece of the file of the last capture, from this byte on; empty at its end. Blocking.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub(crate) fn read(&self, from: u64) -> Result<Vec<u8>, String> {
        let status = self.status();
        if status.order.is_none() {
            return Err(String::from("there is no capture"));
        }
        if status.running {
            return Err(String::from("the capture is running; stop it first"));
        }
        let piece = || {
            let mut file = File::open(self.0.folder.join(FILE))?;
            file.seek(SeekFrom::Start(from))?;
            let mut piece = Vec::new();
            file.take(CHUNK_BYTES as u64).read_to_end(&mut piece)?;
            Ok(piece)
        };
        piece().map_err(|error: io::Error| format!("the file cannot be read: {error}"))
    }

    fn make_file(&self) -> io::Result<BufWriter<File>> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = BufWriter::with_capacity(256 << 10, options.open(self.0.folder.join(FILE))?);
        file.write_all(&file_header())?;
        file.flush()?;
        Ok(file)
    }

    fn run(&self, order: &CaptureOrder, socket: &CaptureSocket, mut file: BufWriter<File>) {
        let time = Duration::from_secs(order.most_seconds.into());
        let mut budget = Budget::new(order.most_packets.into(), order.most_bytes, time, FILE_HEADER_BYTES);
        let outcome = self.take_all(&mut budget, socket, &mut file);
        let flushed = file.flush();
        let ended = match (outcome, flushed) {
            (Ok(reason), Ok(())) => reason.to_owned(),
            (Err(error), _) | (_, Err(error)) => {
                tracing::warn!(%error, "a capture broke off");
                format!("It broke off: {error}.")
            }
        };
        let mut status = self.lock();
        (status.packets, status.bytes) = (budget.packets(), budget.bytes());
        status.lost += u64::from(socket.lost());
        (status.running, status.ended) = (false, ended);
        tracing::info!(
            packets = status.packets,
            bytes = status.bytes,
            lost = status.lost,
            "a capture has ended"
        );
    }

    /// Takes packets until something ends it; what that was.
    fn take_all(
        &self,
        budget: &mut Budget,
        socket: &CaptureSocket,
        file: &mut impl Write,
    ) -> io::Result<&'static str> {
        let begun = Instant::now();
        let mut buffer = vec![0; usize::try_from(SNAP_BYTES).unwrap_or_default()];
        loop {
            if self.0.stop.load(Relaxed) {
                return Ok("It was stopped.");
            }
            if let Some(enough) = budget.is_over(begun.elapsed()) {
                return Ok(words(enough));
            }
            let Some(seen) = socket.read(&mut buffer)? else {
                // Nothing waits: time to say how far it is.
                {
                    let mut status = self.lock();
                    (status.packets, status.bytes) = (budget.packets(), budget.bytes());
                    status.lost += u64::from(socket.lost());
                }
                socket.wait(LOOK_EVERY)?;
                continue;
            };
            if let Err(enough) = budget.take(RECORD_HEADER_BYTES + seen.here as u64) {
                return Ok(words(enough));
            }
            let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
            file.write_all(&record_header(seen.at, length(seen.here), length(seen.on_wire)))?;
            file.write_all(&buffer[..seen.here])?;
        }
    }

    fn lock(&self) -> MutexGuard<'_, CaptureStatus> {
        self.0.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn words(enough: Enough) -> &'static str {
    match enough {
        Enough::Packets => "It has as many packets as were asked for.",
        Enough::Bytes => "The file is as large as it may be.",
        Enough::Time => "Its time is over.",
    }
}

#[cfg(test)]
mod tests;
