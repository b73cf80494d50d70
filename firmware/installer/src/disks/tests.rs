use super::*;
use std::os::unix::fs::symlink;

/// A tree with these disks: the path below `devices`, and files in the disk's folder.
fn tree(root: &Path, disks: &[(&str, &[(&str, &str)])]) -> Sysfs {
    fs::create_dir_all(root.join("block")).unwrap();
    for (path, files) in disks {
        let folder = root.join("devices").join(path);
        for (name, content) in *files {
            let file = folder.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, format!("{content}\n")).unwrap();
        }
        symlink(&folder, root.join("block").join(folder.file_name().unwrap())).unwrap();
    }
    Sysfs::new(root)
}

/// As Linux 6.12 shows them under QEMU, shortened.
const DISKS: [(&str, &[(&str, &str)]); 8] = [
    (
        "pci0000:00/0000:00:01.1/ata1/host0/target0:0:0/0:0:0:0/block/sda",
        &[
            ("size", "4194304"),
            ("removable", "0"),
            ("ro", "0"),
            ("queue/logical_block_size", "512"),
            ("device/vendor", "ATA     "),
            ("device/model", "QEMU HARDDISK   "),
            ("device/vpd_pg80", "\0\u{1}\0\u{14}             QM00001"),
        ],
    ),
    (
        "pci0000:00/0000:00:04.0/usb1/1-1/1-1:1.0/host4/target4:0:0/4:0:0:0/block/sdb",
        &[
            ("size", "620544"),
            ("removable", "1"),
            ("ro", "1"),
            ("device/vendor", "SanDisk "),
            ("device/model", "Ultra"),
            ("sdb13/partition", "13"),
            ("sdb13/uevent", "DEVNAME=sdb13\nPARTN=13\nPARTNAME=installer"),
            ("sdb11/partition", "11"),
            ("sdb11/uevent", "DEVNAME=sdb11\nPARTN=11\nPARTNAME=conf"),
        ],
    ),
    (
        "pci0000:00/0000:00:05.0/nvme/nvme0/nvme0n1",
        &[
            ("size", "1000215216"),
            ("device/model", "Samsung SSD 970"),
            ("device/serial", "S4EVNX"),
            ("queue/logical_block_size", "4096"),
        ],
    ),
    (
        "pci0000:00/0000:00:03.0/virtio0/block/vda",
        &[("size", "1048576"), ("device/vendor", "0x1af4"), ("serial", "unit-1")],
    ),
    ("pci0000:00/0000:00:06.0/nvme/nvme0/nvme0c0n1", &[("size", "8"), ("hidden", "1")]),
    ("pci0000:00/ata2/host1/block/sr0", &[("size", "2048")]),
    ("virtual/block/loop0", &[("size", "2048")]),
    ("virtual/block/sdz", &[("size", "0")]),
];

/// The disks of a machine that was started from `sdb`.
fn candidates(sysfs: &Sysfs, holds: impl Fn(&str) -> Holds) -> Vec<Candidate> {
    sysfs.disks("sdb", holds).into_iter().map(|(_, disk)| disk).collect()
}

#[test]
fn disks_are_listed_with_what_tells_them_apart() {
    let folder = tempfile::tempdir().unwrap();
    let sysfs = tree(folder.path(), &DISKS);
    let disks = candidates(&sysfs, |_| Holds::Nothing);
    let told: Vec<_> = disks
        .iter()
        .map(|disk| (disk.name.as_str(), disk.sectors, disk.model.as_str(), disk.serial.as_str(), disk.bus))
        .collect();
    assert_eq!(
        told,
        [
            ("nvme0n1", 1_000_215_216, "Samsung SSD 970", "S4EVNX", Bus::Nvme),
            ("sda", 4_194_304, "QEMU HARDDISK", "QM00001", Bus::Ata),
            ("sdb", 620_544, "SanDisk Ultra", "", Bus::Usb),
            ("vda", 1_048_576, "", "unit-1", Bus::Virtual),
        ]
    );
    assert_eq!(disks.iter().map(|disk| disk.block_bytes).collect::<Vec<_>>(), [4096, 512, 512, 512]);
    assert_eq!(sysfs.glance().len(), 4);
}

#[test]
fn the_own_stick_is_known_by_its_name_and_not_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let disks = candidates(&tree(folder.path(), &DISKS), |name| {
        assert_ne!(name, "sdb");
        Holds::Nothing
    });
    let own: Vec<_> = disks.iter().filter(|disk| disk.is_own).collect();
    assert_eq!((own.len(), own[0].name.as_str()), (1, "sdb"));
    assert!(own[0].removable && own[0].read_only && own[0].check().is_err());
}

#[test]
fn a_partition_is_found_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let sysfs = tree(folder.path(), &DISKS);
    assert_eq!(sysfs.partition("sdb", "installer"), Some("/dev/sdb13".into()));
    assert_eq!(sysfs.partition("sdb", "data"), None);
    assert_eq!(sysfs.partition("sda", "installer"), None);
    assert_eq!(sysfs.partition("gone", "installer"), None);
}

#[test]
fn a_disk_that_was_exchanged_is_noticed_although_it_has_the_same_name_and_size() {
    let folder = tempfile::tempdir().unwrap();
    let sysfs = tree(folder.path(), &DISKS);
    let number = folder.path().join("block/sda/diskseq");
    fs::write(&number, "3\n").unwrap();
    let before = sysfs.glance();
    assert_eq!(sysfs.glance(), before);
    fs::write(&number, "9\n").unwrap();
    assert_ne!(sysfs.glance(), before);
}

#[test]
fn a_machine_without_disks_has_none() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(Sysfs::new(folder.path()).disks("sda", |_| Holds::Nothing), []);
}
