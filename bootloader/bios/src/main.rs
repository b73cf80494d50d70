//! The BIOS loader: boot code, and a thin shell of disk, screen and jump around the pure crates.
//!
//! ```text
//! boot.s   sector 0: reads stage 2, the second copy when the first is damaged
//! real.s   16 bits: memory map, A20, page tables, long mode; and back again for each call of the BIOS (`bios`)
//! start    Rust: consoles, keys, watchdog, then the way of a boot in `evener-slot-choice`, the same as under UEFI
//! machine  memory, and the start of a kernel at its 64-bit entry (`linux`), or of the other copy of this loader (`chain`)
//! ```
//!
//! What is booted and why is decided in `evener-slot-choice`. Nothing below 1 MiB is used but what `memory` lists. In
//! sector 0 and in front of stage 2 there is no file format: the linker writes the bytes that a disk has, `evener-stage2`
//! says what they are.
//!
//! On any other target the package is an empty program, so that the workspace builds everywhere.
#![cfg_attr(target_os = "none", no_main, no_std)]

#[cfg(any(target_os = "none", test))]
mod arena;
#[cfg(target_os = "none")]
mod bios;
#[cfg(target_os = "none")]
mod chain;
#[cfg(target_os = "none")]
mod clock;
#[cfg(target_os = "none")]
mod console;
#[cfg(target_os = "none")]
mod disk;
#[cfg(any(target_os = "none", test))]
mod linux;
#[cfg(target_os = "none")]
mod low;
#[cfg(target_os = "none")]
mod machine;
#[cfg(any(target_os = "none", test))]
mod map;
#[cfg(any(target_os = "none", test))]
#[cfg_attr(not(target_os = "none"), expect(dead_code, reason = "the machine itself needs the rest"))]
mod memory;
#[cfg(target_os = "none")]
mod pci;
#[cfg(target_os = "none")]
#[path = "../../uefi/src/port.rs"]
mod port;
#[cfg(target_os = "none")]
mod start;

#[cfg(not(target_os = "none"))]
fn main() {}

#[cfg(test)]
mod tests {
    use evener_slot_choice::BootCode;

    #[test]
    fn the_boot_code_says_the_codes_of_the_manual() {
        let source = include_str!("boot.s");
        for (label, code) in [("no_extensions:", BootCode::BiosTooOld), ("damaged:", BootCode::LoaderDamaged)]
        {
            let (_, text) = source.split_once(&format!("\n{label}\n")).unwrap();
            let text = text.lines().next().unwrap();
            assert!(text.contains(&format!("{code}: ")), "{label} {text}");
        }
    }
}
