//! Upgrades: WebSocket and its kin.

use crate::support::{DRAIN, Unit, service, soon};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n";
const SWITCH: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

async fn head(server: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(server.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn bytes_pass_both_ways_once_the_server_has_switched() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let unit = Unit::start(service(&[listener.local_addr().unwrap()])).await;
    let mut client = unit.client().await;
    client.send(format!("{UPGRADE}early")).await;
    let (mut server, _) = soon("a connection", listener.accept()).await.unwrap();
    let head = head(&mut server).await;
    assert!(
        head.contains("Connection: Upgrade\r\nUpgrade: websocket\r\n") && head.contains("Sec-WebSocket-Key"),
        "{head}"
    );
    let nothing = server.try_read(&mut [0]).unwrap_err();
    assert_eq!(
        nothing.kind(),
        std::io::ErrorKind::WouldBlock,
        "what was sent ahead of the switch waits for it"
    );
    server.write_all(SWITCH).await.unwrap();
    server.write_all(b"hello").await.unwrap();
    let mut early = [0; 5];
    server.read_exact(&mut early).await.unwrap();
    assert_eq!(&early, b"early");
    assert_eq!(client.head(false).await.0.status, 101);
    for round in 0..100u8 {
        client.send([round; 1000]).await;
        let mut echo = [0; 1000];
        server.read_exact(&mut echo).await.unwrap();
        server.write_all(&echo).await.unwrap();
    }
    let wanted = 5 + 100 * 1000;
    while client.input.len() < wanted {
        client.stream.read_buf(&mut client.input).await.unwrap();
    }
    assert!(client.input.starts_with(b"hello\0") && client.input.ends_with(&[99; 1000]));
    // Each side may end on its own.
    client.stream.shutdown().await.unwrap();
    assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
    server.write_all(b"bye").await.unwrap();
    drop(server);
    client.input.clear();
    client.stream.read_buf(&mut client.input).await.unwrap();
    assert_eq!(&client.input[..], b"bye");
    client.input.clear();
    client.ends().await;
}

#[tokio::test]
async fn without_a_switch_what_follows_is_the_next_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let unit = Unit::start(service(&[listener.local_addr().unwrap()])).await;
    let mut client = unit.client().await;
    client.send(format!("{UPGRADE}GET /next HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    let (mut server, _) = soon("a connection", listener.accept()).await.unwrap();
    head(&mut server).await;
    server.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno").await.unwrap();
    assert_eq!(client.answer().await.body, "no");
    assert!(head(&mut server).await.starts_with("GET /next HTTP/1.1\r\n"));
    server.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext").await.unwrap();
    assert_eq!(client.answer().await.body, "next");
}

#[tokio::test]
async fn a_silent_tunnel_ends_when_its_time_is_over() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut vs = service(&[listener.local_addr().unwrap()]);
    vs.timeouts.idle_s = 1;
    let unit = Unit::start(vs).await;
    let mut client = unit.client().await;
    client.send(UPGRADE).await;
    let (mut server, _) = soon("a connection", listener.accept()).await.unwrap();
    head(&mut server).await;
    server.write_all(SWITCH).await.unwrap();
    assert_eq!(client.head(false).await.0.status, 101);
    let begun = std::time::Instant::now();
    client.ends().await;
    assert!(begun.elapsed() >= Duration::from_millis(900));
    assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_tunnel_outlives_its_service_for_the_drain_time_only() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let unit = Unit::start(service(&[listener.local_addr().unwrap()])).await;
    let mut client = unit.client().await;
    client.send(UPGRADE).await;
    let (mut server, _) = soon("a connection", listener.accept()).await.unwrap();
    head(&mut server).await;
    server.write_all(SWITCH).await.unwrap();
    assert_eq!(client.head(false).await.0.status, 101);
    unit.configure(vec![]).await;
    let begun = std::time::Instant::now();
    let chat = async {
        loop {
            // It is never silent.
            if client.stream.write_all(b"x").await.is_err() || !matches!(server.read(&mut [0]).await, Ok(1..))
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon("the end", chat).await;
    assert!(begun.elapsed() >= DRAIN / 2, "what is under way goes on for a while: {:?}", begun.elapsed());
}
