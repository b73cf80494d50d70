//! Real captures on the loopback interface, read by tshark. They need root, or NET_RAW.

#![allow(clippy::disallowed_methods, reason = "tests run a reader that is not ours")]

use super::*;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;

/// Waits until the capture is as `done` wants it.
async fn until(captures: &Captures, what: &str, done: impl Fn(&CaptureStatus) -> bool) -> CaptureStatus {
    for _ in 0..2000 {
        let status = captures.status();
        if done(&status) {
            return status;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}: {:?}", captures.status());
}

fn whole(captures: &Captures) -> Vec<u8> {
    let mut file = Vec::new();
    loop {
        let piece = captures.read(file.len() as u64).unwrap();
        if piece.is_empty() {
            return file;
        }
        file.extend(piece);
    }
}

/// What tshark finds of these fields in each packet of the file.
fn tshark(file: &[u8], fields: &[&str]) -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture.pcap");
    fs::write(&path, file).unwrap();
    let mut command = Command::new("tshark");
    command.arg("-n").arg("-r").arg(path).args(["-T", "fields"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.output().expect("tshark is installed: make setup");
    let (text, complaints) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(output.status.success(), "{complaints}");
    assert!(!complaints.contains("cut short") && !complaints.contains("damaged"), "{complaints}");
    text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

fn pair() -> (UdpSocket, SocketAddr, UdpSocket) {
    let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let to = receiver.local_addr().unwrap();
    (receiver, to, UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
}

fn on_loopback(port: u16) -> CaptureOrder {
    CaptureOrder {
        interface: Some(String::from("lo")),
        address: Some(Ipv4Addr::LOCALHOST.into()),
        port: Some(port),
        most_seconds: 60,
        ..CaptureOrder::default()
    }
}

#[tokio::test]
async fn a_capture_holds_what_was_asked_for_and_tshark_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let captures = Captures::new(folder.path());
    let ((_receiver, to, sender), (_other, elsewhere, _)) = (pair(), pair());
    assert!(captures.read(0).unwrap_err().contains("no capture"));
    let order = CaptureOrder { most_packets: 3, ..on_loopback(to.port()) };
    assert!(captures.start(order.clone()).unwrap().running);
    assert!(captures.start(order).unwrap_err().contains("running"), "one at a time");
    assert!(captures.read(0).unwrap_err().contains("running"));
    for text in ["evener one", "evener two", "evener three", "evener four"] {
        sender.send_to(b"not this one", elsewhere).unwrap();
        sender.send_to(text.as_bytes(), to).unwrap();
    }
    let status = until(&captures, "three packets", |status| !status.running).await;
    assert_eq!((status.packets, status.lost), (3, 0));
    assert_eq!(status.ended, "It has as many packets as were asked for.");
    let file = whole(&captures);
    assert_eq!(file.len() as u64, status.bytes);
    let packets = tshark(&file, &["ip.dst", "udp.dstport", "frame.len", "frame.protocols", "data.data"]);
    assert_eq!(packets.len(), 3);
    for (packet, text) in packets.iter().zip(["evener one", "evener two", "evener three"]) {
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        let length = (14 + 20 + 8 + text.len()).to_string();
        let port = to.port().to_string();
        assert_eq!(packet[..3], ["127.0.0.1", &port, &length], "{packet:?}");
        assert!(packet[3].starts_with("eth:ethertype:ip:udp") && packet[4] == hex, "{packet:?}");
    }
}

#[tokio::test]
async fn a_capture_is_stopped_by_its_owner_by_its_size_and_by_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let captures = Captures::new(folder.path());
    let (_receiver, to, sender) = pair();
    captures.start(on_loopback(to.port())).unwrap();
    sender.send_to(b"evener", to).unwrap();
    until(&captures, "a packet", |status| status.packets == 1).await;
    captures.stop();
    let status = until(&captures, "stopped", |status| !status.running).await;
    assert_eq!((status.ended.as_str(), status.packets), ("It was stopped.", 1));

    let least = evener_api::capture::LEAST_BYTES;
    captures.start(CaptureOrder { most_bytes: least, ..on_loopback(to.port()) }).unwrap();
    let status = loop {
        if !captures.status().running {
            break captures.status();
        }
        sender.send_to(&[7; 8000], to).unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    assert_eq!(status.ended, "The file is as large as it may be.");
    assert!(status.bytes <= least && status.bytes > least - 9000, "{status:?}");
    let packets = tshark(&whole(&captures), &["frame.len"]);
    assert_eq!(packets.len() as u64, status.packets);
    assert!(packets.iter().all(|packet| packet[0] == "8042"), "{packets:?}");

    captures.start(CaptureOrder { most_seconds: 1, ..on_loopback(to.port()) }).unwrap();
    let status = until(&captures, "its time", |status| !status.running).await;
    assert_eq!((status.ended.as_str(), status.packets), ("Its time is over.", 0));
    assert_eq!(tshark(&whole(&captures), &["frame.len"]).len(), 0);

    drop(captures);
    assert!(Captures::new(folder.path()).read(0).is_err());
    assert!(!folder.path().join(FILE).exists(), "a new life keeps nothing of it");
}

#[tokio::test]
async fn what_cannot_be_captured_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let captures = Captures::new(folder.path());
    let nowhere = CaptureOrder { interface: Some(String::from("nonesuch0")), ..CaptureOrder::default() };
    assert!(captures.start(nowhere).unwrap_err().contains("cannot be listened to"));
    let endless = CaptureOrder { most_seconds: 601, ..CaptureOrder::default() };
    assert!(captures.start(endless).unwrap_err().starts_with("most_seconds: "));
    assert_eq!(captures.status(), CaptureStatus::default());
}
