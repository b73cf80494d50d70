//! The recipes with the real host programs, on small inputs.

use std::cell::RefCell;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use evener_board::Board;
use evener_formats::Sparse;
use evener_manifest::{Template, Verity, Version};

use super::*;
use crate::tool::Tool;

mod disks;
mod locked;

#[derive(Default)]
struct Listener(RefCell<Vec<String>>);

impl Reporter for Listener {
    fn say(&self, text: &str) {
        self.0.borrow_mut().push(text.to_owned());
    }
    fn still(&self, _: &str, _: Duration, _: &Path) {}
}

struct Place {
    folder: tempfile::TempDir,
    listener: Listener,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), listener: Listener::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn shop(&self, locked: bool) -> Shop<'_> {
        Shop {
            workspace: self.path("tree"),
            cache: self.path("cache"),
            work: self.path("work"),
            programs: self.path("work/cargo"),
            locked,
            reporter: &self.listener,
        }
    }
}

#[test]
fn a_program_that_fails_shows_the_end_of_its_log() {
    let place = Place::new();
    let log = place.path("log");
    let shop = place.shop(false);
    let failed = Tool::new("sh", "dash").args(["-c", "echo first; echo the reason >&2; exit 3"]);
    let error = failed.run(&shop, "test", &log).unwrap_err().to_string();
    assert!(error.contains("sh failed (exit status: 3)") && error.contains("the reason"), "{error}");
    assert_eq!(fs::read_to_string(&log).unwrap(), "first\nthe reason\n");

    let missing = Tool::new("no-such-program", "some-package").run(&shop, "test", &log);
    assert!(missing.unwrap_err().to_string().contains("apt-get install some-package"));
}

#[test]
fn programs_get_a_fixed_environment() {
    let place = Place::new();
    let log = place.path("log");
    Tool::new("env", "coreutils").run(&place.shop(false), "test", &log).unwrap();
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.contains("LC_ALL=C\n") && text.contains("TZ=UTC\n"), "{text}");
    // Cargo sets this one for every test; it must not reach what is built.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    assert!(!text.contains("CARGO_MANIFEST_DIR"), "{text}");
}

#[test]
fn the_empty_filesystem_is_the_same_each_time_and_clean() {
    let (one, two) = (Place::new(), Place::new());
    let (a, b) = (data::data(&one.shop(false)).unwrap(), data::data(&two.shop(false)).unwrap());
    assert_eq!(a.content, b.content);
    assert!(a.content.content_bytes() < 4 << 20, "{} bytes", a.content.content_bytes());
    let log = one.path("log");
    Tool::new("e2fsck", "e2fsprogs")
        .args(["-f", "-n"])
        .arg(a.path.as_os_str())
        .run(&one.shop(false), "test", &log)
        .unwrap();
}

#[test]
fn the_features_of_the_filesystem_are_those_of_the_tree_and_not_of_the_machine() {
    let place = Place::new();
    let data = data::data(&place.shop(false)).unwrap();
    let shown = Tool::new("dumpe2fs", "e2fsprogs").arg("-h").arg(data.path.as_os_str()).output().unwrap();
    let shown = String::from_utf8(shown).unwrap();
    let line = shown.lines().find_map(|line| line.strip_prefix("Filesystem features:")).unwrap();
    let found: std::collections::BTreeSet<&str> = line.split_whitespace().collect();
    let config = include_str!("mke2fs.conf").lines();
    let lists = config.filter_map(|line| line.trim().split_once("features = ")).map(|(_, list)| list);
    assert_eq!(found, lists.flat_map(|list| list.split(',')).collect());
}

fn ingredients<'a>(files: &'a [(&'a str, &'a [u8])]) -> Ingredients<'a> {
    Ingredients { userland: "x", keyset: b"keyset", files, packing: Packing::Quick, kernel_source: None }
}

#[test]
fn the_rootfs_is_the_same_whoever_builds_it() {
    let built = [Place::new(), Place::new()].map(|place| {
        let shop = place.shop(false);
        // Hashes do not compress, so that there is more than one block.
        let program: String = (0..2000_u32).map(|n| hex(&sha256(&n.to_le_bytes()))).collect();
        let binary = place.put("binary", &program);
        let data = data::data(&shop).unwrap();
        rootfs::rootfs(&shop, &binary, &ingredients(&[]), &data).unwrap()
    });
    let [a, b] = built;
    assert_eq!(a.bytes, b.bytes);
    assert_eq!(a.verity.root, b.verity.root);
    let blocks = usize::try_from(a.verity.data_blocks).unwrap();
    assert!(a.bytes.len() > blocks * 4096);
}

