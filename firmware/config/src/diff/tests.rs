use super::*;
use crate::testing::{any_config, service as new_service, valid_config};
use crate::{Interface, InterfaceName, Ipv4Setup, PasswordHash, RealServer, RsId};
use proptest::prelude::*;
use std::collections::BTreeSet;

#[test]
fn equal_configurations_do_not_differ() {
    assert_eq!(diff(&valid_config(), &valid_config()), Vec::<String>::new());
}

#[test]
fn objects_are_named_with_their_addresses() {
    let old = valid_config();
    let mut new = old.clone();
    let servers = &mut new.shared.virtual_services[0].real_servers;
    servers.push(RealServer { id: RsId(9), port: 81, ..servers[0].clone() });
    servers[1].weight.0 = 5;
    servers.remove(0);
    new.shared.virtual_services[1].port = 8081;
    new.shared.virtual_services[1].enabled = false;
    new.shared.virtual_services.push(new_service(7, "2001:db8::1", 443));
    assert_eq!(
        diff(&old, &new),
        [
            "virtual service shop (192.0.2.10:80): real server 10.0.0.5:8080 removed",
            "virtual service shop (192.0.2.10:80): real server 10.0.0.6:8080: weight changed from 1000 to 5",
            "virtual service shop (192.0.2.10:80): real server 10.0.0.5:81 added",
            "virtual service blog (192.0.2.10:81): port changed from 81 to 8081",
            "virtual service blog (192.0.2.10:81): disabled",
            "virtual service [2001:db8::1]:443 added",
        ]
    );
}

#[test]
fn settings_of_the_unit_are_told_with_both_values() {
    let old = valid_config();
    let mut new = old.clone();
    new.unit.hostname = "lb1".into();
    new.unit.default_gateway = None;
    new.unit.interfaces[0].ipv4 = Ipv4Setup::Dhcp;
    new.unit.interfaces[0].segmentation_offload = Some(false);
    new.unit
        .interfaces
        .push(Interface { ipv4: Ipv4Setup::None, ..Interface::new(InterfaceName("eth1".into())) });
    assert_eq!(
        diff(&old, &new),
        [
            "host name changed from evener to lb1",
            "interface eth0: IPv4 changed from 192.0.2.2/24 to DHCP",
            "interface eth0: segmentation offload changed from as the driver has it to off",
            "interface eth1 added",
            "default gateway changed from 192.0.2.1 to none",
        ]
    );
}

#[test]
fn passwords_are_mentioned_and_never_shown() {
    let mut old = valid_config();
    old.shared.users[0].must_change_password = true;
    let mut new = old.clone();
    new.shared.users[0].password = PasswordHash("$argon2id$secret".into());
    new.shared.users[0].must_change_password = false;
    let said = diff(&old, &new);
    assert_eq!(
        said,
        [
            "account bal: password changed",
            "account bal: change of password at the next sign-in changed from on to off"
        ]
    );
}

/// Drops whatever has an id that was there before.
fn with_unique_ids(mut config: Config) -> Config {
    let (mut services, mut servers, mut users, mut interfaces) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    config.shared.virtual_services.retain(|it| services.insert(it.id));
    for service in &mut config.shared.virtual_services {
        service.real_servers.retain(|it| servers.insert(it.id));
    }
    config.shared.users.retain(|it| users.insert(it.name.clone()));
    config.unit.interfaces.retain(|it| interfaces.insert(it.name.clone()));
    config
}

proptest! {
    #[test]
    fn there_is_a_line_exactly_when_something_differs(a in any_config(), b in any_config()) {
        let (a, b) = (with_unique_ids(a), with_unique_ids(b));
        prop_assert_eq!(diff(&a, &b).is_empty(), a == b);
        prop_assert!(diff(&a, &a).is_empty());
    }

    #[test]
    fn one_moved_half_is_noticed(a in any_config(), b in any_config()) {
        let (a, b) = (with_unique_ids(a), with_unique_ids(b));
        let mut mixed = a.clone();
        mixed.unit = b.unit;
        prop_assert_eq!(diff(&a, &mixed).is_empty(), a == mixed);
    }
}
