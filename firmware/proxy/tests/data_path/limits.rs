//! What a client can hold, and for how long.

use crate::support::{Origin, Unit, read_request, service, soon};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[tokio::test]
async fn a_head_that_does_not_arrive_in_time_is_answered_408() {
    let origin = Origin::named("a").await;
    let mut vs = service(&[origin.address]);
    vs.timeouts.request_head_s = 1;
    let unit = Unit::start(vs).await;
    let mut slow = unit.client().await;
    let mut silent = unit.client().await;
    let begun = Instant::now();
    // Bytes that keep coming buy no time.
    slow.send("GET / HTTP/1.1\r\nHost: a\r\n").await;
    let trickle = async {
        loop {
            if slow.stream.write_all(b"X: y\r\n").await.is_err() {
                return;
            }
            tokio::select! {
                _ = slow.stream.readable() => return,
                () = tokio::time::sleep(Duration::from_millis(100)) => {}
            }
        }
    };
    soon("the answer", trickle).await;
    assert_eq!(slow.answer().await.status, 408);
    assert!(begun.elapsed() < Duration::from_secs(5));
    silent.ends().await;
    assert_eq!(origin.count(), 0);
}

#[tokio::test]
async fn a_kept_connection_is_closed_without_a_word_when_its_time_is_over() {
    let origin = Origin::named("a").await;
    let mut vs = service(&[origin.address]);
    vs.timeouts.keep_alive_s = 1;
    let unit = Unit::start(vs).await;
    let mut client = unit.client().await;
    assert_eq!(client.get("/").await.status, 200);
    let begun = Instant::now();
    client.ends().await;
    assert!((Duration::from_millis(900)..Duration::from_secs(5)).contains(&begun.elapsed()));
}

#[tokio::test]
async fn a_server_that_does_not_answer_in_time_is_a_504_and_not_asked_twice() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let good = Origin::named("good").await;
    let mut vs = service(&[listener.local_addr().unwrap(), good.address]);
    vs.timeouts.response_head_s = 1;
    let unit = Unit::start(vs).await;
    let mut client = unit.client().await;
    let answer = client.get("/").await;
    assert_eq!(answer.status, 504, "{answer:?}");
    assert_eq!(good.count(), 0);
    assert_eq!(client.get("/").await.body, "good", "on the same connection");
}

#[tokio::test]
async fn a_body_that_stops_in_the_middle_is_answered_408() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut vs = service(&[listener.local_addr().unwrap()]);
    vs.timeouts.idle_s = 1;
    let unit = Unit::start(vs).await;
    let mut client = unit.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345").await;
    assert_eq!(client.answer().await.status, 408);
    client.ends().await;
}

#[tokio::test]
async fn an_answer_that_stops_in_the_middle_ends_the_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut vs = service(&[listener.local_addr().unwrap()]);
    vs.timeouts.idle_s = 1;
    let unit = Unit::start(vs).await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream, &mut Vec::new()).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345").await.unwrap();
        stream.read(&mut [0]).await
    });
    let mut client = unit.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.head(false).await.0.status, 200);
    let mut rest = Vec::new();
    let end = soon("the end", client.stream.read_to_end(&mut rest)).await;
    assert!(end.is_err(), "cut off, and not ended in order: {end:?} {rest:?}");
    server.await.unwrap().ok();
}

