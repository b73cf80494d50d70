//! The layer 7 data path.
