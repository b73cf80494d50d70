//! Bodies: streamed, no faster than they are taken.

use crate::support::{Client, Unit, read_request, service, soon};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const LENGTH: usize = 64 << 20;
/// What the kernel's four socket buffers can hold at most, and ours: far less than `LENGTH`.
const IN_FLIGHT: usize = 40 << 20;

fn pattern(at: usize) -> [u8; 4096] {
    [u8::try_from(at / 4096 % 251).unwrap(); 4096]
}

/// Writes `LENGTH` bytes, counting them.
async fn write_all(mut stream: impl AsyncWriteExt + Unpin, written: Arc<AtomicUsize>) {
    while written.load(SeqCst) < LENGTH {
        stream.write_all(&pattern(written.load(SeqCst))).await.unwrap();
        written.fetch_add(4096, SeqCst);
    }
}

/// Reads `LENGTH` bytes, checking them; some are in `input` already.
async fn read_all(stream: &mut TcpStream, input: &[u8]) {
    let mut buffer = vec![0; 1 << 16];
    buffer[..input.len()].copy_from_slice(input);
    let (mut filled, mut at) = (input.len(), 0);
    while at < LENGTH {
        while filled < 4096 {
            let read = stream.read(&mut buffer[filled..]).await.unwrap();
            assert_ne!(read, 0, "the body ended after {at} bytes");
            filled += read;
        }
        let whole = filled - filled % 4096;
        for block in buffer[..whole].chunks(4096) {
            assert!(block == pattern(at), "at {at}");
            at += 4096;
        }
        buffer.copy_within(whole..filled, 0);
        filled -= whole;
    }
}

/// Waits until nothing is written any more: the count stays what it is while everybody had time to go on.
async fn until_stalled(written: &AtomicUsize) -> usize {
    soon("the writer has to wait", async {
        loop {
            let before = written.load(SeqCst);
            tokio::time::sleep(Duration::from_millis(300)).await;
            if before > 0 && written.load(SeqCst) == before {
                return before;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_slow_reader_slows_the_server_down() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let unit = Unit::start(service(&[listener.local_addr().unwrap()])).await;
    let written = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&written);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream, &mut Vec::new()).await.unwrap();
        stream
            .write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n").as_bytes())
            .await
            .unwrap();
        write_all(&mut stream, counter).await;
        stream.read_u8().await
    });
    let mut client = unit.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(until_stalled(&written).await < IN_FLIGHT);
    let (answer, _) = client.head(false).await;
    assert_eq!(answer.status, 200);
    let Client { mut stream, input } = client;
    soon("the whole body", read_all(&mut stream, &input)).await;
}

#[tokio::test]
async fn a_slow_server_slows_the_client_down() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let unit = Unit::start(service(&[listener.local_addr().unwrap()])).await;
    let client = unit.client().await;
    let (mut read, mut write) = client.stream.into_split();
    let written = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&written);
    let upload = tokio::spawn(async move {
        write
            .write_all(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {LENGTH}\r\n\r\n").as_bytes())
            .await
            .unwrap();
        write_all(&mut write, counter).await;
        write
    });
    let (mut server, _) = listener.accept().await.unwrap();
    assert!(until_stalled(&written).await < IN_FLIGHT);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(server.read_u8().await.unwrap());
    }
    soon("the whole body", read_all(&mut server, &[])).await;
    server.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    let _write = upload.await.unwrap();
    let mut answer = [0; 20];
    read.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 201 Created");
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_gets_it_from_the_server() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let unit = Unit::start(service(&[listener.local_addr().unwrap()])).await;
    let mut client = unit.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n").await;
    let (mut server, _) = soon("a connection", listener.accept()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(server.read_u8().await.unwrap());
    }
    assert!(String::from_utf8(head).unwrap().contains("Expect: 100-continue\r\n"));
    server.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
    assert_eq!(soon("100", client.head(false)).await.0.status, 100);
    client.send("abc").await;
    let mut body = [0; 3];
    server.read_exact(&mut body).await.unwrap();
    assert_eq!(&body, b"abc");
    server.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
    assert_eq!(client.answer().await.body, "ok");
}

#[tokio::test]
async fn a_refusal_in_the_middle_of_an_upload_reaches_the_client() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let unit = Unit::start(service(&[listener.local_addr().unwrap()])).await;
    let mut client = unit.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nstart").await;
    let (mut server, _) = soon("a connection", listener.accept()).await.unwrap();
    let mut input = [0; 256];
    assert!(server.read(&mut input).await.unwrap() > 0);
    server.write_all(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig").await.unwrap();
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (413, "big"));
    assert!(
        answer.head.contains("Connection: close\r\n"),
        "the rest of the body can never be told from a request"
    );
    client.ends().await;
}

#[tokio::test]
async fn a_client_that_gives_up_its_upload_gets_the_rest_of_the_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let unit = Unit::start(service(&[listener.local_addr().unwrap()])).await;
    for broken in [false, true] {
        let mut client = unit.client().await;
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nstart\r\n").await;
        let (mut server, _) = soon("a connection", listener.accept()).await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"5\r\nstart\r\n") {
            request.push(server.read_u8().await.unwrap());
        }
        server.write_all(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 7\r\n\r\ntoo").await.unwrap();
        assert_eq!(soon("the head", client.head(false)).await.0.status, 413);
        while client.input.len() < 3 {
            client.stream.read_buf(&mut client.input).await.unwrap();
        }
        if broken {
            client.send("no chunk\r\n").await;
        } else {
            client.stream.shutdown().await.unwrap();
        }
        assert_eq!(soon("the server hears of it", server.read(&mut [0])).await.unwrap(), 0);
        server.write_all(b" big").await.unwrap();
        while client.input.len() < 7 {
            assert!(soon("the rest", client.stream.read_buf(&mut client.input)).await.unwrap() > 0);
        }
        assert_eq!(&client.input.split()[..], b"too big");
        client.ends().await;
    }
}

#[tokio::test]
async fn an_answer_without_a_length_ends_with_the_server_s_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let unit = Unit::start(service(&[listener.local_addr().unwrap()])).await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            read_request(&mut stream, &mut Vec::new()).await.unwrap();
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nuntil the end").await.unwrap();
        }
    });
    let mut client = unit.client().await;
    for _ in 0..2 {
        let answer = client.get("/").await;
        assert_eq!(answer.body, "until the end");
        assert!(
            answer.head.contains("Transfer-Encoding: chunked"),
            "the client's connection goes on: {answer:?}"
        );
    }
}

#[tokio::test]
async fn a_client_may_end_its_side_as_soon_as_it_has_asked() {
    let origin = crate::support::Origin::named("answered").await;
    let unit = Unit::start(service(&[origin.address])).await;
    let mut client = unit.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").await;
    client.stream.shutdown().await.unwrap();
    assert_eq!(client.answer().await.body, "answered");
    client.ends().await;
}
