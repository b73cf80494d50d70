//! The sweep: power cuts at every step, with every way of losing what was not synced.

use super::*;
use evener_disk::{DiskGone, RamDisk};
use std::collections::BTreeMap;

mod formats;

/// A step that a broken store would leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    Sync,
    SyncDir,
}

#[derive(Clone, Debug)]
enum NameStep {
    Set(String, usize),
    Rename(String, String, usize),
    Remove(String),
}

/// A directory that forgets what was not synced when the power fails.
#[derive(Clone, Debug, Default)]
struct CutFiles {
    /// Content of each inode: what lasts, and what is seen.
    inodes: Vec<(Vec<u8>, Vec<u8>)>,
    lasting: BTreeMap<String, usize>,
    seen: BTreeMap<String, usize>,
    pending: Vec<NameStep>,
    steps: usize,
    cut: Option<usize>,
    ignore: Option<Leave>,
}

impl CutFiles {
    /// Counts one changing step; an error when the power is gone.
    fn step(&mut self) -> io::Result<()> {
        let here = self.steps;
        self.steps += 1;
        if self.cut.is_some_and(|cut| here >= cut) { Err(io::ErrorKind::Other.into()) } else { Ok(()) }
    }

    fn inode(&self, name: &str) -> io::Result<usize> {
        self.seen.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Every directory that may be found after the power came back: each unsynced name step done or not, in any
    /// combination, and each unsynced content lost, torn, or there.
    fn after_power_cut(&self) -> Vec<Self> {
        let mut found = Vec::new();
        for mask in 0..1u32 << self.pending.len() {
            for content in 0..3 {
                let mut lasting = self.lasting.clone();
                for (_, step) in self.pending.iter().enumerate().filter(|(i, _)| mask & (1 << i) != 0) {
                    apply(&mut lasting, step);
                }
                let inodes = self.inodes.iter().map(|(synced, written)| {
                    let now = match content {
                        _ if synced == written => written.clone(),
                        0 => synced.clone(),
                        1 => written[..written.len() / 2].to_vec(),
                        _ => written.clone(),
                    };
                    (now.clone(), now)
                });
                found.push(Self {
                    inodes: inodes.collect(),
                    seen: lasting.clone(),
                    lasting,
                    ignore: self.ignore,
                    ..Self::default()
                });
            }
        }
        found
    }
}

fn apply(names: &mut BTreeMap<String, usize>, step: &NameStep) {
    match step {
        NameStep::Set(name, inode) => _ = names.insert(name.clone(), *inode),
        NameStep::Rename(from, to, inode) => {
            names.remove(from);
            names.insert(to.clone(), *inode);
        }
        NameStep::Remove(name) => _ = names.remove(name),
    }
}

impl Files for CutFiles {
    fn list(&mut self) -> io::Result<Vec<String>> {
        Ok(self.seen.keys().cloned().collect())
    }

    fn read(&mut self, name: &str) -> io::Result<Vec<u8>> {
        Ok(self.inodes[self.inode(name)?].1.clone())
    }

    fn write(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        let inode = self.inode(name).unwrap_or_else(|_| {
            self.inodes.push((Vec::new(), Vec::new()));
            let step = NameStep::Set(name.to_owned(), self.inodes.len() - 1);
            apply(&mut self.seen, &step);
            self.pending.push(step);
            self.inodes.len() - 1
        });
        // A cut in the middle: the new content may reach the disk, or a half of it.
        self.inodes[inode].1 = content.to_vec();
        self.step()
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        let inode = self.inode(name)?;
        self.step()?;
        if self.ignore != Some(Leave::Sync) {
            self.inodes[inode].0 = self.inodes[inode].1.clone();
        }
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let step = NameStep::Rename(from.to_owned(), to.to_owned(), self.inode(from)?);
        apply(&mut self.seen, &step);
        self.pending.push(step);
        self.step()
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.inode(name)?;
        self.step()?;
        let step = NameStep::Remove(name.to_owned());
        apply(&mut self.seen, &step);
        self.pending.push(step);
        Ok(())
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        self.step()?;
        if self.ignore != Some(Leave::SyncDir) {
            self.lasting = self.seen.clone();
            self.pending.clear();
        }
        Ok(())
    }
}

type SweptStore = Store<CutFiles, RamDisk>;

fn draft(port: u16) -> Draft {
    let mut config = Config::default();
    config.unit.web_port = port;
    let next_ids = NextIds { vs: 1, rs: 1 };
    Draft { author: "bal".into(), unix_s: 0, summary: vec![format!("port {port}")], next_ids, config }
}

fn open(files: CutFiles) -> SweptStore {
    SweptStore::open(files, None).unwrap().0
}

fn port(store: &SweptStore) -> u16 {
    store.current().map_or(0, |record| record.config.unit.web_port)
}

/// Three generations, all synced, of which two are kept: the next append also prunes. From then on syncs may be
/// ignored.
fn prepared(ignore: Option<Leave>) -> CutFiles {
    let mut store = open(CutFiles::default());
    store.kept = 2;
    for number in 1..=3 {
        store.append(draft(number)).unwrap();
    }
    CutFiles { ignore, steps: 0, ..store.files }
}

/// Cuts the power at every step of two appends in a row, twice; returns the number of outcomes looked at, and
/// of those in which a configuration was lost or made up.
fn sweep(ignore: Option<Leave>) -> (usize, usize) {
    let (mut outcomes, mut losses) = (0, 0);
    for first_cut in 0.. {
        let mut files = prepared(ignore);
        files.cut = Some(first_cut);
        let mut store = open(files);
        store.kept = 2;
        let promised = if store.append(draft(4)).is_ok() { 4 } else { 3 };
        let done = promised == 4 && first_cut > store.files.steps;
        if ignore.is_some() && losses > 0 {
            return (outcomes, losses);
        }
        for files in store.files.after_power_cut() {
            outcomes += 1;
            let mut again = open(files);
            let found = port(&again);
            if found < promised || found > 4 {
                losses += 1;
                continue;
            }
            // The second life: an append that is cut as well.
            for second_cut in 0..6 {
                let mut again = again.files.clone();
                (again.steps, again.cut) = (0, Some(second_cut));
                let mut again = open(again);
                let promised = if again.append(draft(5)).is_ok() { 5 } else { found };
                for files in again.files.after_power_cut() {
                    outcomes += 1;
                    let last = port(&open(files));
                    losses += usize::from(last < promised || last > 5);
                }
            }
            let after = again.append(draft(6));
            losses += usize::from(after.is_err() || port(&again) != 6);
        }
        if done {
            return (outcomes, losses);
        }
    }
    panic!("the steps of an append are finite")
}

#[test]
fn no_power_cut_loses_a_configuration() {
    let (outcomes, losses) = sweep(None);
    assert_eq!(losses, 0);
    assert!(outcomes > 500, "only {outcomes} outcomes were looked at");
}

#[test]
fn the_sweep_notices_when_the_content_is_not_synced() {
    assert!(sweep(Some(Leave::Sync)).1 > 0);
}

#[test]
fn the_sweep_notices_when_the_directory_is_not_synced() {
    assert!(sweep(Some(Leave::SyncDir)).1 > 0);
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
    let parent = store.load(51).unwrap().parent.unwrap();
    let (_, digest) = record::encode(&store.load(50).unwrap()).unwrap();
    assert_eq!(parent, digest, "each names the one it was made from");
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
