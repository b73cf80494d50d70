use super::*;
use evener_config::{Interface, InterfaceName, StaticIpv4, Unit};

fn link(index: u32, name: &str) -> Link {
    Link {
        index,
        name: name.into(),
        mac: [2, 0, 0, 0, 0, 1],
        is_loopback: name == "lo",
        is_up: true,
        carrier: true,
        mtu: 1500,
        segmentation_offload: Some(true),
    }
}

fn links() -> Vec<Link> {
    vec![link(1, "lo"), link(2, "eth0"), link(3, "eth1")]
}

fn placed(index: u32, text: &str) -> Placed {
    let (address, prefix) = text.split_once('/').unwrap();
    Placed { index, address: address.parse().unwrap(), prefix: prefix.parse().unwrap(), permanent: true }
}

fn fixed(name: &str, address: &str, prefix: u8) -> Interface {
    let ipv4 = Ipv4Setup::Static(StaticIpv4 { address: address.parse().unwrap(), prefix });
    Interface { ipv4, ..Interface::new(InterfaceName(name.into())) }
}

fn settings(interfaces: Vec<Interface>) -> Settings {
    Settings { unit: Unit { interfaces, ..Unit::default() }, service_addresses: vec![] }
}

fn lease() -> BTreeMap<String, Acquired> {
    let acquired = Acquired {
        address: Some((Ipv4Addr::new(10, 0, 2, 15), 24, AddressOrigin::Dhcp)),
        router: Some(Ipv4Addr::new(10, 0, 2, 2)),
        name_servers: vec![Ipv4Addr::new(10, 0, 2, 3)],
    };
    BTreeMap::from([("eth0".into(), acquired)])
}

fn nothing_found() -> BTreeMap<String, Acquired> {
    BTreeMap::from([("eth0".into(), Acquired::default())])
}

fn by_index(actual: &mut Actual, index: u32) -> &mut Link {
    actual.links.iter_mut().find(|link| link.index == index).unwrap()
}

/// The network after the changes, as an obedient kernel would have it.
fn after(actual: &Actual, changes: &[Change]) -> Actual {
    let mut after = actual.clone();
    for change in changes {
        match *change {
            Change::Name(index, name) => by_index(&mut after, index).name = name.to_string(),
            Change::Down(index) => by_index(&mut after, index).is_up = false,
            Change::Up(index) => by_index(&mut after, index).is_up = true,
            Change::Mtu(index, mtu) => by_index(&mut after, index).mtu = mtu.into(),
            Change::SegmentationOffload(index, is_on) => {
                by_index(&mut after, index).segmentation_offload = Some(is_on);
            }
            Change::RemoveAddress(gone) => after.addresses.retain(|has| *has != gone),
            Change::AddAddress(new) => after.addresses.push(new),
            Change::RemoveRoute(gone) => after.routes.retain(|has| *has != gone),
            Change::AddRoute { route, .. } => after.routes.push(route),
        }
    }
    after
}

#[test]
fn a_unit_without_settings_has_eth0_with_its_lease_and_all_else_down() {
    let wanted = wanted(&Settings::default(), &links(), &lease());
    let actual = Actual { links: links(), addresses: vec![placed(1, "127.0.0.1/8")], routes: vec![] };
    let route = Route { index: 2, gateway: Ipv4Addr::new(10, 0, 2, 2) };
    assert_eq!(
        changes(&actual, &wanted),
        [
            Change::Down(3),
            Change::AddAddress(placed(2, "10.0.2.15/24")),
            Change::AddRoute { route, on_link: false },
        ]
    );
    assert_eq!(wanted.name_servers, [IpAddr::from([10, 0, 2, 3])]);
    assert_eq!(wanted.origins[&2], AddressOrigin::Dhcp);
}

