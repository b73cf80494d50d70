use alloc::collections::BTreeSet;

use super::*;
use crate::SparseDisk;

type Disk = TraceDisk<SparseDisk>;

fn sector(disk: &mut SparseDisk, at: u64) -> [u8; SECTOR] {
    let mut bytes = [0; SECTOR];
    disk.read(Lba(at), &mut bytes).unwrap();
    bytes
}

/// First bytes of the first sectors.
fn firsts(mut disk: SparseDisk) -> [u8; 4] {
    [0, 1, 2, 3].map(|at| sector(&mut disk, at)[0])
}

/// Write 0, flush, write 1, write 2, flush of sector 2 only, write 3.
fn example() -> Disk {
    let mut disk = Disk::new(SparseDisk::new(8));
    disk.write(Lba(0), &[1; SECTOR]).unwrap();
    disk.flush().unwrap();
    disk.write(Lba(1), &[2; SECTOR]).unwrap();
    disk.write(Lba(2), &[3; SECTOR]).unwrap();
    disk.flush_range(2..3).unwrap();
    disk.write(Lba(3), &[4; SECTOR]).unwrap();
    disk
}

#[test]
fn reads_see_what_is_not_flushed() {
    let mut disk = example();
    let mut back = [0; 4 * SECTOR];
    disk.read(Lba(0), &mut back).unwrap();
    assert_eq!([0, 1, 2, 3].map(|at| back[at * SECTOR]), [1, 2, 3, 4]);
}

#[test]
fn only_what_was_flushed_survives_the_worst() {
    assert_eq!(firsts(example().unplugged()), [1, 0, 3, 0]);
    assert_eq!(firsts(example().stopped()), [1, 2, 3, 4]);
}

#[test]
fn the_points_are_every_disk_that_a_cut_can_leave() {
    let disk = example();
    let whole: BTreeSet<[u8; 4]> = disk
        .cut_points(Depth::All)
        .iter()
        .filter(|point| point.tear.is_none())
        .map(|point| firsts(disk.after(point).unwrap()))
        .collect();
    let expected =
        [[0, 0, 0, 0], [1, 0, 0, 0], [1, 2, 0, 0], [1, 0, 3, 0], [1, 2, 3, 0], [1, 0, 3, 4], [1, 2, 3, 4]];
    assert_eq!(whole, expected.into_iter().collect());
}

#[test]
fn a_write_is_torn_at_each_sector_and_inside_of_two() {
    let mut disk = Disk::new(SparseDisk::new(8));
    disk.write(Lba(1), &[5; 3 * SECTOR]).unwrap();
    let lengths: BTreeSet<usize> = disk
        .cut_points(Depth::All)
        .iter()
        .filter(|point| matches!(point.tear, Some(Tear::Head(_))))
        .map(|point| {
            let mut after = disk.after(point).unwrap();
            let bytes = (0..8).flat_map(|at| sector(&mut after, at)).filter(|byte| *byte == 5).count();
            assert_eq!(sector(&mut after, 0), [0; SECTOR]);
            bytes
        })
        .collect();
    assert_eq!(lengths, [256, 512, 1024, 1280].into_iter().collect());
    let tails = disk.cut_points(Depth::All);
    let tail = tails.iter().find(|point| matches!(point.tear, Some(Tear::Tail(_)))).unwrap();
    assert_eq!(firsts(disk.after(tail).unwrap()), [0, 0, 0, 5]);
}

#[test]
fn a_torn_write_comes_with_and_without_the_cache_before_it() {
    let disk = example();
    let torn =
        disk.cut_points(Depth::Few).into_iter().filter(|point| point.tear.is_some() && point.writes == 3);
    let seen: BTreeSet<[u8; 4]> = torn.map(|point| firsts(disk.after(&point).unwrap())).collect();
    assert_eq!(seen, [[1, 2, 3, 4], [1, 0, 3, 4]].into_iter().collect());
}

#[test]
fn a_rotting_write_reads_well_until_it_is_flushed() {
    for (rot, landed) in [(Rot::Flip(0), 6), (Rot::Lost, 0)] {
        let mut disk = Disk::rotting(SparseDisk::new(8), 1, rot);
        disk.write(Lba(0), &[7; SECTOR]).unwrap();
        disk.write(Lba(1), &[7; SECTOR]).unwrap();
        let mut back = [0; SECTOR];
        disk.read(Lba(1), &mut back).unwrap();
        assert_eq!(back[0], 7);
        disk.flush().unwrap();
        disk.read(Lba(1), &mut back).unwrap();
        assert_eq!(back[0], landed, "{rot:?}");
        disk.read(Lba(0), &mut back).unwrap();
        assert_eq!(back, [7; SECTOR]);
    }
}

#[test]
fn a_point_of_another_record_is_refused() {
    let point = CutPoint { writes: 1, tear: None, survives: vec![true; 9] };
    assert_eq!(example().after(&point), Err(DiskGone));
    assert_eq!((example().writes(), example().extents().count()), (4, 4));
}
