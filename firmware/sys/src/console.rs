//! Consoles: most are only written to. Nobody reads what arrives on those, so nothing is made of it.
//!
//! A terminal echoes by default. On a serial line that brings bytes without end, such as one whose other end echoes too or
//! prompts for ever, that is a conversation between two machines which costs both of them their time.

use crate::{WITHOUT_BECOMING_OURS, WITHOUT_WAITING};
use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, tcflush,
    tcgetattr, tcsetattr,
};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Opens a console for output, and has its driver drop what arrives: no echo, and on a serial port no receiver, until
/// somebody who wants to read sets it otherwise (`termios(3)`). What is no terminal is only opened.
///
/// # Errors
/// When there is no such device. A terminal that cannot be set is a console all the same.
pub fn open_for_output(path: &Path) -> io::Result<OwnedFd> {
    let file = OpenOptions::new().write(true).custom_flags(WITHOUT_WAITING).open(path)?;
    if let Ok(mut settings) = tcgetattr(&file) {
        settings.local_modes.remove(LocalModes::ECHO);
        settings.control_modes.remove(ControlModes::CREAD);
        // Then it goes on echoing.
        let _ = tcsetattr(&file, OptionalActions::Now, &settings);
    }
    Ok(file.into())
}

/// Opens a console on which somebody is to answer: lines can be read, and what is typed is shown, also when it was
/// opened [for output](open_for_output) before. It does not become the terminal of this process, so that Ctrl-C ends
/// nothing.
///
/// # Errors
/// When there is no such device.
pub fn open_for_answers(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).custom_flags(WITHOUT_BECOMING_OURS).open(path)?;
    if let Ok(mut settings) = tcgetattr(&file) {
        settings.local_modes.insert(LocalModes::ECHO | LocalModes::ICANON);
        settings.control_modes.insert(ControlModes::CREAD);
        // Then nobody can answer on this one; there may be others.
        let _ = tcsetattr(&file, OptionalActions::Now, &settings);
    }
    Ok(file)
}

/// Opens a console for a menu: every byte is read as it comes, and nothing is echoed. It is deaf until
/// [`listen`] says otherwise. Neither Ctrl-C nor Ctrl-S means anything to the driver: who sends noise must not stop
/// what others write there. What is written goes on having its line ends made whole.
///
/// # Errors
/// When there is no such device, or it is no terminal.
pub fn open_for_menu(path: &Path) -> io::Result<OwnedFd> {
    let file = OpenOptions::new().read(true).write(true).custom_flags(WITHOUT_WAITING).open(path)?;
    let mut settings = tcgetattr(&file)?;
    let lines =
        LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN;
    settings.local_modes.remove(lines);
    settings.input_modes.remove(
        InputModes::ICRNL
            | InputModes::INLCR
            | InputModes::IGNCR
            | InputModes::IXON
            | InputModes::IXOFF
            | InputModes::BRKINT
            | InputModes::PARMRK
            | InputModes::ISTRIP,
    );
    settings.input_modes.insert(InputModes::IGNBRK);
    settings.control_modes.remove(ControlModes::CREAD);
    settings.special_codes[SpecialCodeIndex::VMIN] = 1;
    settings.special_codes[SpecialCodeIndex::VTIME] = 0;
    tcsetattr(&file, OptionalActions::Now, &settings)?;
    Ok(file.into())
}

/// Has the driver of a console take bytes, from now on, or drop them: a serial port then takes no interrupts for them.
/// What came before is dropped in either case.
///
/// # Errors
/// The kernel's reason, such as that the device is gone.
pub fn listen(console: impl AsFd, takes: bool) -> io::Result<()> {
    let mut settings = tcgetattr(&console)?;
    settings.control_modes.set(ControlModes::CREAD, takes);
    tcsetattr(&console, OptionalActions::Now, &settings)?;
    tcflush(&console, QueueSelector::IFlush)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::fd::FromRawFd;

    #[test]
    fn a_console_echoes_only_where_somebody_is_to_answer_and_what_is_no_terminal_is_opened_too() {
        let (mut master, mut slave) = (-1, -1);
        let mut name = [0; 64];
        // SAFETY: both descriptors and the name are written to places that outlive the call; the name of a pseudo terminal
        // is shorter than 64 bytes. The settings are optional.
        let opened = unsafe {
            libc::openpty(
                &raw mut master,
                &raw mut slave,
                name.as_mut_ptr(),
                std::ptr::null(),
                std::ptr::null(),
            )
        };
        assert_eq!(opened, 0);
        // SAFETY: the call above made it, and nobody else has it.
        let _master = unsafe { File::from_raw_fd(master) };
        // SAFETY: as above.
        let slave = unsafe { File::from_raw_fd(slave) };
        let echoes = || tcgetattr(&slave).unwrap().local_modes.contains(LocalModes::ECHO);
        assert!(echoes());
        let name: Vec<u8> =
            name.iter().map(|byte| byte.cast_unsigned()).take_while(|byte| *byte != 0).collect();
        let console = open_for_output(Path::new(std::str::from_utf8(&name).unwrap())).unwrap();
        assert!(!echoes());
        drop(console);
        let answers = open_for_answers(Path::new(std::str::from_utf8(&name).unwrap())).unwrap();
        assert!(echoes() && tcgetattr(&slave).unwrap().control_modes.contains(ControlModes::CREAD));
        drop(answers);

        assert!(open_for_output(Path::new("/dev/null")).is_ok());
        assert!(open_for_output(Path::new("/dev/no-such-console")).is_err());
    }
}
