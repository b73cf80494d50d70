//! The memory map as the BIOS gives it (int 15h AX=E820h; ACPI 6.5 §15.1): where there is memory that nobody else uses.

use evener_disk::field::{u32_at, u64_at};

use crate::memory::{BIOS_MAP_ENTRIES, BIOS_MAP_ENTRY};

/// Memory that is free to use.
const USABLE: u32 = 1;
/// In the attributes: the entry counts.
const COUNTS: u32 = 1;
/// Memory that is used begins here, above everything that a PC keeps low.
const LOWEST: u64 = 1 << 20;
/// And ends here: what is mapped.
const HIGHEST: u64 = 1 << 32;
/// Bytes of an entry as the kernel wants it: without the attributes.
pub(crate) const KERNEL_ENTRY: usize = 20;

/// Addresses from `start` up to and without `end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl Range {
    fn bytes(self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}

/// The map.
#[derive(Debug)]
pub(crate) struct MemoryMap {
    bytes: [u8; BIOS_MAP_ENTRIES * BIOS_MAP_ENTRY],
    entries: usize,
}

/// One entry.
#[derive(Clone, Copy, Debug)]
struct Entry<'a> {
    range: Range,
    usable: bool,
    bytes: &'a [u8],
}

impl MemoryMap {
    /// The first `entries` of what the BIOS wrote.
    pub(crate) fn new(bytes: [u8; BIOS_MAP_ENTRIES * BIOS_MAP_ENTRY], entries: usize) -> Self {
        Self { bytes, entries: entries.min(BIOS_MAP_ENTRIES) }
    }

    /// The entries that count, in the BIOS's order.
    fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.bytes.chunks_exact(BIOS_MAP_ENTRY).take(self.entries).filter_map(|bytes| {
            let (start, length) = (u64_at(bytes, 0), u64_at(bytes, 8));
            let counts = u32_at(bytes, 20) & COUNTS != 0 && length > 0;
            let range = Range { start, end: start.saturating_add(length) };
            counts.then(|| Entry { range, usable: u32_at(bytes, 16) == USABLE, bytes })
        })
    }

    /// The entries that count, as the kernel wants them.
    pub(crate) fn for_kernel(&self) -> impl Iterator<Item = &[u8]> {
        self.entries().filter_map(|entry| entry.bytes.get(..KERNEL_ENTRY))
    }

    /// Whether all of `range` is free to use and within what is mapped.
    pub(crate) fn has(&self, range: Range) -> bool {
        let free = range.end <= HIGHEST && range.start < range.end;
        let taken = self.entries().any(|entry| !entry.usable && overlap(entry.range, range));
        // The map's entries may be many pieces, in any order.
        let mut at = range.start;
        while let Some(next) = self
            .entries()
            .filter(|e| e.usable && e.range.start <= at && at < e.range.end)
            .map(|e| e.range.end)
            .max()
        {
            at = next;
        }
        free && !taken && at >= range.end
    }

    /// The largest free range between 1 MiB and 4 GiB; empty when there is none.
    pub(crate) fn largest(&self) -> Range {
        let usable = self.entries().filter(|entry| entry.usable);
        let ranges = usable.map(|entry| self.free_part(entry.range));
        ranges.max_by_key(|range| range.bytes()).unwrap_or_default()
    }

    /// What of a free entry nobody else lays claim to, from its start or from what is claimed there; it goes on in the
    /// entries that follow without a gap.
    fn free_part(&self, range: Range) -> Range {
        let mut range = Range { start: range.start.max(LOWEST), end: range.end };
        while let Some(next) = self
            .entries()
            .filter(|e| e.usable && e.range.start <= range.end && e.range.end > range.end)
            .map(|e| e.range.end)
            .max()
        {
            range.end = next;
        }
        range.end = range.end.min(HIGHEST);
        // Each claim is cut off once: then it overlaps no more.
        loop {
            let within = range;
            let claim = self.entries().find(|entry| !entry.usable && overlap(entry.range, within));
            let Some(claim) = claim else { break };
            if claim.range.start <= range.start {
                range.start = claim.range.end;
            } else {
                range.end = claim.range.start;
            }
        }
        if range.start < range.end { range } else { Range::default() }
    }
}

