//! Randomness from the kernel.

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};
use std::io;

/// 64 random bits for choosing numbers and moments, never for a secret.
///
/// Does not wait: in the first second of a boot the kernel may not have gathered enough yet, and then these bits
/// can be guessed.
///
/// # Errors
/// The kernel's reason; one from before 5.6 does not know the question.
pub fn random_u64() -> io::Result<u64> {
    let mut bytes = [0; 8];
    // The kernel gives up to 256 bytes whole or not at all.
    fill(&mut bytes, GetRandomFlags::INSECURE)?;
    Ok(u64::from_ne_bytes(bytes))
}

/// Waits until the kernel can give random numbers that are good enough for secrets.
///
/// While somebody waits here, and only then, the kernel itself gathers timing noise. (Waiting for `/dev/random` to
/// become readable does not have that effect.)
///
/// # Errors
/// The kernel's reason; none is known.
pub fn wait_for_randomness() -> io::Result<()> {
    fill(&mut [0], GetRandomFlags::empty())
}

fn fill(bytes: &mut [u8], flags: GetRandomFlags) -> io::Result<()> {
    loop {
        match getrandom(&mut *bytes, flags) {
            Err(Errno::INTR) => {}
            outcome => return Ok(outcome.map(drop)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_differ() {
        let numbers: Vec<u64> = (0..4).map(|_| random_u64().unwrap()).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] != pair[1]), "{numbers:?}");
    }

    #[test]
    fn a_machine_that_has_randomness_is_not_waited_for() {
        let mut secret = [0; 1];
        // Whoever ran long enough to build this has it.
        getrandom(&mut secret, GetRandomFlags::NONBLOCK).unwrap();
        wait_for_randomness().unwrap();
    }
}
