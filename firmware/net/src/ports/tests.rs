use super::*;
use crate::plan::Link;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

const AZURE_MLX5: &str = include_str!("sysfs/azure-mlx5.txt");
const AZURE_MANA: &str = include_str!("sysfs/azure-mana.txt");
const SERVER: &str = include_str!("sysfs/server.txt");
const KVM: &str = include_str!("sysfs/kvm-virtio.txt");

/// The recorded tree, as folders, files and links.
fn tree(recording: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for line in recording.lines().filter(|line| !line.starts_with('#')) {
        let (path, content) = line.split_once(" = ").or_else(|| line.split_once(" -> ")).unwrap();
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if line.contains(" -> ") {
            symlink(content, path).unwrap();
        } else {
            fs::write(path, format!("{content}\n")).unwrap();
        }
    }
    root
}

fn recorded(recording: &str) -> Vec<Port> {
    let root = tree(recording);
    let ports = read::read(root.path());
    let links = recording.lines().filter(|line| line.starts_with("class/net/")).count();
    assert_eq!(ports.len(), links, "every recorded port is read");
    ports
}

/// Makes the renames one after the other, as the kernel would: no two interfaces ever have one name.
fn after(mut ports: Vec<Port>, settled: &BTreeSet<u32>) -> Vec<Port> {
    for (index, name) in renames(&ports, settled, &[]) {
        let name = name.to_string();
        assert!(ports.iter().all(|port| port.name != name), "{name} is taken");
        ports.iter_mut().find(|port| port.index == index).unwrap().name = name;
    }
    assert_eq!(renames(&ports, settled, &[]), [], "and then there is nothing left to rename");
    ports
}

fn names(ports: &[Port]) -> Vec<(&str, u8)> {
    let mut names: Vec<_> = ports.iter().map(|port| (port.name.as_str(), port.mac[5])).collect();
    names.sort_unstable();
    names
}

fn none() -> BTreeSet<u32> {
    BTreeSet::new()
}

fn slot(index: u32, address: &str) -> Port {
    let place = Place::Pci { address: PciAddress::parse(address).unwrap(), port: 0, onboard: None };
    let (name, driver) = (format!("eth{}", index - 2), String::from("e1000e"));
    let mac = [2, 0, 0, 0, 0, u8::try_from(index).unwrap()];
    Port { index, name, mac, master: None, driver, place }
}

fn with_onboard(mut port: Port, number: u32) -> Port {
    if let Place::Pci { onboard, .. } = &mut port.place {
        *onboard = Some(number);
    }
    port
}

#[test]
fn a_virtual_function_follows_its_adapter_and_has_no_number() {
    let ports = recorded(AZURE_MLX5);
    assert_eq!(followers(&ports), BTreeMap::from([(3, 2), (5, 4)]));
    let ports = after(ports, &none());
    assert_eq!(names(&ports), [("eth0", 0x9c), ("eth1", 0x10), ("vf-eth0", 0x9c), ("vf-eth1", 0x10)]);
    assert_eq!(ports[2].index, 4, "the second adapter is eth1, whatever came before it");
}

#[test]
fn a_virtual_function_is_known_before_the_kernel_has_joined_it() {
    let ports = recorded(AZURE_MANA);
    assert_eq!(ports[3].master, None);
    assert_eq!(followers(&ports), BTreeMap::from([(4, 2), (5, 3)]));
    let names_after = after(ports, &none());
    assert_eq!(names(&names_after), [("eth0", 0xa8), ("eth1", 0x8b), ("vf-eth0", 0xa8), ("vf-eth1", 0x8b)]);
}

#[test]
fn a_subordinate_of_an_adapter_follows_it_whatever_its_driver() {
    let mut ports = recorded(AZURE_MANA);
    ports[2].driver = "some_later_driver".into();
    assert_eq!(followers(&ports)[&4], 2);
}

#[test]
fn a_card_of_that_make_without_an_adapter_is_a_port_like_any_other() {
    let mut ports = recorded(AZURE_MLX5);
    ports.retain(|port| port.driver == "mlx5_core");
    for port in &mut ports {
        port.master = None;
    }
    assert_eq!(followers(&ports), BTreeMap::new());
    assert_eq!(names(&after(ports, &none())), [("eth0", 0x10), ("eth1", 0x9c)], "by PCI address");
}

#[test]
fn an_adapter_that_is_part_of_a_bond_is_no_virtual_function() {
    let mut ports = recorded(AZURE_MANA);
    ports[0].master = Some(ports[1].index);
    assert!(!followers(&ports).contains_key(&2));
}

#[test]
fn the_same_address_alone_makes_no_virtual_function() {
    let mut ports = recorded(AZURE_MANA);
    ports[3].driver = "igb".into();
    assert!(!followers(&ports).contains_key(&5));
}

#[test]
fn ports_on_the_board_come_before_cards_whatever_their_drivers() {
    let ports = after(recorded(SERVER), &none());
    let expected =
        [("eth0", 0xf0), ("eth1", 0xf1), ("eth2", 0x80), ("eth3", 0x81), ("eth4", 0x82), ("eth5", 0x83)];
    assert_eq!(names(&ports), expected);
}

#[test]
fn without_numbers_of_the_firmware_the_address_decides() {
    let recording: String =
        SERVER.lines().filter(|line| !line.contains("/index = ")).map(|line| format!("{line}\n")).collect();
    let ports = after(recorded(&recording), &none());
    let expected =
        [("eth0", 0x80), ("eth1", 0x81), ("eth2", 0x82), ("eth3", 0x83), ("eth4", 0xf0), ("eth5", 0xf1)];
    assert_eq!(names(&ports), expected);
}

