//! How a moment is written, wherever a person reads it.

/// A moment by the unit's clock, which may be wrong, in UTC: `2026-11-20 09:05`.
#[must_use]
pub fn moment(unix_s: u64) -> String {
    let of_day = unix_s % 86_400;
    format!("{} {:02}:{:02}", date(unix_s / 86_400), of_day / 3600, of_day / 60 % 60)
}

/// The same to the millisecond, as RFC 3339 has it: `2026-11-20T09:05:07.250Z`.
#[must_use]
pub fn timestamp(unix_ms: u64) -> String {
    let (unix_s, of_second) = (unix_ms / 1000, unix_ms % 1000);
    let of_day = unix_s % 86_400;
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}.{of_second:03}Z", date(unix_s / 86_400))
}

/// Seconds since 1970 of a moment in UTC as a person, a form or a program writes it: `2026-11-20`, `2026-11-20T09:05`,
/// `2026-11-20T09:05:07Z`, also with a blank for the `T`, or the number of seconds itself.
#[must_use]
pub fn read_moment(text: &str) -> Option<u64> {
    let text = text.trim();
    if let Ok(unix_s) = text.parse() {
        return Some(unix_s);
    }
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "0:0"));
    let fields = |text: &str, mark: char| -> Option<Vec<u64>> {
        text.split(mark).map(|field| field.parse().ok().filter(|_| field.len() <= 4)).collect()
    };
    let (&[year, month, day], time) = (fields(date, '-')?.as_slice(), fields(time, ':')?) else {
        return None;
    };
    let (hour, minute, second) = match time[..] {
        [hour, minute] => (hour, minute, 0),
        [hour, minute, second] => (hour, minute, second),
        _ => return None,
    };
    let in_range = (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !in_range || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // The same author's days_from_civil.
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (shifted_year / 400, shifted_year % 400);
    let of_year = (153 * if month > 2 { month - 3 } else { month + 9 } + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    let days = (era * 146_097 + of_era).checked_sub(719_468)?;
    // The 31st of a month with 30 days is another day when written again.
    (self::date(days) == format!("{year:04}-{month:02}-{day:02}"))
        .then_some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

/// `2026-11-20`, from days since 1970.
fn date(days: u64) -> String {
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days, for days since 1970 only.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * march + 2) / 5 + 1, if march < 10 { march + 3 } else { march - 9 });
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_calendar() {
        for (unix_s, words) in [
            (0, "1970-01-01 00:00"),
            (951_827_696, "2000-02-29 12:34"),
            (951_868_800, "2000-03-01 00:00"),
            (1_700_000_000, "2023-11-14 22:13"),
            (1_709_251_199, "2024-02-29 23:59"),
            (4_102_444_800, "2100-01-01 00:00"),
        ] {
            assert_eq!(moment(unix_s), words);
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for unix_s in [0, 86_399, 951_827_696, 951_868_800, 1_709_251_199, 4_102_444_800] {
            assert_eq!(read_moment(&timestamp(unix_s * 1000).replace(".000", "")), Some(unix_s));
        }
        assert_eq!(timestamp(1_700_000_000_007), "2023-11-14T22:13:20.007Z");
        for (text, unix_s) in [
            ("2023-11-14", 1_699_920_000),
            (" 2023-11-14T22:13 ", 1_699_999_980),
            ("2023-11-14 22:13:20", 1_700_000_000),
            ("1700000000", 1_700_000_000),
        ] {
            assert_eq!(read_moment(text), Some(unix_s), "{text}");
        }
        for nonsense in [
            "",
            "now",
            "2023-02-29",
            "2023-13-01",
            "2023-1-1T24:00",
            "2023-01-01T1",
            "1969-12-31",
            "2023-01-01T00:00:00+01:00",
            "-1",
        ] {
            assert_eq!(read_moment(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn any_number_is_some_moment() {
        assert!(moment(u64::MAX).contains('-'));
    }
}
