//! net in a network of its own: a network namespace, and this test at the other end of its cable.
//!
//! Needs root, as CI has it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::large_futures, unreachable_pub, reason = "test crate")]

mod common;

use common::{evener, eventually};
use evener_api::Service;
use evener_api::control::{Request, Snapshot};
use evener_api::net::{self, AddressOrigin, InterfaceStatus, NetStatus};
use evener_config::{Address, Config, Interface, InterfaceName, Ipv4Setup, StaticIpv4};
use evener_ipc::Listener;
use evener_sys::packet::PacketSocket;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpPacket, ArpRepr, DhcpMessageType, DhcpPacket, DhcpRepr, IpProtocol, Ipv4Packet, Ipv4Repr, UdpPacket,
    UdpRepr,
};
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const LEASED: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 50);
/// A client that has heard nothing asks again within seconds; the rest is for a busy machine.
const HEARD_WITHIN: Duration = Duration::from_secs(60);

async fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().await.unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A namespace with `eth0`, whose cable ends here in an interface that has the namespace's name.
struct Cable {
    name: String,
    folder: tempfile::TempDir,
}

impl Cable {
    async fn new(letter: char) -> Self {
        let name = format!("ev{letter}{}", std::process::id());
        ip(&format!("netns add {name}")).await;
        let cable = Self { name, folder: tempfile::tempdir().unwrap() };
        let name = &cable.name;
        ip(&format!("link add {name} type veth peer name eth0 netns {name}")).await;
        ip(&format!("link set {name} up")).await;
        fs::write(cable.folder.path().join(net::OWN_NETWORK), "").unwrap();
        cable
    }

    fn run(&self) -> &Path {
        self.folder.path()
    }

    fn index(&self) -> u32 {
        fs::read_to_string(format!("/sys/class/net/{}/ifindex", self.name)).unwrap().trim().parse().unwrap()
    }

    fn start_net(&self) -> Child {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(evener().as_std().get_program()).arg("net");
        command.arg("--run-dir").arg(self.run()).arg("--data-dir").arg(self.run().join("data"));
        command.kill_on_drop(true).spawn().unwrap()
    }

    /// Waits until net says this about `eth0`.
    async fn until(&self, what: &str, is: impl Fn(&InterfaceStatus, &NetStatus) -> bool) -> NetStatus {
        eventually(what, async || {
            let status: NetStatus =
                evener_ipc::call(self.run(), Service::Net, &net::Request::Get).await.ok()?;
            let eth0 = status.interfaces.iter().find(|interface| interface.name.0 == "eth0")?;
            is(eth0, &status).then(|| status.clone())
        })
        .await
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        #[expect(clippy::disallowed_methods, reason = "a host program, in a test")]
        let mut command = std::process::Command::new("ip");
        let _ = command.args(["netns", "del", &self.name]).status();
    }
}

/// A DHCP server with one address to give; tells each message it got.
fn serve_dhcp(interface: u32) -> DhcpServer {
    let socket = PacketSocket::ipv4(interface).unwrap();
    let (seen, messages) = mpsc::unbounded_channel();
    let task = tokio::spawn(async move {
        let mut buffer = [0; 2000];
        loop {
            // A cable that is out is an error once.
            let Ok((length, from)) = socket.receive(&mut buffer).await else { continue };
            let Some((kind, answer)) = dhcp_answer(&buffer[..length]) else { continue };
            let _ = seen.send(kind);
            let _ = socket.send(from, &answer);
        }
    });
    DhcpServer { messages, task }
}

struct DhcpServer {
    messages: mpsc::UnboundedReceiver<DhcpMessageType>,
    task: JoinHandle<()>,
}

impl DhcpServer {
    /// The kind of the next message; `None` when none comes within [`HEARD_WITHIN`], as when net did not start.
    async fn recv(&mut self) -> Option<DhcpMessageType> {
        tokio::time::timeout(HEARD_WITHIN, self.messages.recv()).await.ok().flatten()
    }

    /// Answers nothing from now on.
    async fn fall_silent(self) {
        self.task.abort();
        assert!(self.task.await.is_err_and(|ended| ended.is_cancelled()));
    }
}

