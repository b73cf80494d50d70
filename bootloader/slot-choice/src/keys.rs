//! The person at the console, as long as a loader listens to them.
//!
//! Listening costs a boot nothing that its own work does not cost anyway, but for the rest of a short window that
//! begins with the loader. What a line carries by itself is told from a person in [`Listener`].

use core::fmt;
use core::time::Duration;

use crate::{Asked, Confirmation, Listener, Typed};

/// From the loader's first line to the last moment in which a key counts, unless its work takes longer.
const WINDOW: Duration = Duration::from_millis(400);
/// Time in which a reset must be typed out.
const CONFIRM_WITHIN: Duration = Duration::from_secs(15);
/// Characters that are taken at one look: a line that never falls silent must not hold the loader.
const AT_A_LOOK: usize = 64;

/// Where a person reads and types, and the time that goes by meanwhile.
pub trait Terminal {
    /// A moment to come.
    type Timer: Timer;

    /// Shows one line.
    fn say(&self, line: fmt::Arguments<'_>);

    /// The next character that came in, if any. What is none, such as an arrow, reads as 0.
    fn key(&self) -> Option<u8>;

    /// A timer that runs out after `time`.
    fn timer(&self, time: Duration) -> Self::Timer;

    /// Lets about 10 ms go by.
    fn pause(&self);
}

/// A moment to come.
pub trait Timer {
    /// Whether it is past. Where there is no clock it always is: better no key than no boot.
    fn is_over(&mut self) -> bool;
}

/// Listens for what may be asked of the loader.
#[derive(Clone, Debug)]
pub struct Keys<T> {
    listener: Listener,
    window: T,
    /// Whether a reset was asked for and not confirmed: nobody is asked that twice in a boot.
    declined: bool,
}

impl<T: Timer> Keys<T> {
    /// Opens the window and says which keys there are.
    pub fn new<C: Terminal<Timer = T>>(terminal: &C) -> Self {
        terminal.say(format_args!("hold Ctrl-R for the rescue firmware, Ctrl-F for a factory reset"));
        Self::until(terminal.timer(WINDOW))
    }

    fn until(window: T) -> Self {
        Self { listener: Listener::default(), window, declined: false }
    }

    /// What was asked by now; with `last`, by the end of the window.
    pub fn asked<C: Terminal<Timer = T>>(&mut self, terminal: &C, last: bool) -> Option<Asked> {
        while !self.declined {
            match self.look(terminal) {
                Some(Asked::FactoryReset) if !confirmed(terminal) => self.declined = true,
                Some(asked) => return Some(asked),
                None if !last || self.listener.is_deaf() || self.window.is_over() => break,
                None => terminal.pause(),
            }
        }
        None
    }

