use super::*;

pub(crate) const QEMU: &str = include_str!("../../boards/qemu.toml");

/// Every board there is, by name.
const BOARDS: [(&str, &str); 8] = [
    ("aws", include_str!("../../boards/aws.toml")),
    ("azure", include_str!("../../boards/azure.toml")),
    ("hyperv-gen1", include_str!("../../boards/hyperv-gen1.toml")),
    ("hyperv-gen2", include_str!("../../boards/hyperv-gen2.toml")),
    ("lm2200", include_str!("../../boards/lm2200.toml")),
    ("oem-x86", include_str!("../../boards/oem-x86.toml")),
    ("qemu", QEMU),
    ("vmware", include_str!("../../boards/vmware.toml")),
];

pub(crate) fn board(name: &str) -> Board {
    let (_, text) = BOARDS.iter().find(|(known, _)| *known == name).unwrap();
    Board::parse(text).unwrap()
}

#[test]
fn the_qemu_board_is_valid() {
    let board = Board::parse(QEMU).unwrap();
    assert_eq!(board.name, "qemu");
    assert_eq!(board.disk.sectors(), 512 * 2048);
    assert_eq!(board.consoles.last().unwrap(), "ttyS0,115200n8");
}

#[test]
fn every_board_file_is_in_the_list_of_these_tests() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../boards");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = files.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, BOARDS.map(|(name, _)| format!("{name}.toml")));
}

#[test]
fn every_board_is_valid_and_has_the_name_of_its_file() {
    for (name, text) in BOARDS {
        let board = Board::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(board.name, name);
    }
}

#[test]
fn an_imitation_has_no_more_than_its_board() {
    for (name, _) in BOARDS {
        let Board { resources, qemu, .. } = board(name);
        assert!(qemu.memory_mib <= resources.memory_mib && qemu.cpus <= resources.cpus, "{name}");
    }
}

#[test]
fn a_disk_that_no_machine_has_a_controller_for_has_one() {
    for (name, _) in BOARDS {
        let Board { qemu, .. } = board(name);
        let needs_one = ["scsi-hd", "usb-storage"].contains(&qemu.disk.as_str());
        assert_eq!(qemu.controller.is_some(), needs_one, "{name}");
    }
}

#[test]
fn a_board_with_a_screen_shows_it_to_the_kernel() {
    for (name, _) in BOARDS {
        let Board { qemu, consoles, .. } = board(name);
        assert_eq!(qemu.screen, consoles.iter().any(|console| console == "tty0"), "{name}");
    }
}

#[test]
fn an_error_names_line_and_field() {
    for (good, bad, words) in [
        ("size_mib = 512", "size_mib = 10", ["10 MiB is not between 320", "size_mib"]),
        ("name = \"qemu\"", "name = \"Q emu\"", ["lower-case", "line 2"]),
        ("watchdog = \"i6300esb\"\n\n", "watchdog = \"dog\"\n\n", ["unknown variant `dog`", "watchdog = "]),
        ("cpus = 2", "cpus = 2\nsockets = 1", ["unknown field `sockets`", "sockets = 1"]),
        ("formats = [\"raw\", \"qcow2\"]", "formats = []", ["at least one", "formats = []"]),
        ("firmware = [\"uefi\", \"bios\"]", "firmware = []", ["at least one", "line 4"]),
        ("consoles = [\"tty0\", \"ttyS0,115200n8\"]", "consoles = []", ["at least one", "line 6"]),
        ("memory_mib = 512\ndisk", "memory_mib = 12\ndisk", ["12 is not between 64", "memory_mib"]),
        ("title = ", "titel = ", ["unknown field `titel`", "line 3"]),
        ("ports = 1", "ports = 0", ["0 is not between 1 and 16", "ports = 0"]),
        ("machine = \"q35\"", "machine = \"microvm\"", ["unknown machine `microvm`", "machine = "]),
        ("disk = \"virtio-blk-pci\"", "disk = \"sd-card\"", ["unknown disk `sd-card`", "disk = "]),
        ("nic = \"virtio-net-pci\"", "nic = \"ne2k_pci\"", ["unknown network port `ne2k_pci`", "nic = "]),
        ("screen = true", "controller = \"floppy\"", ["unknown controller `floppy`", "controller = "]),
    ] {
        let text = QEMU.replace("cpu = \"qemu64\"", "cpu = \"qemu64\"\nscreen = true").replace(good, bad);
        assert!(text.contains(bad), "{good}");
        let error = Board::parse(&text).unwrap_err().to_string();
        assert!(words.iter().all(|w| error.contains(w)), "{bad}: {error}");
    }
}

#[test]
fn every_disk_format_has_a_name_in_a_board_file() {
    let all = "formats = [\"raw\", \"qcow2\", \"vhd\", \"vhdx\", \"vmdk\", \"ova\", \"raw-zst\"]";
    let text = QEMU.replace("formats = [\"raw\", \"qcow2\"]", all);
    assert_ne!(text, QEMU);
    let board = Board::parse(&text).unwrap();
    let names: Vec<String> = board.disk.formats.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["raw", "qcow2", "vhd", "vhdx", "vmdk", "ova", "raw.zst"]);
}
