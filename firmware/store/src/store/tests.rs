//! What is found again after power cuts, damage and failures. The cuts themselves are in `sweep.rs`.

use super::*;
use crate::sweep::{CutFiles, Leave, SweptStore, draft};
use evener_disk::{DiskGone, RamDisk};

mod formats;

fn open(files: CutFiles) -> SweptStore {
    SweptStore::open(files, None).unwrap().0
}

fn port(store: &SweptStore) -> u16 {
    store.current().map_or(0, |record| record.config.unit.web_port)
}

fn prepared(ignore: Option<Leave>) -> CutFiles {
    crate::sweep::prepared(ignore).unwrap()
}

#[test]
fn no_power_cut_loses_a_configuration() {
    let swept = crate::sweep::of_files(None).unwrap();
    assert_eq!(swept.store_losses, 0);
    assert!(swept.store_cut_cases > 500, "only {} outcomes were looked at", swept.store_cut_cases);
}

#[test]
fn the_sweep_notices_when_the_content_is_not_synced() {
    assert!(crate::sweep::of_files(Some(Leave::Sync)).unwrap().store_losses > 0);
}

#[test]
fn the_sweep_notices_when_the_directory_is_not_synced() {
    assert!(crate::sweep::of_files(Some(Leave::SyncDir)).unwrap().store_losses > 0);
}

#[test]
fn what_a_bench_reports_is_the_sum_of_both_sweeps_without_a_loss() {
    let (files, copies) = (crate::sweep::of_files(None).unwrap(), crate::sweep::of_copies().unwrap());
    let all = crate::sweep::run().unwrap();
    assert_eq!(all.store_cut_cases, files.store_cut_cases + copies.store_cut_cases);
    assert_eq!(all.store_losses, 0);
}

#[test]
fn a_refused_configuration_does_not_come_back() {
    for broken in 0..4 {
        let mut store = open(prepared(None));
        let generation = store.current().unwrap().generation;
        let mut failing = FailOnce { inner: std::mem::take(&mut store.files), fail: broken };
        let mut store = Store::<_, RamDisk>::open(&mut failing, None).unwrap().0;
        assert!(store.append(draft(9)).is_err(), "step {broken} fails");
        assert_eq!(store.current().unwrap().generation, generation);
        let again = open(failing.inner);
        assert_eq!(port(&again), 3, "after a failure in step {broken}");
    }
}

/// Fails one changing step and then works again, as a full disk does.
struct FailOnce {
    inner: CutFiles,
    fail: usize,
}

impl FailOnce {
    fn check(&mut self) -> io::Result<()> {
        let now = self.fail;
        self.fail = self.fail.wrapping_sub(1);
        if now == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl Files for &mut FailOnce {
    fn list(&mut self) -> io::Result<Vec<String>> {
        self.inner.list()
    }
    fn read(&mut self, name: &str) -> io::Result<Vec<u8>> {
        self.inner.read(name)
    }
    fn write(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        self.inner.write(name, content)?;
        self.check()
    }
    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.check()?;
        self.inner.sync(name)
    }
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.check()?;
        self.inner.rename(from, to)
    }
    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }
    fn sync_dir(&mut self) -> io::Result<()> {
        self.check()?;
        self.inner.sync_dir()
    }
}

#[test]
fn a_damaged_newest_generation_falls_back_with_a_warning() {
    let mut files = prepared(None);
    let inode = files.inode("3.json").unwrap();
    files.inodes[inode].1[100] ^= 1;
    let (mut store, warnings) = SweptStore::open(files, None).unwrap();
    assert_eq!(port(&store), 2);
    assert!(matches!(&warnings[..], [StoreWarning::Skipped { generation: 3, .. }]), "{warnings:?}");
    assert!(store.current().unwrap().next_ids.vs > LEFT_OUT, "ids of the lost generation are left out");
    assert_eq!(store.append(draft(4)).unwrap(), 4, "the damaged number is not used again");
    let newest = store.current().unwrap().clone();
    assert_eq!(
        store.parent_of(&newest).unwrap().generation,
        2,
        "the damaged one is not what it was made from"
    );
    assert_eq!(SweptStore::open(store.files, None).unwrap().1, [], "once a newer one is there all is well");
}

