//! A refusal with its words, and what the errors of reading a firmware file amount to.

use evener_formats::bundle::BundleError;
use evener_manifest::ManifestError;

use crate::Code;

/// A firmware, or a step, was refused; the unit goes on as before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Refusal {
    /// Which rule.
    pub code: Code,
    /// What is wrong, with versions or offsets; ends without a full stop.
    pub detail: String,
}

impl Refusal {
    /// A refusal with these words.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// Whether an operator may overcome it by saying so.
    #[must_use]
    pub fn can_be_overridden(&self) -> bool {
        self.code == Code::FailedHereBefore
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self::new(code, code.what())
    }
}

/// Which rule a manifest breaks.
fn of_manifest(error: ManifestError) -> Code {
    match error {
        ManifestError::Magic
        | ManifestError::Length
        | ManifestError::Parts
        | ManifestError::Template
        | ManifestError::Extension
        | ManifestError::PartSize
        | ManifestError::PartDigest
        | ManifestError::CommandLine
        | ManifestError::Floor => Code::Damaged,
        ManifestError::Format | ManifestError::CriticalExtension => Code::FormatTooNew,
        ManifestError::UnknownKey | ManifestError::Keyset => Code::UnknownKey,
        ManifestError::RevokedKey => Code::RevokedKey,
        ManifestError::DevelopmentKey => Code::DevelopmentKey,
        ManifestError::Signature => Code::BadSignature,
        ManifestError::Product => Code::WrongProduct,
    }
}

impl From<ManifestError> for Refusal {
    fn from(error: ManifestError) -> Self {
        Self::new(of_manifest(error), error.to_string())
    }
}

impl From<BundleError> for Refusal {
    fn from(error: BundleError) -> Self {
        let code = match error {
            BundleError::Magic => Code::NotAFirmware,
            BundleError::Format(_) => Code::FormatTooNew,
            BundleError::Header { .. }
            | BundleError::Part { .. }
            | BundleError::MissingPart(_)
            | BundleError::Padding(_)
            | BundleError::Trailing(_) => Code::Damaged,
            BundleError::Manifest(fault) => of_manifest(fault),
            BundleError::Truncated(_) => Code::Truncated,
        };
        Self::new(code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_of_a_file_has_its_code() {
        for (error, code) in [
            (BundleError::Magic, Code::NotAFirmware),
            (BundleError::Format(2), Code::FormatTooNew),
            (BundleError::Header { field: "checksum", offset: 508 }, Code::Damaged),
            (BundleError::Manifest(ManifestError::Signature), Code::BadSignature),
            (BundleError::Manifest(ManifestError::UnknownKey), Code::UnknownKey),
            (BundleError::Manifest(ManifestError::RevokedKey), Code::RevokedKey),
            (BundleError::Manifest(ManifestError::DevelopmentKey), Code::DevelopmentKey),
            (BundleError::Manifest(ManifestError::Product), Code::WrongProduct),
            (BundleError::Manifest(ManifestError::CriticalExtension), Code::FormatTooNew),
            (BundleError::Padding(1024), Code::Damaged),
            (BundleError::Trailing(1024), Code::Damaged),
            (BundleError::Truncated(1024), Code::Truncated),
        ] {
            assert_eq!(Refusal::from(error).code, code, "{error}");
        }
    }

    #[test]
    fn only_an_earlier_failure_can_be_overridden() {
        let overridable = |code: &Code| Refusal::from(*code).can_be_overridden();
        let codes: Vec<Code> = Code::ALL.into_iter().filter(overridable).collect();
        assert_eq!(codes, [Code::FailedHereBefore]);
    }
}
