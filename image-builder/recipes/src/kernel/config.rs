//! Configuration fragments: read, joined, and held against what the kernel's own `make` made of them.
//!
//! Kconfig drops a symbol whose dependencies are not met without a word; a driver is then missing
//! on the one board that needs it. So each symbol that a fragment asks for, on or off, must be in
//! the result exactly so, or the build fails and names fragment and line.

use std::collections::BTreeMap;
use std::fmt;

/// One fragment file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// File name, for messages.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// A symbol that did not come out as asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmet {
    /// The symbol, with `CONFIG_`.
    pub symbol: String,
    /// What the fragment asks for; `n` for "is not set".
    pub wanted: String,
    /// What the configuration has, or what another fragment asks for.
    pub got: String,
    /// Fragment and line.
    pub place: String,
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} asked {}, got {}", self.place, self.symbol, self.wanted, self.got)
    }
}

/// Every requested symbol that `config` has differently, or that two fragments ask for differently.
#[must_use]
pub fn unmet(fragments: &[Fragment], config: &str) -> Vec<Unmet> {
    let got: BTreeMap<&str, &str> = config.lines().filter_map(setting).collect();
    let mut asked: BTreeMap<&str, &str> = BTreeMap::new();
    let mut unmet = Vec::new();
    for fragment in fragments {
        for (number, line) in fragment.text.lines().enumerate() {
            let place = format!("{}:{}", fragment.name, number + 1);
            let Some((symbol, wanted)) = setting(line) else {
                if !line.trim().is_empty() && !line.starts_with('#') {
                    unmet.push(Unmet {
                        symbol: line.to_owned(),
                        wanted: "a setting".to_owned(),
                        got: "neither CONFIG_X=… nor # CONFIG_X is not set".to_owned(),
                        place,
                    });
                }
                continue;
            };
            let before = asked.insert(symbol, wanted).filter(|before| *before != wanted);
            let actual = got.get(symbol).copied().unwrap_or("n");
            if let Some(other) = before.or((actual != wanted).then_some(actual)) {
                unmet.push(Unmet {
                    symbol: symbol.to_owned(),
                    wanted: wanted.to_owned(),
                    got: other.to_owned(),
                    place,
                });
            }
        }
    }
    unmet
}

/// Symbol and value of a line; "is not set" is the value `n`.
fn setting(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_end();
    if let Some(symbol) = line.strip_prefix("# ").and_then(|l| l.strip_suffix(" is not set")) {
        return symbol.starts_with("CONFIG_").then_some((symbol, "n"));
    }
    line.split_once('=').filter(|(symbol, _)| symbol.starts_with("CONFIG_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(text: &str) -> Vec<Fragment> {
        vec![Fragment { name: "base.config".to_owned(), text: text.to_owned() }]
    }

    #[test]
    fn a_symbol_that_kconfig_dropped_is_named_with_its_line() {
        let unmet = unmet(&fragment("CONFIG_A=y\n\nCONFIG_B=y\n"), "CONFIG_A=y\n");
        assert_eq!(unmet.len(), 1);
        assert_eq!(unmet[0].to_string(), "base.config:3: CONFIG_B asked y, got n");
    }

    #[test]
    fn a_symbol_that_must_be_off_and_is_on_is_named() {
        let unmet = unmet(&fragment("# CONFIG_A is not set\n# CONFIG_B is not set"), "CONFIG_A=y\n");
        assert_eq!(unmet[0].to_string(), "base.config:1: CONFIG_A asked n, got y");
        assert_eq!(unmet.len(), 1);
    }

    #[test]
    fn strings_and_numbers_are_compared_as_written() {
        let config = "CONFIG_S=\"x y\"\nCONFIG_N=30\n# CONFIG_O is not set\n";
        assert_eq!(unmet(&fragment("CONFIG_S=\"x y\"\nCONFIG_N=30\n# a comment\n"), config), []);
        assert_eq!(unmet(&fragment("CONFIG_N=60\n"), config).len(), 1);
    }

    #[test]
    fn fragments_that_contradict_each_other_or_are_not_settings_are_named() {
        let unmet = unmet(&fragment("CONFIG_A=y\n# CONFIG_A is not set\nCONFGI_B=y\n"), "CONFIG_A=y\n");
        let places: Vec<&str> = unmet.iter().map(|u| u.place.as_str()).collect();
        assert_eq!(places, ["base.config:2", "base.config:3"]);
    }

    /// What each board cannot do without. A release that drops one drops a board that ran the one before it.
    const DRIVERS: [(&str, &str); 9] = [
        ("qemu", "VIRTIO_PCI VIRTIO_BLK VIRTIO_NET SCSI_VIRTIO HW_RANDOM_VIRTIO I6300ESB_WDT"),
        (
            "lm2200",
            "ATA_PIIX SATA_AHCI ATA_GENERIC USB_STORAGE USB_UAS USB_UHCI_HCD USB_EHCI_HCD E1000 E1000E IGB IXGBE \
             ITCO_WDT SERIAL_8250_CONSOLE",
        ),
        (
            "hyperv-gen1",
            "HYPERV HYPERV_STORAGE HYPERV_NET HYPERV_UTILS HYPERV_KEYBOARD FB_HYPERV VGA_CONSOLE ATA_PIIX",
        ),
        ("hyperv-gen2", "HYPERV_STORAGE HYPERV_NET FB_HYPERV FB_EFI EFI_STUB EFIVAR_FS"),
        ("vmware", "VMWARE_PVSCSI VMXNET3 FUSION_SPI FUSION_SAS E1000E SATA_AHCI"),
        (
            "azure",
            "HYPERV_NET PCI_HYPERV MLX5_CORE_EN MICROSOFT_MANA BLK_DEV_NVME BLK_DEV_SR UDF_FS ISO9660_FS",
        ),
        ("aws", "ENA_ETHERNET BLK_DEV_NVME"),
        (
            "oem-x86",
            "MEGARAID_SAS SCSI_MPT3SAS SATA_AHCI BLK_DEV_NVME TIGON3 R8169 IGB IXGBE I40E USB_HID USB_OHCI_HCD \
             USB_XHCI_HCD TCG_TIS TCG_CRB ITCO_WDT SP5100_TCO BLK_DEV_SR VFAT_FS",
        ),
        ("every one", "IP_VS TLS BONDING VLAN_8021Q DM_VERITY DM_INIT SQUASHFS_ZSTD EXT4_FS"),
    ];

    fn shipped() -> Vec<Fragment> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../board-support/kernel");
        let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let fragments = paths.filter(|path| path.extension().is_some_and(|e| e == "config"));
        fragments
            .map(|path| Fragment {
                name: path.file_name().unwrap().to_str().unwrap().to_owned(),
                text: std::fs::read_to_string(&path).unwrap(),
            })
            .collect()
    }

    #[test]
    fn every_driver_that_a_board_needs_is_asked_for() {
        let all: String = shipped().into_iter().map(|fragment| fragment.text).collect();
        for (board, symbols) in DRIVERS {
            for symbol in symbols.split_whitespace() {
                let line = format!("CONFIG_{symbol}=y");
                assert!(all.lines().any(|asked| asked == line), "{board}: {line}");
            }
        }
    }

    #[test]
    fn every_fragment_opens_with_why_it_is_there() {
        for Fragment { name, text } in shipped() {
            assert!(text.starts_with("# ") && setting(text.lines().next().unwrap()).is_none(), "{name}");
        }
    }
}
