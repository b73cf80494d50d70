//! How much memory a conversion takes: it must not depend on how much there is to convert.
//!
//! One test, because memory is counted for the whole program. What zstd's C code allocates is not counted here; a test of
//! the program (`evener-image`) gives it an upper limit of all.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test crate")]

use std::convert::Infallible;
use std::io;
use std::ops::Range;

use evener_formats::ova::Machine;
use evener_formats::{Disk, Format, Survey, WriteAt};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// 1.5 GiB, of which the first 64th of each 16 MiB holds something.
struct Large;

const LENGTH: u64 = 3 << 29;
const PERIOD: u64 = 16 << 20;
const HOLDS: u64 = PERIOD / 64;

impl Disk for Large {
    type Error = Infallible;

    fn length(&self) -> u64 {
        LENGTH
    }

    fn read(&mut self, at: u64, out: &mut [u8]) -> Result<(), Infallible> {
        for (place, byte) in (at..).zip(out) {
            let value = place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
            *byte = if place % PERIOD < HOLDS { u8::try_from(value & 0x0f).unwrap() } else { 0 };
        }
        Ok(())
    }

    fn next_data(&mut self, at: u64) -> Result<Option<Range<u64>>, Infallible> {
        let period = at / PERIOD * PERIOD;
        let start = if at < period + HOLDS { at } else { period + PERIOD };
        Ok((start < LENGTH).then(|| start..start / PERIOD * PERIOD + HOLDS))
    }
}

/// Takes everything and keeps how much that was.
#[derive(Default)]
struct Nowhere(u64);

impl WriteAt for Nowhere {
    type Error = io::Error;

    fn write_at(&mut self, _: u64, bytes: &[u8]) -> io::Result<()> {
        self.0 += bytes.len() as u64;
        Ok(())
    }

    fn set_length(&mut self, _: u64) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn memory_does_not_grow_with_the_disk() {
    let survey = Survey::of(&mut Large).unwrap();
    assert_eq!(survey.used_bytes(), LENGTH / 64);
    for format in Format::ALL {
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let mut file = Nowhere::default();
        format.write(&mut Large, &survey, &Machine::new("x"), &mut file).unwrap();
        let most = MEMORY.peak_usage().saturating_sub(before);
        println!("{:<8} {most:>9} bytes of memory for {} written", format.extension(), file.0);
        assert!(most < 1 << 20, "{format:?}: {most} bytes");
    }
}
