use super::super::message::packet;
use super::*;
use smoltcp::wire::{DhcpPacket, DhcpRepr, EthernetAddress, Ipv4Packet, UdpPacket};

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const SERVER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 77);
const S: Duration = Duration::from_secs(1);

/// What the client sent, as the server reads it.
#[derive(Debug, PartialEq)]
struct Seen {
    kind: DhcpMessageType,
    transaction: u32,
    to_mac: [u8; 6],
    from: Ipv4Addr,
    to: Ipv4Addr,
    requested: Option<Ipv4Addr>,
    server: Option<Ipv4Addr>,
}

fn seen(transmit: Option<Transmit>) -> Seen {
    let transmit = transmit.expect("something is sent");
    let ip = Ipv4Packet::new_checked(&transmit.packet[..]).unwrap();
    assert!(ip.verify_checksum());
    let udp = UdpPacket::new_checked(ip.payload()).unwrap();
    assert!(udp.verify_checksum(&ip.src_addr().into(), &ip.dst_addr().into()));
    assert_eq!((udp.src_port(), udp.dst_port()), (68, 67));
    assert!(udp.payload().len() >= 300);
    let message = DhcpPacket::new_checked(udp.payload()).unwrap();
    assert!(message.options().any(|option| option.kind == 12 && option.data == b"lb1"));
    let repr = DhcpRepr::parse(&message).unwrap();
    assert_eq!(repr.client_hardware_address, EthernetAddress(MAC));
    assert_eq!(repr.client_ip, ip.src_addr());
    Seen {
        kind: repr.message_type,
        transaction: repr.transaction_id,
        to_mac: transmit.to,
        from: ip.src_addr(),
        to: ip.dst_addr(),
        requested: repr.requested_ip,
        server: repr.server_identifier,
    }
}

fn answer(kind: DhcpMessageType, transaction: u32, lease_s: u32) -> Vec<u8> {
    let none = Ipv4Addr::UNSPECIFIED;
    let message = DhcpRepr {
        message_type: kind,
        transaction_id: transaction,
        secs: 0,
        client_hardware_address: EthernetAddress(MAC),
        client_ip: none,
        your_ip: ADDRESS,
        server_ip: none,
        router: Some(SERVER),
        subnet_mask: Some(Ipv4Addr::new(255, 255, 255, 0)),
        relay_agent_ip: none,
        broadcast: false,
        requested_ip: None,
        client_identifier: None,
        server_identifier: Some(SERVER),
        parameter_request_list: None,
        dns_servers: Some([SERVER].into_iter().collect()),
        max_size: None,
        lease_duration: Some(lease_s),
        renew_duration: None,
        rebind_duration: None,
        additional_options: &[],
    };
    packet(SERVER, ADDRESS, (67, 68), &message)
}

#[test]
fn the_lease_of_a_former_life_is_asked_for_again_and_one_that_ran_out_is_not() {
    let granted = lease();
    let mut next = new_client();
    next.resume(granted.clone(), 100 * S);
    assert_eq!(next.lease(), Some(&granted));
    next.link_came_up(100 * S);
    let asked = seen(next.poll(100 * S));
    assert_eq!((asked.kind, asked.requested), (DhcpMessageType::Request, Some(ADDRESS)));
    let mut late = new_client();
    late.resume(granted, 3700 * S);
    assert_eq!(late.lease(), None);
}

fn new_client() -> Client {
    let mut client = Client::new(MAC, 42, S);
    client.set_host_name("lb1");
    client
}

/// A lease of 1000 s since second 2.
pub(crate) fn lease() -> Lease {
    bound().lease().unwrap().clone()
}

/// A client with a lease of 1000 s since second 2.
fn bound() -> Client {
    let mut client = new_client();
    let discover = seen(client.poll(S));
    client.receive(2 * S, SERVER_MAC, &answer(DhcpMessageType::Offer, discover.transaction, 1000));
    let request = seen(client.poll(2 * S));
    client.receive(2 * S, SERVER_MAC, &answer(DhcpMessageType::Ack, request.transaction, 1000));
    assert!(client.lease().is_some());
    client
}

#[test]
fn asks_at_once_takes_the_offer_and_has_the_lease() {
    let mut client = new_client();
    let discover = seen(client.poll(S));
    assert_eq!(
        (discover.kind, discover.to_mac, discover.to),
        (DhcpMessageType::Discover, [0xff; 6], Ipv4Addr::BROADCAST)
    );
    assert_eq!(client.poll(S), None);
    client.receive(S, SERVER_MAC, &answer(DhcpMessageType::Offer, discover.transaction, 1000));
    let request = seen(client.poll(S));
    assert_eq!(request.kind, DhcpMessageType::Request);
    assert_eq!(request.transaction, discover.transaction);
    assert_eq!(
        (request.requested, request.server, request.from),
        (Some(ADDRESS), Some(SERVER), Ipv4Addr::UNSPECIFIED)
    );
    assert_eq!(client.lease(), None, "an offer is no lease");
    client.receive(S, SERVER_MAC, &answer(DhcpMessageType::Ack, request.transaction, 1000));
    let lease = client.lease().unwrap();
    assert_eq!((lease.address, lease.prefix, lease.router), (ADDRESS, 24, Some(SERVER)));
    assert_eq!(lease.name_servers, [SERVER]);
    assert_eq!(client.next_poll(), S + 500 * S);
}

