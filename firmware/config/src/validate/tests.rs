use super::*;
use crate::testing::{any_config, service, valid_config};
use crate::{
    Address, CheckKind, HttpCheck, Interface, InterfaceName, Ipv4Setup, PasswordHash, Protocol, RsId,
    StaticIpv4, User, VirtualService, VsId, Weight,
};
use proptest::prelude::*;

/// Paths of all findings.
fn fields(config: &Config) -> Vec<String> {
    validate(config).into_iter().map(|violation| violation.field).collect()
}

/// The one reason given for a field.
#[track_caller]
fn reason(config: &Config, field: &str) -> String {
    let found = validate(config);
    let mut reasons = found.iter().filter(|violation| violation.field == field).map(|it| it.reason.clone());
    reasons.next().unwrap_or_else(|| panic!("nothing about {field} in {found:?}"))
}

#[test]
fn what_nobody_set_is_valid() {
    let mut config = Config::default();
    assert_eq!(fields(&config), ["shared.users"], "only the account is missing");
    config.shared.users = valid_config().shared.users;
    assert_eq!(validate(&config), []);
    config.shared.virtual_services = vec![service(1, "192.0.2.10", 80)];
    assert_eq!(validate(&config), []);
}

#[test]
fn the_smallest_service_of_a_request_is_valid() {
    let text = r#"{"name":"shop","address":{"literal":"192.0.2.10"},"port":80,
        "real_servers":[{"address":"10.0.0.5","port":8080}]}"#;
    let mut service: VirtualService = serde_json::from_str(text).unwrap();
    (service.id, service.real_servers[0].id) = (VsId(1), RsId(1));
    let mut config = valid_config();
    config.shared.virtual_services = vec![service];
    assert_eq!(validate(&config), []);
}

#[test]
fn reasons_say_what_would_be_right() {
    let mut config = valid_config();
    config.shared.virtual_services[1].real_servers[0].port = 0;
    config.shared.virtual_services[0].check.interval_s = 902;
    assert_eq!(
        reason(&config, "shared.virtual_services[1].real_servers[0].port"),
        "0 is not a port: 1 to 65535"
    );
    assert_eq!(
        reason(&config, "shared.virtual_services[0].check.interval_s"),
        "902 is not a check interval: 1 to 901 seconds"
    );
    assert_eq!(validate(&config).len(), 2);
}

#[test]
fn a_check_must_fit_into_its_interval() {
    let mut config = valid_config();
    let check = &mut config.shared.virtual_services[0].check;
    (check.interval_s, check.timeout_s, check.retries) = (13, 4, 3);
    assert_eq!(validate(&config), []);
    config.shared.virtual_services[0].check.interval_s = 12;
    let said = reason(&config, "shared.virtual_services[0].check.interval_s");
    assert!(said.contains("at least 13"), "{said}");
}

#[test]
fn an_address_and_port_belong_to_one_service() {
    let mut config = valid_config();
    let mut twin = service(90, "192.0.2.10", 80);
    config.shared.virtual_services.push(twin.clone());
    let said = reason(&config, "shared.virtual_services[2].port");
    assert_eq!(said, "port 80 of this address is taken by virtual service shop (192.0.2.10:80)");
    // The other one says so, too, and names this one.
    let said = reason(&config, "shared.virtual_services[0].port");
    assert_eq!(said, "port 80 of this address is taken by virtual service 192.0.2.10:80");
    twin.protocol = Protocol::Udp;
    config.shared.virtual_services[2] = twin;
    assert_eq!(validate(&config), [], "another transport is another place");
}

#[test]
fn two_services_of_one_name_are_both_told() {
    let mut config = valid_config();
    config.shared.virtual_services[1].name = "shop".into();
    assert_eq!(fields(&config), ["shared.virtual_services[0].name", "shared.virtual_services[1].name"]);
}

