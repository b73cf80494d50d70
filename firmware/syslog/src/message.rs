//! One record of the log as a syslog message (RFC 5424 §6).
//!
//! ```text
//! <30>1 2026-11-20T09:05:07.250Z lb-1 proxy - - [meta sequenceId="8213" sysUpTime="321"] ready
//!  │  │ │                        │    │     │ │ │                                        └ MSG, §6.4
//!  │  │ │                        │    │     │ │ └ STRUCTURED-DATA, §6.3; meta is of §7.3
//!  │  │ │                        │    │     │ └ MSGID, none
//!  │  │ │                        │    │     └ PROCID, none: it changes from life to life of a service
//!  │  │ │                        │    └ APP-NAME: the service
//!  │  │ │                        └ HOSTNAME: the unit
//!  │  │ └ TIMESTAMP, in UTC to the millisecond
//!  │  └ VERSION
//!  └ PRI: facility × 8 + severity, §6.2.1
//! ```
//! A receiver finds lost messages by gaps in `sequenceId`.

use evener_api::log::{Level, Record};
use evener_api::timestamp;

/// First millisecond of the year 10000, which a TIMESTAMP cannot express.
const YEAR_10000_MS: u64 = 253_402_300_800_000;
/// Greatest `sequenceId` (RFC 5424 §7.3.1); after it comes 1.
const MOST_SEQUENCE: u64 = 2_147_483_647;
/// Longest HOSTNAME (RFC 5424 §6).
const LONGEST_HOSTNAME: usize = 255;
/// Longest APP-NAME (RFC 5424 §6).
const LONGEST_APP_NAME: usize = 48;
/// Says that what follows is UTF-8 (RFC 5424 §6.4).
const BYTE_ORDER_MARK: char = '\u{feff}';

/// What kind of program a message comes from, 0 to 23 (RFC 5424 §6.2.1, table 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facility(u8);

impl Facility {
    /// System daemons, 3: the default.
    pub const DAEMON: Self = Self(3);

    /// The facility with this number; `None` over 23.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number <= 23 { Some(Self(number)) } else { None }
    }
}

impl Default for Facility {
    fn default() -> Self {
        Self::DAEMON
    }
}

/// The severity of a level, 0 to 7 (RFC 5424 §6.2.1, table 2): error 3, warning 4, informational 6, debug 7.
#[must_use]
pub const fn severity(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warning => 4,
        Level::Info => 6,
        Level::Debug => 7,
    }
}

/// The message of a record, without any framing. It holds no control character, whatever the record holds.
#[must_use]
pub fn message(record: &Record, facility: Facility, hostname: &str) -> String {
    let priority = u16::from(facility.0).saturating_mul(8).saturating_add(severity(record.level).into());
    let time = if record.unix_ms < YEAR_10000_MS { timestamp(record.unix_ms) } else { String::from("-") };
    let (host, app) = (name(hostname, LONGEST_HOSTNAME), name(&record.service, LONGEST_APP_NAME));
    // In hundredths of a second (RFC 3418, sysUpTime), which wraps at 32 bits.
    let uptime = (record.since_boot_ms / 10) % (1 << 32);
    let sequence = record.seq.saturating_sub(1) % MOST_SEQUENCE;
    let sequence = sequence.saturating_add(1);
    let mut message = format!(
        "<{priority}>1 {time} {host} {app} - - [meta sequenceId=\"{sequence}\" sysUpTime=\"{uptime}\"] "
    );
    if !record.text.is_ascii() {
        message.push(BYTE_ORDER_MARK);
    }
    for character in record.text.chars() {
        if character.is_control() {
            message.extend(character.escape_default());
        } else {
            message.push(character);
        }
    }
    message
}

/// Printable ASCII without blanks, cut to `longest`; `-` for nothing.
fn name(text: &str, longest: usize) -> String {
    let printable = text.chars().map(|letter| if letter.is_ascii_graphic() { letter } else { '_' });
    let name: String = printable.take(longest).collect();
    if name.is_empty() { String::from("-") } else { name }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn record(level: Level, text: &str) -> Record {
        Record {
            seq: 8213,
            unix_ms: 1_763_629_507_250,
            since_boot_ms: 3214,
            boot: 7,
            service: String::from("proxy"),
            level,
            text: text.to_owned(),
        }
    }

    #[test]
    fn messages_are_these_bytes() {
        let head = "1 2025-11-20T09:05:07.250Z lb-1 proxy - - [meta sequenceId=\"8213\" sysUpTime=\"321\"] ";
        for (level, facility, text, priority, shown) in [
            (Level::Info, Facility::DAEMON, "ready", "<30>", "ready"),
            (
                Level::Error,
                Facility::DAEMON,
                "a\nb\0 \u{1b}[2J\u{85}",
                "<27>",
                "\u{feff}a\\nb\\u{0} \\u{1b}[2J\\u{85}",
            ),
            (Level::Warning, Facility::new(16).unwrap(), "", "<132>", ""),
            (Level::Debug, Facility::new(23).unwrap(), "größer", "<191>", "\u{feff}größer"),
            (Level::Info, Facility::new(0).unwrap(), "<13>1 - - - - - -", "<6>", "<13>1 - - - - - -"),
        ] {
            assert_eq!(message(&record(level, text), facility, "lb-1"), format!("{priority}{head}{shown}"));
        }
        assert_eq!(Facility::new(24), None);
    }

    #[test]
    fn what_a_field_cannot_express_is_left_out_or_begins_anew() {
        let mut strange = record(Level::Info, "x");
        (strange.unix_ms, strange.seq, strange.since_boot_ms) = (u64::MAX, MOST_SEQUENCE + 1, 42_949_672_961);
        strange.service = String::from("a service");
        let expected = "<30>1 - - a_service - - [meta sequenceId=\"1\" sysUpTime=\"0\"] x";
        assert_eq!(message(&strange, Facility::DAEMON, ""), expected);
        strange.unix_ms = YEAR_10000_MS - 1;
        assert!(message(&strange, Facility::DAEMON, "h").contains(" 9999-12-31T23:59:59.999Z h "));
    }

    proptest! {
        #[test]
        fn nothing_in_a_record_breaks_out_of_its_field(
            text: String, service: String, hostname: String, seq: u64, unix_ms: u64, since_boot_ms: u64
        ) {
            let record = Record { seq, unix_ms, since_boot_ms, service, ..record(Level::Info, &text) };
            let message = message(&record, Facility::DAEMON, &hostname);
            prop_assert!(!message.chars().any(char::is_control));
            let fields: Vec<&str> = message.splitn(7, ' ').collect();
            prop_assert_eq!(fields.len(), 7);
            prop_assert_eq!(fields[0], "<30>1");
            prop_assert!(fields[2].is_ascii() && (1..=255).contains(&fields[2].len()));
            prop_assert!(fields[3].is_ascii() && (1..=48).contains(&fields[3].len()));
            prop_assert_eq!((fields[4], fields[5]), ("-", "-"));
            let (data, _) = fields[6].split_once("] ").unwrap();
            prop_assert!(data.starts_with("[meta sequenceId=\""));
            prop_assert_eq!(data.matches('"').count(), 4);
        }
    }
}
