//! From the first bytes of a boot partition to a verdict a loader can show.

use evener_manifest::{Header, Keyset, Verified, Version};

use crate::BootCode;

/// Verifies the manifest at the start of `area` for a loader of version `loader`.
///
/// The floor is not looked at: it is in the slot table, and [`crate::choose`] has both.
///
/// # Errors
/// The code to show when this slot must not be booted.
pub fn judge<'a>(area: &'a [u8], keys: &Keyset<'_>, loader: Version) -> Result<Verified<'a>, BootCode> {
    let verified = Header::parse(area)?.verify(keys)?;
    if verified.min_loader() > loader {
        return Err(BootCode::LoaderTooOld);
    }
    Ok(verified)
}
