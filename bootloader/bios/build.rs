//! Embeds the keyset that this loader trusts, and writes the linker script from the addresses in `src/memory.rs`.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

#[path = "../uefi/keyset.rs"]
mod keyset;
#[expect(dead_code, reason = "the linker needs a part of it")]
#[path = "src/memory.rs"]
mod memory;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    keyset::embed(&out)?;
    if env::var("CARGO_CFG_TARGET_OS")? == "none" {
        let script = out.join("link.ld");
        fs::write(&script, linker_script())?;
        println!("cargo::rustc-link-arg-bins=-T{}", script.display());
        // Fixed addresses, and no file format around the code: nobody is there to relocate or to read it.
        println!("cargo::rustc-link-arg-bins=--no-pie");
        println!("cargo::rustc-link-arg-bins=--oformat=binary");
    }
    Ok(())
}

/// The file is the memory from sector 0's place on, so stage 2 begins 1 KiB behind it.
///
/// lld takes "." inside a section as an address, unlike GNU ld; so positions are given as such.
fn linker_script() -> String {
    format!(
        "ENTRY(boot_code)\n\
         SECTIONS {{\n\
           . = {boot_code:#x};\n\
           .mbr : {{ KEEP(*(.mbr)) . = {sector:#x}; }} =0\n\
           . = {stage2:#x};\n\
           .real : {{ KEEP(*(.real)) }}\n\
           ASSERT(. <= {real_mode_end:#x}, \"16-bit code is out of the reach of segment 0\")\n\
           .text : {{ *(.text .text.*) }}\n\
           .rodata : {{ *(.rodata .rodata.*) }}\n\
           .data : {{ *(.data .data.* .got .got.*) . = ALIGN(512); }}\n\
           .bss (NOLOAD) : {{ bss_start = .; *(.bss .bss.* COMMON) . = ALIGN(8); bss_end = .; }}\n\
           ASSERT(. <= {bounce:#x}, \"stage 2 reaches into the buffer for disk transfers\")\n\
           /DISCARD/ : {{ *(.eh_frame .eh_frame_hdr .dyn* .hash .gnu.* .comment .note*) }}\n\
         }}\n",
        boot_code = memory::BOOT_CODE,
        sector = memory::BOOT_CODE + 512,
        stage2 = memory::STAGE2,
        real_mode_end = memory::REAL_MODE_END,
        bounce = memory::BOUNCE,
    )
}