#[test]
fn own_and_literal_addresses_of_an_interface_clash() {
    let mut config = valid_config();
    let mut own = service(90, "192.0.2.99", 80);
    own.address = Address::Own(InterfaceName("eth0".into()));
    let mut literal = service(91, "192.0.2.2", 80);
    config.shared.virtual_services.extend([own, literal.clone()]);
    assert_eq!(fields(&config), ["shared.virtual_services[2].port", "shared.virtual_services[3].port"]);
    literal.port = 81;
    config.shared.virtual_services[3] = literal;
    assert_eq!(validate(&config), []);
    config.unit.interfaces[0].ipv4 = Ipv4Setup::Dhcp;
    config.shared.virtual_services[3].port = 80;
    assert_eq!(validate(&config), [], "nobody knows what DHCP will give");
}

#[test]
fn ports_of_the_unit_are_refused_to_services() {
    let refused = |address: Address, port, protocol| {
        let mut config = valid_config();
        let mut added = service(90, "192.0.2.50", port);
        (added.address, added.protocol) = (address, protocol);
        config.shared.virtual_services.push(added);
        fields(&config).contains(&"shared.virtual_services[2].port".to_owned())
    };
    let own = || Address::Own(InterfaceName("eth0".into()));
    let interface = || Address::Literal("192.0.2.2".parse().unwrap());
    let shared = || Address::Literal("192.0.2.50".parse().unwrap());
    for port in [22, 8443, 8444, 6973] {
        assert!(refused(own(), port, Protocol::Tcp), "{port} on the interface");
        assert!(refused(interface(), port, Protocol::Tcp), "{port} on the interface's address");
        let everywhere = port == 8443 || port == 8444;
        assert_eq!(refused(shared(), port, Protocol::Tcp), everywhere, "{port} on a shared address");
        assert_eq!(refused(own(), port, Protocol::Udp), port == 6973, "{port}/udp");
    }
    assert!(!refused(own(), 443, Protocol::Tcp));
}

#[test]
fn the_pages_cannot_move_onto_a_service_or_another_port_of_the_unit() {
    let mut config = valid_config();
    config.shared.virtual_services[1].address = Address::Own(InterfaceName("eth0".into()));
    config.unit.web_port = config.shared.virtual_services[1].port;
    assert!(reason(&config, "unit.web_port").contains("is the port of virtual service"));
    for (port, user) in [(22, "SSH"), (8444, "HA health"), (6973, "synchronisation")] {
        config.unit.web_port = port;
        assert!(reason(&config, "unit.web_port").contains(user));
    }
}

#[test]
fn only_hosts_have_services_and_servers() {
    let bad = [
        "0.0.0.0",
        "224.0.0.18",
        "255.255.255.255",
        "240.0.0.1",
        "0.1.2.3",
        "::",
        "ff02::1",
        "fe80::1",
        "::ffff:192.0.2.10",
        "192.0.2.0",
        "192.0.2.255",
    ];
    for address in bad {
        let mut config = valid_config();
        config.shared.virtual_services[0].address = Address::Literal(address.parse().unwrap());
        config.shared.virtual_services[1].real_servers[0].address = address.parse().unwrap();
        let expected = [
            "shared.virtual_services[0].address.literal",
            "shared.virtual_services[1].real_servers[0].address",
        ];
        assert_eq!(fields(&config), expected, "{address}");
    }
    for address in ["127.0.0.1", "169.254.1.1", "198.51.100.255", "2001:db8::1", "fd00::1"] {
        let mut config = valid_config();
        config.shared.virtual_services[0].address = Address::Literal(address.parse().unwrap());
        assert_eq!(validate(&config), [], "{address}");
    }
}

#[test]
fn an_own_address_needs_an_interface_that_has_one() {
    let mut config = valid_config();
    let field = "shared.virtual_services[0].address.own";
    config.shared.virtual_services[0].address = Address::Own(InterfaceName("eth7".into()));
    assert!(reason(&config, field).contains("eth7 is not an interface with settings"));
    config.unit.interfaces.push(interface("eth7", Ipv4Setup::None));
    assert!(reason(&config, field).contains("has no address"));
    config.unit.interfaces[1].ipv4 = Ipv4Setup::Dhcp;
    assert_eq!(validate(&config), []);
}

