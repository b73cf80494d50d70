//! The factory reset of a unit, so that no power cut leaves a half of it.
//!
//! The order to reset is a mark on the `conf` partition, in its last sector, which no record reaches. From the moment
//! at which it is durable the unit is reset, however often the power fails: whoever finds the mark erases what is on
//! `data`, then calls [`finish_reset`], and may do so any number of times. The mark is not on `data`, because a `data`
//! that cannot be mounted is made anew with the configuration from `conf`, and must not bring back what was to be erased.
//!
//! ```text
//! mark → flush → read back │ erase data → zero the copies → flush → read back → zero the mark → flush
//!                          │ a cut here is finished by the next boot
//! ```

use crate::ConfError;
use crate::conf::{Copies, failed};
use evener_disk::{Blocks, Lba, SECTOR};

const MARK: &[u8; 16] = b"EVNFACTORYRESET1";
/// Bytes that are zeroed by one write.
const AT_ONCE: usize = 1 << 20;

/// Marks the unit for a reset; durable when this returns.
///
/// # Errors
/// [`ConfError::Device`], [`ConfError::Small`]; whether the mark is there is then not known.
pub fn order_reset<B: Blocks>(conf: &mut B) -> Result<(), ConfError> {
    let mut sector = [0; SECTOR];
    for (byte, mark) in sector.iter_mut().zip(MARK) {
        *byte = *mark;
    }
    write_mark(conf, &sector)?;
    if reset_is_ordered(conf)? {
        return Ok(());
    }
    Err(ConfError::Device { doing: "written", reason: "it reads back as something else".into() })
}

/// Whether the unit is marked for a reset.
///
/// # Errors
/// [`ConfError::Device`], [`ConfError::Small`].
pub fn reset_is_ordered<B: Blocks>(conf: &mut B) -> Result<bool, ConfError> {
    let mut sector = [0; SECTOR];
    let at = place_of_mark(conf)?;
    conf.read(at, &mut sector).map_err(|error| failed("read", &error))?;
    Ok(sector.starts_with(MARK))
}

/// Erases every copy of the configuration, then the mark. To be called when nothing is left on `data`.
///
/// # Errors
/// [`ConfError::Device`], [`ConfError::Small`]; the mark may still be there, and is to be obeyed again.
pub fn finish_reset<B: Blocks>(conf: &mut B) -> Result<(), ConfError> {
    let mark = place_of_mark(conf)?;
    let zeros = vec![0; AT_ONCE];
    let mut at = 0;
    while at < mark.0 {
        let left = usize::try_from(mark.0 - at).unwrap_or(usize::MAX).saturating_mul(SECTOR);
        let part = zeros.get(..left).unwrap_or(&zeros);
        conf.write(Lba(at), part).map_err(|error| failed("written", &error))?;
        at += u64::try_from(part.len() / SECTOR).unwrap_or(u64::MAX);
    }
    conf.flush().map_err(|error| failed("written", &error))?;
    // A disk that did not take the zeros has the settings still, and the mark must stay.
    if Copies::open(&mut *conf)?.1.is_some() {
        return Err(ConfError::Device {
            doing: "erased",
            reason: "a copy of the settings is still there".into(),
        });
    }
    write_mark(conf, &[0; SECTOR])
}

fn write_mark<B: Blocks>(conf: &mut B, sector: &[u8; SECTOR]) -> Result<(), ConfError> {
    let at = place_of_mark(conf)?;
    conf.write(at, sector).map_err(|error| failed("written", &error))?;
    conf.flush().map_err(|error| failed("written", &error))
}

