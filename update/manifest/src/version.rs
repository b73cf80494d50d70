//! Firmware versions and the floor rule.

use core::fmt;
use core::str::FromStr;

use evener_disk::field::{put, u16_at};

use crate::ManifestError;

/// A version of four numbers, compared from the left. A last number of 0 is not shown: `1.2.3`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub [u16; 4]);

/// True when a unit with this `floor` may run `version`. The loader and the updater both ask here.
///
/// The floor is the lowest version that may still run: `7.2.36` permits itself, not `7.2.35`.
#[must_use]
pub fn permits(version: Version, floor: Version) -> bool {
    version >= floor
}

impl Version {
    /// Bytes of a stored version.
    pub const BYTES: usize = 8;

    /// The version stored at `offset`, four little-endian `u16`.
    #[must_use]
    pub fn read(bytes: &[u8], offset: usize) -> Self {
        let at = |index: usize| u16_at(bytes, offset.saturating_add(index.saturating_mul(2)));
        Self([at(0), at(1), at(2), at(3)])
    }

    /// Stores the version at `offset`.
    pub fn write(self, bytes: &mut [u8], offset: usize) {
        for (index, number) in self.0.into_iter().enumerate() {
            put(bytes, offset.saturating_add(index.saturating_mul(2)), &number.to_le_bytes());
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch, fourth] = self.0;
        write!(f, "{major}.{minor}.{patch}")?;
        if fourth == 0 { Ok(()) } else { write!(f, ".{fourth}") }
    }
}

impl FromStr for Version {
    type Err = ManifestError;

    /// Reads `1.2.3` or `1.2.3.4`.
    fn from_str(text: &str) -> Result<Self, ManifestError> {
        let mut numbers = [0; 4];
        let mut count = 0;
        for part in text.split('.') {
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            let slot = numbers.get_mut(count).filter(|_| digits).ok_or(ManifestError::Format)?;
            *slot = part.parse().map_err(|_| ManifestError::Format)?;
            count = count.saturating_add(1);
        }
        if count < 3 { Err(ManifestError::Format) } else { Ok(Self(numbers)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn shows_a_fourth_number_only_when_it_counts() {
        assert_eq!(Version([1, 2, 3, 0]).to_string(), "1.2.3");
        assert_eq!(Version([1, 2, 3, 4]).to_string(), "1.2.3.4");
    }

    #[test]
    fn reads_what_it_shows() {
        for version in [Version([0, 1, 0, 0]), Version([7, 2, 40, 65_535])] {
            assert_eq!(version.to_string().parse(), Ok(version));
        }
        for wrong in ["", "1", "1.2", "1.2.3.4.5", "1.2.x", "1.2.-3", "1.2.+3", "1.2.65536", "1..3"] {
            assert_eq!(wrong.parse::<Version>(), Err(ManifestError::Format), "{wrong}");
        }
    }

    #[test]
    fn the_floor_permits_itself_and_all_above() {
        let floor = Version([7, 2, 36, 0]);
        assert!(permits(Version([7, 2, 36, 0]), floor));
        assert!(permits(Version([7, 2, 40, 0]), floor));
        assert!(permits(Version([8, 0, 0, 0]), floor));
        assert!(!permits(Version([7, 2, 35, 65_535]), floor));
    }
}
