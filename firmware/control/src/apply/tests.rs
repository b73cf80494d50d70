use super::*;
use evener_config::{Address, InterfaceName, Ipv4Setup, PasswordHash, User};
use proptest::prelude::*;

fn service(id: u32, servers: &[u32]) -> VirtualService {
    let server = |id: &u32| RealServer { id: RsId(*id), ..RealServer::new([10, 0, 0, 1].into(), 80) };
    VirtualService {
        id: VsId(id),
        real_servers: servers.iter().map(server).collect(),
        ..VirtualService::new(Address::Literal([192, 0, 2, 1].into()), 80)
    }
}

fn config() -> (Config, NextIds) {
    let mut config = Config::default();
    config.shared.virtual_services = vec![service(1, &[1, 2]), service(4, &[7])];
    let user = |name: &str| User {
        name: name.into(),
        password: PasswordHash("old".into()),
        must_change_password: true,
    };
    config.shared.users = vec![user("bal"), user("other")];
    let ids = NextIds { vs: 10, rs: 20 };
    (config, ids)
}

fn made(change: &Change) -> Applied {
    let (config, ids) = config();
    apply(&config, ids, change).unwrap()
}

fn refused(change: &Change) -> Refused {
    let (config, ids) = config();
    apply(&config, ids, change).unwrap_err()
}

fn servers(config: &Config, index: usize) -> Vec<u32> {
    config.shared.virtual_services[index].real_servers.iter().map(|it| it.id.0).collect()
}

#[test]
fn new_services_and_servers_get_ids_that_nobody_had() {
    let applied = made(&Change::AddVs(service(0, &[0, 0])));
    assert_eq!((applied.vs, applied.next_ids), (Some(VsId(10)), NextIds { vs: 11, rs: 22 }));
    assert_eq!(servers(&applied.config, 2), [20, 21]);

    let server = service(0, &[0]).real_servers.remove(0);
    let applied = made(&Change::AddRs(VsId(4), server));
    assert_eq!((applied.vs, applied.rs), (Some(VsId(4)), Some(RsId(20))));
    assert_eq!(servers(&applied.config, 1), [7, 20]);
}

#[test]
fn a_sender_does_not_choose_ids() {
    let at = |field: &str| Violation {
        field: field.into(),
        reason: "leave the id out: the unit gives one".into(),
    };
    assert_eq!(
        refused(&Change::AddVs(service(5, &[]))),
        Refused::Invalid(at("shared.virtual_services[2].id"))
    );
    let server = service(0, &[3]).real_servers.remove(0);
    let expected = at("shared.virtual_services[0].real_servers[2].id");
    assert_eq!(refused(&Change::AddRs(VsId(1), server)), Refused::Invalid(expected));
}

#[test]
fn a_replaced_service_keeps_its_place_and_its_servers_ids() {
    let applied = made(&Change::ReplaceVs(service(1, &[2, 0])));
    assert_eq!(applied.config.shared.virtual_services[0].id, VsId(1));
    assert_eq!(servers(&applied.config, 0), [2, 20]);
    assert_eq!(applied.next_ids, NextIds { vs: 10, rs: 21 });
}

#[test]
fn a_service_cannot_take_anothers_server() {
    let Refused::Invalid(violation) = refused(&Change::ReplaceVs(service(1, &[1, 7]))) else { panic!() };
    assert_eq!(violation.field, "shared.virtual_services[0].real_servers[1].id");
}

#[test]
fn what_is_not_there_is_not_found() {
    let server = || service(0, &[7]).real_servers.remove(0);
    for change in [
        Change::ReplaceVs(service(2, &[])),
        Change::DeleteVs(VsId(2)),
        Change::AddRs(VsId(2), service(0, &[0]).real_servers.remove(0)),
        Change::ReplaceRs(VsId(1), server()),
        Change::DeleteRs(VsId(1), RsId(7)),
        Change::DeleteRs(VsId(2), RsId(7)),
        Change::SetPassword { user: "nobody".into(), password: PasswordHash("new".into()) },
    ] {
        assert_eq!(refused(&change), Refused::NotFound, "{change:?}");
    }
}

#[test]
fn deleted_things_are_gone_and_their_ids_stay_used() {
    let applied = made(&Change::DeleteVs(VsId(1)));
    assert_eq!(applied.config.shared.virtual_services.len(), 1);
    assert_eq!(applied.next_ids, config().1);
    let applied = made(&Change::DeleteRs(VsId(1), RsId(1)));
    assert_eq!(servers(&applied.config, 0), [2]);
}