fn place_of_mark<B: Blocks>(conf: &B) -> Result<Lba, ConfError> {
    let sectors = conf.sectors();
    sectors.checked_sub(1).map(Lba).ok_or(ConfError::Small { sectors })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{FORMAT, NextIds, Record, encode};
    use evener_config::Config;
    use evener_disk::{Cut, CutDisk, RamDisk};

    /// Three writes' worth of zeros.
    const SECTORS: usize = 4400;

    /// A partition with copies in all places, the newest of generation 5.
    fn used() -> RamDisk {
        let mut disk = RamDisk::new(SECTORS);
        let (mut copies, _) = Copies::open(&mut disk).unwrap();
        for generation in 1..=5 {
            let draft = crate::Draft {
                author: "bal".into(),
                unix_s: 0,
                cause: crate::Cause::default(),
                summary: Vec::new(),
                next_ids: NextIds { vs: 1, rs: 1 },
                config: Config::default(),
            };
            let (bytes, _) = encode(&Record::new(FORMAT, generation, None, draft)).unwrap();
            copies.write(generation, &bytes).unwrap();
        }
        disk
    }

    fn newest(disk: &mut RamDisk) -> Option<u64> {
        Copies::open(disk).unwrap().1.map(|(record, _)| record.generation)
    }

    #[test]
    fn the_order_stands_beside_the_copies_until_all_is_erased() {
        let mut disk = used();
        assert!(!reset_is_ordered(&mut disk).unwrap());
        order_reset(&mut disk).unwrap();
        assert!(reset_is_ordered(&mut disk).unwrap());
        assert_eq!(newest(&mut disk), Some(5));
        finish_reset(&mut disk).unwrap();
        assert!(!reset_is_ordered(&mut disk).unwrap());
        assert!(disk.bytes() == [0; SECTORS * SECTOR], "not a byte is left");
    }

    /// What is found after a cut at each write, with each kind of loss.
    fn after_cuts(start: &RamDisk, work: impl Fn(&mut CutDisk) -> Result<(), ConfError>) -> Vec<RamDisk> {
        let copy = || RamDisk::from_bytes(start.bytes().to_vec());
        let mut whole = CutDisk::new(copy());
        work(&mut whole).unwrap();
        let mut found = Vec::new();
        for write in 0..whole.writes() {
            for cut in [Cut::Before, Cut::Torn(0), Cut::Torn(8), Cut::Torn(300), Cut::After] {
                for survives in [[false, false], [true, false], [false, true], [true, true]] {
                    let mut disk = CutDisk::cutting(copy(), write, cut);
                    assert!(work(&mut disk).is_err());
                    found.push(disk.after_power_cut(|index| survives[index % 2]));
                }
            }
        }
        found
    }

    #[test]
    fn a_cut_while_it_is_ordered_leaves_all_or_the_order() {
        for mut disk in after_cuts(&used(), order_reset) {
            assert_eq!(newest(&mut disk), Some(5));
            order_reset(&mut disk).unwrap();
            assert!(reset_is_ordered(&mut disk).unwrap());
        }
    }

    #[test]
    fn a_cut_while_it_is_carried_out_is_finished_by_the_next_boot() {
        let mut ordered = used();
        order_reset(&mut ordered).unwrap();
        let (mut open, mut done) = (0, 0);
        for mut disk in after_cuts(&ordered, finish_reset) {
            if reset_is_ordered(&mut disk).unwrap() {
                open += 1;
                finish_reset(&mut disk).unwrap();
            } else {
                done += 1;
            }
            assert!(disk.bytes()[..(SECTORS - 1) * SECTOR] == [0; (SECTORS - 1) * SECTOR]);
        }
        assert!(open > 0 && done > 0, "both are met: {open} {done}");
    }

    #[test]
    fn the_largest_record_does_not_reach_the_order() {
        let mut disk = RamDisk::new(SECTORS);
        order_reset(&mut disk).unwrap();
        let (mut copies, _) = Copies::open(&mut disk).unwrap();
        let room = (SECTORS / 4 - 2) * SECTOR;
        for generation in 1..=4 {
            copies.write(generation, &vec![7; room]).unwrap();
        }
        assert!(copies.write(5, &vec![7; room + 1]).is_err());
        assert!(reset_is_ordered(&mut disk).unwrap());
    }
}