#[test]
fn numbers_of_the_firmware_that_make_no_sense_are_not_believed() {
    let ports = |numbers: [Option<u32>; 3]| {
        let all = ["0000:01:00.0", "0000:02:00.0", "0000:03:00.0"].into_iter().zip(2..);
        let all = all.map(|(address, index)| slot(index, address)).zip(numbers);
        all.map(|(port, number)| match number {
            Some(number) => with_onboard(port, number),
            None => port,
        })
        .collect::<Vec<_>>()
    };
    let order =
        |numbers| names(&after(ports(numbers), &none())).into_iter().map(|(_, mac)| mac).collect::<Vec<_>>();
    assert_eq!(order([Some(3), Some(2), Some(1)]), [4, 3, 2]);
    assert_eq!(order([None, None, Some(1)]), [2, 3, 4], "a single one");
    assert_eq!(order([Some(2), Some(1), Some(1)]), [2, 3, 4], "the same twice");
}

#[test]
fn a_number_beyond_all_reason_is_none() {
    let recording = SERVER.replace("/index = 1", "/index = 16777728").replace("/index = 2", "/index = 0");
    assert!(recorded(&recording).iter().all(|port| onboard(port).is_none()));
}

#[test]
fn a_port_on_virtio_is_where_its_function_is() {
    let ports = recorded(KVM);
    let address = PciAddress::parse("0000:00:03.0").unwrap();
    assert_eq!(ports[0].place, Place::Pci { address, port: 0, onboard: None });
    assert_eq!(ports[0].driver, "virtio_net");
    assert_eq!(renames(&ports, &none(), &[]), []);
}

#[test]
fn a_port_that_comes_later_takes_the_lowest_free_number_and_moves_nobody() {
    let mut ports = vec![slot(2, "0000:05:00.0"), slot(3, "0000:06:00.0"), slot(9, "0000:01:00.0")];
    ports[1].name = "eth2".into();
    ports[2].name = "eth3".into();
    let ports = after(ports, &BTreeSet::from([2, 3]));
    assert_eq!(names(&ports), [("eth0", 2), ("eth1", 9), ("eth2", 3)]);
}

#[test]
fn a_number_that_another_kind_of_interface_has_is_left_out() {
    let ports = vec![slot(2, "0000:05:00.0"), slot(3, "0000:01:00.0")];
    assert_eq!(
        renames(&ports, &none(), &["eth1"]),
        [(2, Name::Parked(2)), (2, Name::Port(2)), (3, Name::Port(0))]
    );
}

#[test]
fn ports_that_were_left_half_renamed_get_their_numbers_all_the_same() {
    let mut ports = recorded(SERVER);
    ports[0].name = "port-2".into();
    ports[3].name = "port-5".into();
    let whole = after(recorded(SERVER), &none());
    assert_eq!(names(&after(ports, &none())), names(&whole));
}

#[test]
fn an_interface_of_another_kind_keeps_its_name() {
    let mut ports = vec![slot(2, "0000:05:00.0"), slot(3, "0000:01:00.0")];
    ports[1].name = "wwan0".into();
    assert_eq!(renames(&ports, &none(), &[]), []);
}

#[test]
fn addresses_are_read_as_sysfs_writes_them_and_nothing_else_is_one() {
    let read = |text| PciAddress::parse(text).map(|address| (address.domain, address.bus, address.device));
    assert_eq!(read("89a5:0f:1c.7"), Some((0x89a5, 0x0f, 0x1c)));
    assert_eq!(read("10000:e1:00.0"), Some((0x10000, 0xe1, 0)));
    for other in
        ["", "0000:00:1c", "pci0000:00", "virtio2", "0:0:0:0", "0000:00:zz.0", "1:02:03.4", "0000:00:00:01.0"]
    {
        assert_eq!(read(other), None, "{other}");
    }
}

fn link(port: &Port) -> Link {
    let (is_loopback, is_up, carrier, mtu) = (false, false, false, 1500);
    let (index, name, mac) = (port.index, port.name.clone(), port.mac);
    Link { index, name, mac, is_loopback, is_up, carrier, mtu, segmentation_offload: None }
}

#[test]
fn what_is_settled_survives_the_service() {
    let (root, run) = (tree(SERVER), tempfile::tempdir().unwrap());
    let folder = run.path().join("net");
    let links: Vec<Link> = recorded(SERVER).iter().map(link).collect();
    let mut known = Known::new(root.path(), &folder);
    let ports = known.ports(&links);
    assert_eq!((ports.len(), known.settled().len()), (6, 0));
    known.settle(&ports).unwrap();
    assert_eq!(Known::new(root.path(), &folder).settled(), &BTreeSet::from([2, 3, 4, 5, 6, 7]));
}

#[test]
fn another_namespaces_interfaces_are_not_taken_for_ours() {
    let (root, run) = (tree(SERVER), tempfile::tempdir().unwrap());
    let mut links: Vec<Link> = recorded(SERVER).iter().map(link).collect();
    links[0].mac = [2; 6];
    links[1].name = "eth9".into();
    links[2].index = 99;
    assert_eq!(Known::new(root.path(), run.path()).ports(&links).len(), 3);
    assert_eq!(Known::new(Path::new("/nonexistent"), run.path()).ports(&links), []);
}
