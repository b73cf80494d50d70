//! One record as a line of a file.
//!
//! ```text
//! 5f3a0c1b 8213 1763661907250 3214 9c01d2e3 514 info proxy ready in 12 ms
//! │        │    │             │    │        │   │    │     └ words, to the end of the line
//! │        │    │             │    │        │   │    └ service
//! │        │    │             │    │        │   └ level
//! │        │    │             │    │        └ init's number of the line
//! │        │    │             │    └ which start of the unit
//! │        │    │             └ milliseconds since the kernel started
//! │        │    └ milliseconds since 1970
//! │        └ place in the log
//! └ CRC-32C of all that follows the blank, without the end of the line
//! ```

use crc::{CRC_32_ISCSI, Crc};
use evener_api::log::Record;

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// A record, and init's number of its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Numbered {
    pub(crate) record: Record,
    pub(crate) number: u64,
}

/// The line, with its end.
pub(crate) fn encode(Numbered { record, number }: &Numbered) -> String {
    let Record { seq, unix_ms, since_boot_ms, boot, service, level, text } = record;
    let body = format!("{seq} {unix_ms} {since_boot_ms} {boot:08x} {number} {level} {service} {text}");
    format!("{:08x} {body}\n", CRC.checksum(body.as_bytes()))
}

/// Reads a line, without its end; `None` for one that is torn, damaged or none of ours.
pub(crate) fn decode(line: &[u8]) -> Option<Numbered> {
    let line = str::from_utf8(line).ok()?;
    let (checksum, body) = line.split_once(' ')?;
    if checksum.len() != 8 || u32::from_str_radix(checksum, 16).ok()? != CRC.checksum(body.as_bytes()) {
        return None;
    }
    let mut fields = body.splitn(8, ' ');
    let mut next = || fields.next();
    let (seq, unix_ms, since_boot_ms) = (next()?.parse().ok()?, next()?.parse().ok()?, next()?.parse().ok()?);
    let boot = u32::from_str_radix(next()?, 16).ok()?;
    let (number, level) = (next()?.parse().ok()?, next()?.parse().ok()?);
    let (service, text) = (next()?.to_owned(), next()?.to_owned());
    Some(Numbered { record: Record { seq, unix_ms, since_boot_ms, boot, service, level, text }, number })
}

/// Every whole record of a file, in its order; what is torn or damaged is passed over.
pub(crate) fn records(file: &[u8]) -> impl Iterator<Item = Numbered> {
    let mut last = 0;
    // A batch that failed half way was written again: then some are there twice.
    file.split(|byte| *byte == b'\n').filter_map(decode).filter(move |numbered| {
        let is_newer = numbered.record.seq > last;
        last = last.max(numbered.record.seq);
        is_newer
    })
}

/// Words as they are kept: on one line, and nothing that could steer a terminal.
pub(crate) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() { clean.extend(character.escape_default()) } else { clean.push(character) }
    }
    clean
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use evener_api::log::Level;
    use proptest::prelude::*;

    pub(crate) fn sample(seq: u64) -> Numbered {
        Numbered {
            record: Record {
                seq,
                unix_ms: 1_763_661_907_250,
                since_boot_ms: 3214,
                boot: 0x9c01_d2e3,
                service: String::from("proxy"),
                level: Level::Info,
                text: format!("ready in {seq} ms"),
            },
            number: 514,
        }
    }

    #[test]
    fn a_record_is_a_line_that_a_person_can_read() {
        let line = encode(&sample(7));
        assert_eq!(line, "d16e5dbe 7 1763661907250 3214 9c01d2e3 514 info proxy ready in 7 ms\n");
    }

    #[test]
    fn what_is_torn_or_damaged_is_passed_over_and_the_rest_is_found() {
        let (one, two) = (encode(&sample(1)), encode(&sample(2)));
        for cut in 0..one.len() - 1 {
            let file = format!("{}\n{two}", &one[..cut]);
            let found: Vec<_> = records(file.as_bytes()).collect();
            assert_eq!(found, [sample(2)], "cut at {cut}");
        }
        for at in 0..one.len() - 1 {
            let mut file = format!("{one}{two}").into_bytes();
            file[at] ^= 1;
            assert!(
                !records(&file).any(|found| found.record.seq != 2 && found != sample(1)),
                "flipped at {at}"
            );
        }
        let mut file = vec![0; 300];
        file.extend(format!("\n{one}{one}{two}").bytes());
        assert_eq!(records(&file).count(), 2, "zeros of a block that was never written, and a record twice");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(text: String, seq in 1..u64::MAX, number: u64) {
            let mut numbered = sample(seq);
            numbered.record.text = clean(&text);
            numbered.number = number;
            let line = encode(&numbered);
            prop_assert_eq!(line.matches('\n').count(), 1);
            prop_assert_eq!(records(line.as_bytes()).collect::<Vec<_>>(), [numbered]);
        }

        #[test]
        fn any_bytes_are_a_record_or_none(bytes: Vec<u8>) {
            prop_assert!(records(&bytes).count() <= bytes.len());
        }
    }
}
