use super::*;
use proptest::prelude::*;

const LIMITS: HeadLimits = HeadLimits { bytes: 32_768, fields: 128 };

fn upstream(request: &[u8]) -> Result<String, Refusal> {
    let add = Outbound {
        forwarded_for: Some("192.0.2.7".parse().unwrap()),
        own_address: "198.51.100.1:80".parse().unwrap(),
    };
    let written = read_request(request, LIMITS, |request| {
        let mut out = BytesMut::new();
        request.write(&mut out, add);
        String::from_utf8(out.to_vec()).unwrap()
    })?;
    Ok(written.expect("a whole head").0)
}

fn read<R>(request: &str, accept: impl FnOnce(&Request<'_>) -> R) -> R {
    read_request(request.as_bytes(), LIMITS, accept).unwrap().expect("a whole head").0
}

#[test]
fn a_request_is_written_anew_for_the_server() {
    let request = b"POST /a?b=c HTTP/1.1\r\nhost: shop.example\r\nConnection: keep-alive, X-Private\r\nX-Private: 1\r\nKeep-Alive: 5\r\n\
        TE: trailers\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2\r\nContent-Length: 3\r\nAccept: */*\r\nProxy-Connection: x\r\n\
        Upgrade: websocket\r\nHTTP2-Settings: x\r\n\r\nabc";
    assert_eq!(
        upstream(request).unwrap(),
        "POST /a?b=c HTTP/1.1\r\nHost: shop.example\r\nAccept: */*\r\n\
         X-Forwarded-For: 10.0.0.1, 10.0.0.2, 192.0.2.7\r\nContent-Length: 3\r\n\r\n"
    );
}

#[test]
fn fields_in_disguise_end_here_and_others_with_underscores_pass() {
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 1.1.1.1\r\nX-Forwarded_For: 1.1.1.1\r\nContent_Length: 5\r\n\
        transfer_encoding: chunked\r\nmy_field: 1\r\n\r\n";
    assert_eq!(
        upstream(request).unwrap(),
        "GET / HTTP/1.1\r\nHost: a\r\nmy_field: 1\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n"
    );
}

#[test]
fn a_connection_that_names_too_much_is_refused() {
    let request = |named: usize| {
        format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close,{}\r\n\r\n", "b,".repeat(named))
    };
    assert!(upstream(request(64).as_bytes()).is_ok());
    assert_eq!(upstream(request(65).as_bytes()), Err(Refusal::TooManyNamed));
}

/// Each breaks one rule.
const TWO_READINGS: &[(&str, Refusal)] = &[
    (
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        Refusal::TwoLengths,
    ),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
        Refusal::TwoLengths,
    ),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", Refusal::ContentLength),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", Refusal::ContentLength),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\n", Refusal::ContentLength),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\n", Refusal::ContentLength),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\n", Refusal::ContentLength),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", Refusal::ContentLength),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", Refusal::ContentLength),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\n\r\n", Refusal::UnknownCoding),
    (
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        Refusal::TransferEncoding,
    ),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", Refusal::TransferEncoding),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n", Refusal::TransferEncoding),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", Refusal::TransferEncoding),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;q=1\r\n\r\n", Refusal::TransferEncoding),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", Refusal::TransferEncoding),
    ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", Refusal::TransferEncoding),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", Refusal::Host),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", Refusal::Host),
    ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", Refusal::Host),
    ("GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", Refusal::Host),
    ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", Refusal::Host),
    ("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", Refusal::Host),
    ("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", Refusal::Host),
    ("GET / HTTP/1.1\r\n\r\n", Refusal::Host),
    ("GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", Refusal::HostMismatch),
    ("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Target),
    ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Target),
    ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Target),
    ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Target),
    ("GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Target),
    ("GET /\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Target),
    ("GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Syntax),
    ("GET / HTTP/1.1\nHost: a\r\n\r\n", Refusal::BareLineFeed),
    ("GET / HTTP/1.1\r\nHost: a\n\r\n", Refusal::BareLineFeed),
    ("GET / HTTP/1.1\r\nHost: a\r\n\n", Refusal::BareLineFeed),
    ("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::BareLineFeed),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", Refusal::Syntax),
    ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", Refusal::Syntax),
    ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", Refusal::Syntax),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", Refusal::Syntax),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", Refusal::Syntax),
    ("GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n", Refusal::Syntax),
    ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Syntax),
    ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", Refusal::Syntax),
    ("GET / HTP/1.1\r\nHost: a\r\n\r\n", Refusal::Syntax),
    ("GET /\r\nHost: a\r\n\r\n", Refusal::Syntax),
    ("\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}", Refusal::Syntax),
    ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", Refusal::Version),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refusal::Version),
    ("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", Refusal::Connect),
    ("GET / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n", Refusal::Expectation),
    ("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: a\r\nUpgrade: b\r\n\r\n", Refusal::Syntax),
];

