//! A unit: a disk of sparse files, a loader, the services around, and update itself.

use evener_api::Service;
use evener_api::update::{
    CHUNK_BYTES, Candidate, Changed, FirmwareStatus, InstallOrder, InstallReply, Refusal, Request,
};
use evener_disk::{Blocks as _, Lba, Role, Slot};
use evener_handoff::{Handoff, LoaderKeys};
use evener_ipc::{Connection, Subscription, call, subscribe};
use evener_manifest::{AREA_BYTES, KERNEL_AT, Keyset, Version};
use evener_observe::Dirs;
use evener_slot_choice::{BootCode, Counting, Facts, Order, SlotFact, choose, judge};
use evener_slot_table::{SlotFacts, SlotRecord, SlotState, SlotTable, load, store};
use evener_sys::disk::{FileBlocks, partition_path};
use evener_update::{Pace, serve};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::fakes::Fakes;
use crate::firmware::{Firmware, keyset, loader_keyset};

/// The loader of these units.
pub(crate) const LOADER: Version = Version([0, 1, 0, 0]);

/// Seconds from one look at the data plane to the next.
const STEP: u64 = 10;

/// A unit. Its disk and its data outlive its boots.
pub(crate) struct Unit {
    root: TempDir,
    pub(crate) fakes: Arc<Fakes>,
    running: Option<Running>,
    /// Seconds since the start of the machine.
    seconds: Arc<AtomicU64>,
    /// Seconds that each look at the data plane takes: [`STEP`], or 0 to have the time stand still.
    step: Arc<AtomicU64>,
}

struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Unit {
    /// A unit with `a` confirmed in slot A, and in rescue; B is empty. It is not running.
    pub(crate) async fn with(a: &Firmware) -> Self {
        let root = quick_tempdir();
        std::fs::create_dir_all(root.path().join("run/disk")).unwrap();
        std::fs::write(root.path().join("run/keyset"), keyset()).unwrap();
        let fakes = Fakes::start(&root.path().join("run")).await;
        let unit = Self { root, fakes, running: None, seconds: Arc::default(), step: Arc::new(STEP.into()) };
        for role in Role::ALL {
            let Some(sectors) = role.sectors() else { continue };
            File::create(unit.partition(role)).unwrap().set_len(sectors * 512).unwrap();
        }
        let mut table = SlotTable { floor: a.floor, ..SlotTable::default() };
        unit.hold(&mut table, Slot::A, a, 3);
        unit.hold(&mut table, Slot::R, a, 1);
        unit.store(&mut table);
        unit
    }

    /// Puts a firmware into a slot, confirmed, as a builder would.
    pub(crate) fn hold(&self, table: &mut SlotTable, slot: Slot, firmware: &Firmware, priority: u8) {
        let write = |role, bytes: &[u8], at| {
            File::options().write(true).open(self.partition(role)).unwrap().write_all_at(bytes, at).unwrap();
        };
        write(Role::Boot(slot), &firmware.area, 0);
        write(Role::Boot(slot), &firmware.kernel, KERNEL_AT);
        write(Role::Root(slot), &firmware.rootfs, 0);
        *table.slot_mut(slot) = SlotRecord {
            state: SlotState::Confirmed,
            priority,
            tries: 0,
            version: firmware.version,
            digest: firmware.digest(),
        };
    }

    pub(crate) fn partition(&self, role: Role) -> PathBuf {
        partition_path(&self.dirs().run, role)
    }

    pub(crate) fn dirs(&self) -> Dirs {
        Dirs { run: self.root.path().join("run"), data: self.root.path().join("data") }
    }

    /// The slot table on the disk.
    pub(crate) fn table(&self) -> SlotTable {
        load(&mut FileBlocks::open(&self.partition(Role::SlotTable), false).unwrap()).table.unwrap()
    }

    pub(crate) fn store(&self, table: &mut SlotTable) {
        store(&mut FileBlocks::open(&self.partition(Role::SlotTable), true).unwrap(), table).unwrap();
    }

    /// What the loader does at a boot, without the kernel: choose, count, hand off. `None` when it stops.
    pub(crate) fn load(&self) -> Option<Handoff> {
        let keyset = loader_keyset();
        let keys = Keyset::parse(&keyset).unwrap();
        let slots = Slot::ALL.map(|slot| {
            let mut area = vec![0; AREA_BYTES];
            FileBlocks::open(&self.partition(Role::Boot(slot)), false)
                .unwrap()
                .read(Lba(0), &mut area)
                .unwrap();
            match judge(&area, &keys, LOADER) {
                Ok(verified) => SlotFact::Usable(SlotFacts::from(&verified)),
                Err(code) => SlotFact::Refused(code),
            }
        });
        let facts = Facts { slots, counting: Counting::Pending, asked: None };
        let Order::Boot(boot) = choose(&self.table(), &facts) else { return None };
        if let Some(mut record) = boot.record {
            self.store(&mut record);
        }
        Some(Handoff {
            slot: boot.slot,
            mode: boot.mode,
            reason: boot.reason,
            tries_left: boot.tries_left,
            degraded: false,
            uncounted: false,
            skipped: boot.skipped.map(|code| code.map(BootCode::number)),
            loader: LOADER,
            keys: Some(LoaderKeys::of(&keys)),
            ..handoff()
        })
    }

    /// Boots the unit and starts update. The slot that runs.
    pub(crate) async fn boot(&mut self) -> Slot {
        assert!(self.running.is_none());
        let handoff = self.load().unwrap();
        *self.fakes.handoff.lock().unwrap() = handoff.encode().as_str().into();
        self.seconds.store(0, Relaxed);
        self.start().await;
        handoff.slot
    }

    /// Starts update without a boot, as init does after it ended.
    pub(crate) async fn start(&mut self) {
        let (seconds, step) = (Arc::clone(&self.seconds), Arc::clone(&self.step));
        let pace = Pace {
            look_every: Duration::from_millis(1),
            now: Arc::new(move || Duration::from_secs(seconds.fetch_add(step.load(Relaxed), Relaxed))),
        };
        let (stop, stopped) = oneshot::channel();
        let dirs = self.dirs();
        let task = tokio::spawn(serve(dirs, pace, async move {
            let _ = stopped.await;
        }));
        self.running = Some(Running { stop, task });
        // It is there when its socket answers.
        self.status(|_| true).await;
    }

    /// Stops update in order, as init does before a restart.
    pub(crate) async fn stop(&mut self) {
        let running = self.running.take().unwrap();
        running.stop.send(()).unwrap();
        running.task.await.unwrap().unwrap();
    }

    /// Ends update as a crash or a power cut does.
    pub(crate) async fn cut(&mut self) {
        let running = self.running.take().unwrap();
        running.task.abort();
        let _ = running.task.await;
    }

    /// In order, then a boot.
    pub(crate) async fn restart(&mut self) -> Slot {
        self.stop().await;
        self.boot().await
    }

    /// Has the time stand still, so that no trial comes to its end.
    pub(crate) fn hold_time(&self) {
        self.step.store(0, Relaxed);
    }

    /// Has the time go on.
    pub(crate) fn release_time(&self) {
        self.step.store(STEP, Relaxed);
    }

    /// Waits until so many seconds have passed on the unit.
    pub(crate) async fn pass(&self, seconds: u64) {
        let until = self.seconds.load(Relaxed) + seconds;
        while self.seconds.load(Relaxed) < until {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn follow(&self) -> Subscription<FirmwareStatus> {
        subscribe(self.dirs().run, Service::Update, Request::Subscribe)
    }

    /// Waits until the published state is as wanted.
    pub(crate) async fn status(&self, wanted: impl Fn(&FirmwareStatus) -> bool) -> FirmwareStatus {
        let mut states = self.follow();
        let found = states.wait_for(|state| state.as_deref().is_some_and(&wanted));
        let found = tokio::time::timeout(Duration::from_secs(60), found).await;
        match found {
            Ok(state) => FirmwareStatus::clone(state.unwrap().as_deref().unwrap()),
            Err(_) => panic!("it never came to that: {:#?}", self.follow().borrow()),
        }
    }

    /// Waits until the running firmware has proved itself.
    pub(crate) async fn proved(&self) -> FirmwareStatus {
        self.status(|status| status.proving.is_none()).await
    }

    /// Asks for a step.
    pub(crate) async fn ask(&self, request: Request) -> Changed {
        call(&self.dirs().run, Service::Update, &request).await.unwrap()
    }

    /// Begins an installation.
    pub(crate) async fn begin(&self, even_if_it_failed: bool) -> (Connection, InstallReply) {
        let mut connection = Connection::open(&self.dirs().run, Service::Update).await.unwrap();
        let order = InstallOrder { author: "bal".into(), size: None, even_if_it_failed };
        let reply = say(&mut connection, &Request::Install(order)).await;
        (connection, reply)
    }

    /// Installs a file.
    pub(crate) async fn install_as(
        &self,
        file: &[u8],
        even_if_it_failed: bool,
    ) -> Result<Candidate, Refusal> {
        let (mut connection, mut reply) = self.begin(even_if_it_failed).await;
        let mut chunks = file.chunks(CHUNK_BYTES).map(<[u8]>::to_vec).chain([Vec::new()]);
        loop {
            match reply {
                InstallReply::More => {
                    let chunk = chunks.next().expect("the end of the file was answered with a wish for more");
                    reply = say(&mut connection, &Request::Chunk(chunk)).await;
                }
                InstallReply::Done(candidate) => return Ok(*candidate),
                InstallReply::Refused(refusal) => return Err(refusal),
                InstallReply::Forbidden => panic!("forbidden"),
            }
        }
    }

    /// Installs a file, for the first time.
    pub(crate) async fn install(&self, file: &[u8]) -> Result<Candidate, Refusal> {
        self.install_as(file, false).await
    }

    /// The history as `what slot version`, newest first.
    pub(crate) async fn history(&self) -> Vec<String> {
        let status = self.status(|_| true).await;
        let line = |entry: &evener_api::update::Happening| {
            let slot = entry.slot.map_or_else(String::new, |slot| format!(" {slot}"));
            format!("{}{slot} {}", entry.what, entry.version.as_deref().unwrap_or("-"))
        };
        status.history.iter().map(line).collect()
    }
}

/// In memory where the system has such a place: these tests flush often, and no power is cut in them.
fn quick_tempdir() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// One question on a connection that goes on.
pub(crate) async fn say(connection: &mut Connection, request: &Request) -> InstallReply {
    connection.send(request).await.unwrap();
    connection.receive().await.unwrap().unwrap()
}

/// A record to fill in.
fn handoff() -> Handoff {
    // Decoded, so that a field that is added later has its default here, too.
    Handoff::decode("0101000000000000000000000000000000").unwrap()
}

/// 1.0.0, which every unit here begins with unless it says otherwise.
pub(crate) fn first() -> Firmware {
    Firmware::new("1.0.0", "1.0.0")
}