#[test]
fn a_record_under_another_number_is_not_believed() {
    let mut files = prepared(None);
    files.rename("3.json", "7.json").unwrap();
    let (store, warnings) = SweptStore::open(files, None).unwrap();
    assert_eq!((port(&store), warnings.len()), (2, 1));
}

#[test]
fn foreign_files_are_left_alone() {
    let mut files = prepared(None);
    for name in ["new.tmp", "03.json", "x.json", "+3.json", "3.json.bak", "18446744073709551616.json"] {
        files.write(name, b"nonsense").unwrap();
    }
    let (store, warnings) = SweptStore::open(files, None).unwrap();
    assert_eq!((port(&store), warnings), (3, vec![]));
}

#[test]
fn the_last_hundred_generations_are_kept_and_told() {
    let mut store = open(CutFiles::default());
    for number in 1..=103 {
        store.append(draft(number)).unwrap();
    }
    assert_eq!(store.files.seen.len(), KEPT);
    let history = store.history(2);
    assert_eq!(history.iter().map(|it| it.generation).collect::<Vec<_>>(), [103, 102]);
    assert_eq!(history[1].summary, ["port 102"]);
    assert_eq!(store.history(usize::MAX).len(), KEPT);
    assert_eq!(store.load(50).unwrap().config.unit.web_port, 50);
    assert!(matches!(store.load(3), Err(StoreError::Read { generation: 3, .. })));
    let (newest, oldest) = (store.load(51).unwrap(), store.load(4).unwrap());
    assert_eq!(
        store.parent_of(&newest).unwrap(),
        store.load(50).unwrap(),
        "each names the one it was made from"
    );
    assert!(
        matches!(store.parent_of(&oldest), Err(StoreError::NoParent { generation: 4 })),
        "that one is gone"
    );
    assert_eq!(store.after(100), [101, 102, 103]);
}

#[test]
fn a_unit_without_its_data_takes_the_second_copy() {
    let mut disk = RamDisk::new(16 << 11);
    let mut store = Store::open(CutFiles::default(), Some(&mut disk)).unwrap().0;
    for number in 1..=6 {
        store.append(draft(number)).unwrap();
    }
    let (store, warnings) = Store::open(CutFiles::default(), Some(&mut disk)).unwrap();
    assert_eq!(store.current().unwrap().config.unit.web_port, 6);
    assert_eq!(warnings, [StoreWarning::TakenFromCopy { generation: 6 }]);
    let (store, warnings) = Store::open(store.files, None::<&mut RamDisk>).unwrap();
    assert_eq!(store.current().unwrap().generation, 6, "it is a file again");
    assert_eq!(warnings, []);
}

#[test]
fn an_empty_second_copy_is_filled_at_once() {
    let mut disk = RamDisk::new(16 << 11);
    drop(Store::open(prepared(None), Some(&mut disk)).unwrap());
    let (store, _) = Store::open(CutFiles::default(), Some(&mut disk)).unwrap();
    assert_eq!(store.current().unwrap().generation, 3);
}

#[test]
fn a_damaged_newest_generation_is_taken_from_the_second_copy() {
    let mut disk = RamDisk::new(16 << 11);
    let mut store = Store::open(prepared(None), Some(&mut disk)).unwrap().0;
    store.append(draft(4)).unwrap();
    let mut files = store.files;
    let inode = files.inode("4.json").unwrap();
    files.inodes[inode].1.truncate(10);
    let (store, warnings) = Store::open(files, Some(&mut disk)).unwrap();
    assert_eq!(store.current().unwrap().config.unit.web_port, 4);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
}

