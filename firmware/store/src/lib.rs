//! Generations of the configuration on disk, history, and their second copy.