#[tokio::test]
async fn heads_over_the_limits_are_refused() {
    let origin = Origin::named("a").await;
    let mut vs = service(&[origin.address]);
    vs.limits.request_head_bytes = 2048;
    vs.limits.request_headers = 10;
    let unit = Unit::start(vs).await;
    let long = "x".repeat(3000);
    for (status, request) in [
        (431, format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n")),
        (431, format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: 1\r\n".repeat(20))),
        (414, format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n")),
    ] {
        let mut client = unit.client().await;
        client.send(request).await;
        assert_eq!(client.answer().await.status, status);
        client.ends().await;
    }
    assert_eq!(origin.count(), 0);
}

#[tokio::test]
async fn a_head_without_an_end_is_refused_at_the_limit() {
    let origin = Origin::named("a").await;
    let unit = Unit::start(service(&[origin.address])).await;
    for (status, start) in [(431, "GET / HTTP/1.1\r\nHost: a\r\nX: "), (414, "GET /")] {
        let mut client = unit.client().await;
        client.send(start).await;
        // More than a head may have, less than is read after the answer.
        client.send(vec![b'x'; 100_000]).await;
        assert_eq!(client.answer().await.status, status);
    }
}

#[tokio::test]
async fn an_answer_s_head_without_an_end_is_refused_at_the_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let unit = Unit::start(service(&[listener.local_addr().unwrap()])).await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream, &mut Vec::new()).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nX: ").await.unwrap();
        // Until the proxy has enough of it.
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    });
    assert_eq!(unit.client().await.get("/").await.status, 502);
    soon("the end of the flood", server).await.unwrap();
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_until_one_ends() {
    let origin = Origin::named("a").await;
    let mut vs = service(&[origin.address]);
    vs.limits.connections = 2;
    let unit = Unit::start(vs.clone()).await;
    let (mut first, mut second) = (unit.client().await, unit.client().await);
    assert_eq!(first.get("/").await.status, 200);
    assert_eq!(second.get("/").await.status, 200);
    let mut third = unit.client().await;
    third.send("GET /third HTTP/1.1\r\nHost: a\r\n\r\n").await;
    // Whatever the third could do, it could do before these.
    for _ in 0..20 {
        assert_eq!(first.get("/").await.status, 200);
    }
    assert_eq!(
        (unit.service().await.connections, origin.requests().iter().any(|r| r.contains("third"))),
        (2, false)
    );
    drop(second);
    assert_eq!(third.answer().await.status, 200);
    let mut fourth = unit.client().await;
    fourth.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    vs.limits.connections = 3;
    unit.configure(vec![vs]).await;
    assert_eq!(fourth.answer().await.status, 200, "a higher limit counts at once");
}

#[tokio::test]
async fn a_server_that_takes_nothing_of_a_request_is_a_504() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut vs = service(&[listener.local_addr().unwrap()]);
    vs.timeouts.idle_s = 1;
    let unit = Unit::start(vs).await;
    let mut client = unit.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n").await;
    let block = vec![b'x'; 1 << 16];
    soon("the answer", async {
        while client
            .stream
            .ready(tokio::io::Interest::READABLE | tokio::io::Interest::WRITABLE)
            .await
            .unwrap()
            .is_writable()
        {
            let readable = tokio::time::timeout(Duration::ZERO, client.stream.readable()).await.is_ok();
            if readable
                || client
                    .stream
                    .try_write(&block)
                    .is_err_and(|error| error.kind() != std::io::ErrorKind::WouldBlock)
            {
                return;
            }
        }
    })
    .await;
    assert_eq!(client.answer().await.status, 504);
}

#[tokio::test]
async fn an_interim_answer_that_was_cut_off_is_followed_by_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut vs = service(&[listener.local_addr().unwrap()]);
    vs.timeouts.response_head_s = 1;
    let unit = Unit::start(vs).await;
    // A client that takes next to nothing.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut client = socket.connect(unit.address().await).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let (mut server, _) = soon("a connection", listener.accept()).await.unwrap();
    read_request(&mut server, &mut Vec::new()).await.unwrap();
    let hint = format!("HTTP/1.1 103 Early Hints\r\nLink: {}\r\n\r\n", "x".repeat(250_000));
    let flood = async { while server.write_all(hint.as_bytes()).await.is_ok() {} };
    soon("the proxy gives up", flood).await;
    let mut all = Vec::new();
    let _ = soon("the end", client.read_to_end(&mut all)).await;
    assert!(!all.windows(12).any(|part| part == b"HTTP/1.1 504" || part == b"HTTP/1.1 502"));
}