fn dhcp_answer(packet: &[u8]) -> Option<(DhcpMessageType, Vec<u8>)> {
    let ip = Ipv4Packet::new_checked(packet).ok().filter(|ip| ip.next_header() == IpProtocol::Udp)?;
    let udp = UdpPacket::new_checked(ip.payload()).ok().filter(|udp| udp.dst_port() == 67)?;
    let message = DhcpPacket::new_checked(udp.payload()).ok()?;
    let asked = DhcpRepr::parse(&message).ok()?;
    let kind = match asked.message_type {
        DhcpMessageType::Discover => DhcpMessageType::Offer,
        _ => DhcpMessageType::Ack,
    };
    let answer = DhcpRepr {
        message_type: kind,
        your_ip: LEASED,
        router: Some(SERVER),
        subnet_mask: Some(Ipv4Addr::new(255, 255, 255, 0)),
        server_identifier: Some(SERVER),
        dns_servers: Some([SERVER].into_iter().collect()),
        lease_duration: Some(3600),
        parameter_request_list: None,
        requested_ip: None,
        client_identifier: None,
        max_size: None,
        ..asked.clone()
    };
    let (length, checksums) = (answer.buffer_len(), ChecksumCapabilities::default());
    let mut bytes = vec![0; 28 + length];
    let header = Ipv4Repr {
        src_addr: SERVER,
        dst_addr: LEASED,
        next_header: IpProtocol::Udp,
        payload_len: 8 + length,
        hop_limit: 64,
    };
    header.emit(&mut Ipv4Packet::new_unchecked(&mut bytes), &checksums);
    let fill = |payload: &mut [u8]| answer.emit(&mut DhcpPacket::new_unchecked(payload)).unwrap();
    let ports = UdpRepr { src_port: 67, dst_port: 68 };
    ports.emit(
        &mut UdpPacket::new_unchecked(&mut bytes[20..]),
        &SERVER.into(),
        &LEASED.into(),
        length,
        fill,
        &checksums,
    );
    Some((asked.message_type, bytes))
}

/// Stands in for control, as long as the returned sender lives.
fn serve_settings(run: &Path, config: Config) -> watch::Sender<Arc<Snapshot>> {
    let listener = Listener::bind(run, Service::Control).unwrap();
    let (sender, snapshots) = watch::channel(Arc::new(Snapshot { generation: 1, config }));
    tokio::spawn(async move {
        while let Ok(mut connection) = listener.accept().await {
            let snapshots = snapshots.clone();
            tokio::spawn(async move {
                assert_eq!(connection.receive::<Request>().await.unwrap(), Some(Request::Subscribe));
                let _ = evener_ipc::publish(&mut connection, snapshots).await;
            });
        }
    });
    sender
}

fn fixed(address: Ipv4Addr, gateway: Ipv4Addr, service: Ipv4Addr) -> Config {
    let mut config = Config::default();
    let ipv4 = Ipv4Setup::Static(StaticIpv4 { address, prefix: 24 });
    let name = InterfaceName("eth0".into());
    config.unit.interfaces = vec![Interface { ipv4, mtu: Some(1400), ..Interface::new(name) }];
    config.unit.default_gateway = Some(gateway);
    let text = r#"{"address": {"literal": "127.0.0.1"}, "port": 80}"#;
    let mut virtual_service: evener_config::VirtualService = serde_json::from_str(text).unwrap();
    virtual_service.address = Address::Literal(service.into());
    config.shared.virtual_services = vec![virtual_service];
    config
}