fn interface(name: &str, ipv4: Ipv4Setup) -> Interface {
    Interface { ipv4, ..Interface::new(InterfaceName(name.into())) }
}

#[test]
fn a_gateway_lies_in_a_network_of_the_unit() {
    let mut config = valid_config();
    config.unit.default_gateway = Some("203.0.113.1".parse().unwrap());
    assert!(reason(&config, "unit.default_gateway").contains("in no network"));
    config.unit.interfaces.push(interface("eth1", Ipv4Setup::Dhcp));
    assert_eq!(validate(&config), []);
    config.unit.default_gateway = Some("192.0.2.2".parse().unwrap());
    assert!(reason(&config, "unit.default_gateway").contains("this unit's own"));
}

#[test]
fn a_service_is_not_its_own_server() {
    let mut config = valid_config();
    let service = &mut config.shared.virtual_services[0];
    service.real_servers[0].address = "192.0.2.10".parse().unwrap();
    service.real_servers[0].port = service.port;
    assert!(reason(&config, "shared.virtual_services[0].real_servers[0].address").contains("round for ever"));
}

#[test]
fn a_costly_hash_is_refused() {
    let good = valid_config().shared.users[0].password.0.clone();
    for (from, to) in [
        ("m=19456", "m=4194304"),
        ("t=2", "t=4000000000"),
        ("p=1", "p=200"),
        ("$argon2id", "$argon2i"),
        ("m=19456", "m=+9456"),
        ("m=19456", "m=019456"),
        ("m=19456,t=2,p=1", "m=8,t=2,p=4"),
        ("p=1$", "p=1$c2FsdHNhbHRzYWx0c2FsdHNhbHRzYWx0c2FsdHNhbHRzYWx0c2FsdHNhbHRz"),
        ("v=19", "v=16"),
    ] {
        let mut config = valid_config();
        config.shared.users[0].password = PasswordHash(good.replace(from, to));
        assert_eq!(fields(&config), ["shared.users[0].password"], "{to}");
    }
}

