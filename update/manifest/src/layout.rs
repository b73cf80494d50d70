//! Where each field of a manifest lies. Little-endian; offsets in bytes from the start of `boot-x`.
//!
//! The core has fixed offsets so that every later loader can read every earlier manifest. What comes later is
//! an extension behind it; an old loader skips what it does not know, unless the writer marked it critical.
//!
//! ```text
//! offset size  field
//!      0    8  magic "EVENERMF"
//!      8    2  format, 1
//!     10    2  reserved, written as zero and ignored, as are all reserved fields
//!     12    4  length of the manifest: core and extensions, without the signature
//!     16   16  product, ASCII padded with zeros: "evener"
//!     32    8  version, four u16
//!     40    8  floor: the oldest version the unit may go back to once this firmware is confirmed
//!     48    8  installable_from: the oldest running version that may install this firmware
//!     56    8  min_loader: the oldest loader that may start it
//!     64   16  build id: differs between any two builds with different content
//!     80    8  key id: first 8 bytes of the SHA-256 of the public key
//!     88    4  flags, bit 0: release build
//!     92    4  reserved
//!     96    8  dm-verity data blocks of 4096 bytes; the hash tree follows them in the rootfs part
//!    104   32  dm-verity root hash (SHA-256)
//!    136   32  dm-verity salt
//!    168  384  8 parts of 48 bytes: kind u16, reserved u16, reserved u32, size u64, SHA-256 [32]
//!    552    2  length of the command-line template
//!    554    6  reserved
//!    560 1024  command-line template, printable ASCII
//!   1584    -  extensions: tag u16, flags u16 (bit 0: critical), length u32, value
//! length   64  ed25519 signature over "evener-manifest-v1\0" and the SHA-256 of the manifest
//! ```

use evener_disk::{Role, SECTOR, Slot};

/// Bytes at the start of `boot-x` that hold manifest and signature.
pub const AREA_BYTES: usize = 64 * 1024;
/// Offset of the kernel in `boot-x`, in bytes.
pub const KERNEL_AT: u64 = 64 * 1024;
/// Offset of the UEFI loader in `boot-x`, in bytes; the kernel ends before it.
pub(crate) const LOADER_UEFI_AT: u64 = 14 << 20;
/// Offset of the BIOS loader in `boot-x`, in bytes. It may go up to the partition's end.
pub(crate) const LOADER_BIOS_AT: u64 = 15 << 20;
/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;
/// Block size of dm-verity data and tree, in bytes.
pub const BLOCK: u64 = 4096;
/// The format this crate reads and writes.
pub const FORMAT: u16 = 1;
/// The product name that our manifests carry and our loaders insist on.
pub const PRODUCT: &str = "evener";

pub(crate) const MAGIC: &[u8; 8] = b"EVENERMF";
pub(crate) const SIGNATURE_TAG: &[u8; 19] = b"evener-manifest-v1\0";

pub(crate) const AT_FORMAT: usize = 8;
pub(crate) const AT_LENGTH: usize = 12;
pub(crate) const AT_PRODUCT: usize = 16;
pub(crate) const PRODUCT_BYTES: usize = 16;
pub(crate) const AT_VERSION: usize = 32;
pub(crate) const AT_FLOOR: usize = 40;
pub(crate) const AT_INSTALLABLE_FROM: usize = 48;
pub(crate) const AT_MIN_LOADER: usize = 56;
pub(crate) const AT_BUILD_ID: usize = 64;
pub(crate) const AT_KEY_ID: usize = 80;
pub(crate) const AT_FLAGS: usize = 88;
pub(crate) const AT_DATA_BLOCKS: usize = 96;
pub(crate) const AT_ROOT_HASH: usize = 104;
pub(crate) const AT_SALT: usize = 136;
pub(crate) const AT_PARTS: usize = 168;
pub(crate) const PARTS: usize = 8;
pub(crate) const PART_BYTES: usize = 48;
pub(crate) const AT_TEMPLATE_LENGTH: usize = 552;
pub(crate) const AT_TEMPLATE: usize = 560;
pub(crate) const CORE_BYTES: usize = 1584;

/// Extension: text for people (release notes), UTF-8. Not critical.
pub(crate) const TAG_NOTES: u16 = 1;
/// Extension: the newest format of stored settings that the firmware reads, u16. Not critical; absent: 1.
pub(crate) const TAG_CONFIG_FORMAT: u16 = 2;
/// Extension: the programs that made the parts and what each says of itself, UTF-8. Not critical.
pub(crate) const TAG_TOOLCHAIN: u16 = 3;
/// What a firmware without [`TAG_CONFIG_FORMAT`] reads.
pub(crate) const FIRST_CONFIG_FORMAT: u16 = 1;
pub(crate) const EXTENSION_HEAD: usize = 8;
pub(crate) const EXTENSION_CRITICAL: u16 = 1;

const _: () = {
    assert!(AT_PARTS + PARTS * PART_BYTES == AT_TEMPLATE_LENGTH);
    assert!(AT_TEMPLATE + crate::TEMPLATE_MAX == CORE_BYTES);
    assert!(CORE_BYTES + SIGNATURE_BYTES < AREA_BYTES);
    assert!(AREA_BYTES.is_multiple_of(SECTOR) && AREA_BYTES as u64 == KERNEL_AT);
    assert!(matches!(Role::Boot(Slot::A).sectors(), Some(sectors) if sectors * 512 == 16 << 20));
    assert!(KERNEL_AT < LOADER_UEFI_AT && LOADER_UEFI_AT < LOADER_BIOS_AT && LOADER_BIOS_AT < 16 << 20);
};

/// What a firmware says about itself, beyond its parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u32);

impl Flags {
    /// Built as a release.
    pub const RELEASE: Self = Self(1);

    /// True when all bits of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}
