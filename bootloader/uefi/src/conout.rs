//! Does the firmware's console reach a serial port? (UEFI 2.10 §3.1.3, §10.3.4.5)
//!
//! `ConOut` is a list of device paths. One that goes through a UART node means that what is printed appears on
//! that port already; printing it there ourselves would show every line twice.

const MESSAGING: u8 = 3;
const UART: u8 = 14;
const END: u8 = 0x7f;
const END_ENTIRE: u8 = 0xff;

/// True when one of the device paths in `paths` has a UART node. Total: malformed paths end the search.
#[must_use]
pub(crate) fn reaches_a_serial_port(paths: &[u8]) -> bool {
    let mut rest = paths;
    while let [kind, subtype, low, high, ..] = *rest {
        if (kind, subtype) == (MESSAGING, UART) {
            return true;
        }
        let length = usize::from(u16::from_le_bytes([low, high]));
        if (kind, subtype) == (END, END_ENTIRE) || length < 4 {
            return false;
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// PciRoot(0)/Pci(2,0)/AcpiAdr(..), as OVMF writes its screen.
    const SCREEN: &[u8] = &[
        2, 1, 12, 0, 0xd0, 0x41, 0x03, 0x0a, 0, 0, 0, 0, //
        1, 1, 6, 0, 0, 2, //
        2, 3, 8, 0, 0, 1, 1, 0x80,
    ];
    /// PciRoot(0)/Pci(1f,0)/Serial(0)/Uart(115200,8,N,1)/VenMsg(vt100)
    const SERIAL: &[u8] = &[
        2, 1, 12, 0, 0xd0, 0x41, 0x03, 0x0a, 0, 0, 0, 0, //
        1, 1, 6, 0, 0, 0x1f, //
        2, 1, 12, 0, 0xd0, 0x41, 0x01, 0x05, 0, 0, 0, 0, //
        3, 14, 19, 0, 0, 0, 0, 0, 0, 0xc2, 1, 0, 0, 0, 0, 0, 8, 1, 1, //
        3, 10, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    const NEXT: &[u8] = &[0x7f, 1, 4, 0];
    const LAST: &[u8] = &[0x7f, 0xff, 4, 0];

    #[test]
    fn a_uart_behind_any_path_is_found() {
        assert!(reaches_a_serial_port(&[SERIAL, LAST].concat()));
        assert!(reaches_a_serial_port(&[SCREEN, NEXT, SERIAL, LAST].concat()));
    }

    #[test]
    fn a_screen_alone_is_none() {
        assert!(!reaches_a_serial_port(&[SCREEN, LAST].concat()));
        assert!(!reaches_a_serial_port(&[SCREEN, LAST, SERIAL].concat()));
        assert!(!reaches_a_serial_port(&[]));
    }

    #[test]
    fn malformed_paths_end_the_search() {
        assert!(!reaches_a_serial_port(&[1, 1, 0, 0, 3, 14, 19, 0]));
        assert!(!reaches_a_serial_port(&[1, 1, 0xff, 0xff, 3, 14, 19, 0]));
        assert!(!reaches_a_serial_port(&[1, 1, 6]));
    }
}