#[tokio::test]
async fn dhcp_is_asked_at_once_and_its_answer_used_as_soon_as_the_settings_say_so() {
    let cable = Cable::new('a').await;
    let mut messages = serve_dhcp(cable.index());
    let _net = cable.start_net();
    assert_eq!(messages.recv().await, Some(DhcpMessageType::Discover));
    // Our end of the cable may not be ready to answer the first one.
    while messages.recv().await.unwrap() != DhcpMessageType::Request {}
    let status = cable.until("it looks", |eth0, _| eth0.carrier).await;
    let has_ipv4 = |eth0: &InterfaceStatus| eth0.addresses.iter().any(|(address, _)| address.is_ipv4());
    assert!(!status.interfaces.iter().any(has_ipv4), "the settings are not known yet");

    let _control = serve_settings(cable.run(), Config::default());
    let status =
        cable.until("it has the lease", |eth0, status| has_ipv4(eth0) && status.gateway.is_some()).await;
    let eth0 = &status.interfaces[0];
    assert_eq!(eth0.addresses[0], (IpAddr::V4(LEASED), 24));
    assert_eq!(eth0.origin, AddressOrigin::Dhcp);
    assert_eq!((status.gateway, status.name_servers), (Some(SERVER), vec![IpAddr::V4(SERVER)]));

    ip(&format!("link set {} down", cable.name)).await;
    cable.until("the cable is out", |eth0, _| !eth0.carrier).await;
    ip(&format!("link set {} up", cable.name)).await;
    assert_eq!(messages.recv().await, Some(DhcpMessageType::Request), "the same lease is asked for again");
    cable.until("all is as before", |eth0, status| eth0.carrier && status.gateway == Some(SERVER)).await;
}

#[tokio::test]
async fn a_lease_outlives_net_even_when_its_server_is_silent() {
    let cable = Cable::new('d').await;
    let server = serve_dhcp(cable.index());
    let _control = serve_settings(cable.run(), Config::default());
    let mut net = cable.start_net();
    let is_leased = |eth0: &InterfaceStatus, status: &NetStatus| {
        eth0.addresses.contains(&(LEASED.into(), 24)) && status.gateway == Some(SERVER)
    };
    cable.until("it has the lease", is_leased).await;

    // From now on every address and route that goes is seen.
    let mut command = Command::new("ip");
    command.args(["-n", &cable.name, "-4", "monitor", "address", "route"]).stdout(Stdio::piped());
    let mut monitor = command.kill_on_drop(true).spawn().unwrap();
    let mut events = BufReader::new(monitor.stdout.take().unwrap()).lines();
    // The monitor says nothing when it begins: it listens once it has seen this address come.
    loop {
        ip(&format!("-n {} address add 127.0.9.1/32 dev lo", cable.name)).await;
        let seen = async {
            loop {
                let event = events.next_line().await.unwrap().unwrap();
                if event.contains("127.0.9.1") && !event.contains("Deleted") {
                    return;
                }
            }
        };
        if tokio::time::timeout(Duration::from_secs(1), seen).await.is_ok() {
            break;
        }
        ip(&format!("-n {} address del 127.0.9.1/32 dev lo", cable.name)).await;
    }

    net.kill().await.unwrap();
    // The server falls silent: a lease that was found anew would take far longer than this test has.
    server.fall_silent().await;
    let _net = cable.start_net();
    let status = cable
        .until("it knows its lease", |eth0, status| {
            is_leased(eth0, status) && eth0.origin == AddressOrigin::Dhcp
        })
        .await;
    assert_eq!(status.name_servers, [IpAddr::V4(SERVER)]);
    ip(&format!("-n {} address del 127.0.9.1/32 dev lo", cable.name)).await;
    loop {
        let event = events.next_line().await.unwrap().unwrap();
        assert!(!(event.contains("Deleted") && event.contains("10.77.")), "{event}");
        if event.contains("Deleted") && event.contains("127.0.9.1") {
            break;
        }
    }
}

#[tokio::test]
async fn settings_are_found_when_the_data_partition_comes_after_net() {
    let cable = Cable::new('e').await;
    let (own, gateway) = (Ipv4Addr::new(10, 88, 0, 5), Ipv4Addr::new(10, 88, 0, 1));
    let control = serve_settings(cable.run(), fixed(own, gateway, Ipv4Addr::new(10, 88, 0, 9)));
    let is_set = |eth0: &InterfaceStatus, status: &NetStatus| {
        eth0.addresses.contains(&(own.into(), 24)) && status.gateway == Some(gateway)
    };
    let mut net = cable.start_net();
    cable.until("it is set", is_set).await;
    net.kill().await.unwrap();
    drop(control);
    fs::remove_file(cable.run().join(Service::Control.socket_name())).unwrap();
    let (data, hidden) = (cable.run().join("data"), cable.run().join("hidden"));
    fs::rename(&data, &hidden).unwrap();
    ip(&format!("-n {} address flush dev eth0", cable.name)).await;

    let _net = cable.start_net();
    cable.until("it serves without settings", |eth0, _| eth0.addresses.is_empty()).await;
    fs::rename(&hidden, &data).unwrap();
    cable.until("it has found them", is_set).await;
}

