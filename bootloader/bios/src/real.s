# The 16-bit part of stage 2: its header, the way into long mode, and the way back for a call of the BIOS.
#
# The interrupt controllers are left as the BIOS has them: some BIOSes wait for its interrupts in int 13h. Interrupts
# are off whenever no BIOS code runs, and there is no interrupt table of ours: a fault restarts the machine.

.section .real, "awx"
.code16
# Filled in when the file is sealed.
    .fill {header_bytes}, 1, 0

# From the boot code: DL is the drive, DH the number of the copy. CS, DS, ES and SS are 0.
stage2_start:
    movb %dl, drive_number
    movb %dh, copy_number
    # A processor without long mode has no leaf 0x80000001, or not its bit 29.
    movl $0x80000000, %eax
    cpuid
    cmpl $0x80000000, %eax
    jbe no_long_mode
    movl $0x80000001, %eax
    cpuid
    btl $29, %edx
    jc 1f
no_long_mode:
    movw $not_64_bit, %si
2:
    lodsb
    testb %al, %al
    jz 3f
    movb $0x0e, %ah
    movw $7, %bx
    int $0x10
    jmp 2b
3:
    hlt
    jmp 3b
1:
    # The memory map. The fourth word of an entry is optional; 1 means that the entry counts.
    movw ${map_segment}, %ax
    movw %ax, %es
    xorw %di, %di
    xorl %ebx, %ebx
4:
    movl $1, %es:20(%di)
    movl $0xe820, %eax
    movl ${map_entry}, %ecx
    movl $0x534d4150, %edx
    int $0x15
    # One BIOS returns with interrupts on.
    cli
    jc 5f
    cmpl $0x534d4150, %eax
    jne 5f
    addw ${map_entry}, %di
    incl map_count
    testl %ebx, %ebx
    jz 5f
    cmpw ${map_bytes}, %di
    jb 4b
5:
    # The A20 gate: by the BIOS, and by the chipset if need be. Whether it is open is looked at later.
    sti
    movw $0x2401, %ax
    int $0x15
    cli
    inb $0x92, %al
    testb $2, %al
    jnz 6f
    orb $2, %al
    andb $0xfe, %al
    outb %al, $0x92
6:
    # Page tables: one top entry, four directories, 2048 pages of 2 MiB.
    xorw %ax, %ax
    movw %ax, %es
    movw ${page_tables}, %di
    xorl %eax, %eax
    movw $0x1800, %cx
    rep stosl
    movl ${page_tables} + 0x1003, {page_tables}
    movl ${page_tables} + 0x2003, {page_tables} + 0x1000
    movl ${page_tables} + 0x3003, {page_tables} + 0x1008
    movl ${page_tables} + 0x4003, {page_tables} + 0x1010
    movl ${page_tables} + 0x5003, {page_tables} + 0x1018
    movw ${page_tables} + 0x2000, %di
    movl $0x83, %eax
    movw $2048, %cx
7:
    movl %eax, (%di)
    addw $8, %di
    addl $0x200000, %eax
    loop 7b
    movl $begin, long_target

# To long mode, and on to long_target.
enter_long_mode:
    lgdt descriptors_pointer
    lidt no_vectors
    movl %cr4, %eax
    orl $0x20, %eax
    movl %eax, %cr4
    movl ${page_tables}, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x100, %eax
    wrmsr
    movl %cr0, %eax
    orl $0x80000001, %eax
    movl %eax, %cr0
    ljmpl $0x10, $in_long_mode

.code64
in_long_mode:
    movl $0x18, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    movl long_target, %eax
    jmp *%rax

begin:
    movl ${stack}, %esp
    movl $bss_start, %edi
    movl $bss_end, %ecx
    subl %edi, %ecx
    xorl %eax, %eax
    rep stosb
    movzbl drive_number, %edi
    movzbl copy_number, %esi
    movl map_count, %edx
    xorl %ebp, %ebp
    call bios_loader_main
8:
    hlt
    jmp 8b

# extern "C" fn call_bios(): carries out what bios_registers says, and leaves the outcome there.
.global call_bios
call_bios:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, long_stack
    movl $back, long_target
    pushq $0x08
    pushq $leave_long_mode
    lretq

.code32
leave_long_mode:
    movl %cr0, %eax
    andl $0x7fffffff, %eax
    movl %eax, %cr0
    movl $0xc0000080, %ecx
    rdmsr
    andl $0xfffffeff, %eax
    wrmsr
    ljmp $0x20, $in_16_bit

.code16
in_16_bit:
    # Segments with the limits of real mode: they stay behind when protected mode is left.
    movw $0x28, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw %ax, %fs
    movw %ax, %gs
    movl %cr0, %eax
    andb $0xfe, %al
    movl %eax, %cr0
    ljmp $0, $in_real_mode
in_real_mode:
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movw %ax, %fs
    movw %ax, %gs
    movl ${boot_code}, %esp
    lidt bios_vectors
    movb bios_registers + 32, %al
    testb %al, %al
    jz print
    movb %al, vector
    # What was prefetched is old.
    jmp 1f
1:
    movw bios_registers + 28, %es
    movl bios_registers + 4, %ebx
    movl bios_registers + 8, %ecx
    movl bios_registers + 12, %edx
    movl bios_registers + 16, %esi
    movl bios_registers + 20, %edi
    movl bios_registers + 24, %ebp
    movl bios_registers, %eax
    sti
    # Interrupts that came meanwhile have their turn here: a key is in the BIOS's buffer before it is asked for.
    nop
    nop
    .byte 0xcd
vector:
    .byte 0
    pushfw
    cli
    cld
    movl %eax, %cs:bios_registers
    xorw %ax, %ax
    movw %ax, %ds
    movl %ebx, bios_registers + 4
    movl %ecx, bios_registers + 8
    movl %edx, bios_registers + 12
    movl %esi, bios_registers + 16
    movl %edi, bios_registers + 20
    movl %ebp, bios_registers + 24
    movw %es, bios_registers + 28
    popw bios_registers + 30
    jmp enter_long_mode

# Instead of an interrupt: CX characters at SI to the screen, all in one go.
print:
    movw bios_registers + 16, %si
    movw bios_registers + 8, %cx
    sti
    cld
2:
    jcxz 3f
    lodsb
    pushaw
    movb $0x0e, %ah
    movw $7, %bx
    int $0x10
    popaw
    decw %cx
    jmp 2b
3:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    jmp enter_long_mode

.code64
back:
    movq long_stack, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

.balign 8
descriptors:
    .quad 0
    .quad 0x00cf9a000000ffff    # 08: 32-bit code
    .quad 0x00af9a000000ffff    # 10: 64-bit code, where Linux wants it
    .quad 0x00cf92000000ffff    # 18: data, where Linux wants it
    .quad 0x00009a000000ffff    # 20: 16-bit code
    .quad 0x000092000000ffff    # 28: 16-bit data
descriptors_end:
descriptors_pointer:
    .word descriptors_end - descriptors - 1
    .long descriptors, 0
no_vectors:
    .word 0
    .long 0, 0
bios_vectors:
    .word 0x3ff
    .long 0, 0
.balign 8
long_stack:
    .quad 0
long_target:
    .long 0
map_count:
    .long 0
.global bios_registers
.balign 8
bios_registers:
    .fill 40, 1, 0
drive_number:
    .byte 0
copy_number:
    .byte 0
not_64_bit:
    .asciz "\r\nEvener: this processor is not a 64-bit one\r\n"
