//! The boot code of a disk without a BIOS loader: it says so and stops.
//!
//! Sector 0 of a disk is run by every BIOS. Zeros there would run as instructions until the machine
//! hangs with a blank screen, and an operator would suspect anything but the firmware type.

const MESSAGE: &[u8] = b"Evener: this image boots by UEFI only. Switch the machine's firmware to UEFI.\r\n\0";

/// 16-bit code, loaded at 0x7c00: prints [`MESSAGE`] with int 10h, then halts.
const CODE: [u8; 25] = [
    0x31, 0xc0, //       xor  ax, ax
    0x8e, 0xd8, //       mov  ds, ax
    0xbe, 0x19, 0x7c, // mov  si, 0x7c00 + 25
    0xfc, //             cld
    0xac, //       next: lodsb
    0x84, 0xc0, //       test al, al
    0x74, 0x09, //       jz   halt
    0xb4, 0x0e, //       mov  ah, 0x0e
    0xbb, 0x07, 0x00, // mov  bx, 7
    0xcd, 0x10, //       int  0x10
    0xeb, 0xf2, //       jmp  next
    0xf4, //       halt: hlt
    0xeb, 0xfd, //       jmp  halt
];

/// The 440 bytes of boot code.
pub const NO_BIOS_LOADER: [u8; 440] = {
    let mut boot = [0; 440];
    let mut at = 0;
    while at < CODE.len() {
        boot[at] = CODE[at];
        at += 1;
    }
    while at < CODE.len() + MESSAGE.len() {
        boot[at] = MESSAGE[at - CODE.len()];
        at += 1;
    }
    boot
};
