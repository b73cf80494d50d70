//! The first serial port, COM1, 115200 8N1: the port and speed that Linux is told to use.
//!
//! 16550 registers, polled; nothing here waits without a bound. A port that is not there is not used. One whose
//! transmitter pauses is waited for, because the other end of an emulated port may be a busy program; one that is stuck
//! is waited for once, and from then on used only when it happens to be ready.

use core::cell::Cell;
use core::fmt;

const COM1: u16 = 0x3f8;
const INTERRUPTS: u16 = COM1 + 1;
const FIFO: u16 = COM1 + 2;
const LINE_CONTROL: u16 = COM1 + 3;
const MODEM_CONTROL: u16 = COM1 + 4;
const LINE_STATUS: u16 = COM1 + 5;
const SCRATCH: u16 = COM1 + 7;
const DATA_READY: u8 = 0x01;
const TRANSMITTER_EMPTY: u8 = 0x20;
/// Reads of the status register (about a microsecond each) to wait for one character; at 115200 baud a
/// character takes 87 us.
const MAX_POLLS: u32 = 500_000;

/// Single bytes of I/O space. A port where nothing is reads as all ones and forgets what was written.
pub trait Ports {
    /// Reads a port.
    fn input8(&self, port: u16) -> u8;

    /// Writes a port.
    fn output8(&self, port: u16, value: u8);
}

/// COM1, set up.
#[derive(Clone, Debug)]
pub struct Uart<P> {
    ports: P,
    /// Whether a character could not be sent in time.
    stuck: Cell<bool>,
}

impl<P: Ports> Uart<P> {
    /// Looks whether there is a port, and sets it up.
    pub fn find(ports: P) -> Option<Self> {
        for pattern in [0x5a, 0xa5] {
            ports.output8(SCRATCH, pattern);
            if ports.input8(SCRATCH) != pattern {
                return None;
            }
        }
        // No interrupts; divisor 1 = 115200 baud; 8N1; FIFOs on and empty; DTR and RTS.
        for (register, value) in [
            (INTERRUPTS, 0),
            (LINE_CONTROL, 0x80),
            (COM1, 1),
            (INTERRUPTS, 0),
            (LINE_CONTROL, 0x03),
            (FIFO, 0x07),
            (MODEM_CONTROL, 0x03),
        ] {
            ports.output8(register, value);
        }
        Some(Self { ports, stuck: Cell::new(false) })
    }

    /// The next character that came in, if any.
    #[must_use]
    pub fn key(&self) -> Option<u8> {
        (self.ports.input8(LINE_STATUS) & DATA_READY != 0).then(|| self.ports.input8(COM1))
    }
}

impl<P: Ports> fmt::Write for &Uart<P> {
    /// Sends `text`; an error when the transmitter does not get empty, and the rest is dropped.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            let polls = if self.stuck.get() { 1 } else { MAX_POLLS };
            let ready = (0..polls).any(|_| self.ports.input8(LINE_STATUS) & TRANSMITTER_EMPTY != 0);
            self.stuck.set(!ready);
            if !ready {
                return Err(fmt::Error);
            }
            self.ports.output8(COM1, byte);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::{Cell, RefCell};
    use core::fmt::Write as _;
    use std::vec::Vec;

    /// A 16550 as far as it is used here.
    #[derive(Default)]
    struct Chip {
        absent: bool,
        stuck: Cell<bool>,
        scratch: Cell<u8>,
        divisor_latch: Cell<bool>,
        divisor: Cell<u8>,
        sent: RefCell<Vec<u8>>,
        incoming: RefCell<Vec<u8>>,
        polls: Cell<u32>,
    }

    impl Ports for &Chip {
        fn input8(&self, port: u16) -> u8 {
            if self.absent {
                return 0xff;
            }
            match port {
                SCRATCH => self.scratch.get(),
                COM1 => self.incoming.borrow_mut().remove(0),
                LINE_STATUS => {
                    self.polls.set(self.polls.get() + 1);
                    let ready = if self.incoming.borrow().is_empty() { 0 } else { DATA_READY };
                    ready | if self.stuck.get() { 0 } else { TRANSMITTER_EMPTY }
                }
                _ => 0,
            }
        }

        fn output8(&self, port: u16, value: u8) {
            match port {
                SCRATCH => self.scratch.set(value),
                LINE_CONTROL => self.divisor_latch.set(value & 0x80 != 0),
                COM1 if self.divisor_latch.get() => self.divisor.set(value),
                COM1 => self.sent.borrow_mut().push(value),
                _ => {}
            }
        }
    }

    #[test]
    fn a_port_is_set_up_sends_and_hears() {
        let chip = Chip { incoming: RefCell::new(b"\x12y".to_vec()), ..Chip::default() };
        let uart = Uart::find(&chip).unwrap();
        assert_eq!((chip.divisor.get(), chip.divisor_latch.get()), (1, false));
        (&uart).write_str("one\r\n").unwrap();
        assert_eq!(*chip.sent.borrow(), b"one\r\n");
        assert_eq!([uart.key(), uart.key(), uart.key()], [Some(0x12), Some(b'y'), None]);
    }

    #[test]
    fn a_port_that_is_not_there_is_not_used() {
        let chip = Chip { absent: true, ..Chip::default() };
        assert!(Uart::find(&chip).is_none());
    }

    #[test]
    fn a_stuck_transmitter_is_waited_for_once_and_used_again_when_it_is_ready() {
        let chip = Chip { stuck: Cell::new(true), ..Chip::default() };
        let uart = Uart::find(&chip).unwrap();
        for line in 0..3 {
            assert!((&uart).write_str("a long line").is_err());
            assert_eq!(chip.polls.get(), MAX_POLLS + line);
        }
        assert!(chip.sent.borrow().is_empty());
        chip.stuck.set(false);
        (&uart).write_str("again").unwrap();
        assert_eq!(*chip.sent.borrow(), b"again");
    }
}
