//! Programs and crates of others read what we wrote, and we read what QEMU wrote.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::Command;

use evener_formats::{Format, Sparse};

use crate::bench::{Bench, OnDisk, assert_same, disk_of, large_disk, run, text};

/// What QEMU calls a format, for those that it knows.
fn in_qemu(format: Format) -> Option<&'static str> {
    match format {
        Format::Raw => Some("raw"),
        Format::Qcow2 => Some("qcow2"),
        Format::Vhd => Some("vpc"),
        Format::Vhdx => Some("vhdx"),
        Format::Vmdk => Some("vmdk"),
        Format::Ova | Format::RawZst => None,
    }
}

#[test]
fn qemu_img_finds_no_fault_and_every_byte_the_same() {
    let bench = Bench::new();
    let disk = large_disk();
    let raw = bench.write(Format::Raw, &disk);
    for format in Format::ALL {
        let Some(name) = in_qemu(format).filter(|name| *name != "raw") else { continue };
        let path = bench.write(format, &disk);
        if format != Format::Vhd {
            let check = run("qemu-img", &["check", "-f", name, text(&path)]);
            assert!(check.contains("No errors"), "{name}: {check}");
        }
        // A VHD is longer by what fills its last MiB, with zeros.
        let same = run("qemu-img", &["compare", "-f", "raw", "-F", name, text(&raw), text(&path)]);
        assert!(same.contains("identical"), "{name}: {same}");
        let about = run("qemu-img", &["info", "-f", name, "--output", "json", text(&path)]);
        let size = if format == Format::Vhd { 1601 << 20 } else { disk.length() };
        assert!(about.contains(&format!("\"virtual-size\": {size},")), "{about}");
    }
}

#[test]
fn we_read_what_qemu_img_wrote() {
    let bench = Bench::new();
    let disk = large_disk();
    let raw = bench.write(Format::Raw, &disk);
    for (name, options) in [
        ("qcow2", ""),
        ("qcow2", "cluster_size=512"),
        ("vpc", "subformat=fixed,force_size=on"),
        ("vhdx", "subformat=dynamic"),
        ("vhdx", "subformat=fixed"),
        ("vmdk", "subformat=streamOptimized"),
        ("vmdk", "subformat=monolithicSparse"),
    ] {
        let theirs = bench.path("theirs");
        let mut arguments = vec!["convert", "-f", "raw", "-O", name];
        if !options.is_empty() {
            arguments.extend(["-o", options]);
        }
        arguments.extend([text(&raw), text(&theirs)]);
        run("qemu-img", &arguments);
        assert_same(&mut bench.open(&theirs), &disk, &format!("{name} {options}"));
    }
}

#[test]
fn what_we_do_not_read_is_refused_in_words() {
    let bench = Bench::new();
    let raw = bench.write(Format::Raw, &disk_of(20 << 20));
    for (name, options, words) in [
        ("vpc", "subformat=dynamic", "unsupported kind of VHD 0x3"),
        // Not LUKS: for that qemu-img first measures the processor, and fails on a busy one.
        ("qcow2", "encrypt.format=aes,encrypt.key-secret=s", "unsupported encryption"),
    ] {
        let theirs = bench.path("theirs");
        let secret = ["--object", "secret,id=s,data=x"];
        let arguments = [&["convert"], &secret[..], &["-f", "raw", "-O", name, "-o", options]].concat();
        run("qemu-img", &[&arguments[..], &[text(&raw), text(&theirs)]].concat());
        let mut file = OnDisk(File::open(&theirs).unwrap());
        let format = Format::of(&mut file).unwrap();
        let error = format.open(file).err().unwrap().to_string();
        assert!(error.contains(words) && error.contains("offset"), "{error}");
    }
}

/// Whether `content` is the disk, byte for byte, with nothing but zeros behind it.
fn is_disk(mut content: impl Read, disk: &Sparse, length: u64) -> bool {
    let (mut at, mut got, mut wanted) = (0, vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let rest = usize::try_from(length - at).unwrap().min(got.len());
        if content.read_exact(&mut got[..rest]).is_err() {
            return false;
        }
        disk.read(at, &mut wanted);
        if got[..rest] != wanted[..rest] {
            return false;
        }
        at += rest as u64;
        if at == length {
            return true;
        }
    }
}

