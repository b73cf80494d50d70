//! Tests of the shipped image, booted in QEMU and driven from outside.
