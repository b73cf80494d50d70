//! The text inside of a VMDK that describes it.

use crate::image::array;
use crate::survey::Survey;

/// ESXi takes the adapter and the tools' version from here; `2147483647` means that the guest brings its own tools, so
/// that nobody offers to mount VMware's. The content id changes with the content, and is not one of the two values that
/// mean "no parent".
pub(super) fn text(capacity: u64, survey: &Survey) -> String {
    let long = survey.id("vmdk content");
    let cid = u32::from_be_bytes(array(&long, 12)) & 0x7fff_ffff;
    let front: String = long.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    let cylinders = (capacity / (255 * 63)).clamp(1, 65535);
    format!(
        "# Disk DescriptorFile\n\
         version=1\n\
         encoding=\"UTF-8\"\n\
         CID={cid:08x}\n\
         parentCID=ffffffff\n\
         createType=\"streamOptimized\"\n\
         \n\
         # Extent description\n\
         RW {capacity} SPARSE \"evener.vmdk\"\n\
         \n\
         # The Disk Data Base\n\
         #DDB\n\
         \n\
         ddb.adapterType = \"lsilogic\"\n\
         ddb.geometry.cylinders = \"{cylinders}\"\n\
         ddb.geometry.heads = \"255\"\n\
         ddb.geometry.sectors = \"63\"\n\
         ddb.longContentID = \"{front}{cid:08x}\"\n\
         ddb.toolsVersion = \"2147483647\"\n\
         ddb.virtualHWVersion = \"17\"\n"
    )
}