#[test]
fn a_failing_second_copy_does_not_stop_a_change() {
    #[derive(Debug)]
    struct Broken;
    impl Blocks for Broken {
        type Error = DiskGone;
        fn sectors(&self) -> u64 {
            1 << 14
        }
        fn read(&mut self, _: evener_disk::Lba, _: &mut [u8]) -> Result<(), DiskGone> {
            Err(DiskGone)
        }
        fn write(&mut self, _: evener_disk::Lba, _: &[u8]) -> Result<(), DiskGone> {
            Err(DiskGone)
        }
        fn flush(&mut self) -> Result<(), DiskGone> {
            Err(DiskGone)
        }
    }
    let (mut store, warnings) = Store::open(prepared(None), Some(Broken)).unwrap();
    assert!(matches!(warnings[..], [StoreWarning::Copy { .. }]));
    assert_eq!(store.append(draft(4)).unwrap(), 4);
}

/// As large as the rules allow, in every direction at once.
fn largest_config() -> Config {
    use evener_config::{
        CheckKind, HttpCheck, HttpMethod, MAX_SERVERS, MAX_SERVICES, MAX_USERS, RsId, VsId, first,
    };
    let text = "[[virtual_services]]\naddress = { literal = \"2001:db8:1111:2222:3333:4444:5555:6666\" }\n\
        port = 1\nscheduler = \"weighted_round_robin\"\nenabled = false\n[[virtual_services.real_servers]]\n\
        address = \"2001:db8:1111:2222:3333:4444:5555:7777\"\nport = 1\nenabled = false\nweight = 65535\n";
    let mut config = first::parse(text).unwrap().config;
    let mut pattern = config.shared.virtual_services.remove(0);
    pattern.check.kind = CheckKind::Http(HttpCheck {
        method: HttpMethod::Head,
        path: format!("/{}", "\"".repeat(125)),
        host: Some("a".repeat(255)),
        extra_good_statuses: vec![599; 32],
        ..HttpCheck::default()
    });
    let server = pattern.real_servers.remove(0);
    let servers = u16::try_from(MAX_SERVERS / MAX_SERVICES).unwrap();
    let services = (0..u16::try_from(MAX_SERVICES).unwrap()).map(|n| evener_config::VirtualService {
        id: VsId(u32::MAX - u32::from(n)),
        name: format!("{n:04}{}", "\u{1F4A9}".repeat(60)),
        port: 10_000 + n,
        real_servers: (0..servers)
            .map(|m| evener_config::RealServer {
                id: RsId(u32::MAX - u32::from(n * servers + m)),
                port: 10_000 + m,
                ..server.clone()
            })
            .collect(),
        ..pattern.clone()
    });
    config.shared.virtual_services = services.collect();
    let hash = format!("$argon2id$v=19$m=131072,t=10,p=4${}${}", "a".repeat(64), "a".repeat(86));
    config.shared.users = (0..MAX_USERS)
        .map(|n| evener_config::User {
            name: if n == 0 { "bal".into() } else { format!("u{n:063}") },
            password: evener_config::PasswordHash(hash.clone()),
            must_change_password: false,
        })
        .collect();
    config
}

#[test]
fn the_largest_configuration_fits_everywhere() {
    let config = largest_config();
    assert_eq!(evener_config::validate(&config), []);
    let snapshot = evener_api::control::Snapshot { generation: u64::MAX, config };
    assert!(evener_api::frame::encode(&snapshot).is_ok(), "into a frame");
    let mut disk = RamDisk::new(8 << 11);
    let mut store = Store::open(CutFiles::default(), Some(&mut disk)).unwrap().0;
    let summary = vec!["x".repeat(500); 50];
    store.append(Draft { summary, config: snapshot.config, ..draft(1) }).unwrap();
    let (store, _) = Store::open(CutFiles::default(), Some(&mut disk)).unwrap();
    assert!(store.current().is_some(), "into its place on an 8 MiB conf partition");
}
