//! The power button, and the hypervisor's "shut down", which presses it: an input event (`linux/input.h`).

use evener_sys::device::Device;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use tokio::sync::mpsc;

/// Bytes of `struct input_event`: time (16), type (2), code (2), value (4).
const EVENT: usize = 24;
const EV_KEY: u16 = 1;
const KEY_POWER: u16 = 116;
/// Most input devices that are listened to.
const MOST_DEVICES: usize = 16;

/// Listens to every input device there is; each press of the power key sends one message.
pub(crate) fn listen(pressed: &mpsc::Sender<()>) {
    for number in 0..MOST_DEVICES {
        let path = format!("/dev/input/event{number}");
        let opened = OpenOptions::new().read(true).custom_flags(evener_sys::WITHOUT_WAITING).open(&path);
        let Ok(file) = opened else { continue };
        match Device::new(file.into()) {
            Ok(device) => drop(tokio::spawn(follow(device, pressed.clone()))),
            Err(error) => tracing::warn!(path, %error, "the input device cannot be listened to"),
        }
    }
}

async fn follow(device: Device, pressed: mpsc::Sender<()>) {
    let mut events = [0; EVENT * 64];
    // The end, or an error, means that the device was unplugged.
    while let Ok(count @ 1..) = device.read(&mut events).await {
        let read = events.get(..count).unwrap_or_default();
        if read.chunks_exact(EVENT).any(is_power_key_down) {
            // A full queue holds a press already.
            let _ = pressed.try_send(());
        }
    }
}

fn is_power_key_down(event: &[u8]) -> bool {
    let [.., a, b, c, d, e, f, g, h] = *event else { return false };
    let (kind, code) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
    kind == EV_KEY && code == KEY_POWER && i32::from_le_bytes([e, f, g, h]) == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_power_key_going_down_counts() {
        let event = |kind: u8, code: u8, value: u8| {
            let mut event = [0; EVENT];
            (event[16], event[18], event[20]) = (kind, code, value);
            event
        };
        assert!(is_power_key_down(&event(1, 116, 1)));
        assert!(!is_power_key_down(&event(1, 116, 0)), "going up");
        assert!(!is_power_key_down(&event(1, 30, 1)), "another key");
        assert!(!is_power_key_down(&event(0, 116, 1)), "no key at all");
        assert!(!is_power_key_down(&[]));
    }
}
