//! How much memory the unit has, and how much of it is free for use.

/// Total and available bytes, from the text of `/proc/meminfo`; zero where it does not say.
pub(crate) fn total_and_available(meminfo: &str) -> (u64, u64) {
    let bytes = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kibibytes: Option<u64> = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        kibibytes.unwrap_or(0).saturating_mul(1024)
    };
    (bytes("MemTotal"), bytes("MemAvailable"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_two_lines() {
        let text = "MemTotal:        1004364 kB\nMemFree:          712340 kB\nMemAvailable:     899036 kB\n";
        assert_eq!(total_and_available(text), (1_004_364 * 1024, 899_036 * 1024));
        assert_eq!(total_and_available("MemTotal: many kB\n"), (0, 0));
    }
}
