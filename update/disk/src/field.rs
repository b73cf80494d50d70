//! Fixed-offset little-endian fields in byte slices, without indexing that could panic.
//!
//! Every record of the boot path (partition table, manifest, slot table) has its fields at constant offsets.
//! Reading past the end gives zeros and writing past the end is dropped: both are impossible for the fixed
//! sizes these records have, and a loader must not panic to say so.

/// `N` bytes at `offset`, or `None` when the slice is too short.
#[must_use]
pub fn array<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    let end = offset.checked_add(N)?;
    bytes.get(offset..end)?.try_into().ok()
}

/// The byte at `offset`; 0 past the end.
#[must_use]
pub fn u8_at(bytes: &[u8], offset: usize) -> u8 {
    bytes.get(offset).copied().unwrap_or(0)
}

/// The `u16` at `offset`; 0 past the end.
#[must_use]
pub fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes(array(bytes, offset).unwrap_or_default())
}

/// The `u32` at `offset`; 0 past the end.
#[must_use]
pub fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(array(bytes, offset).unwrap_or_default())
}

/// The `u64` at `offset`; 0 past the end.
#[must_use]
pub fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(array(bytes, offset).unwrap_or_default())
}

/// Copies `value` to `offset`; does nothing when it would not fit whole.
pub fn put(bytes: &mut [u8], offset: usize, value: &[u8]) {
    let Some(end) = offset.checked_add(value.len()) else { return };
    if let Some(target) = bytes.get_mut(offset..end) {
        target.copy_from_slice(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_was_put() {
        let mut bytes = [0; 16];
        put(&mut bytes, 3, &0x0123_4567_89ab_cdef_u64.to_le_bytes());
        assert_eq!(u64_at(&bytes, 3), 0x0123_4567_89ab_cdef);
        assert_eq!(u32_at(&bytes, 3), 0x89ab_cdef);
        assert_eq!(u16_at(&bytes, 3), 0xcdef);
        assert_eq!(u8_at(&bytes, 3), 0xef);
    }

    #[test]
    fn stays_inside_the_slice() {
        let mut bytes = [0xff; 4];
        put(&mut bytes, 2, &[0; 4]);
        put(&mut bytes, usize::MAX, &[0; 4]);
        assert_eq!(bytes, [0xff; 4]);
        assert_eq!(u64_at(&bytes, 0), 0);
        assert_eq!(array::<4>(&bytes, usize::MAX), None);
    }
}
