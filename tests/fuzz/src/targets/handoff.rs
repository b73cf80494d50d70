//! The hand-off record on the kernel's command line.

use evener_disk::Slot;
use evener_handoff::{Handoff, LoaderCopy, LoaderKeys, LoaderKind, PARAMETER, RunningLoader};
use evener_manifest::Keyset;

use crate::targets::manifest::FIXTURE;
use crate::targets::{control, verdict};
use crate::{Target, Verdict};

/// First byte: bit 0 says that the rest is a record and is to be written as hex digits; else it is a command line.
pub(super) const HANDOFF: Target = Target {
    name: "hand-off",
    what: "the loader's record on the kernel's command line",
    run,
    seeds,
    longest: 300,
    short: 12000,
    memory: 4 << 10,
};

/// Slot R, rescue, refused; without the list of keys, with it, and with the loader's copy behind it. The bytes are those of the crate's own table.
fn seeds() -> Vec<Vec<u8>> {
    let base = "0103020402010700ff00000100341209 00".replace(' ', "");
    let keys = LoaderKeys::of(&Keyset::parse(&FIXTURE.keyset).unwrap());
    let bare = Handoff::decode(&base).unwrap();
    let mut seeds = Vec::new();
    let with_keys = Handoff { keys: Some(keys), slot: Slot::A, ..bare };
    let copy = RunningLoader { kind: LoaderKind::Bios, copy: LoaderCopy::Second, on_trial: true };
    for record in [bare, with_keys, Handoff { copy: Some(copy), ..with_keys }] {
        let hex = record.encode();
        let bytes = hex
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
        seeds.push(std::iter::once(1).chain(bytes).collect());
        seeds.push(format!("\0ro quiet {PARAMETER}={hex} evener.slot=A").into_bytes());
    }
    seeds
}

fn run(data: &[u8]) -> Verdict {
    let (control, bytes) = control(data);
    let found = if control & 1 != 0 {
        Handoff::decode(&bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    } else {
        let line = String::from_utf8_lossy(bytes);
        let _ = Handoff::decode(&line);
        Handoff::from_command_line(&line)
    };
    match found {
        Ok(handoff) => {
            let again = handoff.encode();
            assert!(again.bytes().all(|byte| byte.is_ascii_hexdigit()), "{again}");
            assert_eq!(Handoff::decode(&again), Ok(handoff));
            // Byte 17 counts the keys, of four bytes each.
            let count = again.get(34..36).map(|digits| usize::from_str_radix(digits, 16).unwrap());
            let copy = handoff.copy.map_or(0, |_| 2);
            assert_eq!(again.len(), count.map_or(34, |count| 36 + 8 * count + copy), "{again}");
            let known = (handoff.keys.is_some(), handoff.copy.map(|it| (it.kind.role(it.copy), it.on_trial)));
            verdict((0, handoff.slot.number(), handoff.mode as u8, handoff.reason as u8, known))
        }
        Err(error) => verdict((1, error as u8)),
    }
}
