//! The hardware watchdogs that a loader can start: i6300esb, and the TCO timer of Intel chipsets.
//!
//! A kernel that hangs before init would otherwise hang for ever, uncounted. Armed here, the machine resets
//! and the slot table's count does the rest. The kernel's drivers keep the timer running until init takes
//! it over. Registers are those of Linux `i6300esb.c` and `iTCO_wdt.c` (version 2); later chipsets with the
//! TCO registers behind the SMBus function are not covered.

/// From here to the reset, unless somebody feeds the dog. Linux and init need a fraction of it.
pub(crate) const SECONDS: u16 = 120;

/// A PCI function below one root bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) bus: u8,
    pub(crate) device: u8,
    pub(crate) function: u8,
}

/// Where a register is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Register {
    /// In the configuration space of a function.
    Config(Function, u8),
    /// In memory space.
    Memory(u64),
    /// In I/O space.
    Io(u32),
}

/// Register access; a failed access reads as all ones, as a missing device does.
pub(crate) trait Bus {
    fn read8(&mut self, at: Register) -> u8;
    fn read16(&mut self, at: Register) -> u16;
    fn read32(&mut self, at: Register) -> u32;
    fn write8(&mut self, at: Register, value: u8);
    fn write16(&mut self, at: Register, value: u16);
    fn write32(&mut self, at: Register, value: u32);
}

/// A running watchdog and how to stop it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Armed {
    /// Intel 6300ESB, which QEMU offers on every machine.
    I6300esb(Function),
    /// The TCO timer; its control register's address.
    Tco(u32),
}

impl Armed {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::I6300esb(_) => "i6300esb",
            Self::Tco(_) => "TCO",
        }
    }
}

/// Starts the first watchdog found below this root bridge. Bus numbers above 0 are behind PCI bridges, which
/// the few boards with such a device do not use for it.
pub(crate) fn arm<B: Bus>(bus: &mut B) -> Option<Armed> {
    functions().find_map(|function| arm_i6300esb(bus, function)).or_else(|| arm_tco(bus))
}

/// Stops it again: the halt screen must stay.
pub(crate) fn disarm<B: Bus>(bus: &mut B, armed: &Armed) {
    match armed {
        Armed::I6300esb(function) => bus.write8(Register::Config(*function, ESB_LOCK), 0),
        Armed::Tco(control) => {
            let value = bus.read16(Register::Io(*control));
            bus.write16(Register::Io(*control), value | TCO_HALT);
        }
    }
}

fn functions() -> impl Iterator<Item = Function> {
    (0..32).flat_map(|device| (0..8).map(move |function| Function { bus: 0, device, function }))
}

const ESB_ID: u32 = 0x25ab_8086;
const ESB_CONFIG: u8 = 0x60;
const ESB_LOCK: u8 = 0x68;
const ESB_ENABLE: u8 = 0x02;
const ESB_TIMER1: u64 = 0x00;
const ESB_TIMER2: u64 = 0x04;
const ESB_RELOAD: u64 = 0x0c;

/// Two stages in a row, each counting milliseconds at about 1 kHz; the second one resets the machine.
fn arm_i6300esb<B: Bus>(bus: &mut B, function: Function) -> Option<Armed> {
    let config = |register| Register::Config(function, register);
    if bus.read32(config(0)) != ESB_ID {
        return None;
    }
    let base = u64::from(bus.read32(config(0x10)) & 0xffff_fff0);
    if base == 0 {
        return None;
    }
    let command = bus.read16(config(0x04));
    bus.write16(config(0x04), command | 0x02);
    // Reset output enabled, 1 kHz, no interrupt after the first stage.
    bus.write16(config(ESB_CONFIG), 0x0003);
    let stage = u32::from(SECONDS) << 9;
    for timer in [ESB_TIMER1, ESB_TIMER2] {
        esb_unlock(bus, base);
        bus.write32(Register::Memory(base | timer), stage);
    }
    esb_unlock(bus, base);
    bus.write16(Register::Memory(base | ESB_RELOAD), 0x0100);
    bus.write8(config(ESB_LOCK), ESB_ENABLE);
    Some(Armed::I6300esb(function))
}

fn esb_unlock<B: Bus>(bus: &mut B, base: u64) {
    for key in [0x80, 0x86] {
        bus.write16(Register::Memory(base | ESB_RELOAD), key);
    }
}

const LPC: Function = Function { bus: 0, device: 0x1f, function: 0 };
/// LPC bridges with the TCO registers behind the ACPI base: ICH9, ICH10, and the 5 to 9 series.
const LPC_RANGES: [(u16, u16); 9] = [
    (0x2912, 0x2919),
    (0x3a14, 0x3a1a),
    (0x3b00, 0x3b1f),
    (0x1c40, 0x1c5f),
    (0x1e40, 0x1e5f),
    (0x8c40, 0x8c5f),
    (0x8cc0, 0x8cdf),
    (0x9c40, 0x9c4f),
    (0x9cc0, 0x9ccf),
];
const TCO_RELOAD: u32 = 0x60;
const TCO_STATUS1: u32 = 0x64;
const TCO_STATUS2: u32 = 0x66;
const TCO_CONTROL: u32 = 0x68;
const TCO_TIMER: u32 = 0x72;
const TCO_HALT: u16 = 0x0800;
const GCS: u64 = 0x3410;
const GCS_NO_REBOOT: u32 = 0x20;

/// Counts 0.6 s ticks and must run out twice before the machine resets.
fn arm_tco<B: Bus>(bus: &mut B) -> Option<Armed> {
    let config = |register| Register::Config(LPC, register);
    let id = bus.read32(config(0)).to_le_bytes();
    let (vendor, device) = (u16::from_le_bytes([id[0], id[1]]), u16::from_le_bytes([id[2], id[3]]));
    let known = LPC_RANGES.iter().any(|(first, last)| (*first..=*last).contains(&device));
    let acpi = bus.read32(config(0x40)) & 0xff80;
    let acpi_on = bus.read8(config(0x44)) & 0x80 != 0;
    let chipset = bus.read32(config(0xf0));
    if vendor != 0x8086 || !known || acpi == 0 || !acpi_on || chipset & 1 == 0 {
        return None;
    }
    let gcs = Register::Memory(u64::from(chipset & 0xffff_c000) | GCS);
    let value = bus.read32(gcs);
    bus.write32(gcs, value & !GCS_NO_REBOOT);
    if bus.read32(gcs) & GCS_NO_REBOOT != 0 {
        // The board straps the reset off; a timer that fires into nothing helps nobody.
        return None;
    }
    let io = |register: u32| Register::Io(acpi | register);
    let timer = bus.read16(io(TCO_TIMER));
    bus.write16(io(TCO_TIMER), (timer & 0xfc00) | tco_ticks());
    bus.write16(io(TCO_STATUS1), 0x0008);
    bus.write16(io(TCO_STATUS2), 0x0002);
    bus.write16(io(TCO_STATUS2), 0x0004);
    bus.write16(io(TCO_RELOAD), 0x0001);
    let control = bus.read16(io(TCO_CONTROL));
    bus.write16(io(TCO_CONTROL), control & !TCO_HALT);
    Some(Armed::Tco(acpi | TCO_CONTROL))
}

/// Half the time in ticks of 0.6 s, in the 10 bits of the register.
fn tco_ticks() -> u16 {
    (SECONDS / 2 * 10 / 6).clamp(4, 0x3ff)
}

#[cfg(test)]
mod tests;
