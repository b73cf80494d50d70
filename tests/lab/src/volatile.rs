//! A unit's disk that forgets: what the unit did not flush may be lost when its cord is pulled.
//!
//! Killing QEMU alone loses nothing that was acknowledged, so it proves nothing about power cuts. This disk is served to
//! QEMU by the test itself, over a Unix socket (NBD), and has the volatile write cache of a real one. A test pulls the
//! cord at a moment of its choice, or at the n-th write; from then on the disk answers nothing. The test then drops the
//! unit and gives the disk power again: a seed decides which of the unflushed writes are there.
//!
//! ```text
//! let disk = VolatileDisk::over(&raw)?;
//! let unit = Machine::with_disk("unit", &disk, &log).start()?;
//! disk.cut_at(Moment::Write(120));
//! disk.wait_cut(limit)?;
//! drop(unit);
//! let loss = disk.power_on(seed)?;
//! ```

mod cache;
mod nbd;
mod pages;

use std::fs::File;
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use evener_disk::{Blocks, Lba, SECTOR};
use tempfile::TempDir;

use cache::Cache;
pub use cache::Loss;
use nbd::{Refused, What};
use pages::Pages;

use crate::random::Random;

/// What a unit did to its disk so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Writes that were acknowledged.
    pub writes: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Flushes.
    pub flushes: u64,
}

/// When the power fails, counted from when this is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before the so many-th next write, from 0, is taken.
    Write(u64),
    /// Before the so many-th next flush, from 0, is done.
    Flush(u64),
    /// After this time, whatever the unit is doing then.
    After(Duration),
}

/// A [`Moment`], no longer counted from when it was said.
#[derive(Clone, Copy, Debug)]
enum Due {
    Write(u64),
    Flush(u64),
    At(Instant),
}

/// The disk. It is served until it is dropped; one unit at a time uses it.
#[derive(Debug)]
pub struct VolatileDisk {
    shared: Arc<Shared>,
    socket: PathBuf,
    _folder: TempDir,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    cache: Cache,
    counts: Counts,
    /// When the power fails.
    cut_at: Option<Due>,
    cut: bool,
    closed: bool,
    /// How often there was power again: what a dead unit has still in its socket does not count.
    life: u64,
    /// Connections from before the cut: kept open, so that a unit notices nothing but silence.
    silent: Vec<UnixStream>,
}

impl VolatileDisk {
    /// A disk with the content of a raw image, which itself never changes.
    ///
    /// # Errors
    /// When the image cannot be opened, or no socket can be made.
    pub fn over(raw: &Path) -> Result<Self> {
        let file = File::open(raw).with_context(|| format!("opening {}", raw.display()))?;
        let bytes = file.metadata()?.len();
        ensure!(bytes.is_multiple_of(SECTOR as u64), "{} ends within a sector", raw.display());
        Self::serve(Cache::new(Pages::over(file, bytes)?))
    }

    /// Another disk with what this one holds right now, unflushed writes as if they were flushed.
    ///
    /// # Errors
    /// When no socket can be made.
    pub fn copy(&self) -> Result<Self> {
        let mut cache = self.shared.lock().cache.clone();
        cache.flush();
        Self::serve(cache)
    }

    fn serve(cache: Cache) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("evener-disk-").tempdir()?;
        let socket = folder.path().join("nbd");
        let listener = UnixListener::bind(&socket)?;
        let state = State {
            cache,
            counts: Counts::default(),
            cut_at: None,
            cut: false,
            closed: false,
            life: 0,
            silent: Vec::new(),
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let own = Arc::clone(&shared);
        std::thread::spawn(move || own.listen(&listener));
        Ok(Self { shared, socket, _folder: folder })
    }

    /// Where QEMU finds it.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// What was done to it since it was made.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.lock().counts
    }

    /// The power will fail at this moment.
    pub fn cut_at(&self, moment: Moment) {
        let mut state = self.shared.lock();
        let counts = state.counts;
        state.cut_at = Some(match moment {
            Moment::Write(n) => Due::Write(counts.writes.saturating_add(n)),
            Moment::Flush(n) => Due::Flush(counts.flushes.saturating_add(n)),
            Moment::After(time) => Due::At(Instant::now() + time),
        });
        drop(state);
        self.shared.changed.notify_all();
    }

    /// The power fails now.
    pub fn cut_now(&self) {
        self.shared.lock().cut = true;
        self.shared.changed.notify_all();
    }

    /// Waits until the power has failed.
    ///
    /// # Errors
    /// When it has not within `limit`: the unit did not write so much.
    pub fn wait_cut(&self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        let mut state = self.shared.lock();
        loop {
            let now = Instant::now();
            if let Some(Due::At(at)) = state.cut_at {
                state.cut |= now >= at;
            }
            if state.cut {
                return Ok(());
            }
            ensure!(now < deadline, "the power did not fail within {limit:?}: {:?}", state.counts);
            let until = match state.cut_at {
                Some(Due::At(at)) => at.min(deadline),
                _ => deadline,
            };
            let waited = self.shared.changed.wait_timeout(state, until.saturating_duration_since(now));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Power again, after the unit was dropped: what was not flushed is lost as `seed` decides.
    ///
    /// # Errors
    /// When the image cannot be read.
    pub fn power_on(&self, seed: u64) -> Result<Loss> {
        let mut state = self.shared.lock();
        let loss = state.cache.lose_power(&mut Random::new(seed))?;
        state.cut = false;
        state.cut_at = None;
        state.life += 1;
        state.silent.clear();
        Ok(loss)
    }
}

impl Drop for VolatileDisk {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        state.silent.clear();
        drop(state);
        // Wakes the listening thread. Without one there is nobody to wake.
        let _ = UnixStream::connect(&self.socket);
    }
}

