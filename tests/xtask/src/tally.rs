//! Counts what the tests said.

use std::ops::AddAssign;

/// How many tests passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Passed.
    pub(crate) passed: u64,
    /// Failed.
    pub(crate) failed: u64,
}

impl Tally {
    /// Sums the `test result:` lines of cargo's output.
    pub(crate) fn of(log: &str) -> Self {
        let mut tally = Self::default();
        for line in log.lines().filter(|line| line.starts_with("test result: ")) {
            tally += Self { passed: number_before(line, " passed"), failed: number_before(line, " failed") };
        }
        tally
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

fn number_before(line: &str, word: &str) -> u64 {
    let before = line.split(word).next().unwrap_or_default();
    before.rsplit(' ').next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// The names of the tests that failed.
pub(crate) fn failed_names(log: &str) -> Vec<&str> {
    let failed = |line: &'_ str| line.strip_prefix("test ").is_some() && line.ends_with(" ... FAILED");
    log.lines().filter(|line| failed(line)).filter_map(|line| line.split(' ').nth(1)).collect()
}

/// The part of the output in which the failed tests speak.
pub(crate) fn failures(log: &str) -> String {
    let mut out = Vec::new();
    let mut inside = false;
    for line in log.lines() {
        match line {
            "failures:" => inside = true,
            _ if line.starts_with("test result: ") => inside = false,
            _ if inside => out.push(line),
            _ => {}
        }
    }
    out.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "test a::b ... ok\ntest c ... FAILED\n\nfailures:\n\n---- c stdout ----\nbroken\n\n\
        failures:\n    c\n\ntest result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured\n\
        test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured\n";

    #[test]
    fn sums_the_results_of_every_test_program() {
        assert_eq!(Tally::of(LOG), Tally { passed: 13, failed: 1 });
        assert_eq!(Tally::of("error: could not compile"), Tally::default());
    }

    #[test]
    fn shows_what_failed_and_what_it_said() {
        assert_eq!(failed_names(LOG), ["c"]);
        assert!(failures(LOG).contains("broken"));
        assert!(!failures(LOG).contains("12 passed"));
    }
}
