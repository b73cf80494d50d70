//! Who may talk to the unit's services, by address.

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An address, or a network: `192.0.2.1`, `192.0.2.0/24`, `2001:db8::/32`. The bits behind the prefix are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    /// Its first address.
    pub address: IpAddr,
    /// Bits that all its addresses have in common.
    pub prefix: u8,
}

/// Why a text is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// What stands before the slash is no address.
    #[error("{0:?} is not an address, nor a network such as 192.0.2.0/24")]
    Address(String),
    /// What stands after it is no prefix of such an address.
    #[error("{0:?} is not a prefix: 0 to 32 bits for IPv4, 0 to 128 for IPv6")]
    Prefix(String),
    /// The address is one within the network, not the network's own.
    #[error("{0} is an address within a network: the network is {1}")]
    Inside(String, Network),
}

impl Network {
    /// Whether the address lies in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        first_of(address.to_canonical(), self.prefix) == Some(self.address)
    }
}

/// The first address of the network with that prefix; none when there is no such prefix.
fn first_of(address: IpAddr, prefix: u8) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(v4) => {
            let rest = 32_u32.checked_sub(prefix.into())?;
            IpAddr::V4((v4.to_bits() & u32::MAX.checked_shl(rest).unwrap_or(0)).into())
        }
        IpAddr::V6(v6) => {
            let rest = 128_u32.checked_sub(prefix.into())?;
            IpAddr::V6((v6.to_bits() & u128::MAX.checked_shl(rest).unwrap_or(0)).into())
        }
    })
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Address(text.to_owned()))?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => most,
            Some(text) => {
                let is_plain =
                    text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
                let prefix = if is_plain { text.parse().ok() } else { None };
                prefix.filter(|it| *it <= most).ok_or_else(|| NetworkError::Prefix(text.to_owned()))?
            }
        };
        match first_of(address, prefix) {
            Some(first) if first == address => Ok(Self { address, prefix }),
            Some(first) => Err(NetworkError::Inside(text.to_owned(), Self { address: first, prefix })),
            None => Err(NetworkError::Prefix(text.to_owned())),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_host = self.prefix == if self.address.is_ipv4() { 32 } else { 128 };
        if is_host { write!(f, "{}", self.address) } else { write!(f, "{}/{}", self.address, self.prefix) }
    }
}

impl Serialize for Network {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Network {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Network".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "format": "network", "maxLength": 49})
    }
}

/// Who may talk to a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccessList {
    /// If there are any, all others are refused.
    #[schemars(title = "Allowed", length(max = 1024))]
    pub allow: Vec<Network>,
    /// Refused, also where a larger network is allowed.
    #[schemars(title = "Blocked", length(max = 1024))]
    pub block: Vec<Network>,
}

/// Who may send packets to the unit and through it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-inactive" = true))]
pub struct PacketFilter {
    /// Whether packets between networks are routed only for the services and what is allowed here.
    #[schemars(title = "Packet filter")]
    pub is_on: bool,
    /// Whether who is refused is told so, or hears nothing.
    #[schemars(title = "Refused packets")]
    pub refusal: Refusal,
    /// Whether traffic between the unit's interfaces is blocked unless it belongs to a service.
    #[schemars(title = "Block between interfaces")]
    pub block_between_interfaces: bool,
    /// Whether the lists hold for the administration pages, too.
    #[schemars(title = "Include the administration pages")]
    pub include_pages: bool,
    /// Who may, and who may not.
    #[schemars(title = "Access list")]
    pub list: AccessList,
}

/// What becomes of a packet that is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Nothing is said.
    #[default]
    #[schemars(title = "drop")]
    Drop,
    /// The sender is told.
    #[schemars(title = "reject")]
    Reject,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_read_and_said_in_one_form_only() {
        for text in ["192.0.2.0/24", "192.0.2.1", "0.0.0.0/0", "2001:db8::/32", "2001:db8::1", "::/0"] {
            let network: Network = text.parse().unwrap();
            assert_eq!(network.to_string(), text);
        }
        for (text, reason) in [
            ("192.0.2.1/24", "192.0.2.1/24 is an address within a network: the network is 192.0.2.0/24"),
            ("192.0.2.0/33", "\"33\" is not a prefix: 0 to 32 bits for IPv4, 0 to 128 for IPv6"),
            ("192.0.2.0/+4", "\"+4\" is not a prefix: 0 to 32 bits for IPv4, 0 to 128 for IPv6"),
            ("192.0.2.0/", "\"\" is not a prefix: 0 to 32 bits for IPv4, 0 to 128 for IPv6"),
            ("example.com", "\"example.com\" is not an address, nor a network such as 192.0.2.0/24"),
        ] {
            assert_eq!(text.parse::<Network>().unwrap_err().to_string(), reason);
        }
    }

    #[test]
    fn an_address_is_inside_or_outside() {
        let is_in = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().contains(address.parse().unwrap())
        };
        assert!(is_in("192.0.2.0/24", "192.0.2.255"));
        assert!(is_in("192.0.2.0/24", "::ffff:192.0.2.9"), "a client may come in disguise");
        assert!(!is_in("192.0.2.0/24", "192.0.3.0"));
        assert!(is_in("0.0.0.0/0", "203.0.113.9"));
        assert!(!is_in("0.0.0.0/0", "2001:db8::1"));
        assert!(is_in("2001:db8::/32", "2001:db8:ffff::1"));
    }
}
