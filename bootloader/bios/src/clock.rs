//! Time, by the processor's counter, whose speed the PC's timer chip tells once.
#![expect(unsafe_code, reason = "the counter is read by an instruction")]

use core::arch::x86_64::_rdtsc;
use core::hint::spin_loop;
use core::time::Duration;

use evener_devices::Ports as _;
use evener_slot_choice::Timer;

use crate::port::Machine;

/// The timer's second channel, its gate and its output: it counts down at 1 193 182 Hz and interrupts nobody.
const CHANNEL2: u16 = 0x42;
const MODE: u16 = 0x43;
const GATE: u16 = 0x61;
const GATE_OUTPUT: u8 = 0x20;
/// 5 ms in its ticks.
const TICKS: u16 = 5966;
const MEASURED_US: u64 = 5000;
/// Looks at the output, about a microsecond each, after which the chip is taken for broken.
const MAX_POLLS: u32 = 1_000_000;
/// What is assumed then: of a fast processor, so that times come out too long rather than too short.
const ASSUMED_PER_US: u64 = 4000;

/// How fast the counter runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    per_us: u64,
}

impl Clock {
    /// Measures the counter's speed, which takes 5 ms.
    pub(crate) fn measure() -> Self {
        let [low, high] = TICKS.to_le_bytes();
        let gate = Machine.input8(GATE);
        // Gate on, speaker off; mode 0: the output goes high when the count is over.
        Machine.output8(GATE, gate & 0xfc | 0x01);
        Machine.output8(MODE, 0xb0);
        Machine.output8(CHANNEL2, low);
        Machine.output8(CHANNEL2, high);
        let begin = now();
        let over = (0..MAX_POLLS).any(|_| Machine.input8(GATE) & GATE_OUTPUT != 0);
        let counted = now().saturating_sub(begin);
        Machine.output8(GATE, gate);
        let per_us = if over { counted / MEASURED_US } else { ASSUMED_PER_US };
        Self { per_us: per_us.max(1) }
    }

    /// A moment `time` from now.
    pub(crate) fn after(self, time: Duration) -> Moment {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Moment(now().saturating_add(us.saturating_mul(self.per_us)))
    }

    /// Lets `time` go by.
    pub(crate) fn wait(self, time: Duration) {
        let mut end = self.after(time);
        while !end.is_over() {
            spin_loop();
        }
    }
}

/// A moment to come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment(u64);

impl Timer for Moment {
    fn is_over(&mut self) -> bool {
        now() >= self.0
    }
}

fn now() -> u64 {
    // SAFETY: every 64-bit processor has the counter, and nothing runs here that could have forbidden it.
    unsafe { _rdtsc() }
}
