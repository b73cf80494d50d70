//! Network cards of other makes than the tests' own: what the operator sets of one, and which of two is `eth0`.

use std::sync::Arc;
use std::time::Duration;

use evener_appliance::{Api, BOOT_WITHIN, Network, PASSWORD, Turn, UNIT, fresh_disk, log_path};
use evener_lab::http::{Connection, Request, Response};
use evener_lab::{Card, Machine, Random, Switch, WebServer, config_medium};

use serde_json::json;

use crate::{SERVICE, ask, wait_until_served};

/// An Intel port on the board itself.
const INTEL: Card = Card { model: "e1000e", in_slot: false };
/// A card in a slot, with another driver.
const VIRTIO: Card = Card { model: "virtio-net-pci", in_slot: true };
const LARGE: usize = 8 << 20;

/// Whether an Ethernet frame carries a piece of an IPv4 packet, whole ones being the rule: more fragments, or an offset.
fn is_fragment(frame: &[u8]) -> Option<()> {
    let is_ipv4 = frame.get(12..14)? == [8, 0];
    let place = u16::from_be_bytes(frame.get(20..22)?.try_into().ok()?);
    (is_ipv4 && place & 0x3fff != 0).then_some(())
}

#[test]
fn a_large_answer_arrives_whole_through_a_card_that_is_not_left_to_cut_it() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let network = Network::new().unwrap();
    let mut random = Random::new(1);
    let large: Arc<[u8]> = (0..LARGE / 8).flat_map(|_| random.number().to_le_bytes()).collect();
    let body = Arc::clone(&large);
    let _server = WebServer::start(Arc::clone(&network.servers[0]), 8080, move |request| {
        let body = if request.target == "/large" { body.to_vec() } else { b"one".to_vec() };
        Response { status: 200, headers: Vec::new(), body }
    })
    .unwrap();
    let disk = fresh_disk(folder.path(), None).unwrap();
    let medium = config_medium(folder.path(), &Network::configuration_without_offload(1)).unwrap();
    let machine = Machine::new("card-offload", &disk, &log_path("card-offload"));
    let unit = machine.card_on(&network.switch, INTEL).medium(&medium).start().unwrap();
    unit.serial().wait_for("eth0 without segmentation offload", BOOT_WITHIN).unwrap();
    wait_until_served(&unit, &network.client);

    // QEMU 7.2 makes IP fragments of what the unit leaves to this card.
    let fragments = network.switch.tap(is_fragment);
    let mut stream = network.client.connect(SERVICE).unwrap();
    stream.set_limit(Duration::from_secs(60));
    let answer = Connection::new(stream).exchange(&Request::new("GET", "shop", "/large")).unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, LARGE));
    assert!(answer.body == *large, "another body than the server's");
    assert_eq!(fragments.rest().len(), 0);
}

#[test]
fn eth0_is_the_port_on_the_board_though_the_driver_of_a_card_comes_first() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let network = Network::new().unwrap();
    let _one = WebServer::named(Arc::clone(&network.servers[0]), 8080, "one").unwrap();
    let disk = fresh_disk(folder.path(), None).unwrap();
    let medium = config_medium(folder.path(), &Network::configuration_without_offload(1)).unwrap();
    let nowhere = Switch::default();
    // The card is given first, so that it has the first hardware address, too: only its place speaks against it.
    let machine = Machine::new("card-order", &disk, &log_path("card-order"));
    let machine = machine.card_on(&nowhere, VIRTIO).card_on(&network.switch, INTEL).medium(&medium);
    let unit = machine.start().unwrap();
    // If the kernel's own order were the right one, nothing would be seen of the rule.
    unit.serial().wait_for("becomes eth0", BOOT_WITHIN).unwrap();
    wait_until_served(&unit, &network.client);
    assert_eq!(ask(&network.client).unwrap(), "one");

    let api = Api::over_lab(Arc::clone(&network.client), UNIT, PASSWORD);
    let status = api.wait_until_served(BOOT_WITHIN).unwrap();
    let interfaces = status["network"]["interfaces"].as_array().unwrap();
    let mac_of = |name: &str| {
        let known = interfaces.iter().find(|interface| interface["name"] == name);
        known.unwrap_or_else(|| panic!("there is no {name}: {interfaces:?}"))["mac"].clone()
    };
    let given = |number: u8| json!([0x52, 0x54, 0, 0, 0, number]);
    assert_eq!((mac_of("eth0"), mac_of("eth1")), (given(2), given(1)));
}
