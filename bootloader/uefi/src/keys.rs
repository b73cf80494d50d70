//! The person at the console: keys from the firmware's own input, and from COM1 where that does not reach it.
//!
//! Listening costs a boot nothing that its own work does not cost anyway, but for the rest of a short window that
//! begins with the loader. What a line carries by itself is told from a person in `evener-slot-choice`.

use core::time::Duration;

use evener_slot_choice::{Asked, Confirmation, Listener, Typed};
use uefi::Event;
use uefi::boot::{self, EventType, TimerTrigger, Tpl};

use crate::console::Console;

/// From the loader's first line to the last moment in which a key counts, unless its work takes longer.
const WINDOW: Duration = Duration::from_millis(400);
/// Time in which a reset must be typed out.
const CONFIRM_WITHIN: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(10);
/// Characters that are taken at one look: a line that never falls silent must not hold the loader.
const AT_A_LOOK: usize = 64;

/// Listens for what may be asked of the loader.
pub(crate) struct Keys {
    listener: Listener,
    window: Deadline,
    /// Whether a reset was asked for and not confirmed: nobody is asked that twice in a boot.
    declined: bool,
}

impl Keys {
    fn for_time(time: Duration) -> Self {
        Self { listener: Listener::default(), window: Deadline::after(time), declined: false }
    }

    /// Opens the window and says which keys there are.
    pub(crate) fn new(console: &Console) -> Self {
        console.say(format_args!("hold Ctrl-R for the rescue firmware, Ctrl-F for a factory reset"));
        Self::for_time(WINDOW)
    }

    /// What was asked by now; with `last`, by the end of the window.
    pub(crate) fn asked(&mut self, console: &Console, last: bool) -> Option<Asked> {
        while !self.declined {
            match self.look(console) {
                Some(Asked::FactoryReset) if !confirmed(console) => self.declined = true,
                Some(asked) => return Some(asked),
                None if !last || self.listener.is_deaf() || self.window.is_over() => break,
                None => boot::stall(PAUSE),
            }
        }
        None
    }

    fn look(&mut self, console: &Console) -> Option<Asked> {
        (0..AT_A_LOOK).map_while(|_| console.key()).find_map(|key| self.listener.hear(key))
    }
}

/// Leaves the words on the screen until a person holds Ctrl-R.
pub(crate) fn wait_for_restart(console: &Console) {
    loop {
        // A new listener each time: whoever comes after days of noise must still be heard.
        let mut keys = Keys::for_time(CONFIRM_WITHIN);
        while !keys.window.is_over() {
            if keys.look(console) == Some(Asked::Rescue) {
                return;
            }
            boot::stall(PAUSE);
        }
    }
}

/// Has the person type `yes`.
fn confirmed(console: &Console) -> bool {
    console.say(format_args!(
        "factory reset: ALL SETTINGS, PASSWORDS, CERTIFICATES AND LOGS WILL BE ERASED; the firmware stays"
    ));
    let seconds = CONFIRM_WITHIN.as_secs();
    console.say(format_args!("to erase them type yes and press Enter within {seconds} s"));
    let mut deadline = Deadline::after(CONFIRM_WITHIN);
    let mut confirmation = Confirmation::default();
    while !deadline.is_over() {
        match console.key().map(|key| confirmation.hear(key)) {
            Some(Typed::Yes) => return true,
            Some(Typed::No) => break,
            Some(Typed::More) => {}
            None => boot::stall(PAUSE),
        }
    }
    console.say(format_args!("not confirmed: nothing is erased"));
    false
}

/// A moment to come, by the firmware's timer.
struct Deadline(Option<Event>);

impl Deadline {
    #[expect(unsafe_code, reason = "events may have callbacks, which must outlive them")]
    fn after(time: Duration) -> Self {
        // SAFETY: the event has no callback.
        let event = unsafe { boot::create_event(EventType::TIMER, Tpl::APPLICATION, None, None) }.ok();
        Self(event.filter(|event| boot::set_timer(event, TimerTrigger::Relative(time)).is_ok()))
    }

    /// Whether it is past. Without a timer it always is: better no key than no boot.
    fn is_over(&mut self) -> bool {
        let is_over = self.0.as_ref().is_none_or(|event| boot::check_event(event).unwrap_or(true));
        if is_over {
            // The firmware says so once only.
            self.close();
        }
        is_over
    }

    fn close(&mut self) {
        if let Some(event) = self.0.take() {
            // A timer that is left over fires into nothing.
            let _ = boot::close_event(event);
        }
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.close();
    }
}
