//! Figures that the kernel counts: processor time, and what went through each interface.
//!
//! Source: `proc_stat(5)`, `proc_pid_net(5)`. What cannot be read is absent.

/// The kernel's unit of processor time as it shows it to programs (`USER_HZ`), on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// What the processors together have done since the kernel started, in seconds by kind.
pub(crate) fn processor_seconds(stat: &str) -> Vec<(&'static str, f64)> {
    const KINDS: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];
    let Some(line) = stat.lines().find_map(|line| line.strip_prefix("cpu ")) else { return Vec::new() };
    let ticks = line
        .split_ascii_whitespace()
        .map_while(|field| field.parse::<u32>().ok().map(f64::from).or_else(|| field.parse().ok()));
    KINDS.into_iter().zip(ticks.map(|ticks: f64| ticks / TICKS_PER_SECOND)).collect()
}

/// Processors that the kernel uses.
pub(crate) fn processors(stat: &str) -> usize {
    stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).count()
}

/// What went through one interface since it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    pub(crate) interface: String,
    pub(crate) received: Direction,
    pub(crate) sent: Direction,
}

/// One direction of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Direction {
    pub(crate) bytes: u64,
    pub(crate) packets: u64,
    pub(crate) errors: u64,
    pub(crate) dropped: u64,
}

/// Every interface in `/proc/net/dev`.
pub(crate) fn carried(dev: &str) -> Vec<Carried> {
    let interface = |line: &str| {
        let (name, figures) = line.split_once(':')?;
        let figures: Vec<u64> =
            figures.split_ascii_whitespace().map_while(|field| field.parse().ok()).collect();
        let direction = |from: usize| match figures.get(from..from + 4) {
            Some(&[bytes, packets, errors, dropped]) => Some(Direction { bytes, packets, errors, dropped }),
            _ => None,
        };
        Some(Carried { interface: name.trim().to_owned(), received: direction(0)?, sent: direction(8)? })
    };
    dev.lines().filter_map(interface).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        let stat = "cpu  250 0 100 99000 5 0 7 0 0 0\ncpu0 125 0 50 49500 2 0 3 0 0 0\ncpu1 125 0 50 49500 3 0 4 0 0 0\nintr 1\n";
        let seconds = processor_seconds(stat);
        assert_eq!(seconds.len(), 8);
        assert_eq!((seconds[0], seconds[3]), (("user", 2.5), ("idle", 990.0)));
        assert_eq!(processors(stat), 2);
        let dev = "Inter-|   Receive                                                |  Transmit\n \
            face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    \
            lo: 5054  62 0 0 0 0 0 0 5054 62 0 0 0 0 0 0\n  \
            eth0:1234567890123 62 1 2 0 0 0 0 77 66 3 4 0 0 0 0\n";
        let interfaces = carried(dev);
        assert_eq!(interfaces.len(), 2);
        let expected = Carried {
            interface: String::from("eth0"),
            received: Direction { bytes: 1_234_567_890_123, packets: 62, errors: 1, dropped: 2 },
            sent: Direction { bytes: 77, packets: 66, errors: 3, dropped: 4 },
        };
        assert_eq!(interfaces[1], expected);
    }

    #[test]
    fn what_the_kernel_does_not_say_is_absent() {
        assert!(processor_seconds("").is_empty() && processor_seconds("cpu x").is_empty());
        assert!(carried("eth0: 1 2 3\nno colon here\n").is_empty());
    }
}