#[test]
fn a_chosen_password_ends_the_first_one_for_its_owner_alone() {
    let applied = made(&Change::SetPassword { user: "bal".into(), password: PasswordHash("new".into()) });
    let [bal, other] = &applied.config.shared.users[..] else { panic!() };
    assert_eq!((bal.password.0.as_str(), bal.must_change_password), ("new", false));
    assert_eq!((other.password.0.as_str(), other.must_change_password), ("old", true));
}

#[test]
fn the_last_id_is_never_given_twice() {
    let (config, _) = config();
    let ids = NextIds { vs: u32::MAX, rs: 1 };
    assert!(matches!(apply(&config, ids, &Change::AddVs(service(0, &[]))), Err(Refused::Invalid(_))));
}

#[test]
fn ids_after_a_configuration_are_above_all_in_it() {
    assert_eq!(ids_after(&config().0), NextIds { vs: 5, rs: 8 });
    assert_eq!(ids_after(&Config::default()), NextIds { vs: 1, rs: 1 });
}

#[test]
fn quick_setup_touches_what_it_is_about_and_nothing_else() {
    let (mut config, ids) = config();
    let mut known = Interface::new(InterfaceName("eth0".into()));
    known.mtu = Some(9000);
    config.unit.interfaces = vec![known];
    config.unit.pages.key.0 = "a key".into();
    let wanted = SetUp {
        hostname: "lb-7".into(),
        ipv4: vec![
            (InterfaceName("eth0".into()), Ipv4Setup::None),
            (InterfaceName("eth1".into()), Ipv4Setup::Dhcp),
        ],
        default_gateway: Some([192, 0, 2, 1].into()),
        name_servers: vec![[192, 0, 2, 53].into()],
    };
    let made = apply(&config, ids, &Change::SetUp(wanted.clone())).unwrap().config;
    assert_eq!((made.unit.hostname.as_str(), made.unit.interfaces.len()), ("lb-7", 2));
    assert_eq!((made.unit.interfaces[0].mtu, &made.unit.interfaces[0].ipv4), (Some(9000), &Ipv4Setup::None));
    let mut expected = config.clone();
    expected.unit.hostname = wanted.hostname;
    expected.unit.default_gateway = wanted.default_gateway;
    expected.unit.name_servers = wanted.name_servers;
    expected.unit.interfaces.clone_from(&made.unit.interfaces);
    assert_eq!(made, expected);
}

fn any_change() -> impl Strategy<Value = Change> {
    let ids = proptest::collection::vec(0u32..25, 0..4);
    let rs = |id: u32| service(0, &[id]).real_servers.remove(0);
    prop_oneof![
        ids.clone().prop_map(|servers| Change::AddVs(service(0, &servers))),
        (0u32..12, ids).prop_map(|(id, servers)| Change::ReplaceVs(service(id, &servers))),
        (0u32..12).prop_map(|id| Change::DeleteVs(VsId(id))),
        (0u32..12, 0u32..3).prop_map(move |(vs, id)| Change::AddRs(VsId(vs), rs(id.saturating_sub(1)))),
        (0u32..12, 0u32..25).prop_map(move |(vs, id)| Change::ReplaceRs(VsId(vs), rs(id))),
        (0u32..12, 0u32..25).prop_map(|(vs, id)| Change::DeleteRs(VsId(vs), RsId(id))),
        Just(Change::ReplaceUnit(Unit::default())),
    ]
}

proptest! {
    #[test]
    fn ids_are_never_used_again(changes in proptest::collection::vec(any_change(), 1..30)) {
        let (mut config, mut ids) = config();
        let mut seen = std::collections::BTreeSet::from([1, 2, 7]);
        for change in changes {
            let before: Vec<u32> = (0..config.shared.virtual_services.len()).flat_map(|i| servers(&config, i)).collect();
            let Ok(applied) = apply(&config, ids, &change) else { continue };
            prop_assert!(applied.next_ids.vs >= ids.vs && applied.next_ids.rs >= ids.rs);
            config = applied.config;
            ids = applied.next_ids;
            for id in (0..config.shared.virtual_services.len()).flat_map(|i| servers(&config, i)) {
                prop_assert!(id != 0 && id < ids.rs);
                prop_assert!(before.contains(&id) || seen.insert(id), "server id {id} came back");
            }
        }
    }
}
