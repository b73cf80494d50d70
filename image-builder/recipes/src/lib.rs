//! From pinned sources to kernel, loader and root filesystem.
