//! Deleting what the sweep is there to protect.