#[test]
fn after_the_changes_there_is_nothing_left_to_change() {
    let mut settings = settings(vec![fixed("eth0", "192.0.2.5", 24), fixed("eth1", "10.9.0.5", 16)]);
    settings.unit.default_gateway = Some(Ipv4Addr::new(10, 9, 0, 1));
    settings.unit.interfaces[1].mtu = Some(9000);
    settings.unit.interfaces[1].segmentation_offload = Some(false);
    settings.service_addresses = vec!["192.0.2.10".parse().unwrap(), "2001:db8::10".parse().unwrap()];
    let mut actual = Actual { links: links(), ..Actual::default() };
    actual.links[1].is_up = false;
    actual.addresses = vec![
        placed(1, "127.0.0.1/8"),
        placed(1, "::1/128"),
        placed(2, "192.0.2.5/16"),
        placed(3, "fe80::1/64"),
    ];
    actual.routes = vec![Route { index: 2, gateway: Ipv4Addr::new(192, 0, 2, 1) }];
    let wanted = wanted(&settings, &actual.links, &BTreeMap::new());
    let made = changes(&actual, &wanted);
    assert!(
        made.contains(&Change::RemoveAddress(placed(2, "192.0.2.5/16"))),
        "another prefix is another address"
    );
    assert!(made.contains(&Change::Mtu(3, 9000)));
    assert!(made.contains(&Change::SegmentationOffload(3, false)));
    let actual = after(&actual, &made);
    assert_eq!(changes(&actual, &wanted), []);
    assert!(
        actual.addresses.contains(&placed(1, "127.0.0.1/8"))
            && actual.addresses.contains(&placed(3, "fe80::1/64"))
    );
}

#[test]
fn the_segmentation_offload_is_the_drivers_unless_it_is_set() {
    let mut settings = settings(vec![fixed("eth0", "192.0.2.5", 24)]);
    let asked = |settings: &Settings, has: Option<bool>| {
        let mut actual = Actual { links: links(), ..Actual::default() };
        actual.links[1].segmentation_offload = has;
        let wanted = wanted(settings, &actual.links, &BTreeMap::new());
        let made = changes(&actual, &wanted);
        made.into_iter().find(|change| matches!(change, Change::SegmentationOffload(..)))
    };
    assert_eq!(asked(&settings, Some(false)), None, "some drivers have it off for a reason");
    for set in [false, true] {
        settings.unit.interfaces[0].segmentation_offload = Some(set);
        assert_eq!(asked(&settings, Some(set)), None);
        assert_eq!(asked(&settings, Some(!set)), Some(Change::SegmentationOffload(2, set)));
        assert_eq!(asked(&settings, None), None, "the kernel does not say");
    }
}

#[test]
fn a_service_address_goes_to_the_interface_whose_network_it_is_in_else_to_the_first() {
    let mut settings = settings(vec![fixed("eth0", "192.0.2.5", 24), fixed("eth1", "10.9.0.5", 16)]);
    settings.service_addresses =
        ["10.9.7.7", "192.0.2.5", "203.0.113.9", "2001:db8::10"].map(|a| a.parse().unwrap()).into();
    let wanted = wanted(&settings, &links(), &BTreeMap::new());
    let expected = [
        placed(2, "192.0.2.5/24"),
        placed(3, "10.9.0.5/16"),
        placed(3, "10.9.7.7/32"),
        placed(2, "203.0.113.9/32"),
        placed(2, "2001:db8::10/128"),
    ];
    assert_eq!(wanted.addresses, expected);
}

#[test]
fn a_set_gateway_takes_the_place_of_a_learnt_one() {
    let mut settings = Settings::default();
    settings.unit.default_gateway = Some(Ipv4Addr::new(10, 0, 2, 254));
    settings.unit.name_servers = vec!["192.0.2.53".parse().unwrap()];
    let wanted = wanted(&settings, &links(), &lease());
    assert_eq!(wanted.route, Some(Route { index: 2, gateway: Ipv4Addr::new(10, 0, 2, 254) }));
    assert_eq!(wanted.name_servers, settings.unit.name_servers);
}

