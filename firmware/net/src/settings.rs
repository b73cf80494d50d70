//! What net needs of the configuration, and the copy it keeps for when control is away.

use evener_api::control::Snapshot;
use evener_api::frame;
use evener_config::{Address, Interface, InterfaceName, Unit};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::Path;

/// What net needs of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) unit: Unit,
    /// Addresses of enabled virtual services, each once: the unit takes them on.
    pub(crate) service_addresses: Vec<IpAddr>,
}

impl From<&Snapshot> for Settings {
    fn from(snapshot: &Snapshot) -> Self {
        let services = snapshot.config.shared.virtual_services.iter().filter(|service| service.enabled);
        let literal = services.filter_map(|service| match service.address {
            Address::Literal(address) if !address.is_unspecified() => Some(address),
            Address::Literal(_) | Address::Own(_) => None,
        });
        let mut service_addresses: Vec<IpAddr> = literal.collect();
        service_addresses.sort();
        service_addresses.dedup();
        Self { unit: snapshot.config.unit.clone(), service_addresses }
    }
}

impl Settings {
    /// The interfaces to be used: those that are set, or `eth0` by DHCP where nothing is set.
    pub(crate) fn interfaces(&self) -> Vec<Interface> {
        if self.unit.interfaces.is_empty() {
            let name = InterfaceName("eth0".into());
            return vec![Interface::new(name)];
        }
        self.unit.interfaces.clone()
    }

    /// The copy of a former life; `None` without one, and for one that cannot be read.
    pub(crate) fn load(folder: &Path) -> Option<Self> {
        let bytes = fs::read(folder.join("settings")).ok()?;
        frame::decode(bytes.get(frame::HEADER..)?).ok()
    }

    /// Keeps a copy, whole or not at all.
    pub(crate) fn save(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let (new, path) = (folder.join("settings.new"), folder.join("settings"));
        let mut file = File::create(&new)?;
        file.write_all(&frame::encode(self).map_err(io::Error::other)?)?;
        file.sync_data()?;
        fs::rename(new, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_read_back_and_a_damaged_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("net");
        assert_eq!(Settings::load(&own), None);
        let mut settings = Settings::default();
        settings.unit.hostname = "lb1".into();
        settings.service_addresses.push("192.0.2.10".parse().unwrap());
        settings.save(&own).unwrap();
        assert_eq!(Settings::load(&own), Some(settings));
        fs::write(own.join("settings"), [0, 0, 0, 0, 200]).unwrap();
        assert_eq!(Settings::load(&own), None);
    }

    #[test]
    fn a_unit_without_settings_uses_eth0_by_dhcp() {
        let interfaces = Settings::default().interfaces();
        assert_eq!(interfaces.len(), 1);
        assert_eq!(
            (interfaces[0].name.0.as_str(), &interfaces[0].ipv4),
            ("eth0", &evener_config::Ipv4Setup::Dhcp)
        );
    }
}
