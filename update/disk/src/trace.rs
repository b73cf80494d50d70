//! A disk that remembers what was done to it, and what a power cut at any moment of that would have left.
//!
//! The code under test runs once. Every write and flush is recorded, and each [`CutPoint`] says which moment of
//! the record the power failed at and what of the volatile cache survived. That gives the same disks as
//! running the code against a dying disk again and again: what it would have done after the cut does not matter.
//!
//! The cache is that of a computer whose partitions are devices of their own: [`TraceDisk::flush_range`] makes durable
//! what was written to one of them, and nothing else.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use crate::{Blocks, DiskGone, Lba, SECTOR};

/// One thing that was done to the disk.
#[derive(Clone, Debug)]
enum Step {
    Write(Lba, Vec<u8>),
    /// The writes up to here inside this range of sectors are durable.
    Flush(Range<u64>),
}

/// How much of the write during which the power failed is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tear {
    /// Its first so many bytes.
    Head(usize),
    /// Everything but its first so many bytes.
    Tail(usize),
}

/// A moment at which the power fails, and what survived of what was not flushed by then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutPoint {
    /// Writes that were acknowledged by then.
    pub writes: usize,
    /// What the disk has of the next write, during which the power failed; `None`: it failed between two.
    pub tear: Option<Tear>,
    /// For each acknowledged write that was not flushed, oldest first, whether it is on the disk.
    pub survives: Vec<bool>,
}

/// How a write goes wrong on the way to the medium although the disk says that it was flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rot {
    /// One bit of this byte of the write is another.
    Flip(usize),
    /// The medium keeps what was there before.
    Lost,
}

/// Which cuts to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Torn at each sector (of more than 64, at three of them) and inside of two; of unflushed writes each lost alone, and
    /// every prefix kept.
    All,
    /// Torn in the middle; of unflushed writes all kept or all lost.
    Few,
}

/// An acknowledged write that is not on the medium yet.
#[derive(Clone, Debug)]
struct Cached {
    at: Lba,
    /// What a read gives.
    data: Vec<u8>,
    /// What the medium will get, if that is something else.
    landing: Option<Vec<u8>>,
}

/// A disk with a volatile write cache that records what is done to it.
#[derive(Clone, Debug)]
pub struct TraceDisk<D> {
    before: D,
    stable: D,
    cache: Vec<Cached>,
    steps: Vec<Step>,
    writes: usize,
    rot: Option<(usize, Rot)>,
}

impl<D: Blocks<Error = DiskGone> + Clone> TraceDisk<D> {
    /// A disk that works.
    #[must_use]
    pub fn new(disk: D) -> Self {
        let before = disk.clone();
        Self { before, stable: disk, cache: Vec::new(), steps: Vec::new(), writes: 0, rot: None }
    }

    /// A disk whose `write`-th write, counted from 0, goes wrong when it is flushed. Until then it reads as written.
    #[must_use]
    pub fn rotting(disk: D, write: usize, rot: Rot) -> Self {
        Self { rot: Some((write, rot)), ..Self::new(disk) }
    }

    /// Writes so far.
    #[must_use]
    pub fn writes(&self) -> usize {
        self.writes
    }