type Corruption = (&'static str, fn(&mut Config));

/// One field broken at a time, and the path that must be reported; the second service and its first server are
/// what is broken, so a path with a wrong index is noticed.
const CORRUPTIONS: &[Corruption] = &[
    ("shared.virtual_services[1].id", |c| c.shared.virtual_services[1].id = VsId(0)),
    ("shared.virtual_services[1].id", |c| c.shared.virtual_services[1].id = c.shared.virtual_services[0].id),
    ("shared.virtual_services[1].name", |c| c.shared.virtual_services[1].name = "ä".repeat(65)),
    ("shared.virtual_services[1].name", |c| c.shared.virtual_services[1].name = "a\nb".into()),
    ("shared.virtual_services[1].name", |c| c.shared.virtual_services[1].name = " a".into()),
    ("shared.virtual_services[1].port", |c| c.shared.virtual_services[1].port = 0),
    ("shared.virtual_services[1].check.interval_s", |c| vs(c).check.interval_s = 0),
    ("shared.virtual_services[1].check.timeout_s", |c| vs(c).check.timeout_s = 61),
    ("shared.virtual_services[1].check.retries", |c| vs(c).check.retries = 16),
    ("shared.virtual_services[1].check.port", |c| vs(c).check.port = Some(0)),
    ("shared.virtual_services[1].check.kind.http.path", |c| http(c).path = "no-slash".into()),
    ("shared.virtual_services[1].check.kind.http.path", |c| http(c).path = "/a b".into()),
    ("shared.virtual_services[1].check.kind.http.path", |c| http(c).path = "/\r\nEvil: 1".into()),
    ("shared.virtual_services[1].check.kind.http.path", |c| http(c).path = format!("/{}", "a".repeat(126))),
    ("shared.virtual_services[1].check.kind.http.host", |c| http(c).host = Some("a\r\nb".into())),
    ("shared.virtual_services[1].check.kind.http.host", |c| http(c).host = Some(String::new())),
    ("shared.virtual_services[1].check.kind.http.extra_good_statuses[1]", |c| {
        http(c).extra_good_statuses = vec![401, 600];
    }),
    ("shared.virtual_services[1].check.kind.http.extra_good_statuses", |c| {
        http(c).extra_good_statuses = (400..433).collect();
    }),
    ("shared.virtual_services[1].timeouts.request_head_s", |c| vs(c).timeouts.request_head_s = 3601),
    ("shared.virtual_services[1].timeouts.connect_s", |c| vs(c).timeouts.connect_s = 0),
    ("shared.virtual_services[1].timeouts.response_head_s", |c| vs(c).timeouts.response_head_s = 86_401),
    ("shared.virtual_services[1].timeouts.idle_s", |c| vs(c).timeouts.idle_s = 0),
    ("shared.virtual_services[1].timeouts.keep_alive_s", |c| vs(c).timeouts.keep_alive_s = u32::MAX),
    ("shared.virtual_services[1].limits.connections", |c| vs(c).limits.connections = 0),
    ("shared.virtual_services[1].limits.request_head_bytes", |c| vs(c).limits.request_head_bytes = 1023),
    ("shared.virtual_services[1].limits.request_headers", |c| vs(c).limits.request_headers = 1001),
    ("shared.virtual_services[1].real_servers[0].id", |c| vs(c).real_servers[0].id = RsId(1)),
    ("shared.virtual_services[1].real_servers[0].port", |c| vs(c).real_servers[0].port = 0),
    ("shared.virtual_services[1].real_servers[0].weight", |c| vs(c).real_servers[0].weight = Weight(0)),
    ("shared.virtual_services[1].real_servers[1].address", |c| {
        vs(c).real_servers[1].address = vs(c).real_servers[0].address;
    }),
    ("shared.virtual_services[1].real_servers", |c| {
        let pattern = vs(c).real_servers[0].clone();
        vs(c).real_servers = (1..=501u16)
            .zip(1000..)
            .map(|(port, id)| crate::RealServer { port, id: RsId(id), ..pattern.clone() })
            .collect();
    }),
    ("shared.virtual_services", |c| {
        c.shared.virtual_services =
            (1..=1001u16).map(|n| service(u32::from(n), "192.0.2.77", n + 9000)).collect();
    }),
    ("shared.users", |c| c.shared.users[0].name = "someone".into()),
    ("shared.users[1].name", |c| c.shared.users[1].name = "bal".into()),
    ("shared.users[1].name", |c| c.shared.users[1].name = "1st".into()),
    ("shared.users[1].name", |c| c.shared.users[1].name = "a:b".into()),
    ("shared.users[1].password", |c| c.shared.users[1].password = PasswordHash("secret".into())),
    ("unit.hostname", |c| c.unit.hostname = String::new()),
    ("unit.hostname", |c| c.unit.hostname = "a.b".into()),
    ("unit.hostname", |c| c.unit.hostname = "-a".into()),
    ("unit.hostname", |c| c.unit.hostname = "a".repeat(64)),
    ("unit.web_port", |c| c.unit.web_port = 0),
    ("unit.default_gateway", |c| c.unit.default_gateway = Some("224.0.0.1".parse().unwrap())),
    ("unit.name_servers[1]", |c| c.unit.name_servers[1] = c.unit.name_servers[0]),
    ("unit.name_servers[1]", |c| c.unit.name_servers[1] = "::".parse().unwrap()),
    ("unit.name_servers", |c| c.unit.name_servers = (1..=4).map(|n| [192, 0, 2, n].into()).collect()),
    ("unit.interfaces[1].name", |c| c.unit.interfaces.push(interface("eth0", Ipv4Setup::Dhcp))),
    ("unit.interfaces[1].name", |c| c.unit.interfaces.push(interface("a/b", Ipv4Setup::Dhcp))),
    ("unit.interfaces[1].name", |c| c.unit.interfaces.push(interface("a234567890123456", Ipv4Setup::Dhcp))),
    ("unit.interfaces[1].name", |c| c.unit.interfaces.push(interface("lo", Ipv4Setup::Dhcp))),
    ("unit.interfaces[0].mtu", |c| c.unit.interfaces[0].mtu = Some(575)),
    ("unit.interfaces[0].ipv4.static.prefix", |c| fixed(c).prefix = 33),
    ("unit.interfaces[0].ipv4.static.prefix", |c| fixed(c).prefix = 0),
    ("unit.interfaces[0].ipv4.static.address", |c| fixed(c).address = "192.0.2.255".parse().unwrap()),
    ("unit.interfaces[1].ipv4.static.address", |c| {
        let same = c.unit.interfaces[0].ipv4.clone();
        c.unit.interfaces.push(interface("eth1", same));
    }),
];

fn vs(config: &mut Config) -> &mut VirtualService {
    &mut config.shared.virtual_services[1]
}

fn http(config: &mut Config) -> &mut HttpCheck {
    match &mut vs(config).check.kind {
        CheckKind::Http(http) => http,
        other => panic!("{other:?}"),
    }
}

fn fixed(config: &mut Config) -> &mut StaticIpv4 {
    match &mut config.unit.interfaces[0].ipv4 {
        Ipv4Setup::Static(fixed) => fixed,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_broken_field_is_named_and_no_other() {
    for (index, (path, corrupt)) in CORRUPTIONS.iter().enumerate() {
        let mut config = valid_config();
        corrupt(&mut config);
        assert_eq!(fields(&config), [*path], "corruption {index}");
    }
}

type Break = (&'static str, fn(&mut VirtualService, usize));

/// Fields that break independently of each other; `#` stands for the server's index.
const BREAKS: [Break; 7] = [
    ("name", |it, _| it.name = "\u{7}".into()),
    ("check.timeout_s", |it, _| it.check.timeout_s = 0),
    ("check.port", |it, _| it.check.port = Some(0)),
    ("timeouts.idle_s", |it, _| it.timeouts.idle_s = 86_401),
    ("limits.connections", |it, _| it.limits.connections = 1_000_001),
    ("real_servers[#].weight", |it, server| it.real_servers[server].weight = Weight(0)),
    ("real_servers[#].address", |it, server| it.real_servers[server].address = "224.0.0.1".parse().unwrap()),
];

proptest! {
    #[test]
    fn any_configuration_is_judged_without_a_panic(config in any_config()) {
        prop_assert!(validate(&config).len() <= 100);
    }

    #[test]
    fn broken_fields_are_named_wherever_they_are(
        services in 1u16..6,
        servers in 1u16..4,
        broken in proptest::collection::btree_set((0usize..5, 0usize..3, 0usize..BREAKS.len()), 1..6),
    ) {
        let mut config = valid_config();
        let pattern = vs(&mut config).clone();
        config.shared.virtual_services = (1..=services).map(|n| VirtualService {
            name: String::new(),
            real_servers: (1..=servers).map(|m| crate::RealServer {
                id: RsId(u32::from(n) * 100 + u32::from(m)),
                port: 1000 + m,
                ..pattern.real_servers[0].clone()
            }).collect(),
            id: VsId(u32::from(n)),
            port: 1000 + n,
            ..pattern.clone()
        }).collect();
        prop_assert_eq!(validate(&config), []);

        let mut expected = std::collections::BTreeSet::new();
        for (service, server, which) in broken {
            let (service, server) = (service % usize::from(services), server % usize::from(servers));
            let (field, corrupt) = BREAKS[which];
            let target = &mut config.shared.virtual_services[service];
            corrupt(target, server);
            let field = field.replace('#', &server.to_string());
            expected.insert(format!("shared.virtual_services[{service}].{field}"));
        }
        prop_assert_eq!(fields(&config).into_iter().collect::<std::collections::BTreeSet<_>>(), expected);
    }

    #[test]
    fn a_second_administrator_changes_nothing(name in "[a-zA-Z][a-zA-Z0-9._-]{0,40}") {
        let mut config = valid_config();
        let password = config.shared.users[0].password.clone();
        config.shared.users.push(User { name: format!("x{name}"), password, must_change_password: false });
        prop_assert_eq!(validate(&config), []);
    }
}
