//! The only service that opens slots: their state, and the health that clears the boot count.
