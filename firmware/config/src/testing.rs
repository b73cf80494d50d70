//! Configurations for the tests of this crate: a good one with every feature in it, and any at all.

use crate::{
    Address, CheckKind, Config, ForwardedFor, HealthCheck, HttpCheck, HttpMethod, Interface, InterfaceName,
    Ipv4Setup, Limits, PasswordHash, Protocol, RealServer, RsId, Scheduler, ServiceTimeouts, Shared,
    StaticIpv4, Unit, User, VirtualService, VsId, Weight,
};
use core::net::IpAddr;
use proptest::prelude::*;

pub(crate) const HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b5dWRWJTmaaJObG8fPbqQ9o0lM";

pub(crate) fn service(id: u32, address: &str, port: u16) -> VirtualService {
    VirtualService { id: VsId(id), ..VirtualService::new(Address::Literal(address.parse().unwrap()), port) }
}

fn server(id: u32, address: &str) -> RealServer {
    RealServer { id: RsId(id), ..RealServer::new(address.parse().unwrap(), 8080) }
}

/// Two services with two servers each, one static interface, two accounts.
pub(crate) fn valid_config() -> Config {
    let user = |name: &str| User {
        name: name.into(),
        password: PasswordHash(HASH.into()),
        must_change_password: false,
    };
    Config {
        shared: Shared {
            virtual_services: vec![
                VirtualService {
                    name: "shop".into(),
                    real_servers: vec![server(1, "10.0.0.5"), server(2, "10.0.0.6")],
                    ..service(1, "192.0.2.10", 80)
                },
                VirtualService {
                    name: "blog".into(),
                    real_servers: vec![server(3, "10.0.0.7"), server(4, "2001:db8::7")],
                    ..service(2, "192.0.2.10", 81)
                },
            ],
            users: vec![user("bal"), user("operator")],
            ..Shared::default()
        },
        unit: Unit {
            interfaces: vec![Interface {
                ipv4: Ipv4Setup::Static(StaticIpv4 { address: "192.0.2.2".parse().unwrap(), prefix: 24 }),
                mtu: Some(1500),
                ..Interface::new(InterfaceName("eth0".into()))
            }],
            default_gateway: Some("192.0.2.1".parse().unwrap()),
            name_servers: vec!["192.0.2.53".parse().unwrap(), "2001:db8::53".parse().unwrap()],
            ..Unit::default()
        },
    }
}

fn any_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![any::<IpAddr>(), Just("192.0.2.2".parse().unwrap()), Just("10.0.0.5".parse().unwrap())]
}

fn any_interface_name() -> impl Strategy<Value = InterfaceName> {
    prop_oneof!["eth[0-2]", ".{0,17}"].prop_map(InterfaceName)
}

fn any_check() -> impl Strategy<Value = HealthCheck> {
    let http = (any::<bool>(), ".{0,20}", any::<Option<String>>(), any::<Vec<u16>>());
    let http = http.prop_map(|(get, path, host, extra_good_statuses)| {
        let method = if get { HttpMethod::Get } else { HttpMethod::Head };
        CheckKind::Http(HttpCheck { method, path, host, extra_good_statuses, ..HttpCheck::default() })
    });
    let kind = prop_oneof![Just(CheckKind::Tcp), Just(CheckKind::None), http];
    (kind, any::<u16>(), any::<u16>(), any::<u8>(), any::<Option<u16>>()).prop_map(
        |(kind, interval_s, timeout_s, retries, port)| HealthCheck {
            kind,
            interval_s,
            timeout_s,
            retries,
            port,
            ..HealthCheck::default()
        },
    )
}

fn any_server() -> impl Strategy<Value = RealServer> {
    (0u32..20, any_address(), any::<u16>(), any::<u16>(), any::<bool>()).prop_map(
        |(id, address, port, weight, enabled)| RealServer {
            id: RsId(id),
            weight: Weight(weight),
            enabled,
            ..RealServer::new(address, port)
        },
    )
}

fn any_service() -> impl Strategy<Value = VirtualService> {
    let address =
        prop_oneof![any_address().prop_map(Address::Literal), any_interface_name().prop_map(Address::Own)];
    let choices = any::<[bool; 4]>();
    let times =
        any::<[u32; 5]>().prop_map(|[request_head_s, connect_s, response_head_s, idle_s, keep_alive_s]| {
            ServiceTimeouts { request_head_s, connect_s, response_head_s, idle_s, keep_alive_s }
        });
    let limits = any::<(u32, u32, u16)>().prop_map(|(connections, request_head_bytes, request_headers)| {
        Limits { connections, request_head_bytes, request_headers, ..Limits::default() }
    });
    let port = prop_oneof![any::<u16>(), Just(22), Just(8443), Just(8444), Just(6973)];
    let servers = proptest::collection::vec(any_server(), 0..4);
    (0u32..6, ".{0,4}", address, port, choices, any_check(), times, limits, servers).prop_map(
        |(
            id,
            name,
            address,
            port,
            [udp, enabled, weighted, silent],
            check,
            timeouts,
            limits,
            real_servers,
        )| {
            VirtualService {
                id: VsId(id),
                name,
                protocol: if udp { Protocol::Udp } else { Protocol::Tcp },
                enabled,
                scheduler: if weighted { Scheduler::WeightedRoundRobin } else { Scheduler::RoundRobin },
                check,
                forwarded_for: if silent { ForwardedFor::None } else { ForwardedFor::XForwardedFor },
                timeouts,
                limits,
                real_servers,
                ..VirtualService::new(address, port)
            }
        },
    )
}

fn any_unit() -> impl Strategy<Value = Unit> {
    let fixed = (any::<core::net::Ipv4Addr>(), any::<u8>())
        .prop_map(|(address, prefix)| Ipv4Setup::Static(StaticIpv4 { address, prefix }));
    let ipv4 = prop_oneof![Just(Ipv4Setup::Dhcp), Just(Ipv4Setup::None), fixed];
    let interface = (any_interface_name(), ipv4, any::<Option<u16>>(), any::<Option<bool>>()).prop_map(
        |(name, ipv4, mtu, segmentation_offload)| Interface {
            ipv4,
            mtu,
            segmentation_offload,
            ..Interface::new(name)
        },
    );
    (
        ".{0,70}",
        proptest::collection::vec(interface, 0..4),
        any::<Option<core::net::Ipv4Addr>>(),
        proptest::collection::vec(any_address(), 0..5),
        any::<u16>(),
    )
        .prop_map(|(hostname, interfaces, default_gateway, name_servers, web_port)| Unit {
            hostname,
            interfaces,
            default_gateway,
            name_servers,
            web_port,
            ..Unit::default()
        })
}

/// Any configuration that the types allow, most of them nonsense.
pub(crate) fn any_config() -> impl Strategy<Value = Config> {
    let user = (".{0,5}", ".{0,60}", any::<bool>()).prop_map(|(name, hash, must_change_password)| User {
        name,
        password: PasswordHash(hash),
        must_change_password,
    });
    (proptest::collection::vec(any_service(), 0..5), proptest::collection::vec(user, 0..4), any_unit())
        .prop_map(|(virtual_services, users, unit)| Config {
            shared: Shared { virtual_services, users, ..Shared::default() },
            unit,
        })
}
