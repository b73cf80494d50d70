//! Every line on screen and on the first serial port, once each.
//!
//! Most firmware copies its console to a serial port if one is there; then nothing else is needed. Where it
//! does not (`ConOut` has no UART), the line also goes to COM1 directly, 115200 8N1, the port and speed that
//! Linux is told to use.

use core::fmt::{self, Write};
use core::time::Duration;

use evener_devices::Uart;
use evener_slot_choice::Terminal;
use uefi::proto::console::text::Key;
use uefi::runtime::{self, VariableVendor};
use uefi::table::system_table_raw;
use uefi::{boot, cstr16, system};

use crate::clock::Deadline;
use crate::conout::reaches_a_serial_port;
use crate::port::Machine;

const PAUSE: Duration = Duration::from_millis(10);

/// Where lines go.
#[derive(Clone, Debug)]
pub(crate) struct Console {
    /// COM1, if we write to it ourselves.
    direct: Option<Uart<Machine>>,
}

impl Console {
    /// The firmware's console as it is.
    pub(crate) const PLAIN: Self = Self { direct: None };

    /// Looks at what the firmware's console reaches, and sets COM1 up when it does not reach it.
    pub(crate) fn find() -> Self {
        let paths = runtime::get_variable_boxed(cstr16!("ConOut"), &VariableVendor::GLOBAL_VARIABLE);
        let covered = paths.is_ok_and(|(paths, _)| reaches_a_serial_port(&paths));
        Self { direct: if covered { None } else { Uart::find(Machine) } }
    }
}

impl Terminal for Console {
    type Timer = Deadline;

    fn say(&self, line: fmt::Arguments<'_>) {
        // A console that refuses text is no reason not to boot.
        if Streams::find().output {
            let _ = system::with_stdout(|out| writeln!(out, "evener-loader: {line}"));
        }
        if let Some(mut port) = self.direct.as_ref() {
            let _ = write!(port, "evener-loader: {line}\r\n");
        }
    }

    fn key(&self) -> Option<u8> {
        let pressed = Streams::find().input.then(|| system::with_stdin(|input| input.read_key()));
        match pressed {
            Some(Ok(Some(Key::Printable(key)))) => Some(u8::try_from(u16::from(key)).unwrap_or(0)),
            Some(Ok(Some(Key::Special(_)))) => Some(0),
            _ => self.direct.as_ref().and_then(Uart::key),
        }
    }

    fn timer(&self, time: Duration) -> Deadline {
        Deadline::after(time)
    }

    fn pause(&self) {
        boot::stall(PAUSE);
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
