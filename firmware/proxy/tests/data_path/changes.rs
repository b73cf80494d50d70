//! Changes of configuration and addresses, and the end.

use crate::support::{Client, Origin, Unit, VS, read_request, service, soon};
use evener_api::lifeline::ListenerKey;
use evener_api::net::{AddressOrigin, InterfaceStatus, NetStatus};
use evener_config::{Address, InterfaceName, Scheduler, VsId};
use evener_ipc::Kept;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

/// A server that holds every answer back until the gate opens.
async fn gated() -> (SocketAddr, Arc<Semaphore>, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let arrived = Arc::new(Semaphore::new(0));
    let (gate, open) = watch::channel(false);
    let arrivals = Arc::clone(&arrived);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (arrivals, mut open) = (Arc::clone(&arrivals), open.clone());
            tokio::spawn(async move {
                let mut input = Vec::new();
                while read_request(&mut stream, &mut input).await.is_some() {
                    arrivals.add_permits(1);
                    open.wait_for(|open| *open).await.unwrap();
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
                }
            });
        }
    });
    (address, arrived, gate)
}

#[tokio::test]
async fn a_change_drops_none_of_a_thousand_requests_under_way() {
    const CLIENTS: u32 = 1000;
    let (address, arrived, gate) = gated().await;
    let unit = Unit::start_with(vec![service(&[address])], 2, Kept::new(), true).await;
    let proxy = unit.address().await;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = Client::connect(proxy).await;
        client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n").await;
        clients.push(client);
    }
    soon("all requests are under way", arrived.acquire_many(CLIENTS)).await.unwrap().forget();
    let mut vs = service(&[address, address]);
    vs.scheduler = Scheduler::WeightedRoundRobin;
    vs.timeouts.idle_s = 77;
    unit.configure(vec![vs]).await;
    gate.send_replace(true);
    for client in &mut clients {
        assert_eq!(client.answer().await.body, "ok");
    }
    for client in &mut clients {
        assert_eq!(client.get("/2").await.body, "ok", "and the connection goes on");
    }
    let status = unit.service().await;
    assert_eq!((status.requests, status.retries, status.own_answers), (2 * u64::from(CLIENTS), 0, 0));
    assert_eq!((status.accepted, status.connections), (u64::from(CLIENTS), u64::from(CLIENTS)));
}

#[tokio::test]
async fn a_service_that_is_removed_finishes_what_is_under_way() {
    let (address, arrived, gate) = gated().await;
    let unit = Unit::start(service(&[address])).await;
    let proxy = unit.address().await;
    let (mut busy, mut idle) = (unit.client().await, unit.client().await);
    gate.send_replace(true);
    assert_eq!(idle.get("/").await.status, 200);
    gate.send_replace(false);
    busy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    soon("the request is under way", arrived.acquire_many(2)).await.unwrap().forget();
    unit.configure(vec![]).await;
    assert!(unit.status().await.services.is_empty());
    idle.ends().await;
    soon("new connections are refused", async { while TcpStream::connect(proxy).await.is_ok() {} }).await;
    gate.send_replace(true);
    let answer = busy.answer().await;
    assert!(answer.status == 200, "{answer:?}");
    busy.ends().await;
    // And it comes back.
    unit.configure(vec![service(&[address])]).await;
    assert_eq!(unit.client().await.get("/").await.status, 200);
}

#[tokio::test]
async fn stopping_finishes_what_is_under_way() {
    let (address, arrived, gate) = gated().await;
    let mut unit = Unit::start(service(&[address])).await;
    let proxy = unit.address().await;
    let mut client = unit.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    soon("the request is under way", arrived.acquire()).await.unwrap().forget();
    unit.begin_stop();
    soon("new connections are refused", async { while TcpStream::connect(proxy).await.is_ok() {} }).await;
    gate.send_replace(true);
    assert_eq!(client.answer().await.status, 200);
    client.ends().await;
}

