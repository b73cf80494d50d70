//! The range of each number an operator can set, with the words to refuse another one.
//!
//! One table serves two readers: validation, which finds a number that fits its type but not its meaning
//! (port 0), and whoever reads text (JSON, TOML), where a number may not even fit its type (port 70000).
//! Both say the same sentence. Ranges are the LoadMaster's where it has the setting.

/// What a number may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    /// Name of the field that holds it.
    pub(crate) field: &'static str,
    /// What it is, with its article: `a port`.
    what: &'static str,
    /// Smallest and largest good value.
    min: u32,
    max: u32,
    /// Unit, with a space in front; empty for a pure number.
    unit: &'static str,
}

pub(crate) const PORT: Range = range("port", "a port", 1, 65_535, "");
pub(crate) const WEB_PORT: Range = range("web_port", "a port", 1, 65_535, "");
pub(crate) const WEIGHT: Range = range("weight", "a weight", 1, 65_535, "");
pub(crate) const INTERVAL: Range = range("interval_s", "a check interval", 1, 901, " seconds");
pub(crate) const TIMEOUT: Range = range("timeout_s", "a check time-out", 1, 60, " seconds");
pub(crate) const RETRIES: Range = range("retries", "a number of tries", 1, 15, "");
pub(crate) const GOOD_STATUS: Range = range("extra_good_statuses", "an extra good status", 300, 599, "");
pub(crate) const REQUEST_HEAD: Range =
    range("request_head_s", "a time for a request head", 1, 3600, " seconds");
pub(crate) const CONNECT: Range = range("connect_s", "a connect time-out", 1, 300, " seconds");
pub(crate) const RESPONSE_HEAD: Range =
    range("response_head_s", "a time for a response head", 1, 86_400, " seconds");
pub(crate) const IDLE: Range = range("idle_s", "an idle time-out", 1, 86_400, " seconds");
pub(crate) const KEEP_ALIVE: Range = range("keep_alive_s", "a keep-alive time", 1, 3600, " seconds");
pub(crate) const CONNECTIONS: Range = range("connections", "a limit of connections", 1, 1_000_000, "");
pub(crate) const HEAD_BYTES: Range =
    range("request_head_bytes", "a limit of a request head", 1024, 262_144, " bytes");
pub(crate) const HEADERS: Range = range("request_headers", "a limit of header fields", 8, 1000, "");
pub(crate) const MTU: Range = range("mtu", "an MTU", 576, 9216, " bytes");
pub(crate) const PREFIX: Range = range("prefix", "a network prefix", 1, 32, " bits");

/// All of them, to be found by field name.
const ALL: [Range; 17] = [
    PORT,
    WEB_PORT,
    WEIGHT,
    INTERVAL,
    TIMEOUT,
    RETRIES,
    GOOD_STATUS,
    REQUEST_HEAD,
    CONNECT,
    RESPONSE_HEAD,
    IDLE,
    KEEP_ALIVE,
    CONNECTIONS,
    HEAD_BYTES,
    HEADERS,
    MTU,
    PREFIX,
];

const fn range(field: &'static str, what: &'static str, min: u32, max: u32, unit: &'static str) -> Range {
    Range { field, what, min, max, unit }
}

impl Range {
    /// Whether the value is a good one.
    pub(crate) fn holds(&self, value: impl Into<u32>) -> bool {
        (self.min..=self.max).contains(&value.into())
    }

    /// The sentence that refuses a value: `70000 is not a port: 1 to 65535`.
    pub(crate) fn refusal(&self, value: impl core::fmt::Display) -> String {
        format!("{value} is not {}: {} to {}{}", self.what, self.min, self.max, self.unit)
    }
}

/// Says what a deserialiser found wrong with a field in the words of [`validate`](crate::validate), where the
/// field is a number with a range; any other message is returned as it is.
///
/// `field` is a path, of which only the last name counts; `message` is what serde said, such as
/// ``invalid value: integer `70000`, expected u16``.
///
/// ```
/// let said = evener_config::explain("virtual_services[0].port", "invalid value: integer `70000`, expected u16");
/// assert_eq!(said, "70000 is not a port: 1 to 65535");
/// ```
#[must_use]
pub fn explain(field: &str, message: &str) -> String {
    let name = field.rsplit('.').next().unwrap_or(field);
    let name = name.split('[').next().unwrap_or(name);
    let refused = message.strip_prefix("invalid value: ").or_else(|| message.strip_prefix("invalid type: "));
    let value = refused.and_then(|rest| rest.rsplit_once(", expected ")).map(|(value, _)| value);
    match (ALL.iter().find(|range| range.field == name), value) {
        (Some(range), Some(value)) => {
            let value =
                value.split_once('`').and_then(|(_, rest)| rest.split_once('`')).map_or(value, |it| it.0);
            range.refusal(value)
        }
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_beyond_its_type_is_refused_in_the_same_words() {
        let of = |field, message| explain(field, message);
        assert_eq!(
            of("virtual_services[1].real_servers[0].weight", "invalid value: integer `-1`, expected u16"),
            "-1 is not a weight: 1 to 65535"
        );
        assert_eq!(
            of("extra_good_statuses[3]", "invalid value: integer `99999`, expected u16"),
            "99999 is not an extra good status: 300 to 599"
        );
        assert_eq!(
            of("check.interval_s", "invalid type: string \"9\", expected u16"),
            "string \"9\" is not a check interval: 1 to 901 seconds"
        );
    }

    #[test]
    fn every_range_is_in_the_operators_table() {
        let text = include_str!("../../../docs/configuration.md");
        for Range { field, min, max, unit, .. } in ALL {
            let range = format!("{min} to {max}{unit}");
            let is_its_row =
                |line: &&str| line.starts_with('|') && line.contains(field) && line.contains(&range);
            assert!(text.lines().any(|line| is_its_row(&line)), "{field}: {range}");
        }
    }

    #[test]
    fn other_messages_are_left_alone() {
        assert_eq!(explain("port", "missing field `port`"), "missing field `port`");
        assert_eq!(explain("name", "invalid type: integer `1`, expected a string").len(), 44);
    }
}
