//! Requests a second, from two looks at a counter.

/// Looks closer together than this are not compared: the figure would jump.
const SHORTEST_MS: u64 = 1_000;
/// Older looks say nothing about now.
const LONGEST_MS: u64 = 30_000;

/// The last two looks at the proxy's count of requests.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rates {
    before: Option<Look>,
    last: Option<Look>,
}

#[derive(Clone, Copy, Debug)]
struct Look {
    at_ms: u64,
    requests: u64,
}

impl Rates {
    /// Takes a look; gives requests a second since the one before, once there are two.
    pub(crate) fn look(&mut self, requests: u64, now_ms: u64) -> Option<f64> {
        let due = self.last.is_none_or(|last| now_ms.saturating_sub(last.at_ms) >= SHORTEST_MS);
        if due {
            self.before = self.last;
            self.last = Some(Look { at_ms: now_ms, requests });
        }
        let (before, last) = (self.before?, self.last?);
        let elapsed_ms = last.at_ms.saturating_sub(before.at_ms);
        // A smaller count than before: the proxy began anew.
        let requests = last.requests.checked_sub(before.requests)?;
        if elapsed_ms > LONGEST_MS || now_ms.saturating_sub(last.at_ms) > LONGEST_MS {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
        Some(requests as f64 * 1000.0 / elapsed_ms.max(1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_looks_make_a_rate_and_a_restart_makes_none() {
        let mut rates = Rates::default();
        assert_eq!(rates.look(100, 0), None);
        assert_eq!(rates.look(300, 2_000), Some(100.0));
        assert_eq!(rates.look(999, 2_500), Some(100.0), "too soon for a new look");
        assert_eq!(rates.look(5, 4_000), None);
        assert_eq!(rates.look(10, 400_000), None, "too long ago");
    }
}
