//! Every line on screen and on the first serial port, once each.
//!
//! Most firmware copies its console to a serial port if one is there; then nothing else is needed. Where it
//! does not (`ConOut` has no UART), the line also goes to COM1 directly, 115200 8N1, the port and speed that
//! Linux is told to use.

use core::fmt::{self, Write};

use uefi::proto::console::text::Key;
use uefi::runtime::{self, VariableVendor};
use uefi::table::system_table_raw;
use uefi::{cstr16, system};

use crate::conout::reaches_a_serial_port;
use crate::port::{input8, output8};

const COM1: u16 = 0x3f8;
const LINE_STATUS: u16 = COM1 + 5;
const SCRATCH: u16 = COM1 + 7;
const DATA_READY: u8 = 0x01;
const TRANSMITTER_EMPTY: u8 = 0x20;
/// Reads of the status register (about a microsecond each) to wait for one character; at 115200 baud a
/// character takes 87 us.
const MAX_POLLS: u32 = 10_000;

/// Where lines go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Console {
    /// Write to COM1 ourselves.
    direct: bool,
}

impl Console {
    /// The firmware's console as it is.
    pub(crate) const PLAIN: Self = Self { direct: false };

    /// Looks at what the firmware's console reaches, and sets COM1 up when it does not reach it.
    pub(crate) fn find() -> Self {
        let paths = runtime::get_variable_boxed(cstr16!("ConOut"), &VariableVendor::GLOBAL_VARIABLE);
        let covered = paths.is_ok_and(|(paths, _)| reaches_a_serial_port(&paths));
        let direct = !covered && port_exists();
        if direct {
            set_up_port();
        }
        Self { direct }
    }

    /// Shows one line.
    pub(crate) fn say(&self, line: fmt::Arguments<'_>) {
        // A console that refuses text is no reason not to boot.
        if Streams::find().output {
            let _ = system::with_stdout(|out| writeln!(out, "evener-loader: {line}"));
        }
        if self.direct {
            let _ = write!(Port, "evener-loader: {line}\r\n");
        }
    }

    /// The next character that came in, if any. What is none, such as an arrow, reads as 0.
    pub(crate) fn key(&self) -> Option<u8> {
        let pressed = Streams::find().input.then(|| system::with_stdin(|input| input.read_key()));
        match pressed {
            Some(Ok(Some(Key::Printable(key)))) => Some(u8::try_from(u16::from(key)).unwrap_or(0)),
            Some(Ok(Some(Key::Special(_)))) => Some(0),
            _ if self.direct && input8(LINE_STATUS) & DATA_READY != 0 => Some(input8(COM1)),
            _ => None,
        }
    }
}

/// Which of the firmware's streams exist. A machine without screen and keyboard may have none of them, and to use
/// one that is not there panics, in the panic handler for the second time.
struct Streams {
    input: bool,
    output: bool,
}

impl Streams {
    #[expect(unsafe_code, reason = "the system table is a raw pointer")]
    fn find() -> Self {
        let Some(table) = system_table_raw() else { return Self { input: false, output: false } };
        // SAFETY: the entry point was given this table, and it is valid until boot services end, which only a
        // kernel that does not come back brings about.
        let table = unsafe { table.as_ref() };
        let active = !table.boot_services.is_null();
        Self { input: active && !table.stdin.is_null(), output: active && !table.stdout.is_null() }
    }
}

struct Port;

impl Write for Port {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            let ready = (0..MAX_POLLS).any(|_| input8(LINE_STATUS) & TRANSMITTER_EMPTY != 0);
            if !ready {
                return Err(fmt::Error);
            }
            output8(COM1, byte);
        }
        Ok(())
    }
}

/// A port that is not there reads as 0xff and forgets what was written.
fn port_exists() -> bool {
    output8(SCRATCH, 0x5a);
    input8(SCRATCH) == 0x5a
}

fn set_up_port() {
    // No interrupts; divisor 1 = 115200 baud; 8N1; FIFOs on; DTR and RTS.
    for (register, value) in [(1, 0), (3, 0x80), (0, 1), (1, 0), (3, 0x03), (2, 0x07), (4, 0x03)] {
        output8(COM1 + register, value);
    }
}
