use super::*;

const LIMITS: HeadLimits = HeadLimits { bytes: 16_384, fields: 128 };
const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

fn client(response: &str, version: Version) -> (String, Wire, bool) {
    let toward = Toward { version, keep_alive: true, date: DATE };
    read_response(response.as_bytes(), LIMITS, false, |response| {
        let mut out = BytesMut::new();
        let (wire, keep_alive) = response.write(&mut out, toward);
        (String::from_utf8(out.to_vec()).unwrap(), wire, keep_alive)
    })
    .unwrap()
    .expect("a whole head")
    .0
}

fn body(response: &str, to_head: bool) -> Result<BodyReader, ResponseFault> {
    read_response(response.as_bytes(), LIMITS, to_head, |response| response.body)
        .map(|read| read.expect("whole").0)
}

#[test]
fn an_answer_is_written_anew_for_the_client() {
    let response = "HTTP/1.1 200 Fine\r\nServer: x\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
                    Set-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 3\r\nDate: now\r\n\r\n";
    let (head, wire, keep_alive) = client(response, Version::Http11);
    assert_eq!(
        head,
        "HTTP/1.1 200 Fine\r\nServer: x\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nDate: now\r\nContent-Length: 3\r\n\r\n"
    );
    assert_eq!((wire, keep_alive), (Wire::Plain, true));
}

#[test]
fn a_missing_date_is_added() {
    let (head, ..) = client("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", Version::Http11);
    assert_eq!(head, format!("HTTP/1.1 200 \r\nDate: {DATE}\r\nContent-Length: 0\r\n\r\n"));
}

#[test]
fn framing_suits_the_client() {
    let until_close = "HTTP/1.0 200 OK\r\nDate: x\r\n\r\n";
    let chunked = "HTTP/1.1 200 OK\r\nDate: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    for response in [until_close, chunked] {
        let (head, wire, keep_alive) = client(response, Version::Http11);
        assert_eq!(head, "HTTP/1.1 200 OK\r\nDate: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!((wire, keep_alive), (Wire::Chunked, true));
        let (head, wire, keep_alive) = client(response, Version::Http10);
        assert_eq!(head, "HTTP/1.1 200 OK\r\nDate: x\r\nConnection: close\r\n\r\n");
        assert_eq!((wire, keep_alive), (Wire::Plain, false));
    }
    let (head, ..) = client("HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 1\r\n\r\n", Version::Http10);
    assert!(head.ends_with("Connection: keep-alive\r\n\r\n"));
}

#[test]
fn some_answers_have_no_body_whatever_they_say() {
    for status in [100, 103, 204, 304] {
        let response = format!("HTTP/1.1 {status} x\r\nContent-Length: 9\r\n\r\n");
        assert_eq!(body(&response, false), Ok(BodyReader::Done), "{status}");
        let (head, ..) = client(&response, Version::Http11);
        assert_eq!(head.contains("Content-Length"), status == 304, "{head:?}");
    }
    assert_eq!(body("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", true), Ok(BodyReader::Done));
    let kept = read_response(b"HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n", LIMITS, true, |response| {
        let mut out = BytesMut::new();
        response.write(&mut out, Toward { version: Version::Http11, keep_alive: true, date: DATE });
        String::from_utf8(out.to_vec()).unwrap()
    });
    assert!(kept.unwrap().unwrap().0.contains("Content-Length: 42\r\n"));
}

#[test]
fn a_server_that_may_think_of_another_body_gets_no_further_request() {
    let stays = |response: &str| {
        let read = read_response(response.as_bytes(), LIMITS, false, |response| response.keep_alive);
        read.unwrap().unwrap().0
    };
    for doubtful in [
        "HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 304 x\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.0 200 x\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        assert!(!stays(doubtful), "{doubtful:?}");
    }
    for clear in [
        "HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        assert!(stays(clear), "{clear:?}");
    }
}

#[test]
fn an_answer_with_two_readings_is_refused() {
    let framing = [
        "Content-Length: 1\r\nContent-Length: 2\r\n",
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 1, 1\r\n",
        "Content-Length: -1\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\n",
    ];
    for fields in framing {
        let response = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        assert_eq!(body(&response, false), Err(ResponseFault::Framing), "{fields:?}");
    }
    for response in ["HTTP/1.1 42 OK\r\n\r\n", "hello\r\n\r\n", "HTTP/1.1 099 x\r\n\r\n"] {
        assert_eq!(body(response, false), Err(ResponseFault::Syntax), "{response:?}");
    }
    assert_eq!(
        body("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", false),
        Ok(BodyReader::Length(1))
    );
}

#[test]
fn a_switch_of_protocols_is_passed_on() {
    let (head, ..) = client(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n",
        Version::Http11,
    );
    assert_eq!(
        head,
        "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    );
}

#[test]
fn an_upgrade_that_is_required_is_named() {
    let (head, ..) = client(
        "HTTP/1.1 426 Upgrade Required\r\nDate: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n",
        Version::Http11,
    );
    assert!(head.ends_with("Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"), "{head}");
}

#[test]
fn a_line_that_ends_in_a_bare_lf_is_refused() {
    let response = "HTTP/1.1 200 OK\nContent-Length: 1\r\n\r\n";
    assert_eq!(body(response, false), Err(ResponseFault::BareLineFeed));
}

#[test]
fn a_connection_that_names_too_much_is_refused() {
    let response = |named: usize| format!("HTTP/1.1 204 x\r\nConnection: {}\r\n\r\n", "a,".repeat(named));
    assert_eq!(body(&response(64), false), Ok(BodyReader::Done));
    assert_eq!(body(&response(65), false), Err(ResponseFault::TooLarge));
}

#[test]
fn a_head_over_the_limits_is_refused() {
    let response = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(20_000));
    assert_eq!(read_response(response.as_bytes(), LIMITS, false, |_| ()), Err(ResponseFault::TooLarge));
    let response = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: 1\r\n".repeat(200));
    assert_eq!(read_response(response.as_bytes(), LIMITS, false, |_| ()), Err(ResponseFault::TooLarge));
}