#[test]
fn the_rootfs_holds_what_init_expects() {
    let place = Place::new();
    let shop = place.shop(false);
    let binary = place.put("binary", "program");
    let data = data::data(&shop).unwrap();
    let usual = rootfs::rootfs(&shop, &binary, &ingredients(&[]), &data).unwrap();
    let files: [(&str, &[u8]); 1] = [("usr/share/evener/more", b"words")];
    let more = rootfs::rootfs(&shop, &binary, &ingredients(&files), &data).unwrap();
    assert_ne!(usual.verity.root, more.verity.root, "another file is another root file system");
    let packed = fs::read_dir(place.path("work/rootfs")).unwrap();
    let packed = packed.map(|e| e.unwrap().path()).find(|p| p.extension().is_some_and(|e| e == "squashfs"));
    let log = place.path("log");
    let list = Tool::new("unsquashfs", "squashfs-tools").arg("-lln").arg(packed.unwrap().as_os_str());
    list.run(&shop, "test", &log).unwrap();
    let text = fs::read_to_string(&log).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    for line in [
        "-rwxr-xr-x 0/0 7 1970-01-01 00:00 squashfs-root/sbin/evener",
        "squashfs-root/init -> sbin/evener",
        "-rw-r--r-- 0/0 33554432 1970-01-01 00:00 squashfs-root/usr/share/evener/data.ext4",
        "squashfs-root/usr/share/evener/keyset",
        "-rw-r--r-- 0/0 5 1970-01-01 00:00 squashfs-root/usr/share/evener/more",
        "squashfs-root/proc",
        "squashfs-root/conf",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
}

#[test]
fn the_command_line_is_a_template_that_a_loader_takes() {
    let verity = Verity { root: [0xab; 32], salt: [0xcd; 32], data_blocks: 1000 };
    let text = command_line_template(&verity);
    assert_eq!(Template::parse(text.as_bytes()).unwrap().as_str(), text);
    let table = format!(
        "dm-mod.create=\"v,,0,ro,0 8000 verity 1 PARTUUID={{root}} PARTUUID={{root}} 4096 4096 1000 1000 \
         sha256 {} {} 2 restart_on_corruption restart_on_error\"",
        "ab".repeat(32),
        "cd".repeat(32)
    );
    assert!(text.contains(&table), "{text}");
    assert!(TEMPLATE_CONSOLES.iter().all(|console| text.contains(&format!("console={console} "))));
}

#[test]
fn a_version_policy_that_makes_no_sense_is_refused_with_its_field() {
    let place = Place::new();
    let cargo = "[workspace.package]\nversion = \"1.2.0\"\n";
    let policy = "floor = \"1.0.0\"\ninstallable_from = \"0.9.0\"\nmin_loader = \"1.0.0\"\n";
    place.put("tree/Cargo.toml", cargo);
    place.put("tree/image-builder/firmware.toml", policy);
    let read = || Policy::read(&place.path("tree"));
    assert_eq!(read().unwrap().floor.to_string(), "1.0.0");
    for (wrong, words) in [
        (policy.replace("1.0.0\"\nins", "1.3.0\"\nins"), "floor 1.3.0 is above"),
        (policy.replace("0.9.0", "0.9"), "installable_from: \"0.9\" is not a version"),
        (policy.replace("min_loader = \"1.0.0", "min_loader = \"1.2.1"), "min_loader 1.2.1 is above 1.2.0"),
        (policy.replace("min_loader", "max_loader"), "line 3"),
    ] {
        place.put("tree/image-builder/firmware.toml", &wrong);
        let error = read().unwrap_err().to_string();
        assert!(error.contains(words), "{wrong}: {error}");
    }
}

#[test]
fn another_compiler_is_another_kernel() {
    let place = Place::new();
    locked::tree_with_lock(&place, "");
    let key = |compiler: &[u8]| kernel::key_with(&place.path("tree"), compiler);
    assert_eq!(key(b"gcc 12.2.0"), key(b"gcc 12.2.0"));
    assert_ne!(key(b"gcc 12.2.0"), key(b"gcc 12.2.1"));
}

#[test]
fn keys_of_different_inputs_differ() {
    use crate::digest::Key;
    let key = |parts: &[(&str, &[u8])]| {
        parts.iter().fold(Key::new("r"), |key, (name, content)| key.with(name, content)).finish()
    };
    let all = [
        key(&[("a", b"b")]),
        key(&[("ab", b"")]),
        key(&[("a", b"b"), ("", b"")]),
        key(&[("a", b"bc")]),
        key(&[("a", b"b"), ("c", b"")]),
        Key::new("s").with("a", b"b").finish(),
    ];
    let distinct: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(distinct.len(), all.len());
}

#[test]
fn the_shipped_fragments_do_not_contradict_each_other() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../board-support/kernel");
    let mut fragments = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "config") {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            fragments.push(kernel::Fragment { name, text: fs::read_to_string(&path).unwrap() });
        }
    }
    assert!(fragments.len() > 5);
    // Held against themselves, only lines that are no settings and contradictions are left.
    let joined: String = fragments.iter().map(|f| f.text.as_str()).collect();
    assert_eq!(kernel::unmet(&fragments, &joined), []);
}