#[tokio::test]
async fn without_control_the_last_configuration_is_served() {
    let origin = Origin::named("a").await;
    let mut vs = service(&[origin.address]);
    // The port must be the same one again; the kernel chose it just now, and nobody else is told it.
    vs.port = crate::support::nobody().await.port();
    let unit = Unit::start(vs).await;
    assert_eq!(unit.client().await.get("/").await.body, "a");
    let stored = unit.dirs.data.join("proxy/snapshot");
    soon("the configuration is on disk", async {
        while !stored.exists() {
            tokio::task::yield_now().await
        }
    })
    .await;
    let unit = unit.restart_without_control().await;
    assert_eq!(unit.client().await.get("/").await.body, "a");
    assert_eq!(unit.status().await.generation, 1);
}

fn status_of(addresses: &[&str]) -> Arc<NetStatus> {
    let interface = InterfaceStatus {
        name: InterfaceName("eth0".into()),
        carrier: true,
        mac: [2; 6],
        addresses: addresses.iter().map(|address| (address.parse().unwrap(), 8)).collect(),
        origin: AddressOrigin::Dhcp,
    };
    Arc::new(NetStatus { interfaces: vec![interface], ..NetStatus::default() })
}

#[tokio::test]
async fn a_service_on_the_unit_s_own_address_follows_it() {
    let origin = Origin::named("a").await;
    let mut vs = service(&[origin.address]);
    vs.address = Address::Own(InterfaceName("eth0".into()));
    let unit = Unit::start(vs).await;
    let reason = unit.service().await.bound.unwrap_err();
    assert!(reason.contains("eth0") || reason.contains("not known"), "{reason}");
    unit.net.send_replace(status_of(&["::1", "127.0.0.1"]));
    let first = unit.address().await;
    assert!(first.is_ipv4());
    let mut client = unit.client().await;
    assert_eq!(client.get("/").await.status, 200);
    unit.net.send_replace(status_of(&["127.0.0.2"]));
    let moved = |status: &evener_api::proxy::ProxyStatus| {
        status.services[0]
            .bound
            .as_ref()
            .is_ok_and(|bound| bound.ip() == "127.0.0.2".parse::<std::net::IpAddr>().unwrap())
    };
    unit.until("it moves", moved).await;
    assert_eq!(unit.client().await.get("/").await.status, 200);
    assert_eq!(client.get("/").await.status, 200, "who was connected stays so");
    soon("the former address is free", async { while TcpStream::connect(first).await.is_ok() {} }).await;
}

#[tokio::test]
async fn without_net_the_last_address_is_served() {
    let origin = Origin::named("a").await;
    let mut vs = service(&[origin.address]);
    vs.address = Address::Own(InterfaceName("eth0".into()));
    vs.port = crate::support::nobody().await.port();
    let unit = Unit::start(vs).await;
    unit.net.send_replace(status_of(&["127.0.0.1"]));
    let address = unit.address().await;
    let stored = |file: &str| std::fs::read(unit.dirs.data.join("proxy").join(file)).unwrap_or_default();
    soon("both are on disk", async {
        while stored("snapshot").is_empty() || !stored("addresses").windows(4).any(|part| part == b"eth0") {
            tokio::task::yield_now().await
        }
    })
    .await;
    // The net that it finds then does not know any interface yet.
    let unit = unit.restart_without_control().await;
    assert_eq!(unit.address().await, address);
    assert_eq!(unit.client().await.get("/").await.body, "a");
}

#[tokio::test]
async fn a_port_that_is_taken_is_reported_and_tried_again() {
    let origin = Origin::named("a").await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut vs = service(&[origin.address]);
    vs.port = taken.local_addr().unwrap().port();
    let unit = Unit::start(vs).await;
    let reason = unit.service().await.bound.unwrap_err();
    assert!(reason.contains("in use"), "{reason}");
    drop(taken);
    assert_eq!(unit.client().await.get("/").await.status, 200);
}

#[tokio::test]
async fn a_listener_that_was_kept_is_used_again_with_whoever_waits_in_it() {
    let origin = Origin::named("a").await;
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_reuse_port(true).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.listen(16).unwrap();
    let listener = std::net::TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    let mut waiting = Client::connect(address).await;
    waiting.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut vs = service(&[origin.address]);
    vs.port = address.port();
    let kept = Kept::from([(ListenerKey { address, worker: 0 }, listener.into())]);
    let unit = Unit::start_with(vec![vs], 1, kept, true).await;
    assert_eq!(waiting.answer().await.body, "a");
    assert_eq!(unit.address().await, address);
}

