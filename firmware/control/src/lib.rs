//! The only writer of the configuration: validates, stores, pushes snapshots.
