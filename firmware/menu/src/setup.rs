//! What quick setup is about: how the unit is reached, and what it is called.
//!
//! Plain values, so that the menu does not depend on how the settings are kept. Whether they make sense together is decided
//! by the rules of the settings, when the change is made; here only the writing of each is checked.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr};

/// The settings of quick setup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    /// The generation of the settings that these were read from: what somebody else changed meanwhile is not undone.
    pub based_on: u64,
    /// The unit's name.
    pub hostname: String,
    /// The interfaces, the primary one first.
    pub ports: Vec<Port>,
    /// Next hop of the default route, unless it is learnt by DHCP.
    pub gateway: Option<Ipv4Addr>,
    /// Who is asked for names, in this order.
    pub name_servers: Vec<IpAddr>,
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name, such as `eth0`.
    pub name: String,
    /// What is known about it now, for the person to tell it from the others.
    pub note: String,
    /// How it gets its address.
    pub addressing: Addressing,
}

/// How an interface gets its IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// From a DHCP server.
    Dhcp,
    /// This one, with the bits of its network part.
    Static(Ipv4Addr, u8),
    /// Up, without one.
    None,
    /// It has no settings and is down.
    Unused,
}

impl fmt::Display for Addressing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dhcp => f.write_str("dhcp"),
            Self::Static(address, prefix) => write!(f, "{address}/{prefix}"),
            Self::None => f.write_str("none"),
            Self::Unused => f.write_str("unused"),
        }
    }
}

/// An address as it is typed.
pub(crate) fn addressing(text: &str) -> Result<Addressing, String> {
    match text {
        "dhcp" => return Ok(Addressing::Dhcp),
        "none" => return Ok(Addressing::None),
        _ => {}
    }
    let parts = text.split_once('/');
    let parts = parts.and_then(|(address, prefix)| Some((address.parse().ok()?, prefix.parse().ok()?)));
    let (address, prefix) = parts.ok_or_else(|| {
        format!(
            "address: {text} is neither dhcp nor none nor an address with its prefix, such as 192.0.2.10/24"
        )
    })?;
    if !(1..=32).contains(&prefix) {
        return Err(format!("address: a prefix has 1 to 32 bits, not {prefix}"));
    }
    Ok(Addressing::Static(address, prefix))
}

/// A gateway as it is typed; `-` is none.
pub(crate) fn gateway(text: &str) -> Result<Option<Ipv4Addr>, String> {
    if text == "-" {
        return Ok(None);
    }
    let address =
        text.parse().map_err(|_| format!("gateway: {text} is no IPv4 address, such as 192.0.2.1"))?;
    Ok(Some(address))
}

/// Name servers as they are typed, with blanks or commas between them; `-` is none.
pub(crate) fn name_servers(text: &str) -> Result<Vec<IpAddr>, String> {
    if text == "-" {
        return Ok(Vec::new());
    }
    let words = text.split([' ', ',']).filter(|word| !word.is_empty());
    words.map(|word| word.parse().map_err(|_| format!("name servers: {word} is no IP address"))).collect()
}

/// A list as it would be typed.
pub(crate) fn typed<T: fmt::Display>(list: impl IntoIterator<Item = T>) -> String {
    let words: Vec<String> = list.into_iter().map(|one| one.to_string()).collect();
    if words.is_empty() { "-".into() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_read_and_what_is_shown_can_be_typed() {
        for text in ["dhcp", "none", "192.0.2.10/24", "10.0.0.1/32"] {
            assert_eq!(addressing(text).unwrap().to_string(), text);
        }
        assert_eq!(gateway("192.0.2.1"), Ok(Some(Ipv4Addr::new(192, 0, 2, 1))));
        assert_eq!(gateway("-"), Ok(None));
        for text in ["-", "192.0.2.1", "192.0.2.1 2001:db8::1"] {
            assert_eq!(typed(name_servers(text).unwrap()), text);
        }
        assert_eq!(name_servers("192.0.2.1, 192.0.2.2").unwrap().len(), 2);
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_field() {
        for text in
            ["", "dhpc", "192.0.2.10", "192.0.2/24", "192.0.2.10/24/1", "192.0.2.10/x", "2001:db8::1/64"]
        {
            assert!(addressing(text).unwrap_err().starts_with("address:"), "{text}");
        }
        for text in ["192.0.2.10/0", "192.0.2.10/33"] {
            assert!(addressing(text).unwrap_err().contains("1 to 32"), "{text}");
        }
        assert!(gateway("2001:db8::1").unwrap_err().starts_with("gateway:"));
        assert!(name_servers("192.0.2.1 here").unwrap_err().contains("here"));
    }
}
