//! What a board is: firmware kind, consoles, disk and NIC order, and the QEMU machine that imitates it.
