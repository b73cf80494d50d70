//! Time, as the firmware's timers tell it.

use core::time::Duration;

use evener_slot_choice::Timer;
use uefi::Event;
use uefi::boot::{self, EventType, TimerTrigger, Tpl};

/// A moment to come, by the firmware's timer.
pub(crate) struct Deadline(Option<Event>);

impl Deadline {
    #[expect(unsafe_code, reason = "events may have callbacks, which must outlive them")]
    pub(crate) fn after(time: Duration) -> Self {
        // SAFETY: the event has no callback.
        let event = unsafe { boot::create_event(EventType::TIMER, Tpl::APPLICATION, None, None) }.ok();
        Self(event.filter(|event| boot::set_timer(event, TimerTrigger::Relative(time)).is_ok()))
    }

    fn close(&mut self) {
        if let Some(event) = self.0.take() {
            // A timer that is left over fires into nothing.
            let _ = boot::close_event(event);
        }
    }
}

impl Timer for Deadline {
    fn is_over(&mut self) -> bool {
        let is_over = self.0.as_ref().is_none_or(|event| boot::check_event(event).unwrap_or(true));
        if is_over {
            // The firmware says so once only.
            self.close();
        }
        is_over
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.close();
    }
}