#[tokio::test]
async fn two_services_do_not_share_an_address_and_the_second_takes_over() {
    let (a, b) = (Origin::named("a").await, Origin::named("b").await);
    let port = crate::support::nobody().await.port();
    let (mut first, mut second) = (service(&[a.address]), service(&[b.address]));
    (first.port, second.port, second.id) = (port, port, VsId(2));
    second.address = Address::Own(InterfaceName("eth0".into()));
    let unit = Unit::start_with(vec![first, second.clone()], 1, Kept::new(), true).await;
    unit.net.send_replace(status_of(&["127.0.0.1"]));
    let refused = |status: &evener_api::proxy::ProxyStatus| matches!(&status.services[1].bound, Err(reason) if reason.contains("taken by service 1"));
    let status = unit.until("the collision is reported", refused).await;
    let address = *status.services[0].bound.as_ref().unwrap();
    for _ in 0..8 {
        assert_eq!(Client::connect(address).await.get("/").await.body, "a");
    }
    unit.configure(vec![second]).await;
    assert_eq!(unit.address().await, address);
    // The first's listener closes when its worker gets round to it.
    let served_by_b = async { while Client::try_get(address).await.as_deref() != Some("b") {} };
    soon("the second serves", served_by_b).await;
}

#[tokio::test]
async fn services_may_move_to_where_others_come_from() {
    let origins = [Origin::named("1").await, Origin::named("2").await, Origin::named("3").await];
    let at = |hosts: [u8; 3], port: u16| {
        let services = (0..3).map(|index| {
            let mut vs = service(&[origins[index].address]);
            vs.id = VsId(u32::try_from(index).unwrap() + 1);
            vs.address = Address::Literal(std::net::Ipv4Addr::new(127, 0, 0, hosts[index]).into());
            vs.port = port;
            vs
        });
        services.collect::<Vec<_>>()
    };
    let port = crate::support::nobody().await.port();
    let unit = Unit::start_with(at([1, 2, 3], port), 1, Kept::new(), true).await;
    for hosts in [[2, 3, 4], [3, 4, 2], [1, 2, 3]] {
        unit.configure(at(hosts, port)).await;
        let status = unit.status().await;
        for (service, host) in status.services.iter().zip(hosts) {
            let address = SocketAddr::from(([127, 0, 0, host], port));
            assert_eq!(service.bound, Ok(address));
            let name = service.vs.0.to_string();
            let served = async { while Client::try_get(address).await.as_deref() != Some(&*name) {} };
            soon("the former owner is gone", served).await;
        }
    }
}

#[tokio::test]
async fn services_do_not_get_in_each_other_s_way() {
    let (a, b) = (Origin::named("a").await, Origin::named("b").await);
    let mut second = service(&[b.address]);
    second.id = VsId(2);
    let unit = Unit::start_with(vec![service(&[a.address]), second], 1, Kept::new(), true).await;
    let bound = unit
        .until("both are bound", |status| status.services.iter().all(|service| service.bound.is_ok()))
        .await;
    for (service, body) in bound.services.iter().zip(["a", "b"]) {
        assert_eq!(Client::connect(*service.bound.as_ref().unwrap()).await.get("/").await.body, body);
    }
    assert_eq!(bound.services[0].vs, VS);
}

#[tokio::test]
async fn a_service_that_asks_for_more_than_there_is_does_not_listen() {
    let origin = Origin::named("a").await;
    let plain = service(&[origin.address]);
    let unit = Unit::start(plain.clone()).await;
    let proxy = unit.address().await;
    assert_eq!(Client::connect(proxy).await.get("/").await.body, "a");
    let mut secured = plain.clone();
    secured.tls.to_clients = true;
    unit.configure(vec![secured]).await;
    assert!(unit.status().await.services.is_empty());
    assert!(TcpStream::connect(proxy).await.is_err(), "clear text where TLS was asked for");
    unit.configure(vec![plain]).await;
    let proxy = unit.address().await;
    assert_eq!(Client::connect(proxy).await.get("/").await.body, "a");
}
