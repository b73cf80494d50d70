//! The hardware watchdogs that a loader can start: i6300esb, and the TCO timer of Intel chipsets.
//!
//! A kernel that hangs before init would otherwise hang for ever, uncounted. Armed here, the machine resets
//! and the slot table's count does the rest. The kernel's drivers keep the timer running until init takes
//! it over. Registers are those of Linux `i6300esb.c` and `iTCO_wdt.c` (version 2); later chipsets with the
//! TCO registers behind the SMBus function are not covered.

/// From here to the reset, unless somebody feeds the dog. Linux and init need a fraction of it.
pub const SECONDS: u16 = 120;

/// A PCI function below one root bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// Bus, 0 to 255.
    pub bus: u8,
    /// Device, 0 to 31.
    pub device: u8,
    /// Function, 0 to 7.
    pub function: u8,
}

/// Configuration space below one root bridge. A missing device reads as all ones.
pub trait Bus {
    /// Reads a byte of configuration space.
    fn config_read8(&mut self, at: Function, register: u8) -> u8;
    /// Reads two bytes of configuration space; `register` is even.
    fn config_read16(&mut self, at: Function, register: u8) -> u16;
    /// Reads four bytes of configuration space; `register` is a multiple of four.
    fn config_read32(&mut self, at: Function, register: u8) -> u32;
    /// Writes a byte of configuration space.
    fn config_write8(&mut self, at: Function, register: u8, value: u8);
    /// Writes two bytes of configuration space; `register` is even.
    fn config_write16(&mut self, at: Function, register: u8, value: u16);
    /// What is reached without the bridge.
    fn registers(&mut self) -> impl Registers;
}

/// Registers of devices and chipset, each at an address of its own: in memory below 4 GiB, or a port.
pub trait Registers {
    /// Reads a device register of four bytes.
    fn memory_read32(&mut self, address: u32) -> u32;
    /// Writes a device register of two bytes.
    fn memory_write16(&mut self, address: u32, value: u16);
    /// Writes a device register of four bytes.
    fn memory_write32(&mut self, address: u32, value: u32);
    /// Reads a port of two bytes.
    fn io_read16(&mut self, port: u16) -> u16;
    /// Writes a port of two bytes.
    fn io_write16(&mut self, port: u16, value: u16);
}

/// A running watchdog and how to stop it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Armed {
    /// Intel 6300ESB, which QEMU offers on every machine.
    I6300esb(Function),
    /// The TCO timer; its control register's address.
    Tco(u16),
}

impl Armed {
    /// What it is called on the console.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::I6300esb(_) => "i6300esb",
            Self::Tco(_) => "TCO",
        }
    }
}

/// Starts the first watchdog found below this root bridge. Bus numbers above 0 are behind PCI bridges, which
/// the few boards with such a device do not use for it.
pub fn arm<B: Bus>(bus: &mut B) -> Option<Armed> {
    functions().find_map(|function| arm_i6300esb(bus, function)).or_else(|| arm_tco(bus))
}

/// Stops it again: the halt screen must stay.
pub fn disarm<B: Bus>(bus: &mut B, armed: &Armed) {
    match armed {
        Armed::I6300esb(function) => bus.config_write8(*function, ESB_LOCK, 0),
        Armed::Tco(control) => {
            let value = bus.registers().io_read16(*control);
            bus.registers().io_write16(*control, value | TCO_HALT);
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
const ESB_TIMER1: u32 = 0x00;
const ESB_TIMER2: u32 = 0x04;
const ESB_RELOAD: u32 = 0x0c;

/// Two stages in a row, each counting milliseconds at about 1 kHz; the second one resets the machine.
fn arm_i6300esb<B: Bus>(bus: &mut B, device: Function) -> Option<Armed> {
    if bus.config_read32(device, 0) != ESB_ID {
        return None;
    }
    let base = bus.config_read32(device, 0x10) & 0xffff_fff0;
    if base == 0 {
        return None;
    }
    let command = bus.config_read16(device, 0x04);
    bus.config_write16(device, 0x04, command | 0x02);
    // Reset output enabled, 1 kHz, no interrupt after the first stage.
    bus.config_write16(device, ESB_CONFIG, 0x0003);
    let stage = u32::from(SECONDS) << 9;
    for timer in [ESB_TIMER1, ESB_TIMER2] {
        esb_unlock(bus, base);
        bus.registers().memory_write32(base | timer, stage);
    }
    esb_unlock(bus, base);
    bus.registers().memory_write16(base | ESB_RELOAD, 0x0100);
    bus.config_write8(device, ESB_LOCK, ESB_ENABLE);
    Some(Armed::I6300esb(device))
}

fn esb_unlock<B: Bus>(bus: &mut B, base: u32) {
    for key in [0x80, 0x86] {
        bus.registers().memory_write16(base | ESB_RELOAD, key);
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
const TCO_RELOAD: u16 = 0x60;
const TCO_STATUS1: u16 = 0x64;
const TCO_STATUS2: u16 = 0x66;
const TCO_CONTROL: u16 = 0x68;
const TCO_TIMER: u16 = 0x72;
const TCO_HALT: u16 = 0x0800;
const GCS: u32 = 0x3410;
const GCS_NO_REBOOT: u32 = 0x20;

/// Counts 0.6 s ticks and must run out twice before the machine resets.
fn arm_tco<B: Bus>(bus: &mut B) -> Option<Armed> {
    let [device, vendor] = [bus.config_read16(LPC, 2), bus.config_read16(LPC, 0)];
    let known = LPC_RANGES.iter().any(|(first, last)| (*first..=*last).contains(&device));
    if vendor != 0x8086 || !known {
        return None;
    }
    let acpi = bus.config_read16(LPC, 0x40) & 0xff80;
    let acpi_on = bus.config_read8(LPC, 0x44) & 0x80 != 0;
    let chipset = bus.config_read32(LPC, 0xf0);
    if acpi == 0 || !acpi_on || chipset & 1 == 0 {
        return None;
    }
    let gcs = (chipset & 0xffff_c000) | GCS;
    let value = bus.registers().memory_read32(gcs);
    bus.registers().memory_write32(gcs, value & !GCS_NO_REBOOT);
    if bus.registers().memory_read32(gcs) & GCS_NO_REBOOT != 0 {
        // The board straps the reset off; a timer that fires into nothing helps nobody.
        return None;
    }
    // The ACPI block is aligned to 128 bytes and its TCO registers lie within it.
    let timer = bus.registers().io_read16(acpi | TCO_TIMER);
    bus.registers().io_write16(acpi | TCO_TIMER, (timer & 0xfc00) | tco_ticks());
    bus.registers().io_write16(acpi | TCO_STATUS1, 0x0008);
    bus.registers().io_write16(acpi | TCO_STATUS2, 0x0002);
    bus.registers().io_write16(acpi | TCO_STATUS2, 0x0004);
    bus.registers().io_write16(acpi | TCO_RELOAD, 0x0001);
    let control = bus.registers().io_read16(acpi | TCO_CONTROL);
    bus.registers().io_write16(acpi | TCO_CONTROL, control & !TCO_HALT);
    Some(Armed::Tco(acpi | TCO_CONTROL))
}

/// Half the time in ticks of 0.6 s, in the 10 bits of the register.
fn tco_ticks() -> u16 {
    (SECONDS / 2 * 10 / 6).clamp(4, 0x3ff)
}

#[cfg(test)]
mod tests;
