//! The slot table: one record, and the four copies on the disk.

use crc::{CRC_32_ISCSI, Crc};
use evener_disk::{Blocks, DiskGone, Lba, SECTOR, SECTORS_PER_MIB, Slot, SparseDisk};
use evener_manifest::Version;
use evener_slot_choice::{Counting, Facts, Order, SlotFact, choose};
use evener_slot_table::{
    COPIES, CopyState, Failure, FailureReason, LoaderTrial, SlotFacts, SlotRecord, SlotState, SlotTable,
    StoreError, TRIES, load, store,
};

use crate::targets::{control, kind, verdict};
use crate::{Target, Verdict};

/// First byte: bit 0 puts the checksum right. Then the sector.
pub(super) const RECORD: Target = Target {
    name: "slot-record",
    what: "one record of the slot table",
    run: record,
    seeds: || {
        records().iter().flat_map(|table| [0, 1].map(|fix| [&[fix][..], &table.encode()].concat())).collect()
    },
    longest: 1 + SECTOR,
    short: 12000,
    memory: 4 << 10,
};

/// First byte: bits 0 to 3 put the copies' checksums right, bits 4 to 7 break the disk there. Then four sectors.
pub(super) const TABLE: Target = Target {
    name: "slot-table",
    what: "the four copies of the slot table on the disk",
    run: table,
    seeds,
    longest: 1 + COPIES * SECTOR,
    short: 3000,
    memory: 64 << 10,
};

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

fn records() -> Vec<SlotTable> {
    let slot = |state, priority, tries, patch: u8| SlotRecord {
        state,
        priority,
        tries,
        version: Version([1, 2, patch.into(), 0]),
        digest: [patch; 32],
    };
    let full = SlotTable {
        seq: 41,
        slots: [
            slot(SlotState::Confirmed, 2, 0, 3),
            slot(SlotState::Trial, 3, 2, 4),
            slot(SlotState::Confirmed, 1, 0, 1),
        ],
        floor: Version([1, 2, 0, 0]),
        boots_without_health: 2,
        next: Some(Slot::R),
        last_failure: Some(Failure { slot: Slot::B, digest: [9; 32], reason: FailureReason::Refused(7) }),
        loader: Some(LoaderTrial { digest: [8; 32], tries: 2 }),
        degraded: true,
    };
    let bad =
        SlotTable { seq: 42, next: None, last_failure: None, loader: None, degraded: false, ..full.clone() };
    vec![full, bad, SlotTable { seq: u64::MAX, ..SlotTable::default() }]
}

fn seeds() -> Vec<Vec<u8>> {
    let copies = |seqs: [u64; COPIES]| {
        let mut bytes = vec![15];
        for seq in seqs {
            bytes.extend(SlotTable { seq, ..records()[0].clone() }.encode());
        }
        bytes
    };
    vec![
        copies([1, 2, 3, 4]),
        copies([8, 5, 6, 7]),
        copies([u64::MAX, 1, 2, 3]),
        vec![0; 1 + COPIES * SECTOR],
    ]
}

fn sector(bytes: &[u8], fix: bool) -> [u8; SECTOR] {
    let mut sector = [0; SECTOR];
    for (place, byte) in sector.iter_mut().zip(bytes) {
        *place = *byte;
    }
    if fix {
        let sum = CRC.checksum(&sector[..SECTOR - 4]);
        sector[SECTOR - 4..].copy_from_slice(&sum.to_le_bytes());
    }
    sector
}

fn record(data: &[u8]) -> Verdict {
    let (control, bytes) = control(data);
    let sector = sector(bytes, control & 1 != 0);
    match SlotTable::decode(&sector) {
        Ok(table) => {
            assert_eq!(
                CRC.checksum(&sector[..SECTOR - 4]).to_le_bytes(),
                sector[SECTOR - 4..],
                "a torn record"
            );
            assert_eq!(SlotTable::decode(&table.encode()), Ok(table.clone()));
            assert!(table.slots.iter().all(|slot| slot.tries <= TRIES));
            let states = table.slots.map(|slot| (slot.state as u8, slot.tries));
            verdict((0, states, table.next.map(Slot::number), what_boots(&table)))
        }
        Err(error) => verdict((1, error as u8)),
    }
}

