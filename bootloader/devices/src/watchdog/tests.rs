use super::*;
use std::vec::Vec;

/// Where a register is; configuration registers are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Register {
    Config(Function, u8),
    Memory(u32),
    Io(u16),
}

/// A bus with a few registers; everything else reads as all ones. Remembers writes in order.
#[derive(Default)]
struct Bench {
    registers: Vec<(Register, u32)>,
    read_only: Vec<Register>,
    writes: Vec<(Register, u32)>,
}

impl Bench {
    fn with(registers: &[(Register, u32)]) -> Self {
        Self { registers: registers.to_vec(), ..Self::default() }
    }

    fn read(&self, at: Register) -> u32 {
        self.registers
            .iter()
            .rev()
            .find(|(register, _)| *register == at)
            .map_or(u32::MAX, |(_, value)| *value)
    }

    fn write(&mut self, at: Register, value: u32) {
        self.writes.push((at, value));
        if !self.read_only.contains(&at) {
            self.registers.push((at, value));
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a narrow read of a register is its low bits")]
impl Bus for Bench {
    fn config_read8(&mut self, at: Function, register: u8) -> u8 {
        self.read(Register::Config(at, register)) as u8
    }
    fn config_read16(&mut self, at: Function, register: u8) -> u16 {
        self.read(Register::Config(at, register)) as u16
    }
    fn config_read32(&mut self, at: Function, register: u8) -> u32 {
        self.read(Register::Config(at, register))
    }
    fn config_write8(&mut self, at: Function, register: u8, value: u8) {
        self.write(Register::Config(at, register), value.into());
    }
    fn config_write16(&mut self, at: Function, register: u8, value: u16) {
        self.write(Register::Config(at, register), value.into());
    }
    fn registers(&mut self) -> impl Registers {
        self
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a narrow read of a register is its low bits")]
impl Registers for &mut Bench {
    fn memory_read32(&mut self, address: u32) -> u32 {
        self.read(Register::Memory(address))
    }
    fn memory_write16(&mut self, address: u32, value: u16) {
        self.write(Register::Memory(address), value.into());
    }
    fn memory_write32(&mut self, address: u32, value: u32) {
        self.write(Register::Memory(address), value);
    }
    fn io_read16(&mut self, port: u16) -> u16 {
        self.read(Register::Io(port)) as u16
    }
    fn io_write16(&mut self, port: u16, value: u16) {
        self.write(Register::Io(port), value.into());
    }
}

const ESB: Function = Function { bus: 0, device: 5, function: 0 };

fn esb() -> Bench {
    Bench::with(&[
        (Register::Config(ESB, 0), ESB_ID),
        (Register::Config(ESB, 0x10), 0x8100_0000),
        (Register::Config(ESB, 0x04), 0x0100),
    ])
}

fn tco() -> Bench {
    Bench::with(&[
        (Register::Config(LPC, 0), 0x8086),
        (Register::Config(LPC, 2), 0x2918),
        (Register::Config(LPC, 0x40), 0x0601),
        (Register::Config(LPC, 0x44), 0x80),
        (Register::Config(LPC, 0xf0), 0xfed1_c001),
        (Register::Memory(0xfed1_f410), 0x20),
        (Register::Io(0x672), 0x0004),
        (Register::Io(0x668), 0x0800),
    ])
}

#[test]
fn i6300esb_is_unlocked_for_each_timer_and_then_enabled() {
    let mut bench = esb();
    let armed = arm(&mut bench).unwrap();
    assert_eq!((armed, armed.name()), (Armed::I6300esb(ESB), "i6300esb"));
    let reload = Register::Memory(0x8100_000c);
    let stage = u32::from(SECONDS) * 512;
    assert_eq!(
        bench.writes,
        [
            (Register::Config(ESB, 0x04), 0x0102),
            (Register::Config(ESB, 0x60), 3),
            (reload, 0x80),
            (reload, 0x86),
            (Register::Memory(0x8100_0000), stage),
            (reload, 0x80),
            (reload, 0x86),
            (Register::Memory(0x8100_0004), stage),
            (reload, 0x80),
            (reload, 0x86),
            (reload, 0x100),
            (Register::Config(ESB, 0x68), 2),
        ]
    );
}

#[test]
fn tco_runs_twice_half_the_time() {
    let mut bench = tco();
    assert_eq!(arm(&mut bench), Some(Armed::Tco(0x668)));
    assert_eq!(bench.read(Register::Memory(0xfed1_f410)), 0);
    assert_eq!(bench.read(Register::Io(0x672)), 100);
    assert_eq!(bench.read(Register::Io(0x668)), 0);
    assert_eq!(bench.read(Register::Io(0x660)), 1);
}

#[test]
fn a_board_that_straps_the_reset_off_has_none() {
    let mut bench = tco();
    bench.read_only.push(Register::Memory(0xfed1_f410));
    assert_eq!(arm(&mut bench), None);
    assert_eq!(bench.read(Register::Io(0x668)), 0x0800, "the timer stays halted");
}

#[test]
fn what_was_armed_can_be_stopped() {
    for mut bench in [esb(), tco()] {
        let armed = arm(&mut bench).unwrap();
        disarm(&mut bench, &armed);
        let expected = match armed {
            Armed::I6300esb(function) => (Register::Config(function, 0x68), 0),
            Armed::Tco(control) => (Register::Io(control), u32::from(TCO_HALT)),
        };
        assert_eq!(bench.writes.last(), Some(&expected));
    }
}

#[test]
fn other_machines_are_left_alone() {
    let mut nothing = Bench::default();
    let mut other_lpc = tco();
    other_lpc.registers.push((Register::Config(LPC, 2), 0xa145));
    let mut without_memory = esb();
    without_memory.registers.push((Register::Config(ESB, 0x10), 0));
    for bench in [&mut nothing, &mut other_lpc, &mut without_memory] {
        assert_eq!(arm(bench), None);
        assert_eq!(bench.writes, []);
    }
}