#[test]
fn crates_of_others_read_the_same_bytes() {
    let bench = Bench::new();
    let disk = disk_of(70 << 20);
    let mut vhd = vhd::VhdReader::open(&bench.write(Format::Vhd, &disk)).unwrap();
    assert_eq!(vhd.virtual_disk_size(), 70 << 20);
    assert!(is_disk(&mut vhd, &disk, 70 << 20), "vhd");

    let mut vhdx = vhdx::Vhdx::load(bench.write(Format::Vhdx, &disk));
    assert!(is_disk(vhdx.reader(), &disk, 70 << 20), "vhdx");

    use imago::FormatDriverBuilder;
    let path = bench.write(Format::Qcow2, &disk);
    let gate = imago::PermissiveImplicitOpenGate::default();
    let qcow2 = imago::qcow2::Qcow2::<imago::file::File>::builder_path(path).open(gate).unwrap();
    let access = imago::FormatAccess::new(qcow2);
    assert_eq!(access.size(), 70 << 20);
    let mut content = vec![1; 70 << 20];
    access.read(&mut content[..], 0).unwrap();
    assert!(is_disk(&content[..], &disk, 70 << 20), "qcow2");
}

/// What 7-Zip finds in a file.
fn seven_zip(path: &Path, kind: &str, disk: &Sparse, length: u64) -> bool {
    let mut child = Command::new("7zz")
        .args(["e", "-so", &format!("-t{kind}"), text(path)])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let same = is_disk(child.stdout.take().unwrap(), disk, length);
    same & child.wait().unwrap().success()
}

#[test]
fn seven_zip_reads_the_same_bytes() {
    let bench = Bench::new();
    // 7-Zip opens no VHDX, QEMU's neither, whose disk ends within 4 KiB.
    let disk = disk_of((1600 << 20) + 4096);
    for (format, kind) in
        [(Format::Vhd, "VHD"), (Format::Vhdx, "VHDX"), (Format::Vmdk, "VMDK"), (Format::Qcow2, "QCOW")]
    {
        let path = bench.write(format, &disk);
        let length = if format == Format::Vhd { 1601 << 20 } else { disk.length() };
        assert!(seven_zip(&path, kind, &disk, length), "{kind}");
        // And it would notice.
        let mut other = disk.clone();
        other.put(3 << 30 >> 2, vec![1].into()).unwrap();
        assert!(!seven_zip(&path, kind, &other, length), "{kind}: a byte that differs");
    }
}

#[test]
fn libvmdk_understands_the_vmdk() {
    let bench = Bench::new();
    let disk = large_disk();
    let about = run("vmdkinfo", &[text(&bench.write(Format::Vmdk, &disk))]);
    for words in ["Stream optimized", "(1677722112 bytes)", "Number of extents:", ": 1"] {
        assert!(about.contains(words), "{words} in {about}");
    }
}

#[test]
fn zstd_unpacks_the_raw_zst_and_we_unpack_what_it_packed() {
    let bench = Bench::new();
    let disk = disk_of(200 << 20);
    let (packed, unpacked) = (bench.write(Format::RawZst, &disk), bench.path("theirs"));
    let about = run("zstd", &["-lv", text(&packed)]);
    assert!(about.contains("XXH64") && about.contains("209715200"), "{about}");
    run("zstd", &["-q", "-d", "--sparse", text(&packed), "-o", text(&unpacked)]);
    assert!(is_disk(File::open(&unpacked).unwrap(), &disk, disk.length()));

    let again = bench.path("theirs.raw.zst");
    run("zstd", &["-q", "-1", text(&unpacked), "-o", text(&again)]);
    assert_same(&mut bench.open(&again), &disk, "theirs");
    fs::remove_file(unpacked).unwrap();
}
