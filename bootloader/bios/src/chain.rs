//! Starting the other copy of stage 2, which is on trial, in the place of this one.
//!
//! The way is that of the boot code: the new copy is put where the boot code puts it, and entered in real mode with the same
//! registers. What moves it there cannot lie where it is moved to; a few instructions in the place of the boot code do it.
#![expect(unsafe_code, reason = "code is entered that the compiler does not know")]

use core::arch::global_asm;
use core::slice;

use evener_handoff::LoaderCopy;
use evener_stage2::{HEADER_BYTES, MAX_BYTES};

use crate::bios::{self, Registers};
use crate::{low, memory};

/// In DH, beside the number of the copy: the loader is on trial.
pub(crate) const ON_TRIAL: u8 = 0x80;
/// An interrupt that PCs leave to programs (60h to 67h).
const OURS: u8 = 0x60;
/// Bytes that are moved at a time: as many as a segment has whole halves.
const PIECE: usize = 0x8000;

const _: () = {
    assert!(MAX_BYTES.is_multiple_of(PIECE));
    assert!(memory::STAGE2 + MAX_BYTES <= memory::CHAINED && memory::CHAINED.is_multiple_of(16));
    // The stack of long mode is in use while the copy is put there.
    assert!(memory::CHAINED + MAX_BYTES + 0x1_0000 <= memory::STACK_TOP);
};

global_asm!(
    include_str!("chain.s"),
    from_segment = const memory::CHAINED >> 4,
    to_segment = const memory::STAGE2 >> 4,
    pieces = const MAX_BYTES / PIECE,
    piece_words = const PIECE / 2,
    piece_segments = const PIECE >> 4,
    boot_code = const memory::BOOT_CODE,
    entry = const memory::STAGE2 + HEADER_BYTES,
    options(att_syntax)
);

unsafe extern "C" {
    static chain_code: u8;
    static chain_code_end: u8;
}

/// Starts `stage2`, a whole and verified one, as this copy of the disk with this BIOS number. Comes back only when it is
/// too long.
pub(crate) fn start(stage2: &[u8], drive: u8, copy: LoaderCopy) {
    if stage2.len() > MAX_BYTES {
        return;
    }
    low::put(memory::CHAINED, stage2);
    // SAFETY: both names are places in one section, the second behind the first; nobody writes there.
    let code = unsafe {
        let (start, end) = (&raw const chain_code, &raw const chain_code_end);
        slice::from_raw_parts(start, end.addr().saturating_sub(start.addr()))
    };
    low::put(memory::BOOT_CODE, code);
    let [low_byte, high_byte, ..] = memory::BOOT_CODE.to_le_bytes();
    low::put(usize::from(OURS) * 4, &[low_byte, high_byte, 0, 0]);
    let number = u8::try_from(copy.index()).unwrap_or(0) | ON_TRIAL;
    let edx = u32::from(u16::from_le_bytes([drive, number]));
    bios::call(OURS, Registers { edx, ..Registers::default() });
}
