//! Every line on the screen and on the first serial port; keys from both.
//!
//! The screen is the BIOS's (int 10h), so it works with whatever the BIOS made of the graphics card, and goes nowhere
//! when there is none. A BIOS that copies its screen to the serial port shows each line twice there; which one does
//! cannot be told from outside, and a line twice is better than none.

use core::fmt::{self, Write};
use core::time::Duration;

use evener_devices::Uart;
use evener_slot_choice::Terminal;

use crate::bios::{self, KEYBOARD, Registers};
use crate::clock::{Clock, Moment};
use crate::port::Machine;
use crate::{low, memory};

const PAUSE: Duration = Duration::from_millis(10);

/// Where lines go and keys come from.
#[derive(Debug)]
pub(crate) struct Console {
    serial: Option<Uart<Machine>>,
    pub(crate) clock: Clock,
}

impl Console {
    /// Looks for the serial port and sets it up.
    pub(crate) fn find() -> Self {
        Self { serial: Uart::find(Machine), clock: Clock::measure() }
    }
}

impl Terminal for Console {
    type Timer = Moment;

    fn say(&self, line: fmt::Arguments<'_>) {
        if let Some(mut serial) = self.serial.as_ref() {
            // A console that refuses text is no reason not to boot.
            let _ = write!(serial, "evener-loader: {line}\r\n");
        }
        let mut screen = Screen { text: [0; memory::TEXT_BYTES], length: 0 };
        let _ = write!(screen, "evener-loader: {line}\r\n");
        screen.show();
    }

    fn key(&self) -> Option<u8> {
        let waiting = bios::call(KEYBOARD, Registers { eax: 0x0100, ..Registers::default() });
        if waiting.zero() {
            return self.serial.as_ref().and_then(Uart::key);
        }
        let key = bios::call(KEYBOARD, Registers::default());
        Some(key.al())
    }

    fn timer(&self, time: Duration) -> Moment {
        self.clock.after(time)
    }

    fn pause(&self) {
        self.clock.wait(PAUSE);
    }
}

/// Text for the screen: as much at a time as the BIOS is given in one call.
struct Screen {
    text: [u8; memory::TEXT_BYTES],
    length: usize,
}

impl Screen {
    fn show(&mut self) {
        low::put(memory::TEXT, self.text.get(..self.length).unwrap_or_default());
        let [address, length] = [memory::TEXT, self.length].map(|n| u32::try_from(n).unwrap_or(0));
        bios::print(address, length);
        self.length = 0;
    }
}

impl Write for Screen {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if self.length == self.text.len() {
                self.show();
            }
            if let Some(place) = self.text.get_mut(self.length) {
                *place = byte;
                self.length = self.length.saturating_add(1);
            }
        }
        Ok(())
    }
}