#[test]
fn what_has_two_readings_is_refused() {
    for (request, refusal) in TWO_READINGS {
        assert_eq!(upstream(request.as_bytes()), Err(*refusal), "{}", request.escape_debug());
        assert!((400..=505).contains(&refusal.status()));
    }
}

#[test]
fn an_absolute_target_becomes_origin_form() {
    let cases = [
        (
            "GET http://a.example/x?y HTTP/1.1\r\nHost: A.example:80\r\n\r\n",
            "GET /x?y HTTP/1.1\r\nHost: A.example:80",
        ),
        ("GET http://a.example HTTP/1.1\r\nHost: a.example\r\n\r\n", "GET / HTTP/1.1\r\nHost: a.example"),
        ("GET http://a.example?q HTTP/1.1\r\nHost: a.example\r\n\r\n", "GET /?q HTTP/1.1\r\nHost: a.example"),
        (
            "OPTIONS http://a.example HTTP/1.1\r\nHost: a.example\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: a.example",
        ),
        ("OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a.example"),
        ("GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n\r\n", "GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080"),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET / HTTP/1.1\r\nHost: "),
        ("GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: 198.51.100.1:80"),
        ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a"),
    ];
    for (request, beginning) in cases {
        let written = upstream(request.as_bytes()).unwrap();
        assert!(written.starts_with(beginning), "{request:?} became {written:?}");
    }
}

#[test]
fn only_a_clean_upgrade_is_passed_on() {
    let upgrade = |head: &str| read(head, |request| request.upgrade.map(<[u8]>::to_vec));
    let websocket =
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(upgrade(websocket).as_deref(), Some(&b"websocket"[..]));
    assert!(
        upstream(websocket.as_bytes())
            .unwrap()
            .ends_with("Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    );
    for without in [
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket, h2c\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\n",
    ] {
        assert_eq!(upgrade(without), None, "{without:?}");
        assert!(!upstream(without.as_bytes()).unwrap().to_lowercase().contains("upgrade"), "{without:?}");
    }
}

#[test]
fn connections_persist_by_version_and_wish() {
    let keeps = |head: &str| read(head, |request| request.keep_alive);
    assert!(keeps("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert!(!keeps("GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, Close\r\n\r\n"));
    assert!(!keeps("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n"));
    assert!(!keeps("GET / HTTP/1.0\r\n\r\n"));
    assert!(keeps("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
}

#[test]
fn limits_are_kept() {
    let limits = HeadLimits { bytes: 100, fields: 2 };
    let outcome = |request: &str| read_request(request.as_bytes(), limits, |_| ()).map(|read| read.is_some());
    assert_eq!(outcome("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n"), Ok(true));
    assert_eq!(outcome("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nY: 2\r\n\r\n"), Err(Refusal::TooManyFields));
    let long = "x".repeat(200);
    assert_eq!(outcome(&format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n")), Err(Refusal::TooLong));
    assert_eq!(outcome(&format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n")), Err(Refusal::TargetTooLong));
}

#[test]
fn a_head_in_pieces_is_read_when_it_is_whole() {
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for length in 0..request.len() {
        assert_eq!(read_request(&request[..length], LIMITS, |_| ()), Ok(None), "{length}");
        assert!(length <= 1 || !crate::is_head_due(&request[..length], length - 1, LIMITS));
    }
    assert!(crate::is_head_due(request, request.len() - 1, LIMITS));
    assert_eq!(read_request(request, LIMITS, |_| ()), Ok(Some(((), request.len()))));
}

proptest! {
    #[test]
    fn any_bytes_are_a_request_or_a_refusal(bytes: Vec<u8>) {
        let _ = read_request(&bytes, LIMITS, |request| request.write(&mut BytesMut::new(), Outbound {
            forwarded_for: None, own_address: "198.51.100.1:80".parse().unwrap(),
        }));
    }

    /// What we write, a strict reader reads the same way: no bytes of a client can add a second framing.
    #[test]
    fn what_is_written_has_one_framing(
        fields in proptest::collection::vec(("(Content-Length|Transfer-Encoding|Host|Connection|X|Expect)", "(chunked|5|close|a|identity|Host|content-length|x, y)"), 0..6),
    ) {
        let mut request = String::from("POST / HTTP/1.1\r\nHost: a\r\n");
        for (name, value) in fields {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        if let Ok(written) = upstream(request.as_bytes()) {
            let framings = written.lines().filter(|line| line.starts_with("Content-Length:") || line.starts_with("Transfer-Encoding:")).count();
            prop_assert!(framings <= 1);
            prop_assert_eq!(written.lines().filter(|line| line.to_lowercase().starts_with("host:")).count(), 1);
            prop_assert!(upstream(written.as_bytes()).is_ok());
        }
    }
}