    fn look<C: Terminal>(&mut self, terminal: &C) -> Option<Asked> {
        (0..AT_A_LOOK).map_while(|_| terminal.key()).find_map(|key| self.listener.hear(key))
    }
}

/// Leaves the words on the screen until a person holds Ctrl-R.
pub fn wait_for_restart<C: Terminal>(terminal: &C) {
    loop {
        // A new listener each time: whoever comes after days of noise must still be heard.
        let mut keys = Keys::until(terminal.timer(CONFIRM_WITHIN));
        while !keys.window.is_over() {
            if keys.look(terminal) == Some(Asked::Rescue) {
                return;
            }
            terminal.pause();
        }
    }
}

/// Has the person type `yes`.
fn confirmed<C: Terminal>(terminal: &C) -> bool {
    terminal.say(format_args!(
        "factory reset: ALL SETTINGS, PASSWORDS, CERTIFICATES AND LOGS WILL BE ERASED; the firmware stays"
    ));
    let seconds = CONFIRM_WITHIN.as_secs();
    terminal.say(format_args!("to erase them type yes and press Enter within {seconds} s"));
    let mut deadline = terminal.timer(CONFIRM_WITHIN);
    let mut confirmation = Confirmation::default();
    while !deadline.is_over() {
        match terminal.key().map(|key| confirmation.hear(key)) {
            Some(Typed::Yes) => return true,
            Some(Typed::No) => break,
            Some(Typed::More) => {}
            None => terminal.pause(),
        }
    }
    terminal.say(format_args!("not confirmed: nothing is erased"));
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::{Cell, RefCell};
    use std::collections::VecDeque;
    use std::rc::Rc;
    use std::string::{String, ToString as _};
    use std::vec::Vec;

    const PAUSE: Duration = Duration::from_millis(10);

    /// A person who types what `keys` says, and a clock that moves when somebody waits.
    #[derive(Default)]
    struct Desk {
        keys: RefCell<VecDeque<u8>>,
        never_silent: bool,
        said: RefCell<Vec<String>>,
        now: Rc<Cell<Duration>>,
    }

    struct Moment {
        now: Rc<Cell<Duration>>,
        at: Duration,
    }

    impl Timer for Moment {
        fn is_over(&mut self) -> bool {
            self.now.get() >= self.at
        }
    }

    impl Terminal for Desk {
        type Timer = Moment;

        fn say(&self, line: fmt::Arguments<'_>) {
            self.said.borrow_mut().push(line.to_string());
        }

        fn key(&self) -> Option<u8> {
            self.keys.borrow_mut().pop_front().or(self.never_silent.then_some(b'x'))
        }

        fn timer(&self, time: Duration) -> Moment {
            Moment { now: Rc::clone(&self.now), at: self.now.get() + time }
        }

        fn pause(&self) {
            self.now.set(self.now.get() + PAUSE);
        }
    }

    fn typing(keys: &[u8]) -> Desk {
        Desk { keys: RefCell::new(keys.iter().copied().collect()), ..Desk::default() }
    }

    #[test]
    fn who_asks_for_nothing_is_waited_for_until_the_window_closes() {
        let desk = typing(b"");
        let mut keys = Keys::new(&desk);
        assert_eq!(keys.asked(&desk, false), None);
        assert_eq!(desk.now.get(), Duration::ZERO);
        assert_eq!(keys.asked(&desk, true), None);
        assert_eq!(desk.now.get(), WINDOW);
    }

    #[test]
    fn a_line_that_is_never_silent_ends_the_wait_early() {
        let desk = Desk { never_silent: true, ..Desk::default() };
        let mut keys = Keys::new(&desk);
        assert_eq!(keys.asked(&desk, true), None);
        assert!(desk.now.get() <= WINDOW, "{:?}", desk.now);
        assert_eq!(desk.said.borrow().len(), 1);
    }

    #[test]
    fn a_reset_is_carried_out_when_it_was_typed_out() {
        let desk = typing(b"\x06\x06\x06\x06\x06yes\r");
        assert_eq!(Keys::new(&desk).asked(&desk, false), Some(Asked::FactoryReset));
    }

    #[test]
    fn who_declines_a_reset_is_not_asked_again() {
        let desk = typing(b"\x06\x06\x06no\r\x06\x06\x06yes\r");
        let mut keys = Keys::new(&desk);
        assert_eq!(keys.asked(&desk, false), None);
        assert_eq!(keys.asked(&desk, true), None);
        assert_eq!(desk.said.borrow().iter().filter(|line| line.contains("type yes")).count(), 1);
    }

    #[test]
    fn a_reset_that_nobody_confirms_ends_by_itself() {
        let desk = typing(b"\x06\x06\x06");
        assert_eq!(Keys::new(&desk).asked(&desk, true), None);
        assert_eq!(desk.now.get(), CONFIRM_WITHIN);
    }

    #[test]
    fn a_stopped_loader_hears_a_person_after_hours_of_noise() {
        // More than a listener takes, for longer than one listens.
        let looks = CONFIRM_WITHIN.as_millis() / PAUSE.as_millis();
        let mut keys = std::vec![b'x'; AT_A_LOOK * usize::try_from(looks).unwrap() + 1000];
        keys.extend(b"\x12\x12\x12");
        let desk = typing(&keys);
        wait_for_restart(&desk);
        assert!(desk.keys.borrow().is_empty());
    }
}
