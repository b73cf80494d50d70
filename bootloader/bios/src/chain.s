# From one copy of stage 2 to the other, which lies at CHAINED: this runs in the place of the boot code, as the handler of
# an interrupt that is a program's own to use, with DL = drive and DH = number of the copy. It does not come back.

.section .rodata.chain, "a"
.code16
.global chain_code
chain_code:
    cld
    movw ${from_segment}, %ax
    movw ${to_segment}, %bx
    movw ${pieces}, %bp
1:
    movw %ax, %ds
    movw %bx, %es
    xorw %si, %si
    xorw %di, %di
    movw ${piece_words}, %cx
    rep movsw
    addw ${piece_segments}, %ax
    addw ${piece_segments}, %bx
    decw %bp
    jnz 1b
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw ${boot_code}, %sp
    sti
    ljmp $0, ${entry}
.global chain_code_end
chain_code_end:
.code64
