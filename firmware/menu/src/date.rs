//! A moment as it is typed: `2026-11-20 09:05` or `2026-11-20 09:05:30`, in UTC.

/// Years that a clock may be set to: certificates and logs know no earlier ones, the clock chips of PCs no later ones.
const YEARS: core::ops::RangeInclusive<u64> = 2020..=2099;

/// Seconds since 1970-01-01 UTC of what was typed.
///
/// # Errors
/// What is wrong with it and what would be right, in words.
pub fn parse_moment(text: &str) -> Result<u64, String> {
    const FORM: &str = "date and time are written as in 2026-11-20 09:05 or 2026-11-20 09:05:30";
    let numbers = |part: &str, separator| -> Option<Vec<u64>> {
        let digits =
            |word: &str| !word.is_empty() && word.len() <= 4 && word.bytes().all(|b| b.is_ascii_digit());
        part.split(separator).map(|word| digits(word).then(|| word.parse().ok()).flatten()).collect()
    };
    let parts = text.trim().split_once(' ');
    let parts = parts.and_then(|(day, time)| Some((numbers(day, '-')?, numbers(time.trim(), ':')?)));
    let (day, time) = parts.ok_or(FORM)?;
    let [year, month, day] = day[..] else { return Err(FORM.into()) };
    let (hour, minute, second) = match time[..] {
        [hour, minute] => (hour, minute, 0),
        [hour, minute, second] => (hour, minute, second),
        _ => return Err(FORM.into()),
    };
    if !YEARS.contains(&year) {
        return Err(format!("year: {year} is outside of {} to {}", YEARS.start(), YEARS.end()));
    }
    if !(1..=12).contains(&month) {
        return Err(format!("month: {month} is outside of 1 to 12"));
    }
    let last = days_of(year, month);
    if !(1..=last).contains(&day) {
        return Err(format!("day: {day} is outside of 1 to {last}, which this month has"));
    }
    for (name, value, most) in [("hour", hour, 23), ("minute", minute, 59), ("second", second, 59)] {
        if value > most {
            return Err(format!("{name}: {value} is outside of 0 to {most}"));
        }
    }
    let years: u64 = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    let months: u64 = (1..month).map(|month| days_of(year, month)).sum();
    Ok((years + months + day - 1) * 86_400 + hour * 3600 + minute * 60 + second)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_of(year: u64, month: u64) -> u64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_calendar() {
        for (text, unix_s) in [
            ("2023-11-14 22:13:20", 1_700_000_000),
            ("2024-02-29 23:59:59", 1_709_251_199),
            (" 2024-03-01  00:00 ", 1_709_251_200),
            ("2099-12-31 23:59", 4_102_444_740),
        ] {
            assert_eq!(parse_moment(text), Ok(unix_s), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_named() {
        for (text, part) in [
            ("", "written as"),
            ("tomorrow", "written as"),
            ("2026-11-20", "written as"),
            ("2026-11-20 09", "written as"),
            ("2026-11-20 09:05:30:00", "written as"),
            ("2026-11-20 +9:05", "written as"),
            ("99999999999999999999-01-01 00:00", "written as"),
            ("2019-11-20 09:05", "year: 2019"),
            ("2026-13-20 09:05", "month: 13"),
            ("2026-02-29 09:05", "day: 29 is outside of 1 to 28"),
            ("2026-11-0 09:05", "day: 0"),
            ("2026-11-20 24:00", "hour: 24"),
            ("2026-11-20 23:60", "minute: 60"),
            ("2026-11-20 23:59:60", "second: 60"),
        ] {
            let reason = parse_moment(text).unwrap_err();
            assert!(reason.contains(part), "{text}: {reason}");
        }
    }
}
