//! The signed kernel command line and its three placeholders.
//!
//! The command line carries the dm-verity root hash, so it must be signed; but three things in it are known
//! only at boot: which slot this is, the PARTUUID of that slot's root partition on this very disk, and the
//! hand-off record. The loader fills these in and can change nothing else:
//!
//! * `{slot}` the slot's letter, `{root}` the PARTUUID of `root-x`, `{handoff}` hex digits.
//!
//! Braces have no other use; each placeholder may occur more than once.

use core::fmt::Write as _;

use evener_disk::{Guid, Slot};
use heapless::String;

use crate::ManifestError;

/// The longest template, in bytes.
pub const TEMPLATE_MAX: usize = 1024;
/// The longest rendered command line, in bytes: the x86 kernel takes 2048 with the NUL.
pub const COMMAND_LINE_MAX: usize = 2047;

/// A rendered command line.
pub type CommandLine = String<COMMAND_LINE_MAX>;

/// A checked template: printable ASCII with known placeholders only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Template<'a>(&'a str);

/// What the loader fills in.
#[derive(Clone, Copy, Debug)]
pub struct Fill<'a> {
    /// The slot that is booted.
    pub slot: Slot,
    /// Unique GUID of that slot's root partition.
    pub root: Guid,
    /// The hand-off record as hex digits.
    pub handoff: &'a str,
}

enum Piece<'a> {
    Text(&'a str),
    Slot,
    Root,
    Handoff,
}

impl<'a> Template<'a> {
    /// Checks a template.
    ///
    /// # Errors
    /// [`ManifestError::Template`] when it is empty, too long, not printable ASCII, has an unknown or
    /// unfinished placeholder, or lacks one of the three (the kernel could not find its root without them).
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ManifestError> {
        let text = core::str::from_utf8(bytes).map_err(|_| ManifestError::Template)?;
        let printable = bytes.iter().all(|byte| (0x20..0x7f).contains(byte));
        if bytes.len() > TEMPLATE_MAX || !printable {
            return Err(ManifestError::Template);
        }
        let (mut slot, mut root, mut handoff) = (false, false, false);
        for piece in Pieces(text) {
            match piece? {
                Piece::Text(_) => {}
                Piece::Slot => slot = true,
                Piece::Root => root = true,
                Piece::Handoff => handoff = true,
            }
        }
        if slot && root && handoff { Ok(Self(text)) } else { Err(ManifestError::Template) }
    }

    /// The template as it was signed.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.0
    }

    /// The command line for one boot.
    ///
    /// # Errors
    /// [`ManifestError::CommandLine`] when it would exceed [`COMMAND_LINE_MAX`], or the hand-off is not hex:
    /// a space in it could add a kernel parameter that nobody signed.
    pub fn render(&self, fill: &Fill<'_>) -> Result<CommandLine, ManifestError> {
        if !fill.handoff.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ManifestError::CommandLine);
        }
        let mut line = CommandLine::new();
        for piece in Pieces(self.0) {
            match piece? {
                Piece::Text(text) => write!(line, "{text}"),
                Piece::Slot => write!(line, "{}", fill.slot),
                Piece::Root => write!(line, "{}", fill.root),
                Piece::Handoff => write!(line, "{}", fill.handoff),
            }
            .map_err(|_| ManifestError::CommandLine)?;
        }
        Ok(line)
    }
}

/// The template's text and placeholders in order.
struct Pieces<'a>(&'a str);

impl<'a> Iterator for Pieces<'a> {
    type Item = Result<Piece<'a>, ManifestError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let brace = self.0.find(['{', '}']).unwrap_or(self.0.len());
        let (text, rest) = self.0.split_at(brace);
        if !text.is_empty() {
            self.0 = rest;
            return Some(Ok(Piece::Text(text)));
        }
        for (name, piece) in [("{slot}", Piece::Slot), ("{root}", Piece::Root), ("{handoff}", Piece::Handoff)]
        {
            if let Some(rest) = self.0.strip_prefix(name) {
                self.0 = rest;
                return Some(Ok(piece));
            }
        }
        self.0 = "";
        Some(Err(ManifestError::Template))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILL: Fill<'static> = Fill { slot: Slot::B, root: Guid([0x11; 16]), handoff: "01ab" };

    #[test]
    fn fills_in_exactly_three_things() {
        let template =
            Template::parse(b"ro u={root},{root} evener.slot={slot} evener.handoff={handoff} quiet").unwrap();
        let uuid = "11111111-1111-1111-1111-111111111111";
        let expected = alloc::format!("ro u={uuid},{uuid} evener.slot=B evener.handoff=01ab quiet");
        assert_eq!(template.render(&FILL).unwrap().as_str(), expected);
    }

    #[test]
    fn other_placeholders_are_refused() {
        let all = "{slot}{root}{handoff}";
        for wrong in ["{", "}", "{}", "{init}", "{slot", "slot}", "{{slot}}", "{SLOT}", "{slot }"] {
            let text = alloc::format!("{all} {wrong}");
            assert_eq!(Template::parse(text.as_bytes()), Err(ManifestError::Template), "{wrong}");
        }
    }

    #[test]
    fn each_placeholder_is_needed() {
        for wrong in ["", "ro", "{slot}{root}", "{slot}{handoff}", "{root}{handoff}"] {
            assert_eq!(Template::parse(wrong.as_bytes()), Err(ManifestError::Template), "{wrong}");
        }
    }

    #[test]
    fn only_printable_ascii_is_text() {
        for wrong in ["{slot}{root}{handoff}\n", "{slot}{root}{handoff}\0", "{slot}{root}{handoff}é"] {
            assert_eq!(Template::parse(wrong.as_bytes()), Err(ManifestError::Template), "{wrong:?}");
        }
    }

    #[test]
    fn a_line_longer_than_a_kernel_takes_is_refused() {
        let text = alloc::format!("{{slot}}{{handoff}}{}", "{root}".repeat(57));
        assert_eq!(Template::parse(text.as_bytes()).unwrap().render(&FILL), Err(ManifestError::CommandLine));
    }

    #[test]
    fn a_hand_off_cannot_add_a_parameter() {
        let template = Template::parse(b"{slot}{root}{handoff}").unwrap();
        let fill = Fill { handoff: "01 init=/bin/sh", ..FILL };
        assert_eq!(template.render(&fill), Err(ManifestError::CommandLine));
    }
}
