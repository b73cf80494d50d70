//! What is refused, and what comes through unharmed.

use crate::support::{Origin, Unit, service};

/// Requests with two readings, or none: each is answered with its status and the connection ends.
const REFUSED: &[(u16, &str)] = &[
    (
        400,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nabcd"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd"),
    (501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n"),
    (
        400,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4;x\ny\r\nabcd\r\n0\r\n\r\n"),
    (400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabcd\r\n0\r\n\r\n"),
    (400, "GET / HTTP/1.1\nHost: a\n\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    (400, "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\n\r\n"),
    (400, "GET /\x07 HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"),
    (400, "\x16\x03\x01\x02\x00\x01\x00\x01\u{7f}\x03\x03"),
    (400, "hello\r\n\r\n"),
    (505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    (501, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"),
    (417, "POST / HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\nContent-Length: 1\r\n\r\n"),
];

#[tokio::test]
async fn what_has_two_readings_is_refused_and_never_forwarded() {
    let origin = Origin::named("a").await;
    let unit = Unit::start(service(&[origin.address])).await;
    for (status, request) in REFUSED {
        let mut client = unit.client().await;
        client.send(request).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, *status, "{} got {answer:?}", request.escape_debug());
        assert!(answer.head.contains("Connection: close\r\n"), "{answer:?}");
        client.ends().await;
    }
    assert_eq!(origin.requests(), Vec::<String>::new());
    let status = unit.service().await;
    assert_eq!(status.own_answers, REFUSED.len() as u64);
    let names: Vec<&str> = status.faults.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["request_refused", "body_broken"]);
    let counted: u64 = status.faults.iter().map(|(_, count)| count).sum();
    assert_eq!(counted, REFUSED.len() as u64, "each once");
}

#[tokio::test]
async fn a_refusal_behind_a_good_request_reaches_the_client_too() {
    let origin = Origin::named("a").await;
    let unit = Unit::start(service(&[origin.address])).await;
    for (status, request) in REFUSED {
        let mut client = unit.client().await;
        assert_eq!(client.get("/").await.status, 200);
        client.send(request).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, *status, "{} got {answer:?}", request.escape_debug());
        client.ends().await;
    }
    assert_eq!(origin.count(), REFUSED.len());
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let origin = Origin::answering(|request| {
        let path = request.split(' ').nth(1).unwrap();
        Some(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}", path.len()))
    })
    .await;
    let unit = Unit::start(service(&[origin.address])).await;
    let mut client = unit.client().await;
    client
        .send(
            "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\r\n\
             POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\nGET /4 HTTP/1.1\r\nHost: a\r\n\r\n",
        )
        .await;
    for path in ["/1", "/2", "/3", "/4"] {
        assert_eq!(client.answer().await.body, path);
    }
    let requests = origin.requests();
    assert!(requests[1].ends_with("Content-Length: 3\r\n\r\nabc"));
    assert!(requests[2].ends_with("Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"));
}

#[tokio::test]
async fn a_request_may_arrive_byte_by_byte() {
    let origin = Origin::named("a").await;
    let unit = Unit::start(service(&[origin.address])).await;
    let mut client = unit.client().await;
    client.stream.set_nodelay(true).unwrap();
    for byte in b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n" {
        client.send([*byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.answer().await.body, "a");
}

#[tokio::test]
async fn clients_of_http_1_0_are_served_as_they_expect() {
    let origin = Origin::answering(|_| {
        Some("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".into())
    })
    .await;
    let unit = Unit::start(service(&[origin.address])).await;
    let mut client = unit.client().await;
    client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await;
    let answer = client.answer().await;
    assert!(
        answer.head.contains("Connection: close\r\n") && !answer.head.contains("Transfer-Encoding"),
        "{answer:?}"
    );
    assert_eq!(answer.body, "abc");
    let address = unit.address().await;
    assert!(origin.requests()[0].starts_with(&format!("GET / HTTP/1.1\r\nHost: {address}\r\n")));

    let plain = Origin::named("kept").await;
    unit.configure(vec![service(&[plain.address])]).await;
    let mut client = unit.client().await;
    for _ in 0..2 {
        client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await;
        let answer = client.answer().await;
        assert!(answer.head.contains("Connection: keep-alive\r\n"), "{answer:?}");
    }
}

#[tokio::test]
async fn answers_without_a_body_have_none() {
    let origin = Origin::answering(|request| {
        Some(match request.split(' ').next().unwrap() {
            "HEAD" => "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".into(),
            "GET" => "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\nETag: \"x\"\r\n\r\n".into(),
            _ => "HTTP/1.1 204 No Content\r\n\r\n".into(),
        })
    })
    .await;
    let unit = Unit::start(service(&[origin.address])).await;
    let mut client = unit.client().await;
    for _ in 0..2 {
        client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let answer = client.answer_to(true).await;
        assert!(answer.head.contains("Content-Length: 1000\r\n"), "{answer:?}");
        let answer = client.get("/").await;
        assert!(answer.status == 304 && answer.head.contains("Content-Length: 1000\r\n"), "{answer:?}");
        assert_eq!(client.post("x").await.status, 204);
    }
    assert_eq!(unit.service().await.accepted, 1);
}

#[tokio::test]
async fn an_answer_with_two_readings_is_a_bad_gateway() {
    let origin = Origin::answering(|request| {
        let path = request.split(' ').nth(1).unwrap();
        Some(match path {
            "/both" => {
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into()
            }
            "/lf" => "HTTP/1.1 200 OK\nContent-Length: 0\n\n".into(),
            "/rubbish" => "rubbish\r\n\r\n".into(),
            _ => "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n".to_owned(),
        })
    })
    .await;
    let unit = Unit::start(service(&[origin.address])).await;
    for path in ["/both", "/lf", "/rubbish", "/switch"] {
        let answer = unit.client().await.get(path).await;
        assert_eq!(answer.status, 502, "{path}: {answer:?}");
    }
    assert_eq!(origin.count(), 4, "none was asked twice");
}

#[tokio::test]
async fn interim_answers_and_trailers_pass() {
    let origin = Origin::answering(|_| {
        Some("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Sum: 7\r\n\r\n".into())
    })
    .await;
    let unit = Unit::start(service(&[origin.address])).await;
    let mut client = unit.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let mut all = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut client.stream, &mut all).await.unwrap();
    assert!(all.starts_with("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n"), "{all}");
    assert!(all.ends_with("\r\n1\r\nx\r\n0\r\nX-Sum: 7\r\n\r\n"), "{all}");
}
