//! The OVA: members and their order, digests, what the description says.

use std::fs::{self, File};

use evener_formats::ova::{Firmware, Machine};
use evener_formats::{Format, Sparse, Survey};

use crate::bench::{Bench, OnDisk, assert_same, disk_of, run, text};

fn write(bench: &Bench, machine: &Machine, disk: &Sparse) -> std::path::PathBuf {
    let path = bench.path("machine.ova");
    let survey = Survey::of(&mut &*disk).unwrap();
    let mut file = OnDisk(File::create(&path).unwrap());
    Format::Ova.write(&mut &*disk, &survey, machine, &mut file).unwrap();
    path
}

#[test]
fn tar_and_sha256sum_find_members_and_digests_in_order() {
    let bench = Bench::new();
    let disk = disk_of(70 << 20);
    let path = write(&bench, &Machine::new("evener-vmware"), &disk);
    let listing = run("tar", &["-tvf", text(&path), "--numeric-owner", "--utc"]);
    let lines: Vec<&str> = listing.lines().collect();
    let names: Vec<&str> = lines.iter().map(|line| line.split_whitespace().last().unwrap()).collect();
    assert_eq!(names, ["evener-vmware.ovf", "evener-vmware.mf", "evener-vmware-disk1.vmdk"]);
    assert!(lines.iter().all(|line| line.starts_with("-rw-r--r-- 0/0") && line.contains("1970-01-01")));

    let folder = bench.path("members");
    fs::create_dir(&folder).unwrap();
    run("tar", &["-xf", text(&path), "-C", text(&folder)]);
    let manifest = fs::read_to_string(folder.join("evener-vmware.mf")).unwrap();
    let mut listed = Vec::new();
    for line in manifest.lines() {
        let (name, digest) = line.strip_prefix("SHA256(").unwrap().split_once(")= ").unwrap();
        assert_eq!(run("sha256sum", &[text(&folder.join(name))]).split(' ').next(), Some(digest), "{name}");
        listed.push(name.to_owned());
    }
    assert_eq!(listed, ["evener-vmware.ovf", "evener-vmware-disk1.vmdk"]);

    // The disk inside is the one that the VMDK writer makes by itself.
    let inside = fs::read(folder.join("evener-vmware-disk1.vmdk")).unwrap();
    assert!(inside == fs::read(bench.write(Format::Vmdk, &disk)).unwrap());
    let text = fs::read_to_string(folder.join("evener-vmware.ovf")).unwrap();
    assert!(text.contains(&format!("ovf:size=\"{}\"", inside.len())), "{text}");
}

#[test]
fn the_description_has_the_numbers_that_came_in() {
    let bench = Bench::new();
    let mut machine = Machine::new("Evener <x> & co");
    (machine.cpus, machine.memory_mib, machine.ports) = (3, 1536, 4);
    let path = write(&bench, &machine, &disk_of((20 << 20) + 512));
    let ovf = run("tar", &["-xOf", text(&path), "venerxco.ovf"]);
    for (words, times) in [
        ("<rasd:VirtualQuantity>3</rasd:VirtualQuantity>", 1),
        ("<rasd:VirtualQuantity>1536</rasd:VirtualQuantity>", 1),
        ("<rasd:ResourceSubType>VmxNet3</rasd:ResourceSubType>", 4),
        ("<rasd:ResourceSubType>VirtualSCSI</rasd:ResourceSubType>", 1),
        ("ovf:capacity=\"20972032\" ovf:capacityAllocationUnits=\"byte\"", 1),
        ("vmw:osType=\"other5xLinux64Guest\"", 1),
        ("vmw:key=\"firmware\" vmw:value=\"efi\"", 1),
        ("vmdk.html#streamOptimized\"", 1),
        ("ovf:href=\"venerxco-disk1.vmdk\"", 1),
    ] {
        assert_eq!(ovf.matches(words).count(), times, "{words} in {ovf}");
    }
    let ids: Vec<&str> =
        ovf.split("<rasd:InstanceID>").skip(1).map(|rest| rest.split('<').next().unwrap()).collect();
    let mut unique = ids.clone();
    unique.dedup();
    assert_eq!(ids, unique);
    machine.firmware = Firmware::Bios;
    let path = write(&bench, &machine, &disk_of(20 << 20));
    assert!(run("tar", &["-xOf", text(&path), "venerxco.ovf"]).contains("vmw:value=\"bios\""));
}

#[test]
fn xmllint_finds_the_description_well_formed() {
    let bench = Bench::new();
    let path = write(&bench, &Machine::new("evener"), &disk_of(20 << 20));
    let ovf = bench.path("evener.ovf");
    fs::write(&ovf, run("tar", &["-xOf", text(&path), "evener.ovf"])).unwrap();
    run("xmllint", &["--noout", "--nonet", text(&ovf)]);
    let query = "string(//*[local-name()='File']/@*[local-name()='href'])";
    assert_eq!(run("xmllint", &["--xpath", query, text(&ovf)]).trim(), "evener-disk1.vmdk");
}

#[test]
fn an_ova_that_tar_packed_again_is_read_and_a_wrong_digest_is_not() {
    let bench = Bench::new();
    let disk = disk_of(20 << 20);
    let path = write(&bench, &Machine::new("evener"), &disk);
    let folder = bench.path("members");
    fs::create_dir(&folder).unwrap();
    run("tar", &["-xf", text(&path), "-C", text(&folder)]);
    let pack = |kind: &str| {
        let theirs = bench.path(&format!("theirs-{kind}.ova"));
        let members = ["evener.ovf", "evener.mf", "evener-disk1.vmdk"];
        let format = format!("--format={kind}");
        run("tar", &[&["-C", text(&folder), &format, "-cf", text(&theirs)][..], &members].concat());
        theirs
    };
    for kind in ["ustar", "gnu"] {
        assert_same(&mut bench.open(&pack(kind)), &disk, kind);
    }
    let manifest = folder.join("evener.mf");
    let right = fs::read_to_string(&manifest).unwrap();
    let first = right.find("= ").unwrap() + 2;
    let wrong = if right.as_bytes()[first] == b'0' { "1" } else { "0" };
    fs::write(&manifest, format!("{}{wrong}{}", &right[..first], &right[first + 1..])).unwrap();
    let error = Format::Ova.open(OnDisk(File::open(pack("ustar")).unwrap())).err().unwrap().to_string();
    assert!(error.contains("checksum of the member of an OVA at offset 512"), "{error}");
}