    /// Address and size in bytes of each write so far.
    pub fn extents(&self) -> impl Iterator<Item = (Lba, usize)> + '_ {
        self.steps.iter().filter_map(|step| match step {
            Step::Write(at, data) => Some((*at, data.len())),
            Step::Flush(_) => None,
        })
    }

    /// Makes durable what was written inside `range`, in sectors.
    ///
    /// # Errors
    /// Never; as [`Blocks::flush`].
    pub fn flush_range(&mut self, range: Range<u64>) -> Result<(), DiskGone> {
        for write in core::mem::take(&mut self.cache) {
            if range.contains(&write.at.0) {
                self.stable.write(write.at, write.landing.as_ref().unwrap_or(&write.data))?;
            } else {
                self.cache.push(write);
            }
        }
        self.steps.push(Step::Flush(range));
        Ok(())
    }

    /// The disk as it is now after an orderly stop: everything that was acknowledged is on it.
    pub fn stopped(mut self) -> D {
        // The stable disk takes whatever it took before.
        let _ = self.flush();
        self.stable
    }

    /// The disk if the power fails now and nothing survives that was not flushed.
    pub fn unplugged(self) -> D {
        self.stable
    }

    /// Every moment at which the power can fail, each with what may survive. The last ones are after all writes.
    #[must_use]
    pub fn cut_points(&self, depth: Depth) -> Vec<CutPoint> {
        let mut points = Vec::new();
        let mut pending: Vec<(Lba, usize)> = Vec::new();
        let mut writes: usize = 0;
        between(&mut points, writes, pending.len(), depth);
        // Whether a flush since the last write made some of the cache durable and left some.
        let mut sifted = false;
        for step in &self.steps {
            match step {
                Step::Write(at, data) => {
                    if sifted {
                        between(&mut points, writes, pending.len(), depth);
                    }
                    for tear in tears(data.len(), depth) {
                        points.push(CutPoint {
                            writes,
                            tear: Some(tear),
                            survives: vec![true; pending.len()],
                        });
                        if !pending.is_empty() {
                            points.push(CutPoint {
                                writes,
                                tear: Some(tear),
                                survives: vec![false; pending.len()],
                            });
                        }
                    }
                    pending.push((*at, data.len()));
                    writes = writes.saturating_add(1);
                    between(&mut points, writes, pending.len(), depth);
                    sifted = false;
                }
                Step::Flush(range) => {
                    // With nothing left in the cache the disk is one of those above: all of it survived.
                    pending.retain(|(at, _)| !range.contains(&at.0));
                    sifted = !pending.is_empty();
                }
            }
        }
        if sifted {
            between(&mut points, writes, pending.len(), depth);
        }
        points
    }

    /// The disk as a cut at this point leaves it.
    ///
    /// # Errors
    /// When `point` is not one of [`cut_points`](Self::cut_points).
    pub fn after(&self, point: &CutPoint) -> Result<D, DiskGone> {
        let mut disk = self.before.clone();
        let mut pending: Vec<(Lba, &[u8])> = Vec::new();
        let mut writes: usize = 0;
        // How many writes are pending tells whether a flush behind the last acknowledged write had happened.
        for step in &self.steps {
            match step {
                Step::Write(at, data) => {
                    if writes == point.writes {
                        return finish(disk, &pending, point, Some((*at, data)));
                    }
                    pending.push((*at, data));
                    writes = writes.saturating_add(1);
                }
                Step::Flush(range) => {
                    if writes == point.writes && point.tear.is_none() && pending.len() == point.survives.len()
                    {
                        return finish(disk, &pending, point, None);
                    }
                    for (at, data) in core::mem::take(&mut pending) {
                        if range.contains(&at.0) {
                            disk.write(at, data)?;
                        } else {
                            pending.push((at, data));
                        }
                    }
                }
            }
        }
        finish(disk, &pending, point, None)
    }
}

/// Applies what survived of the cache, and of the write that was under way.
fn finish<D: Blocks<Error = DiskGone>>(
    mut disk: D,
    pending: &[(Lba, &[u8])],
    point: &CutPoint,
    next: Option<(Lba, &Vec<u8>)>,
) -> Result<D, DiskGone> {
    if pending.len() != point.survives.len() {
        return Err(DiskGone);
    }
    for ((at, data), survives) in pending.iter().zip(&point.survives) {
        if *survives {
            disk.write(*at, data)?;
        }
    }
    if let Some(tear) = point.tear {
        let (at, data) = next.ok_or(DiskGone)?;
        let mut torn = vec![0; data.len()];
        disk.read(at, &mut torn)?;
        let (head, tail) = match tear {
            Tear::Head(bytes) => (0..bytes.min(data.len()), 0..0),
            Tear::Tail(bytes) => (0..0, bytes.min(data.len())..data.len()),
        };
        for part in [head, tail] {
            let bytes = data.get(part.clone()).unwrap_or_default();
            crate::field::put(&mut torn, part.start, bytes);
        }
        disk.write(at, &torn)?;
    }
    Ok(disk)
}

