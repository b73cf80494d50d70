//! The lab: QEMU units on a virtual switch whose other ports are hosts in the test.