#[tokio::test]
async fn settings_are_applied_announced_and_outlive_net_and_control() {
    let cable = Cable::new('b').await;
    let arp = PacketSocket::arp(cable.index()).unwrap();
    let (own, gateway) = (Ipv4Addr::new(10, 88, 0, 5), Ipv4Addr::new(10, 88, 0, 1));
    let (first, second) = (Ipv4Addr::new(10, 88, 0, 9), Ipv4Addr::new(10, 88, 0, 10));
    let control = serve_settings(cable.run(), fixed(own, gateway, first));
    let mut net = cable.start_net();
    let has = |eth0: &InterfaceStatus, service: Ipv4Addr| {
        eth0.addresses
            .iter()
            .filter(|(address, _)| address.is_ipv4())
            .eq(&[(own.into(), 24), (service.into(), 32)])
    };
    let status =
        cable.until("it is set", |eth0, status| has(eth0, first) && status.gateway == Some(gateway)).await;
    assert_eq!(status.interfaces[0].origin, AddressOrigin::Static);
    assert_eq!(until_announced(&arp, first).await, status.interfaces[0].mac);

    control.send_replace(Arc::new(Snapshot { generation: 2, config: fixed(own, gateway, second) }));
    cable.until("the service moved", |eth0, _| has(eth0, second)).await;

    // Both die; the next net finds the kernel's state, and its copy of the settings.
    net.kill().await.unwrap();
    drop(control);
    fs::remove_file(cable.run().join(Service::Control.socket_name())).unwrap();
    ip(&format!("-n {} address del {second}/32 dev eth0", cable.name)).await;
    let _net = cable.start_net();
    cable.until("it is mended", |eth0, status| has(eth0, second) && status.gateway == Some(gateway)).await;
}

#[tokio::test]
async fn a_unit_in_rescue_takes_on_its_own_address_and_none_of_a_service() {
    let cable = Cable::new('f').await;
    fs::write(cable.run().join(evener_api::RESCUE_MODE), "").unwrap();
    let (own, gateway) = (Ipv4Addr::new(10, 88, 0, 5), Ipv4Addr::new(10, 88, 0, 1));
    let _control = serve_settings(cable.run(), fixed(own, gateway, Ipv4Addr::new(10, 88, 0, 9)));
    let _net = cable.start_net();
    // The route comes after all addresses.
    let status = cable.until("it has its gateway", |_, status| status.gateway == Some(gateway)).await;
    let ipv4 = status.interfaces[0].addresses.iter().filter(|(address, _)| address.is_ipv4());
    assert_eq!(ipv4.collect::<Vec<_>>(), [&(IpAddr::V4(own), 24)]);
}

/// Waits until this address is announced; by whom.
async fn until_announced(arp: &PacketSocket, wanted: Ipv4Addr) -> [u8; 6] {
    let mut buffer = [0; 100];
    loop {
        let (length, _) = arp.receive(&mut buffer).await.unwrap();
        let packet = ArpPacket::new_checked(&buffer[..length]).unwrap();
        if let Ok(ArpRepr::EthernetIpv4 {
            source_hardware_addr,
            source_protocol_addr,
            target_protocol_addr,
            ..
        }) = ArpRepr::parse(&packet)
            && (source_protocol_addr, target_protocol_addr) == (wanted, wanted)
        {
            return source_hardware_addr.0;
        }
    }
}

#[tokio::test]
async fn a_network_that_is_not_ours_is_only_looked_at() {
    let cable = Cable::new('c').await;
    fs::remove_file(cable.run().join(net::OWN_NETWORK)).unwrap();
    let _control = serve_settings(cable.run(), fixed(LEASED, SERVER, Ipv4Addr::new(10, 77, 0, 9)));
    let _net = cable.start_net();
    ip(&format!("-n {} address add 192.0.2.7/24 dev eth0", cable.name)).await;
    let status = cable.until("it sees the address", |eth0, _| !eth0.addresses.is_empty()).await;
    assert_eq!(status.interfaces[0].addresses, [("192.0.2.7".parse().unwrap(), 24)]);
    assert!(!status.interfaces[0].carrier, "nor was it brought up");
}
