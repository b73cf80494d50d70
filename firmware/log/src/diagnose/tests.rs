//! On the loopback interface, which is every kernel's. They need root, or NET_RAW.

use super::*;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Of TEST-NET-3 (RFC 5737): nobody's.
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 254));

#[test]
fn a_host_that_answers_is_pinged_and_one_that_does_not_is_no_error() {
    let lines = ping(LOOPBACK, 3).unwrap();
    assert_eq!(lines.len(), 4, "{lines:?}");
    assert!(lines[0].starts_with("1: 127.0.0.1 answered after "), "{lines:?}");
    assert!(lines[3].starts_with("3 sent, 3 answered: least "), "{lines:?}");
    let silent = ping(NOBODY, 1).unwrap();
    assert!(
        silent.last().unwrap().contains("none answered") && silent.last().unwrap().contains("no fault"),
        "{silent:?}"
    );
}

#[test]
fn the_way_to_oneself_is_one_hop() {
    let lines = trace(LOOPBACK).unwrap();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with(" 1  127.0.0.1  ") && lines[0].matches(" ms").count() == 3, "{lines:?}");
}

#[test]
fn a_hop_is_shown_with_every_router_that_answered() {
    let at = |ms: u64, last| {
        (Duration::from_micros(ms * 1000 + 230), IpAddr::from([192, 0, 2, last]), Answer::NoHopLeft)
    };
    let (one, two) = (at(1, 1), at(12, 2));
    let line = hop_line(3, &[Some(&one), None, Some(&two)]);
    assert_eq!(line, " 3  192.0.2.1  1.23 ms  *  192.0.2.2  12.23 ms");
    let refused = (Duration::ZERO, NOBODY, Answer::Unreachable("forbidden on the way"));
    assert_eq!(hop_line(10, &[Some(&refused)]), "10  203.0.113.254  0.00 ms (forbidden on the way)");
}

/// A name server that says first what was not asked, then the truth.
fn name_server() -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let mut answer = buffer[..length].to_vec();
            answer[2..4].copy_from_slice(&[0x81, 0x80]);
            answer[7] = 1;
            answer.extend(b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x07");
            let mut forged = answer.clone();
            forged[0] ^= 1;
            socket.send_to(&forged, from).unwrap();
            socket.send_to(&answer, from).unwrap();
        }
    });
    address
}

#[test]
fn a_name_is_looked_up_and_a_forged_answer_is_passed_over() {
    let server = name_server();
    let lines = lookup(" shop.example ", RecordKind::A, &[server.ip()], server.port()).unwrap();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("127.0.0.1 answered after "), "{lines:?}");
    assert_eq!(lines[1], "shop.example. 60 A 192.0.2.7");
    assert!(lookup("no name", RecordKind::A, &[server.ip()], server.port()).unwrap_err().contains("no name"));
    let lines = lookup("192.0.2.7", RecordKind::Ptr, &[server.ip()], server.port()).unwrap();
    assert!(lines[1].starts_with("7.2.0.192.in-addr.arpa. 60 "), "{lines:?}");
}

#[test]
fn a_server_that_refuses_is_said_and_the_next_one_asked() {
    let server = name_server();
    // Nobody listens there: the port is taken, and the socket is connected to somebody else.
    let deaf = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 2), server.port())).unwrap();
    deaf.connect(server).unwrap();
    let servers = [IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), server.ip()];
    let lines = lookup("shop.example", RecordKind::A, &servers, server.port()).unwrap();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].starts_with("127.0.0.2: "), "{lines:?}");
}

#[tokio::test]
async fn routes_and_neighbours_are_read() {
    let nowhere = Path::new("/nonexistent");
    let routes = answer(nowhere, Question::Routes).await.unwrap();
    assert!(routes.iter().all(|line| !line.contains("table 255")), "{routes:?}");
    for line in answer(nowhere, Question::Neighbours).await.unwrap() {
        assert!(line.contains(" dev "), "{line}");
    }
    let no_servers = answer(nowhere, Question::Lookup("x".into(), RecordKind::A, None)).await;
    assert!(no_servers.unwrap_err().contains("name servers are not known"));
}