#[test]
fn other_code_makes_other_images() {
    let place = Place::new();
    let board = Board::parse(include_str!("../../../board-support/boards/qemu.toml")).unwrap();
    let firmware = some_firmware(&place);
    let code = digest::own_code().unwrap();
    let content = content(&firmware);
    let key = |code: &str| image::key(code, &board, &content);
    assert_eq!(key(&code), key(&digest::own_code().unwrap()));
    assert_ne!(key(&code), key("a builder that was changed"));
}

fn some_firmware(place: &Place) -> Firmware {
    let keys = evener_keys::KeyFolder::new(place.path("keys"));
    let (key, _) = keys.development().unwrap();
    let parts = some_parts();
    let statement = some_statement(&parts);
    let keyset = key.keyset(false).unwrap();
    sign(&statement, &parts, &key, &keyset).unwrap()
}

#[test]
fn unchanged_images_are_left_alone_and_changed_ones_written_again() {
    let place = Place::new();
    let shop = place.shop(false);
    let board = Board::parse(include_str!("../../../board-support/boards/qemu.toml")).unwrap();
    let firmware = some_firmware(&place);
    let out = place.path("out");
    let boards = [board];
    let write = || image::write_images(&shop, &boards, &out, &content(&firmware)).unwrap();
    let said = || place.listener.0.borrow_mut().drain(..).collect::<Vec<_>>().join(" ");

    let images = write();
    let written = ["evener-1.0.0.evfw", "evener-qemu.raw, evener-qemu.qcow2"];
    let stick = "evener-installer.raw, evener-installer.raw.zst";
    assert_eq!(
        said(),
        format!("images: writing {} images: writing {} images: writing {stick}", written[0], written[1])
    );
    assert_eq!(images.bundle.file_name().unwrap(), "evener-1.0.0.evfw");
    let start = || {
        let mut start = vec![0; 1 << 20];
        fs::File::open(&images.disks[0]).unwrap().read_exact(&mut start).unwrap();
        start
    };
    let before = start();
    write();
    assert_eq!(said(), "images: unchanged");
    // Somebody booted from the disk.
    let disk = fs::File::options().write(true).open(&images.disks[0]).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&disk, b"boot", 4096).unwrap();
    assert_ne!(start(), before);
    write();
    assert_eq!(said(), "images: writing evener-qemu.raw, evener-qemu.qcow2");
    assert_eq!(start(), before);
}

/// Every board of this source tree.
fn boards() -> Vec<Board> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../board-support/boards");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut boards: Vec<Board> =
        paths.map(|path| Board::parse(&fs::read_to_string(path).unwrap()).unwrap()).collect();
    boards.sort_by(|a, b| a.name.cmp(&b.name));
    boards
}

#[test]
fn the_images_of_all_boards_are_written_at_once_and_carry_one_firmware() {
    let place = Place::new();
    let shop = place.shop(false);
    let firmware = some_firmware(&place);
    let boards = boards();
    assert!(boards.len() >= 8);
    image::check_consoles(&boards).unwrap();
    let out = place.path("out");
    let write = || image::write_images(&shop, &boards, &out, &content(&firmware)).unwrap();
    let images = write();
    assert_eq!(images.disks.len(), boards.iter().map(|board| board.disk.formats.len()).sum::<usize>());
    let all = images.disks.iter().chain([&images.bundle]).map(|path| fs::metadata(path).unwrap().len());
    assert!(all.into_iter().all(|length| length > 0));
    place.listener.0.borrow_mut().clear();
    write();
    assert_eq!(*place.listener.0.borrow(), ["images: unchanged"]);
}

#[test]
fn a_console_that_is_not_on_the_signed_command_line_is_refused_with_its_board() {
    let mut boards = boards();
    boards[1].consoles.push("ttyS1,9600n8".to_owned());
    let refused = image::check_consoles(&boards).unwrap_err().to_string();
    assert!(refused.contains("boards/azure.toml") && refused.contains("ttyS1,9600n8"), "{refused}");
}

/// Parts small enough to be made up.
fn some_parts() -> Parts {
    Parts {
        kernel: Bytes::from_static(b"kernel"),
        kernel_version: "6.12.1".to_owned(),
        loader_uefi: Bytes::from_static(b"loader"),
        loader_bios: some_loader_bios(),
        root: rootfs::seal(vec![0x5a; 8192]).unwrap(),
        data: Sparse::new(1 << 20),
    }
}

