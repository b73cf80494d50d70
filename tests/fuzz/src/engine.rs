//! Runs a target on mutated inputs, keeps those that lead somewhere new, and watches the memory.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;

use crate::mutate::mutate;
use crate::random::Random;
use crate::{Target, Verdict};

/// Counts what is allocated; one run at a time, in a program that does nothing else, is measured exactly.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Where inputs go that break a property.
const FINDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../out/fuzz");
/// Inputs that are kept besides the seeds.
const KEPT: usize = 1024;

/// What is run now, for the panic hook: target, seed of the run, and the input.
static RUNNING: Mutex<Running> = Mutex::new(Running { target: None, seed: 0, input: Vec::new() });
static HOOK: Once = Once::new();

struct Running {
    target: Option<&'static str>,
    seed: u64,
    input: Vec<u8>,
}

/// How long to go on.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// So many runs, seeds not counted.
    Runs(u64),
    /// So long.
    Time(Duration),
}

/// What came of it. A property that does not hold ends the program with a panic instead.
#[derive(Clone, Debug)]
pub struct Report {
    /// Of the target.
    pub name: &'static str,
    /// Inputs that were run.
    pub runs: u64,
    /// How long that took.
    pub took: Duration,
    /// Outcomes that differ.
    pub verdicts: BTreeSet<Verdict>,
    /// Seeds and inputs that were kept.
    pub corpus: usize,
    /// The most memory that one run had, in bytes.
    pub memory: usize,
}

impl Report {
    /// Runs a second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub fn rate(&self) -> f64 {
        self.runs as f64 / self.took.as_secs_f64().max(1e-9)
    }
}

/// Runs all seeds, then mutations of them.
///
/// # Panics
/// When a property does not hold; the input is in `out/fuzz` then.
#[must_use]
pub fn fuzz(target: &Target, seed: u64, until: Until) -> Report {
    install_hook();
    let mut random = Random::new(seed);
    let mut corpus = (target.seeds)();
    let started = Instant::now();
    let mut report = Report {
        name: target.name,
        runs: 0,
        took: Duration::ZERO,
        verdicts: BTreeSet::new(),
        corpus: corpus.len(),
        memory: 0,
    };
    let most = corpus.len() + KEPT;
    for input in &corpus {
        report.verdicts.insert(run(target, seed, input, &mut report.memory));
    }
    let mut input = Vec::with_capacity(target.longest);
    while more(until, report.runs, started) {
        input.clear();
        input.extend_from_slice(random.one_of::<Vec<u8>>(&corpus));
        let other = random.one_of::<Vec<u8>>(&corpus);
        mutate(&mut input, other, target.longest, &mut random);
        let verdict = run(target, seed, &input, &mut report.memory);
        report.runs += 1;
        if report.verdicts.insert(verdict) && corpus.len() < most {
            corpus.push(input.clone());
        }
    }
    report.took = started.elapsed();
    report.corpus = corpus.len();
    report
}

/// Runs one input, as a find is run again.
///
/// # Panics
/// When a property does not hold.
pub fn run_once(target: &Target, input: &[u8]) -> Verdict {
    run(target, 0, input, &mut 0)
}

fn run(target: &Target, seed: u64, input: &[u8], most: &mut usize) -> Verdict {
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    (running.target, running.seed) = (Some(target.name), seed);
    running.input.clear();
    running.input.extend_from_slice(input);
    drop(running);
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let verdict = (target.run)(input);
    let memory = MEMORY.peak_usage().saturating_sub(before);
    *most = (*most).max(memory);
    assert!(memory <= target.memory, "{memory} bytes of memory; {} may use {}", target.name, target.memory);
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner).target = None;
    verdict
}

/// Time is looked at every so often only: it costs as much as a small target.
fn more(until: Until, runs: u64, started: Instant) -> bool {
    match until {
        Until::Runs(limit) => runs < limit,
        Until::Time(limit) => !runs.is_multiple_of(64) || started.elapsed() < limit,
    }
}

/// Saves the input that panics, in a program that unwinds and in one that aborts.
fn install_hook() {
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            usual(panic);
            // A panic outside of a run, or while an input is being put there, is none of ours.
            if let Ok(running) = RUNNING.try_lock()
                && let Some(target) = running.target
            {
                save(target, running.seed, &running.input);
            }
        }));
    });
}

#[allow(clippy::print_stderr, reason = "tells where the find is")]
fn save(name: &str, seed: u64, input: &[u8]) {
    let folder = PathBuf::from(FINDS);
    let path = folder.join(format!("{name}-{seed:x}"));
    match fs::create_dir_all(&folder).and_then(|()| fs::write(&path, input)) {
        Ok(()) => eprintln!("the input is in {}; again: cargo xtask fuzz --find {name} {0}", path.display()),
        Err(error) => eprintln!("the input cannot be saved ({error}): {input:02x?}"),
    }
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::panic::catch_unwind;

    use super::*;

    const SOUND: Target = Target {
        name: "planted",
        what: "a reader for this test",
        run: |data| u32::from(data.starts_with(b"EVE")),
        seeds: || vec![b"EVENER".to_vec()],
        longest: 64,
        short: 0,
        memory: 4 << 10,
    };

    /// Believes a length field.
    fn reads_behind_the_end(data: &[u8]) -> Verdict {
        let length = usize::from(data.first().copied().unwrap_or(0) % 8);
        data.get(1..).map_or(0, |rest| rest.get(..length).map_or(1, |_| 2) + u32::from(rest[length / 2]))
    }

    /// Makes room for what a length field promises.
    fn believes_a_size(data: &[u8]) -> Verdict {
        let size = data.first_chunk().map_or(0, |size| u32::from_le_bytes(*size)) >> 8;
        u32::from(black_box(vec![0_u8; usize::try_from(size).unwrap()]).is_empty())
    }

    /// One test, because what is run and its memory are known for the whole program only.
    #[test]
    fn what_is_planted_is_found_and_its_input_is_kept() {
        let report = fuzz(&SOUND, 5, Until::Runs(2000));
        assert_eq!((report.runs, report.verdicts.len()), (2000, 2), "a sound target passes");
        assert_eq!(report.corpus, 2, "one input led to the other outcome");

        let place = PathBuf::from(FINDS).join("planted-5");
        for (words, run) in
            [("an index", reads_behind_the_end as fn(&[u8]) -> Verdict), ("memory", believes_a_size)]
        {
            let _ = fs::remove_file(&place);
            let unsound = Target { run, ..SOUND };
            let found = catch_unwind(|| fuzz(&unsound, 5, Until::Runs(2000)));
            assert!(found.is_err(), "{words}");
            let input = fs::read(&place).unwrap();
            assert!(
                catch_unwind(|| run_once(&unsound, &input)).is_err(),
                "{words}: it is the input that does it"
            );
        }
        fs::remove_file(&place).unwrap();
    }
}
