//! The description of a virtual machine, OVF 1.1.
//!
//! Elements stand in the order of the schema; within an item that is the alphabet. Hardware version 17 (vSphere 7.0) is
//! the first that knows the guest `other5xLinux64Guest`. Disk on a paravirtual SCSI controller, ports `vmxnet3`, both of
//! which the kernel has drivers for.

use crate::survey::Survey;

/// How a machine starts its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// UEFI.
    Efi,
    /// BIOS.
    Bios,
}

/// The virtual machine that an OVA makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    name: String,
    /// How it starts; a virtual machine has one of them.
    pub firmware: Firmware,
    /// Virtual CPUs.
    pub cpus: u32,
    /// Memory, in MiB.
    pub memory_mib: u32,
    /// Network ports.
    pub ports: u32,
}

impl Machine {
    /// A machine with the name `name`, of which lower-case letters, digits and `-` are kept, 40 at most: it becomes
    /// the names of the files in the OVA. It starts with UEFI, on two CPUs with 1 GiB and one port.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let plain = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-';
        let kept: String = name.chars().filter(plain).take(40).collect();
        let name = if kept.is_empty() { "evener".to_owned() } else { kept };
        Self { name, firmware: Firmware::Efi, cpus: 2, memory_mib: 1024, ports: 1 }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

const FORMAT: &str = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized";

/// The text, for a disk in the file `image` that is `image_bytes` long.
pub(super) fn text(machine: &Machine, image: &str, survey: &Survey, image_bytes: u64) -> String {
    let (name, capacity, populated) = (&machine.name, survey.length(), survey.used_bytes());
    let firmware = match machine.firmware {
        Firmware::Efi => "efi",
        Firmware::Bios => "bios",
    };
    let items = items(machine);
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData" xmlns:vmw="http://www.vmware.com/schema/ovf" xmlns:vssd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <References>
    <File ovf:href="{image}" ovf:id="file1" ovf:size="{image_bytes}"/>
  </References>
  <DiskSection>
    <Info>The disk of the appliance</Info>
    <Disk ovf:capacity="{capacity}" ovf:capacityAllocationUnits="byte" ovf:diskId="disk1" ovf:fileRef="file1" ovf:format="{FORMAT}" ovf:populatedSize="{populated}"/>
  </DiskSection>
  <NetworkSection>
    <Info>The networks that its ports are on</Info>
    <Network ovf:name="VM Network">
      <Description>All ports, until they are moved</Description>
    </Network>
  </NetworkSection>
  <VirtualSystem ovf:id="{name}">
    <Info>Evener, a load balancer</Info>
    <Name>{name}</Name>
    <OperatingSystemSection ovf:id="101" vmw:osType="other5xLinux64Guest">
      <Info>The operating system</Info>
      <Description>Other 5.x or later Linux (64-bit)</Description>
    </OperatingSystemSection>
    <VirtualHardwareSection>
      <Info>The hardware</Info>
      <System>
        <vssd:ElementName>Virtual Hardware Family</vssd:ElementName>
        <vssd:InstanceID>0</vssd:InstanceID>
        <vssd:VirtualSystemIdentifier>{name}</vssd:VirtualSystemIdentifier>
        <vssd:VirtualSystemType>vmx-17</vssd:VirtualSystemType>
      </System>
{items}      <vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="{firmware}"/>
      <vmw:Config ovf:required="false" vmw:key="bootOptions.efiSecureBootEnabled" vmw:value="false"/>
    </VirtualHardwareSection>
  </VirtualSystem>
</Envelope>
"#
    )
}

fn items(machine: &Machine) -> String {
    let Machine { cpus, memory_mib, ports, .. } = machine;
    let mut items = format!(
        "      <Item>
        <rasd:AllocationUnits>hertz * 10^6</rasd:AllocationUnits>
        <rasd:Description>Number of virtual CPUs</rasd:Description>
        <rasd:ElementName>{cpus} virtual CPU(s)</rasd:ElementName>
        <rasd:InstanceID>1</rasd:InstanceID>
        <rasd:ResourceType>3</rasd:ResourceType>
        <rasd:VirtualQuantity>{cpus}</rasd:VirtualQuantity>
      </Item>
      <Item>
        <rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits>
        <rasd:Description>Memory size</rasd:Description>
        <rasd:ElementName>{memory_mib} MB of memory</rasd:ElementName>
        <rasd:InstanceID>2</rasd:InstanceID>
        <rasd:ResourceType>4</rasd:ResourceType>
        <rasd:VirtualQuantity>{memory_mib}</rasd:VirtualQuantity>
      </Item>
      <Item>
        <rasd:Address>0</rasd:Address>
        <rasd:Description>SCSI controller</rasd:Description>
        <rasd:ElementName>SCSI controller 0</rasd:ElementName>
        <rasd:InstanceID>3</rasd:InstanceID>
        <rasd:ResourceSubType>VirtualSCSI</rasd:ResourceSubType>
        <rasd:ResourceType>6</rasd:ResourceType>
      </Item>
      <Item>
        <rasd:AddressOnParent>0</rasd:AddressOnParent>
        <rasd:ElementName>Hard disk 1</rasd:ElementName>
        <rasd:HostResource>ovf:/disk/disk1</rasd:HostResource>
        <rasd:InstanceID>4</rasd:InstanceID>
        <rasd:Parent>3</rasd:Parent>
        <rasd:ResourceType>17</rasd:ResourceType>
      </Item>
"
    );
    for port in 0..*ports {
        let (label, instance, address) =
            (port.saturating_add(1), port.saturating_add(5), port.saturating_add(7));
        items.push_str(&format!(
            "      <Item>
        <rasd:AddressOnParent>{address}</rasd:AddressOnParent>
        <rasd:AutomaticAllocation>true</rasd:AutomaticAllocation>
        <rasd:Connection>VM Network</rasd:Connection>
        <rasd:Description>Port eth{port}</rasd:Description>
        <rasd:ElementName>Network adapter {label}</rasd:ElementName>
        <rasd:InstanceID>{instance}</rasd:InstanceID>
        <rasd:ResourceSubType>VmxNet3</rasd:ResourceSubType>
        <rasd:ResourceType>10</rasd:ResourceType>
      </Item>
"
        ));
    }
    items
}
