//! The two copies of this loader on the disk: which one runs, and how the other one is started.
//!
//! The firmware says which partition this file came from; the other copy lies in the other EFI system partition of the
//! same disk. It is read by the firmware's own file system, as the firmware would read it at power-on, and started from
//! the bytes that were compared. That it is on trial it learns from its load options.

use alloc::vec;
use alloc::vec::Vec;

use evener_disk::PartitionMap;
use evener_handoff::{LoaderCopy, LoaderKind, RunningLoader};
use evener_slot_choice::BootCode;
use uefi::boot::{self, LoadImageSource};
use uefi::proto::device_path::build::{DevicePathBuilder, media::FilePath};
use uefi::proto::device_path::media::{HardDrive, PartitionSignature};
use uefi::proto::device_path::{DevicePath, DevicePathNode};
use uefi::proto::loaded_image::LoadedImage;
use uefi::proto::media::file::{File as _, FileAttribute, FileMode};
use uefi::proto::media::fs::SimpleFileSystem;
use uefi::{CStr16, Handle, cstr16};

use crate::disk::open;
use crate::machine::set_options;

/// The file in each EFI system partition.
const FILE: &CStr16 = cstr16!("\\EFI\\BOOT\\BOOTX64.EFI");
/// The load options of a loader on trial.
const ON_TRIAL: &CStr16 = cstr16!("evener: this loader is on trial");

/// Whether another loader started this one, to see whether it boots the machine.
pub(crate) fn on_trial() -> bool {
    open::<LoadedImage>(boot::image_handle())
        .is_ok_and(|image| image.load_options_as_cstr16().is_ok_and(|options| options == ON_TRIAL))
}

/// Which copy this is, on the disk with these partitions.
pub(crate) fn running(map: &PartitionMap) -> Option<RunningLoader> {
    let own = open::<DevicePath>(own_partition()?).ok()?;
    let guid = partition_guid(own.node_iter().last()?)?;
    let kind = LoaderKind::Uefi;
    let is = |copy: &LoaderCopy| map.get(kind.role(*copy)).is_some_and(|part| part.partuuid.0 == guid);
    Some(RunningLoader { kind, copy: LoaderCopy::ALL.into_iter().find(is)?, on_trial: on_trial() })
}

/// Reads the copy, if it is `file`.
pub(crate) fn read(map: &PartitionMap, copy: LoaderCopy, file: &[u8]) -> Result<Vec<u8>, BootCode> {
    let volume = find(map, copy).ok_or(BootCode::LoaderDiffers)?;
    let mut volume = open::<SimpleFileSystem>(volume).map_err(|_| BootCode::LoaderDiffers)?;
    let mut root = volume.open_volume().map_err(|_| BootCode::LoaderDiffers)?;
    let opened = root.open(FILE, FileMode::Read, FileAttribute::empty());
    let opened = opened.map_err(|_| BootCode::LoaderDiffers)?;
    let mut opened = opened.into_regular_file().ok_or(BootCode::LoaderDiffers)?;
    // One byte more than it should have, to see its end.
    let mut bytes = vec![0; file.len().saturating_add(1)];
    let mut length: usize = 0;
    loop {
        let read = opened.read(bytes.get_mut(length..).unwrap_or_default());
        match read.map_err(|_| BootCode::ReadFailed)? {
            0 => break,
            more => length = length.saturating_add(more),
        }
    }
    bytes.truncate(length);
    if bytes == file { Ok(bytes) } else { Err(BootCode::LoaderDiffers) }
}

/// Starts the copy whose bytes these are. Comes back only when it did.
pub(crate) fn start(map: &PartitionMap, copy: LoaderCopy, bytes: &[u8]) -> Option<()> {
    let partition = open::<DevicePath>(find(map, copy)?).ok()?;
    let mut storage = Vec::new();
    let path = with_file(&partition, &mut storage)?;
    let source = LoadImageSource::FromBuffer { buffer: bytes, file_path: Some(path) };
    let loader = boot::load_image(boot::image_handle(), source).ok()?;
    set_options(loader, ON_TRIAL.to_u16_slice_with_nul()).ok()?;
    boot::start_image(loader).ok()
}

/// The path of the file in `partition`: from it the firmware tells the new loader where it came from.
fn with_file<'a>(partition: &DevicePath, storage: &'a mut Vec<u8>) -> Option<&'a DevicePath> {
    let mut path = DevicePathBuilder::with_vec(storage);
    for node in partition.node_iter() {
        path = path.push(&node).ok()?;
    }
    path.push(&FilePath { path_name: FILE }).ok()?.finalize().ok()
}

/// The partition with this copy, on the disk that this loader was loaded from.
fn find(map: &PartitionMap, copy: LoaderCopy) -> Option<Handle> {
    let wanted = map.get(LoaderKind::Uefi.role(copy))?.partuuid.0;
    let own = open::<DevicePath>(own_partition()?).ok()?;
    let disk: Vec<&DevicePathNode> = own.node_iter().collect();
    let (_, disk) = disk.split_last()?;
    boot::find_handles::<SimpleFileSystem>().ok()?.into_iter().find(|handle| {
        let Ok(path) = open::<DevicePath>(*handle) else { return false };
        let nodes: Vec<&DevicePathNode> = path.node_iter().collect();
        nodes.split_last().is_some_and(|(last, rest)| rest == disk && partition_guid(last) == Some(wanted))
    })
}

fn own_partition() -> Option<Handle> {
    open::<LoadedImage>(boot::image_handle()).ok()?.device()
}

fn partition_guid(node: &DevicePathNode) -> Option<[u8; 16]> {
    let drive: &HardDrive = node.try_into().ok()?;
    match drive.partition_signature() {
        PartitionSignature::Guid(guid) => Some(guid.to_bytes()),
        _ => None,
    }
}