#[test]
fn a_gateway_outside_every_network_is_reached_on_the_link() {
    let mut settings = settings(vec![fixed("eth0", "10.128.0.2", 32)]);
    settings.unit.default_gateway = Some(Ipv4Addr::new(10, 128, 0, 1));
    let wanted = wanted(&settings, &links(), &BTreeMap::new());
    assert!(wanted.on_link);
    assert_eq!(wanted.route.unwrap().index, 2);
}

#[test]
fn a_lost_lease_takes_address_and_route_away() {
    let with = wanted(&Settings::default(), &links(), &lease());
    let empty = Actual { links: links(), ..Actual::default() };
    let actual = after(&empty, &changes(&empty, &with));
    let without = wanted(&Settings::default(), &links(), &nothing_found());
    let route = Route { index: 2, gateway: Ipv4Addr::new(10, 0, 2, 2) };
    assert_eq!(
        changes(&actual, &without),
        [Change::RemoveRoute(route), Change::RemoveAddress(placed(2, "10.0.2.15/24"))]
    );
}

#[test]
fn addresses_that_routers_advertise_are_left_alone() {
    let mut advertised = placed(2, "2001:db8::abcd/64");
    advertised.permanent = false;
    let actual =
        Actual { links: links(), addresses: vec![advertised, placed(2, "2001:db8::1/64")], routes: vec![] };
    let wanted = wanted(&Settings::default(), &links(), &nothing_found());
    assert_eq!(
        changes(&actual, &wanted),
        [Change::Down(3), Change::RemoveAddress(placed(2, "2001:db8::1/64"))]
    );
}

#[test]
fn what_an_interface_has_stays_while_its_search_has_no_result() {
    let with = wanted(&Settings::default(), &links(), &lease());
    let empty = Actual { links: links(), ..Actual::default() };
    let mut actual = after(&empty, &changes(&empty, &with));
    let undecided = wanted(&Settings::default(), &actual.links, &BTreeMap::new());
    assert_eq!(changes(&actual, &undecided), []);
    actual.addresses.push(placed(3, "10.9.0.5/16"));
    actual.routes.push(Route { index: 3, gateway: Ipv4Addr::new(10, 9, 0, 1) });
    let gone = changes(&actual, &undecided);
    assert_eq!(gone.len(), 2, "an interface that has no search is set right at once: {gone:?}");
}

#[test]
fn an_interface_that_is_not_there_is_waited_for() {
    let settings = settings(vec![fixed("eth7", "192.0.2.5", 24)]);
    let wanted = wanted(&settings, &links(), &BTreeMap::new());
    assert_eq!((wanted.addresses, wanted.route), (vec![], None));
}

#[test]
fn what_is_left_alone_is_neither_taken_down_nor_emptied() {
    let actual = Actual {
        links: links(),
        addresses: vec![placed(3, "192.0.2.7/24"), placed(3, "2001:db8::7/64")],
        routes: vec![Route { index: 3, gateway: Ipv4Addr::new(192, 0, 2, 1) }],
    };
    let wanted = |actual: &Actual| wanted(&Settings::default(), &actual.links, &nothing_found());
    assert_eq!(changes(&actual, &wanted(&actual)).len(), 4, "a port that nobody set is");
    let without = actual.without(|index| index == 3);
    assert_eq!(changes(&without, &wanted(&without)), []);
}

#[test]
fn a_change_is_told_in_words() {
    let words = |change: Change| change.in_words(&links());
    assert_eq!(words(Change::Name(3, Name::Follower(0))), "eth1 becomes vf-eth0");
    assert_eq!(words(Change::AddAddress(placed(2, "10.0.2.15/24"))), "10.0.2.15/24 on eth0");
    assert_eq!(words(Change::RemoveAddress(placed(9, "10.0.2.15/24"))), "10.0.2.15/24 off interface 9");
    let route = Route { index: 3, gateway: Ipv4Addr::new(10, 0, 2, 2) };
    assert_eq!(words(Change::AddRoute { route, on_link: true }), "gateway 10.0.2.2 on eth1");
    assert_eq!(words(Change::RemoveRoute(route)), "gateway 10.0.2.2 off eth1");
    assert_eq!(words(Change::Up(2)), "eth0 up");
}
