//! The whole disk that this loader was loaded from, as [`Blocks`].
//!
//! The firmware says which partition the file came from; the disk is the device whose path is the beginning of
//! that partition's path. No other disk is ever looked at: a stick and an installed disk may both be there.

use alloc::vec;
use alloc::vec::Vec;

use evener_disk::{Blocks, Lba, SECTOR};
use evener_slot_choice::BootCode;
use uefi::boot::{self, OpenProtocolAttributes, OpenProtocolParams, ScopedProtocol};
use uefi::proto::ProtocolPointer;
use uefi::proto::device_path::{DevicePath, DevicePathNode};
use uefi::proto::loaded_image::LoadedImage;
use uefi::proto::media::block::BlockIO;
use uefi::{Handle, Status};

/// Bytes that go through the aligned buffer at a time, when a caller's buffer is not aligned.
const BOUNCE: usize = 64 * 1024;

/// The disk, opened beside the firmware's own drivers.
pub(crate) struct BootDisk {
    device: ScopedProtocol<BlockIO>,
    media: u32,
    sectors: u64,
    align: usize,
    bounce: Vec<u8>,
}

impl BootDisk {
    /// Finds the disk.
    pub(crate) fn find() -> Result<Self, BootCode> {
        let image = open::<LoadedImage>(boot::image_handle()).map_err(|_| BootCode::NoDisk)?;
        let partition = image.device().ok_or(BootCode::NoDisk)?;
        let path = open::<DevicePath>(partition).map_err(|_| BootCode::NoDisk)?;
        let wanted: Vec<&DevicePathNode> = path.node_iter().collect();
        let handles = boot::find_handles::<BlockIO>().map_err(|_| BootCode::NoDisk)?;
        let best = handles.into_iter().filter_map(|handle| Some((matching(handle, &wanted)?, handle)));
        let (_, handle) = best.max_by_key(|(length, _)| *length).ok_or(BootCode::NoDisk)?;
        let device = open::<BlockIO>(handle).map_err(|_| BootCode::NoDisk)?;
        let media = device.media();
        let align = usize::try_from(media.io_align()).unwrap_or(1).max(1);
        let (media, sectors) = (media.media_id(), media.last_block().saturating_add(1));
        let bounce = vec![0; BOUNCE.saturating_add(align)];
        Ok(Self { device, media, sectors, align, bounce })
    }

    /// True when the range is inside the disk and the buffer can be given to the firmware as it is.
    fn check(&self, at: Lba, bytes: usize) -> Result<(), Status> {
        let count = u64::try_from(bytes / SECTOR).unwrap_or(u64::MAX);
        let inside = at.0.checked_add(count).is_some_and(|end| end <= self.sectors);
        if inside && bytes.is_multiple_of(SECTOR) { Ok(()) } else { Err(Status::INVALID_PARAMETER) }
    }

    fn is_aligned(&self, address: usize) -> bool {
        address.is_multiple_of(self.align)
    }
}

impl Blocks for BootDisk {
    type Error = Status;

    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn read(&mut self, at: Lba, buffer: &mut [u8]) -> Result<(), Status> {
        self.check(at, buffer.len())?;
        if self.is_aligned(buffer.as_ptr().addr()) {
            return self.device.read_blocks(self.media, at.0, buffer).map_err(|error| error.status());
        }
        let mut lba = at.0;
        for chunk in buffer.chunks_mut(BOUNCE) {
            let aligned =
                aligned(&mut self.bounce, self.align, chunk.len()).ok_or(Status::BAD_BUFFER_SIZE)?;
            self.device.read_blocks(self.media, lba, aligned).map_err(|error| error.status())?;
            chunk.copy_from_slice(aligned);
            lba = lba.saturating_add((chunk.len() / SECTOR) as u64);
        }
        Ok(())
    }

    fn write(&mut self, at: Lba, data: &[u8]) -> Result<(), Status> {
        self.check(at, data.len())?;
        if self.is_aligned(data.as_ptr().addr()) {
            return self.device.write_blocks(self.media, at.0, data).map_err(|error| error.status());
        }
        let mut lba = at.0;
        for chunk in data.chunks(BOUNCE) {
            let aligned =
                aligned(&mut self.bounce, self.align, chunk.len()).ok_or(Status::BAD_BUFFER_SIZE)?;
            aligned.copy_from_slice(chunk);
            self.device.write_blocks(self.media, lba, aligned).map_err(|error| error.status())?;
            lba = lba.saturating_add((chunk.len() / SECTOR) as u64);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Status> {
        self.device.flush_blocks().map_err(|error| error.status())
    }
}

/// The part of `buffer` of `bytes` that starts at a multiple of `align`.
fn aligned(buffer: &mut [u8], align: usize, bytes: usize) -> Option<&mut [u8]> {
    let address = buffer.as_ptr().addr();
    let skip = address.next_multiple_of(align).saturating_sub(address);
    buffer.get_mut(skip..skip.checked_add(bytes)?)
}

/// How many nodes of `wanted` the path of a whole disk with 512-byte sectors matches; `None` when it is not
/// its beginning.
fn matching(handle: Handle, wanted: &[&DevicePathNode]) -> Option<usize> {
    let device = open::<BlockIO>(handle).ok()?;
    let media = device.media();
    let whole = media.is_media_present() && !media.is_logical_partition();
    if !whole || usize::try_from(media.block_size()) != Ok(SECTOR) {
        return None;
    }
    let path = open::<DevicePath>(handle).ok()?;
    let mut length = 0;
    for node in path.node_iter() {
        if wanted.get(length) != Some(&node) {
            return None;
        }
        length = length.saturating_add(1);
    }
    Some(length)
}

/// Opens a protocol without driving its other users away: an exclusive open of the disk would disconnect the
/// partition and file system drivers, and with them the device this image came from.
#[expect(unsafe_code, reason = "shared opening is what the firmware's own boot manager does")]
pub(crate) fn open<P: ProtocolPointer + ?Sized>(handle: Handle) -> uefi::Result<ScopedProtocol<P>> {
    let params = OpenProtocolParams { handle, agent: boot::image_handle(), controller: None };
    // SAFETY: the handles come from the firmware in this boot, nothing here uninstalls a protocol, and no
    // other code of ours runs at the same time.
    unsafe { boot::open_protocol(params, OpenProtocolAttributes::GetProtocol) }
}
