//! What ends the unit's run: what it means, and the word that has to be typed.

use crate::Act;

impl Act {
    /// What has to be typed. Of a factory reset the same words as on the pages.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Rescue => "rescue",
            Self::FactoryReset => "factory reset",
            Self::Reboot => "reboot",
            Self::PowerOff => "power off",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Rescue => "Rescue firmware",
            Self::FactoryReset => "Factory reset",
            Self::Reboot => "Reboot",
            Self::PowerOff => "Power off",
        }
    }

    /// What it means for whoever is served, and for the settings.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Rescue => {
                "The unit restarts into its rescue firmware, once. Nobody is served then; the network, the pages, \
                 this menu and the upload of firmware work. The next restart leaves it. All settings are kept."
            }
            Self::FactoryReset => {
                "All settings, passwords, certificates and logs of this unit are erased, and it restarts as on its \
                 first day, with a new first password on the serial port and the screen. The firmware stays. This \
                 cannot be undone."
            }
            Self::Reboot => {
                "Clients are cut off until the unit is back, which takes less than a minute on most machines. All \
                 settings are kept."
            }
            Self::PowerOff => {
                "Clients are cut off, and somebody has to switch the unit on again by hand. All settings are kept."
            }
        }
    }
}
