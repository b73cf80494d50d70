//! A machine that remembers what was done to it.

use super::*;

/// Remembers what was said and started.
#[derive(Default)]
pub(super) struct Bench {
    pub(super) said: Vec<String>,
    pub(super) started: Vec<(Vec<u8>, String)>,
    pub(super) refuse_starts: usize,
    pub(super) memory: Option<usize>,
    /// What the person at the console asks for, and whether only when asked for the last time.
    pub(super) asks: Option<(Asked, bool)>,
    pub(super) asked: Vec<bool>,
    pub(super) running: Option<RunningLoader>,
    /// What the other copy of the loader holds.
    pub(super) other: Vec<u8>,
    pub(super) loaders: Vec<(Vec<u8>, LoaderCopy)>,
    pub(super) refuses_loaders: bool,
}

/// A boot that is to come to a firmware.
pub(super) fn boot<B: Blocks>(
    disk: &mut B,
    bench: &mut Bench,
    keyset: &[u8],
    loader: Version,
) -> Result<Slot, BootCode> {
    super::super::boot(disk, bench, keyset, loader).map(|started| match started {
        Started::Slot(slot) => slot,
        Started::Loader(copy) => panic!("the {copy} copy of the loader was started"),
    })
}

impl Machine for Bench {
    type Memory = Vec<u8>;

    fn say(&mut self, line: fmt::Arguments<'_>) {
        self.said.push(line.to_string());
    }

    fn allocate(&mut self, bytes: usize) -> Option<Vec<u8>> {
        self.memory.is_none_or(|limit| bytes <= limit).then(|| vec![0; bytes])
    }

    fn asked(&mut self, last: bool) -> Option<Asked> {
        self.asked.push(last);
        self.asks.and_then(|(asked, late)| (last || !late).then_some(asked))
    }

    fn start(&mut self, image: &Vec<u8>, bytes: usize, line: &str) -> Result<(), BootCode> {
        self.started.push((image[..bytes].to_vec(), line.to_string()));
        if self.started.len() <= self.refuse_starts { Err(BootCode::StartFailed) } else { Ok(()) }
    }

    fn running(&self, _: &PartitionMap) -> Option<RunningLoader> {
        self.running
    }

    fn loader<B: Blocks>(
        &mut self,
        _: &mut B,
        _: &PartitionMap,
        _: LoaderCopy,
        file: &[u8],
    ) -> Result<(Vec<u8>, usize), BootCode> {
        if self.other == file { Ok((file.to_vec(), file.len())) } else { Err(BootCode::LoaderDiffers) }
    }

    fn start_loader(&mut self, loader: &Vec<u8>, bytes: usize, copy: LoaderCopy) -> Result<(), BootCode> {
        self.loaders.push((loader[..bytes].to_vec(), copy));
        if self.refuses_loaders { Err(BootCode::LoaderNotStarted) } else { Ok(()) }
    }
}
