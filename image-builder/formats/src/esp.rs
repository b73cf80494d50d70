//! The EFI system partition: a FAT16 volume with one file, the loader.
//!
//! Builder and updater write the same bytes for the same loader. Label and serial number say which copy it is and what it
//! holds; firmware goes by the partition's GUID.

use bytes::Bytes;
use evener_disk::Role;
use sha2::{Digest, Sha256};

use crate::fat16::{FatError, Volume};
use crate::sparse::Sparse;

/// Where UEFI firmware looks on removable and unknown media (UEFI 2.10 §3.5.1.1).
pub const LOADER_PATH: &str = "EFI/BOOT/BOOTX64.EFI";

/// The whole partition `role`, one of the two EFI system partitions, with `loader` in it.
///
/// # Errors
/// [`FatError::Full`] when the loader does not fit.
pub fn volume(role: Role, loader: Bytes) -> Result<Sparse, FatError> {
    let label = if role == Role::EspA { "EVENER-A" } else { "EVENER-B" };
    let sectors = u16::try_from(role.sectors().unwrap_or(0)).unwrap_or(u16::MAX);
    let hidden = u32::try_from(role.start().0).unwrap_or(0);
    let hash =
        Sha256::new().chain_update(b"evener-esp-v1\0").chain_update(label).chain_update(&loader).finalize();
    let serial = hash.first_chunk().copied().unwrap_or_default();
    let mut volume = Volume::new(sectors, hidden, label, u32::from_le_bytes(serial));
    volume.add(LOADER_PATH, loader)?;
    volume.build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fat16::extract;

    #[test]
    fn both_hold_the_loader_and_differ_in_name_and_number() {
        let loader = Bytes::from(vec![0x4c; 100_001]);
        let [a, b] = [Role::EspA, Role::EspB].map(|role| {
            let volume = volume(role, loader.clone()).unwrap();
            let mut bytes = vec![0; usize::try_from(volume.length()).unwrap()];
            volume.read(0, &mut bytes);
            assert_eq!(extract(&bytes, LOADER_PATH).unwrap(), loader);
            assert_eq!(bytes.len(), 16 << 20);
            bytes
        });
        assert_eq!(&a[0x2b..0x33], b"EVENER-A");
        assert_eq!(&b[0x2b..0x33], b"EVENER-B");
        assert_ne!(a[0x27..0x2b], b[0x27..0x2b]);
        assert_eq!(a[0x1c..0x20], 4096_u32.to_le_bytes(), "behind the first MiB and bios-boot");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let huge = Bytes::from(vec![0; 17 << 20]);
        assert!(matches!(volume(Role::EspB, huge), Err(FatError::Full { .. })));
    }
}
