//! Figures as people read them.

/// Digits in groups of three: `12 345`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            // Narrow and unbreakable, U+202F.
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A length of time in its two largest units: `3 d 4 h`.
pub(crate) fn duration(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let first = UNITS.iter().position(|(size, _)| seconds >= *size).unwrap_or(UNITS.len() - 1);
    let mut left = seconds;
    let mut parts = Vec::new();
    for (size, name) in UNITS.iter().skip(first).take(2) {
        let count = left / size;
        left %= size;
        if count > 0 || parts.is_empty() {
            parts.push(format!("{count}\u{a0}{name}"));
        }
    }
    parts.join(" ")
}

/// A length of time in its largest unit: `3 d`. For tables, and so that it does not change all the time.
pub(crate) fn roughly(seconds: u64) -> String {
    let text = duration(seconds);
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// Bytes in MiB with one digit behind the point.
pub(crate) fn mebibytes(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) >> 20;
    format!("{}.{}\u{a0}MiB", tenths / 10, tenths % 10)
}

/// A rate with three digits at most.
pub(crate) fn rate(per_second: f64) -> String {
    if per_second < 10.0 { format!("{per_second:.1}") } else { format!("{per_second:.0}") }
}

/// `1 server`, `2 servers`.
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number}\u{a0}{}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!(
            [grouped(7), grouped(1234), grouped(1_234_567)].join("|").replace('\u{202f}', " "),
            "7|1 234|1 234 567"
        );
        let read = |seconds| duration(seconds).replace('\u{a0}', " ");
        assert_eq!(
            [read(0), read(59), read(60), read(3_700), read(90_000)].join("|"),
            "0 s|59 s|1 min|1 h 1 min|1 d 1 h"
        );
        assert_eq!(roughly(90_000).replace('\u{a0}', " "), "1 d");
        assert_eq!([mebibytes(0), mebibytes(1_700_000)].join("|").replace('\u{a0}', " "), "0.0 MiB|1.6 MiB");
        assert_eq!([rate(0.0), rate(9.96), rate(1234.5)].join("|"), "0.0|10.0|1234");
        assert_eq!(count(1, "server", "servers").replace('\u{a0}', " "), "1 server");
    }
}