fn overlap(a: Range, b: Range) -> bool {
    a.start < b.end && b.start < a.end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(u64, u64, u32)]) -> MemoryMap {
        let mut bytes = [0; BIOS_MAP_ENTRIES * BIOS_MAP_ENTRY];
        for (place, (start, length, kind)) in bytes.chunks_exact_mut(BIOS_MAP_ENTRY).zip(entries) {
            place[..8].copy_from_slice(&start.to_le_bytes());
            place[8..16].copy_from_slice(&length.to_le_bytes());
            place[16..20].copy_from_slice(&kind.to_le_bytes());
            place[20..].copy_from_slice(&1_u32.to_le_bytes());
        }
        MemoryMap::new(bytes, entries.len())
    }

    /// QEMU's `pc` with 512 MiB.
    const QEMU: [(u64, u64, u32); 7] = [
        (0, 0x9_fc00, 1),
        (0x9_fc00, 0x400, 2),
        (0xf_0000, 0x1_0000, 2),
        (0x10_0000, 0x1fee_0000, 1),
        (0x1ffe_0000, 0x2_0000, 2),
        (0xfeff_c000, 0x4000, 2),
        (0xfffc_0000, 0x4_0000, 2),
    ];

    #[test]
    fn the_largest_range_is_the_memory_above_1_mib() {
        assert_eq!(map(&QEMU).largest(), Range { start: 0x10_0000, end: 0x1ffe_0000 });
    }

    #[test]
    fn memory_in_pieces_is_one_range_in_any_order() {
        let map =
            map(&[(0x300_0000, 0x100_0000, 1), (0x10_0000, 0x1f0_0000, 1), (0x200_0000, 0x100_0000, 1)]);
        assert_eq!(map.largest(), Range { start: 0x10_0000, end: 0x400_0000 });
        assert!(map.has(Range { start: 0x100_0000, end: 0x400_0000 }));
        assert!(!map.has(Range { start: 0x100_0000, end: 0x400_0001 }));
    }

    #[test]
    fn what_somebody_else_claims_is_not_free() {
        let map = map(&[(0, 0x1000_0000, 1), (0x800_0000, 0x1000, 2), (0x10_0000, 0x1000, 3)]);
        assert_eq!(map.largest(), Range { start: 0x10_1000, end: 0x800_0000 });
        assert!(!map.has(Range { start: 0x700_0000, end: 0x800_0001 }));
        assert!(map.has(Range { start: 0x700_0000, end: 0x800_0000 }));
    }

    #[test]
    fn memory_above_4_gib_is_not_used_and_no_memory_is_an_empty_range() {
        assert_eq!(map(&[(1 << 32, 1 << 32, 1)]).largest(), Range::default());
        assert_eq!(map(&[(0xc000_0000, 1 << 33, 1)]).largest(), Range { start: 0xc000_0000, end: 1 << 32 });
        assert_eq!(map(&[]).largest(), Range::default());
        assert!(!map(&[]).has(Range { start: 0x100_0000, end: 0x100_0001 }));
        assert!(!map(&[(0, u64::MAX, 1)]).has(Range { start: 1 << 20, end: (1 << 32) + 1 }));
    }

    #[test]
    fn an_entry_that_does_not_count_is_left_out() {
        let mut map = map(&QEMU);
        map.bytes[3 * BIOS_MAP_ENTRY + 20] = 0;
        assert_eq!(map.largest(), Range::default());
        assert_eq!(map.for_kernel().count(), QEMU.len() - 1);
        assert!(map.for_kernel().all(|entry| entry.len() == KERNEL_ENTRY));
    }
}
