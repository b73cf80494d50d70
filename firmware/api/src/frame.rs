//! A value on a socket: its length in bytes as a little-endian `u32`, then postcard.
//!
//! ```text
//! 0       4              4 + length
//! +-------+--------------+
//! | length|  postcard    |
//! +-------+--------------+
//! ```
//! The length is bounded by [`MAX_BODY`], so a peer gone wrong cannot make its reader allocate without end.

use serde::{Serialize, de::DeserializeOwned};

/// Bytes of the length field.
pub const HEADER: usize = 4;
/// Largest encoded value, 8 MiB: a configuration of several thousand services.
pub const MAX_BODY: usize = 8 << 20;

/// Why a value could not be encoded or decoded.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The value, or what the peer announced, is over [`MAX_BODY`].
    #[error("a frame of {bytes} bytes is over the limit of {MAX_BODY}")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// The bytes are not a value of the expected type.
    #[error("the frame does not hold what was expected: {0}")]
    Encoding(#[from] postcard::Error),
}

/// Encodes a value with its length in front.
///
/// # Errors
/// [`FrameError::TooLarge`] over [`MAX_BODY`]; [`FrameError::Encoding`] for a type that postcard cannot encode.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, FrameError> {
    let mut bytes = postcard::to_extend(value, vec![0; HEADER])?;
    let body = bytes.len() - HEADER;
    let length = u32::try_from(body).ok().filter(|_| body <= MAX_BODY);
    let length = length.ok_or(FrameError::TooLarge { bytes: body })?;
    bytes[..HEADER].copy_from_slice(&length.to_le_bytes());
    Ok(bytes)
}

/// Length of the body that follows a header.
///
/// # Errors
/// [`FrameError::TooLarge`] over [`MAX_BODY`].
pub fn body_length(header: [u8; HEADER]) -> Result<usize, FrameError> {
    let bytes = usize::try_from(u32::from_le_bytes(header)).unwrap_or(usize::MAX);
    if bytes > MAX_BODY { Err(FrameError::TooLarge { bytes }) } else { Ok(bytes) }
}

/// Decodes a body.
///
/// # Errors
/// [`FrameError::Encoding`] when the bytes are not a `T`.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, FrameError> {
    Ok(postcard::from_bytes(body)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn decodes_what_it_encoded(text in ".*", number: u64) {
            let bytes = encode(&(text.clone(), number)).unwrap();
            let length = body_length(bytes[..HEADER].try_into().unwrap()).unwrap();
            prop_assert_eq!(length, bytes.len() - HEADER);
            prop_assert_eq!(decode::<(String, u64)>(&bytes[HEADER..]).unwrap(), (text, number));
        }

        #[test]
        fn any_bytes_are_a_value_or_an_error(bytes: Vec<u8>) {
            let _ = decode::<crate::control::Request>(&bytes);
            let _ = decode::<crate::control::Snapshot>(&bytes);
        }
    }

    #[test]
    fn an_announced_length_over_the_limit_is_refused() {
        assert_eq!(body_length(u32::MAX.to_le_bytes()), Err(FrameError::TooLarge { bytes: 0xffff_ffff }));
    }
}
