# Sector 0: finds a whole copy of stage 2 and starts it. The BIOS puts this at BOOT_CODE, with the drive in DL.
#
# What of a PC is relied on is the least there is: int 13h with sector numbers, int 10h for words, and a serial port
# that is written to blindly (where there is none, every status bit reads as set and nothing waits).
# The format of stage 2 is described in bootloader/stage2; a checksum is the CRC-32 that everybody has.

.section .mbr, "awx"
.code16
.global boot_code
boot_code:
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw ${boot_code}, %sp
    sti
    cld
    # Some BIOSes start this at 07c0:0000.
    ljmp $0, $1f
1:
    # Some BIOSes pass no drive; the first disk is what they mean.
    testb $0x80, %dl
    jnz 2f
    movb $0x80, %dl
2:
    movb $0x41, %ah
    movw $0x55aa, %bx
    movb %dl, drive
    int $0x13
    movw $no_extensions, %si
    jc say
    cmpw $0xaa55, %bx
    jne say
    shrb $1, %cl
    jnc say
    xorw %bx, %bx

# BX is 0 for the first copy, 4 for the second.
try_copy:
    movl copies(%bx), %eax
    movl %eax, request_lba
    movw ${stage2_segment}, request_segment
    movw ${stage2}, %si
    call read
    jc next_copy
    cmpl ${magic_low}, (%si)
    jne next_copy
    cmpl ${magic_high}, 4(%si)
    jne next_copy
    movl 8(%si), %ebp
    # A length of 0 is too large after it was decremented; one that is not whole sectors fails its checksum.
    leal -1(%ebp), %eax
    cmpl ${max_bytes}, %eax
    jae next_copy
    shrl ${chunk_shift}, %eax
    xchgw %ax, %di
read_on:
    decw %di
    js checksum
    call read
    jnc read_on
    jmp next_copy

checksum:
    # The checksum of bytes 16 to the end. DS:SI walks in steps of 16 bytes, so no segment ends on the way.
    movl 12(%si), %edi
    movw ${covered_segment}, %dx
    subl $16, %ebp
    orl $-1, %eax
block:
    movw %dx, %ds
    incw %dx
    xorw %si, %si
byte:
    xorb (%si), %al
    incw %si
    movb $8, %cl
bit:
    shrl $1, %eax
    jnc 1f
    xorl $0xedb88320, %eax
1:
    decb %cl
    jnz bit
    decl %ebp
    testw $15, %si
    jnz byte
    testl %ebp, %ebp
    jnz block
    xorw %dx, %dx
    movw %dx, %ds
    notl %eax
    cmpl %edi, %eax
    jne next_copy
    movb drive, %dl
    movb %bl, %dh
    shrb $2, %dh
    ljmp $0, ${entry}

next_copy:
    addw $4, %bx
    cmpw $4, %bx
    jbe try_copy
    movw $damaged, %si

# Says what is at SI on screen and serial port, and stops.
say:
    pushw %si
    movw $ports, %si
    movb $3, %dh
1:
    lodsw
    movb %al, %dl
    movb %ah, %al
    outb %al, %dx
    cmpb $0xfc, %dl
    jne 1b
    popw %si
2:
    lodsb
    testb %al, %al
    jz stop
    movb %al, %ah
    movw $0x3fd, %dx
    xorw %cx, %cx
3:
    inb %dx, %al
    testb $0x20, %al
    loopz 3b
    movb %ah, %al
    movb $0xf8, %dl
    outb %al, %dx
    movb $0x0e, %ah
    movw $7, %bx
    int $0x10
    jmp 2b
stop:
    hlt
    jmp stop

# Reads the next sectors; the request moves on. CF when that failed.
read:
    pushal
    movb $0x42, %ah
    movb drive, %dl
    movw $request, %si
    int $0x13
    popal
    pushfw
    addl ${sectors}, request_lba
    addw ${sectors} << 5, request_segment
    popfw
    ret

request:
    .byte 16, 0
    .word {sectors}
    .word 0
request_segment:
    .word 0
request_lba:
    .long 0, 0
drive:
    .byte 0

# Port, from 300h on, and value: 115200 8N1; DTR and RTS come last.
ports:
    .byte 0xfb, 0x80, 0xf8, 1, 0xf9, 0, 0xfb, 3, 0xfc, 3

no_extensions:
    .asciz "\r\nE28: BIOS cannot read by sector number\r\n"
damaged:
    .asciz "\r\nE29: BIOS loader is damaged, twice\r\n"

# Filled in for each disk; a longer boot code fails here.
. = boot_code + {copies_field}
copies:
    .long 0, 0
