//! Why a manifest, or a part it vouches for, is refused.

use core::fmt;

/// Why a manifest or a part is refused. The numbers are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestError {
    /// Fewer bytes than a manifest has, or a length field that cannot be.
    Length = 1,
    /// Not a manifest: the magic is wrong.
    Magic = 2,
    /// A format this program does not know.
    Format = 3,
    /// Signed with a key that is not in the keyset.
    UnknownKey = 4,
    /// Signed with a key that was revoked.
    RevokedKey = 5,
    /// Signed with a development key, and the keyset is that of a release.
    DevelopmentKey = 6,
    /// The signature does not match the manifest.
    Signature = 7,
    /// A manifest of another product.
    Product = 8,
    /// The list of parts is inconsistent, or kernel or rootfs is missing.
    Parts = 9,
    /// The command-line template is not text or has an unknown placeholder.
    Template = 10,
    /// An extension runs past the end.
    Extension = 11,
    /// A critical extension that this program does not know.
    CriticalExtension = 12,
    /// A part's size differs from the manifest's.
    PartSize = 13,
    /// A part's SHA-256 differs from the manifest's.
    PartDigest = 14,
    /// The command line would be longer than a kernel takes.
    CommandLine = 15,
    /// The bytes are not a keyset, or an entry's id is not its key's.
    Keyset = 16,
    /// The floor is above the firmware's own version: confirmed, it would lock itself out.
    Floor = 17,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "manifest is truncated",
            Self::Magic => "no manifest here",
            Self::Format => "manifest format is not known",
            Self::UnknownKey => "signed with a key that is not trusted",
            Self::RevokedKey => "signed with a revoked key",
            Self::DevelopmentKey => "signed with a development key",
            Self::Signature => "manifest signature does not match",
            Self::Product => "firmware of another product",
            Self::Parts => "list of parts is inconsistent",
            Self::Template => "command-line template is invalid",
            Self::Extension => "manifest extension is malformed",
            Self::CriticalExtension => "manifest needs a newer program",
            Self::PartSize => "size does not match",
            Self::PartDigest => "digest does not match",
            Self::CommandLine => "command line is too long",
            Self::Keyset => "keyset is malformed",
            Self::Floor => "floor is above the firmware's own version",
        })
    }
}

impl core::error::Error for ManifestError {}