fn some_loader_bios() -> Bytes {
    let mut file = vec![0; evener_stage2::STAGE2_AT + 1024];
    evener_stage2::seal(&mut file, Version([1, 0, 0, 0])).unwrap();
    file.into()
}

fn content(firmware: &Firmware) -> DiskContent<'_> {
    DiskContent { firmware, data: Sparse::new(1 << 20) }
}

fn some_statement(parts: &Parts) -> Statement {
    let one = Version([1, 0, 0, 0]);
    Statement {
        policy: Policy { version: one, floor: one, installable_from: one, min_loader: one },
        template: command_line_template(&parts.root.verity),
        notes: "notes".to_owned(),
        toolchain: None,
        release: false,
    }
}

#[test]
fn a_bundle_that_waits_for_its_signature_differs_from_the_signed_one_in_that_alone() {
    let place = Place::new();
    let shop = place.shop(false);
    let keys = evener_keys::KeyFolder::new(place.path("keys"));
    let key = keys.create("far-away", false).unwrap();
    let (keyset, parts) = (key.keyset(true).unwrap(), some_parts());
    let statement = some_statement(&parts);
    let out = place.path("out");
    let unsigned = offline::write_unsigned(&shop, &out, &statement, &parts, &key.public(), &keyset).unwrap();
    assert_eq!(unsigned.bundle.file_name().unwrap(), "evener-1.0.0.unsigned.evfw");
    assert_eq!(unsigned.disks, [] as [PathBuf; 0]);

    let signed = sign(&statement, &parts, &key, &keyset).unwrap();
    let path = out.join("signed");
    write_bundle(&path, &signed).unwrap();
    let [before, after] = [&unsigned.bundle, &path].map(|path| fs::read(path).unwrap());
    let signature = 512 + signed.area.len() - 64..512 + signed.area.len();
    assert_eq!(before[signature.clone()], [0; 64]);
    assert_eq!(before[..signature.start], after[..signature.start]);
    assert_eq!(before[signature.end..], after[signature.end..]);
    let digest = hex(&signed.facts.digest);
    assert!(place.listener.0.borrow().iter().any(|said| said.ends_with(&digest)), "the digest is said");
}

#[test]
fn a_key_that_the_keyset_does_not_trust_is_refused_before_anybody_is_asked_to_sign() {
    let place = Place::new();
    let keys = evener_keys::KeyFolder::new(place.path("keys"));
    let [key, other] = ["a", "b"].map(|name| keys.create(name, false).unwrap());
    let parts = some_parts();
    let (statement, keyset) = (some_statement(&parts), other.keyset(true).unwrap());
    let shop = place.shop(false);
    let refused =
        offline::write_unsigned(&shop, &place.path("out"), &statement, &parts, &key.public(), &keyset);
    assert!(refused.unwrap_err().to_string().contains("not trusted"));
}

/// A signed firmware, its file, and the keyset that trusts it.
fn given_bundle(place: &Place) -> (Firmware, PathBuf, Vec<u8>) {
    let firmware = some_firmware(place);
    let bundle = place.path("given.evfw");
    write_bundle(&bundle, &firmware).unwrap();
    let (key, _) = evener_keys::KeyFolder::new(place.path("keys")).development().unwrap();
    (firmware, bundle, key.keyset(false).unwrap())
}

#[test]
fn disks_come_from_a_signed_bundle_as_from_a_build() {
    let place = Place::new();
    let shop = place.shop(false);
    let board = Board::parse(include_str!("../../../board-support/boards/qemu.toml")).unwrap();
    let (firmware, bundle, keyset) = given_bundle(&place);
    let images = disks(&shop, std::slice::from_ref(&board), &place.path("out"), &bundle, &keyset).unwrap();
    let content = DiskContent { data: data::data(&shop).unwrap().content, ..content(&firmware) };
    let expected = place.path("expected");
    let format = *board.disk.formats.last().unwrap();
    write_disk(&expected, format, &board, &content).unwrap();
    assert!(fs::read(images.disks.last().unwrap()).unwrap() == fs::read(&expected).unwrap());
    assert_eq!(fs::read(&images.bundle).unwrap(), fs::read(&bundle).unwrap());

    let keys = evener_keys::KeyFolder::new(place.path("keys"));
    let stranger = keys.create("stranger", true).unwrap().keyset(false).unwrap();
    let refused =
        disks(&shop, std::slice::from_ref(&board), &place.path("out"), &bundle, &stranger).unwrap_err();
    assert!(refused.to_string().contains("given.evfw: manifest: signed with a key that is not trusted"));
}