/// The disk while no unit uses it, for looking at it and for damaging it. What is written is flushed.
impl Blocks for VolatileDisk {
    type Error = io::Error;

    fn sectors(&self) -> u64 {
        self.shared.lock().cache.seen().bytes() / SECTOR as u64
    }

    fn read(&mut self, at: Lba, buffer: &mut [u8]) -> io::Result<()> {
        let state = self.shared.lock();
        state.cache.seen().read(offset(&state, at, buffer.len())?, buffer)
    }

    fn write(&mut self, at: Lba, data: &[u8]) -> io::Result<()> {
        let mut state = self.shared.lock();
        let at = offset(&state, at, data.len())?;
        state.cache.write(at, data.to_vec(), true)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.shared.lock().cache.flush();
        Ok(())
    }
}

fn offset(state: &State, at: Lba, length: usize) -> io::Result<u64> {
    let at = at.0.checked_mul(SECTOR as u64).filter(|at| state.cache.seen().holds(*at, length));
    at.ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(self: &Arc<Self>, listener: &UnixListener) {
        while let Ok((stream, _)) = listener.accept() {
            if self.lock().closed {
                return;
            }
            let own = Arc::clone(self);
            // A client that goes away in the middle has lost its power; that is what this is for.
            std::thread::spawn(move || own.converse(stream));
        }
    }

    fn converse(&self, mut stream: UnixStream) -> io::Result<()> {
        let (bytes, life) = {
            let state = self.lock();
            (state.cache.seen().bytes(), state.life)
        };
        if !nbd::negotiate(&mut stream, bytes)? {
            return Ok(());
        }
        loop {
            let request = nbd::read_request(&mut stream)?;
            if request.what == What::Disconnect {
                return Ok(());
            }
            let Some(result) = self.execute(life, request.what) else {
                self.lock().silent.push(stream);
                return Ok(());
            };
            let result = result.as_ref().map(Vec::as_slice).map_err(|refused| *refused);
            nbd::reply(&mut stream, request.handle, result)?;
        }
    }

    /// Does what is asked; `None` when there is no power.
    fn execute(&self, life: u64, what: What) -> Option<Result<Vec<u8>, Refused>> {
        let mut state = self.lock();
        if state.life != life {
            return None;
        }
        if state.fails_before(&what) {
            state.cut = true;
            self.changed.notify_all();
        }
        if state.cut { None } else { Some(state.execute(what)) }
    }
}

impl State {
    fn fails_before(&self, what: &What) -> bool {
        match (self.cut_at, what) {
            (Some(Due::Write(n)), What::Write { .. }) => self.counts.writes >= n,
            (Some(Due::Flush(n)), What::Flush) => self.counts.flushes >= n,
            (Some(Due::At(at)), _) => Instant::now() >= at,
            _ => false,
        }
    }

    fn execute(&mut self, what: What) -> Result<Vec<u8>, Refused> {
        match what {
            What::Read { at, length } if self.cache.seen().holds(at, length) => {
                let mut data = vec![0; length];
                self.cache.seen().read(at, &mut data).map_err(|_| Refused::Io)?;
                Ok(data)
            }
            What::Read { .. } | What::Disconnect | What::Unknown => Err(Refused::Invalid),
            What::Write { at, data, through } if self.cache.seen().holds(at, data.len()) => {
                self.counts.writes += 1;
                self.counts.bytes += data.len() as u64;
                self.cache.write(at, data, through).map_err(|_| Refused::Io)?;
                Ok(Vec::new())
            }
            What::Write { .. } => Err(Refused::NoSpace),
            What::Flush => {
                self.counts.flushes += 1;
                self.cache.flush();
                Ok(Vec::new())
            }
            // Advice, which a disk need not take.
            What::Trim => Ok(Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests;