/// Adds the points between two steps: each way in which `pending` unflushed writes may survive.
fn between(points: &mut Vec<CutPoint>, writes: usize, pending: usize, depth: Depth) {
    let mut ways: Vec<Vec<bool>> = vec![vec![true; pending], vec![false; pending]];
    if depth == Depth::All {
        for lost in 0..pending {
            ways.push((0..pending).map(|index| index != lost).collect());
            ways.push((0..pending).map(|index| index < lost).collect());
        }
    }
    for (index, survives) in ways.iter().enumerate() {
        if !ways.iter().take(index).any(|before| before == survives) {
            points.push(CutPoint { writes, tear: None, survives: survives.clone() });
        }
    }
}

/// Writes of more bytes are not torn at each sector.
const LARGE: usize = 64 * SECTOR;

fn tears(bytes: usize, depth: Depth) -> Vec<Tear> {
    let middle = (bytes / 2).next_multiple_of(SECTOR).min(bytes);
    if depth == Depth::Few {
        return vec![Tear::Head(if middle == bytes { bytes / 2 } else { middle })];
    }
    // Of a large write three boundaries: such a one is zeros, and each of them leaves the same in other sizes.
    let step = if bytes > LARGE { (bytes / 4).next_multiple_of(SECTOR) } else { SECTOR };
    let boundaries = (SECTOR..bytes).step_by(step).map(Tear::Head);
    let inside = [SECTOR / 2, bytes.saturating_sub(SECTOR / 2)].map(Tear::Head);
    let single = [41, 255, 509].map(Tear::Head);
    let few = if bytes == SECTOR { single.as_slice() } else { inside.as_slice() };
    let tail = (middle < bytes).then_some(Tear::Tail(middle));
    boundaries.chain(few.iter().copied()).chain(tail).collect()
}

impl<D: Blocks<Error = DiskGone> + Clone> Blocks for TraceDisk<D> {
    type Error = DiskGone;

    fn sectors(&self) -> u64 {
        self.stable.sectors()
    }

    fn read(&mut self, at: Lba, buffer: &mut [u8]) -> Result<(), DiskGone> {
        self.stable.read(at, buffer)?;
        let end = at.0.saturating_add(u64::try_from(buffer.len() / SECTOR).unwrap_or(u64::MAX));
        for write in &self.cache {
            for (sector, bytes) in (write.at.0..end).zip(write.data.chunks_exact(SECTOR)) {
                let offset = sector.checked_sub(at.0).and_then(|sectors| usize::try_from(sectors).ok());
                let offset = offset.and_then(|sectors| sectors.checked_mul(SECTOR));
                crate::field::put(buffer, offset.unwrap_or(usize::MAX), bytes);
            }
        }
        Ok(())
    }

    fn write(&mut self, at: Lba, data: &[u8]) -> Result<(), DiskGone> {
        let outside = self.stable.sectors().saturating_sub(at.0)
            < u64::try_from(data.len() / SECTOR).unwrap_or(u64::MAX);
        if outside || !data.len().is_multiple_of(SECTOR) {
            return Err(DiskGone);
        }
        let rot = self.rot.filter(|(write, _)| *write == self.writes);
        let mut landing = None;
        if let Some((_, rot)) = rot {
            let mut bytes = data.to_vec();
            match rot {
                Rot::Flip(byte) => bytes.get_mut(byte).into_iter().for_each(|byte| *byte ^= 1),
                Rot::Lost => self.read(at, &mut bytes)?,
            }
            landing = Some(bytes);
        }
        self.cache.push(Cached { at, data: data.to_vec(), landing });
        self.steps.push(Step::Write(at, data.to_vec()));
        self.writes = self.writes.saturating_add(1);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DiskGone> {
        self.flush_range(0..u64::MAX)
    }
}

#[cfg(test)]
mod tests;
