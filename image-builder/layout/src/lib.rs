//! The disk image: which partition lies where, and its bytes.
