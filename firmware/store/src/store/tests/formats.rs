//! Two firmwares that write different formats, on one unit. The later one is today's with another number.

use super::*;

/// A firmware of format 2 made generations 4 to `last` of a unit with generations 1 to 3.
fn changed_by_a_newer_firmware(last: u16) -> SweptStore {
    let (mut newer, warnings) = SweptStore::open_in(2, prepared(None), None).unwrap();
    assert_eq!((port(&newer), warnings), (3, vec![]), "it reads what came before");
    for number in 4..=last {
        assert_eq!(newer.append(draft(number)).unwrap(), u64::from(number));
    }
    newer
}

#[test]
fn an_older_firmware_goes_on_with_what_it_can_read_and_deletes_nothing() {
    let newer = changed_by_a_newer_firmware(6);
    let before: Vec<String> = newer.files.seen.keys().cloned().collect();
    let (mut older, warnings) = SweptStore::open(newer.files, None).unwrap();
    assert_eq!(port(&older), 3);
    assert_eq!(warnings, [StoreWarning::Newer { generation: 6, format: 2, used: Some(3) }]);
    let words = warnings[0].to_string();
    assert!(
        words.contains("generation 6, format 2") && words.contains("generation 3 are in force"),
        "{words}"
    );
    assert!(older.files.seen.keys().eq(&before));
    assert_eq!(older.append(draft(9)).unwrap(), 7, "no number is given twice");
    let (newer, warnings) = SweptStore::open_in(2, older.files, None).unwrap();
    assert_eq!((port(&newer), warnings), (9, vec![]), "and the newest is the newest for both");
}

#[test]
fn the_newer_settings_are_back_when_nothing_was_changed_meanwhile() {
    let newer = changed_by_a_newer_firmware(6);
    let older = SweptStore::open(newer.files, None).unwrap().0;
    assert_eq!(port(&SweptStore::open_in(2, older.files, None).unwrap().0), 6);
}

#[test]
fn what_the_former_firmware_can_read_is_kept_for_it() {
    let mut newer = changed_by_a_newer_firmware(150);
    assert_eq!(newer.numbers.len(), KEPT + 1);
    assert!(newer.numbers.contains(&3) && !newer.numbers.contains(&2) && !newer.numbers.contains(&50));
    assert_eq!(newer.newest_up_to(1).unwrap().generation, 3);
    assert_eq!(newer.newest_up_to(2).unwrap().generation, 150);
    assert_eq!(newer.newest_up_to(0), None);
    let (older, _) = SweptStore::open(newer.files, None).unwrap();
    assert_eq!(port(&older), 3);
}

#[test]
fn without_its_data_the_former_firmware_finds_its_settings_in_the_second_copy() {
    let mut disk = RamDisk::new(16 << 11);
    let mut store = Store::open(CutFiles::default(), Some(&mut disk)).unwrap().0;
    for number in 1..=5 {
        store.append(draft(number)).unwrap();
    }
    let mut newer = Store::open_in(2, store.files, Some(&mut disk)).unwrap().0;
    for number in 6..=12 {
        newer.append(draft(number)).unwrap();
    }
    let mut bare = Store::open_in(2, CutFiles::default(), Some(&mut disk)).unwrap().0;
    assert_eq!(bare.newest_up_to(1).unwrap().generation, 5, "what would be lost can be told");
    drop(bare);
    let (older, _) = Store::open(CutFiles::default(), Some(&mut disk)).unwrap();
    assert_eq!(older.current().unwrap().generation, 5);
    assert_eq!(older.highest, 12);
}
