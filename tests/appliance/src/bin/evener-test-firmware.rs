//! Makes one firmware for tests and says where it is:
//! `evener-test-firmware [VERSION [SICKNESS|hangs-before-init|rotten]]`.
//!
//! Run before the tests of the image, it compiles what they need where somebody sees it happen; by hand it makes
//! firmwares to try things with.
#![expect(clippy::print_stdout, reason = "says where the file is")]

use anyhow::Result;
use evener_appliance::TestFirmware;
use evener_sick::Sickness;

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let firmware = TestFirmware::new(&words.next().unwrap_or_else(|| "7.2.36".to_owned()));
    let firmware = match words.next().as_deref() {
        None => firmware,
        Some("hangs-before-init") => firmware.hangs_before_init(),
        Some("rotten") => firmware.rotten(),
        Some(name) => firmware.sickness(name.replace('-', " ").parse::<Sickness>()?),
    };
    println!("{}", firmware.bundle()?.display());
    Ok(())
}