/// The choice is made from every table that can be read, so it must come to one, and never to a slot that it may not
/// start.
fn what_boots(table: &SlotTable) -> u8 {
    let fact = |slot: Slot| {
        let SlotRecord { version, digest, .. } = *table.slot(slot);
        SlotFact::Usable(SlotFacts { version, floor: version, digest })
    };
    let facts = Facts { slots: Slot::ALL.map(fact), counting: Counting::Pending, asked: None };
    match choose(table, &facts) {
        Order::Boot(boot) => {
            let record = table.slot(boot.slot);
            assert!(record.version >= table.floor, "below the floor");
            assert!(!matches!(record.state, SlotState::Empty | SlotState::Bad), "{:?}", record.state);
            boot.slot.number()
        }
        Order::Halt { .. } => 0,
    }
}

fn table(data: &[u8]) -> Verdict {
    let (control, bytes) = control(data);
    let mut disk = SparseDisk::new(COPIES as u64 * SECTORS_PER_MIB);
    let mut chunks = bytes.chunks(SECTOR);
    for copy in 0..COPIES {
        let sector = sector(chunks.next().unwrap_or_default(), control >> copy & 1 != 0);
        disk.write(Lba(copy as u64 * SECTORS_PER_MIB), &sector).unwrap();
    }
    let mut disk = Broken { disk, copies: control >> 4 };
    let loaded = load(&mut disk);
    let seqs = loaded.copies.iter().filter_map(|copy| match copy {
        CopyState::Valid(seq) => Some(*seq),
        CopyState::Invalid(_) | CopyState::Unreadable => None,
    });
    let newest = seqs.max();
    assert_eq!(loaded.table.as_ref().map(|table| table.seq), newest);
    let mut next = loaded.table.clone().unwrap_or_default();
    next.boots_without_health = next.boots_without_health.wrapping_add(1);
    let stored = store(&mut disk, &mut next);
    let after = load(&mut disk);
    match stored {
        Ok(()) => {
            assert_eq!(after.table, Some(next));
            let kept = newest.is_none_or(|seq| after.copies.contains(&CopyState::Valid(seq)));
            assert!(kept, "the newest record was overwritten");
        }
        Err(StoreError::Sequence) => assert!(newest == Some(u64::MAX) && after == loaded),
        Err(StoreError::Device) => assert!(control >> 4 != 0 && after == loaded),
        Err(error) => panic!("{error:?}"),
    }
    verdict((loaded.copies.map(|copy| kind(&copy)), newest.is_some(), stored.is_ok()))
}

/// A disk that neither reads nor writes some of the copies.
struct Broken {
    disk: SparseDisk,
    /// Bit n: copy n.
    copies: u8,
}

impl Broken {
    fn check(&self, at: Lba) -> Result<(), DiskGone> {
        if self.copies >> (at.0 / SECTORS_PER_MIB) & 1 != 0 { Err(DiskGone) } else { Ok(()) }
    }
}

impl Blocks for Broken {
    type Error = DiskGone;

    fn sectors(&self) -> u64 {
        self.disk.sectors()
    }

    fn read(&mut self, at: Lba, buffer: &mut [u8]) -> Result<(), DiskGone> {
        self.check(at)?;
        self.disk.read(at, buffer)
    }

    fn write(&mut self, at: Lba, data: &[u8]) -> Result<(), DiskGone> {
        self.check(at)?;
        self.disk.write(at, data)
    }

    fn flush(&mut self) -> Result<(), DiskGone> {
        self.disk.flush()
    }
}