#[test]
fn asks_again_with_growing_pauses_as_long_as_nobody_answers() {
    let mut client = new_client();
    let mut pauses = Vec::new();
    for _ in 0..10 {
        let now = client.next_poll();
        assert_eq!(seen(client.poll(now)).kind, DhcpMessageType::Discover);
        pauses.push(client.next_poll() - now);
    }
    for (pause, about) in pauses.iter().zip([1, 2, 4, 8, 16, 32, 64, 64, 64, 64]) {
        let about = S * about;
        assert!(*pause >= about * 3 / 4 && *pause <= about * 5 / 4, "{pause:?} is not about {about:?}");
    }
}

#[test]
fn renews_with_the_server_then_with_anybody_then_gives_the_address_up() {
    let mut client = bound();
    assert_eq!(client.poll(501 * S), None);
    let renewal = seen(client.poll(502 * S));
    assert_eq!((renewal.to_mac, renewal.to, renewal.from), (SERVER_MAC, SERVER, ADDRESS));
    assert_eq!((renewal.requested, renewal.server), (None, None), "RFC 2131 table 5");
    let mut now = client.next_poll();
    while now < 2 * S + 875 * S {
        assert_eq!(seen(client.poll(now)).to_mac, SERVER_MAC);
        now = client.next_poll();
    }
    assert_eq!(now, 2 * S + 875 * S);
    assert_eq!(seen(client.poll(now)).to_mac, [0xff; 6]);
    assert!(client.lease().is_some());
    assert_eq!(seen(client.poll(1002 * S)).kind, DhcpMessageType::Discover);
    assert_eq!(client.lease(), None);
}

#[test]
fn a_renewed_lease_lasts_from_now() {
    let mut client = bound();
    let renewal = seen(client.poll(502 * S));
    client.receive(503 * S, SERVER_MAC, &answer(DhcpMessageType::Ack, renewal.transaction, 1000));
    assert_eq!(client.next_poll(), 503 * S + 500 * S);
}

#[test]
fn a_refusal_takes_the_address_away_and_everything_starts_anew() {
    let mut client = bound();
    let renewal = seen(client.poll(502 * S));
    client.receive(502 * S, SERVER_MAC, &answer(DhcpMessageType::Nak, renewal.transaction, 0));
    assert_eq!(client.lease(), None);
    assert_eq!(client.poll(502 * S), None, "not at once");
    let discover = seen(client.poll(503 * S));
    assert_eq!(discover.kind, DhcpMessageType::Discover);
    assert_ne!(discover.transaction, renewal.transaction);
}

#[test]
fn an_offer_that_is_not_confirmed_is_dropped_after_four_requests() {
    let mut client = new_client();
    let discover = seen(client.poll(S));
    client.receive(S, SERVER_MAC, &answer(DhcpMessageType::Offer, discover.transaction, 1000));
    for _ in 0..MOST_REQUESTS {
        let now = client.next_poll();
        assert_eq!(seen(client.poll(now)).kind, DhcpMessageType::Request);
    }
    let now = client.next_poll();
    assert_eq!(seen(client.poll(now)).kind, DhcpMessageType::Discover);
}

#[test]
fn after_a_pulled_cable_the_same_lease_is_asked_for_and_kept_meanwhile() {
    let mut client = bound();
    client.link_came_up(100 * S);
    let request = seen(client.poll(100 * S));
    assert_eq!(
        (request.kind, request.requested, request.server),
        (DhcpMessageType::Request, Some(ADDRESS), None)
    );
    assert!(client.lease().is_some());
    client.receive(100 * S, SERVER_MAC, &answer(DhcpMessageType::Ack, request.transaction, 1000));
    assert_eq!(client.next_poll(), 600 * S);
}

#[test]
fn answers_to_others_and_nonsense_are_not_taken() {
    let mut client = new_client();
    let discover = seen(client.poll(S));
    client.receive(S, SERVER_MAC, &answer(DhcpMessageType::Offer, discover.transaction ^ 1, 1000));
    client.receive(S, SERVER_MAC, &answer(DhcpMessageType::Ack, discover.transaction, 1000));
    let good = answer(DhcpMessageType::Offer, discover.transaction, 1000);
    for length in 0..good.len() {
        client.receive(S, SERVER_MAC, &good[..length]);
    }
    assert_eq!(client.poll(S), None, "still waiting for an offer");
    let mut random = 7_u64;
    for _ in 0..20_000 {
        let mut bytes = good.clone();
        for _ in 0..3 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = (random >> 33) as usize % bytes.len();
            bytes[at] = (random >> 20).to_le_bytes()[0];
        }
        let mut client = new_client();
        client.poll(S);
        client.receive(S, SERVER_MAC, &bytes);
        client.poll(S);
    }
}

#[test]
fn a_lease_that_makes_no_sense_is_not_taken() {
    let client = new_client();
    let offer = answer(DhcpMessageType::Offer, 1, 1000);
    let good = Incoming::parse(&offer).unwrap();
    let lease = |message: &Incoming| client.lease_from(message, None, SERVER_MAC, S);
    assert!(lease(&good).is_some());
    for address in ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"] {
        assert_eq!(lease(&Incoming { address: address.parse().unwrap(), ..good.clone() }), None, "{address}");
    }
    for mask in ["0.0.0.0", "255.0.255.0"] {
        assert_eq!(lease(&Incoming { mask: Some(mask.parse().unwrap()), ..good.clone() }), None, "{mask}");
    }
    assert_eq!(lease(&Incoming { lease_s: None, ..good.clone() }), None);
    assert_eq!(lease(&Incoming { server: None, ..good.clone() }), None);
    let short = lease(&Incoming { lease_s: Some(0), renew_s: Some(0), ..good.clone() }).unwrap();
    assert_eq!(short.expires_at, S + SHORTEST_LEASE);
    assert!(short.renew_at > S && short.renew_at < short.rebind_at && short.rebind_at < short.expires_at);
}
