//! One probe of one server.

use bytes::BytesMut;
use evener_config::{CheckKind, HttpCheck, HttpMethod};
use evener_health::Outcome;
use evener_http1::{HeadLimits, ResponseFault, read_response};
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Largest answer head in bytes that is looked at.
const HEAD: HeadLimits = HeadLimits { bytes: 16 * 1024, fields: 200 };
/// What is read of an answer's body, so that the connection ends in order, without a reset in the server's log.
const BODY: usize = 64 * 1024;
/// How long that may take, when the verdict is known already.
const FAREWELL: Duration = Duration::from_secs(1);

/// What to probe, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Where the probe goes.
    pub(crate) address: SocketAddr,
    pub(crate) kind: CheckKind,
    /// For everything: connection and answer.
    pub(crate) timeout: Duration,
}

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) outcome: Outcome,
    /// In words, for the operator; the same as long as nothing changes.
    pub(crate) reason: String,
    /// How long it took, in milliseconds.
    pub(crate) took_ms: u32,
}

/// Probes once, and tells what it found within the time-out. Ends after the farewell.
pub(crate) async fn probe(target: &Target, tell: impl FnOnce(Finding)) {
    let begun = Instant::now();
    let result = tokio::time::timeout(target.timeout, ask(target)).await;
    let took_ms = u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX);
    let mut left = None;
    let (outcome, reason) = match result {
        Ok(Ok(Said::Connected)) => (Outcome::Good, "accepts connections".to_owned()),
        Ok(Ok(Said::Answered(status, stream))) => {
            left = Some(stream);
            let outcome = if is_good(&target.kind, status) { Outcome::Good } else { Outcome::Refused };
            (outcome, format!("answered {status}"))
        }
        Ok(Err(reason)) => (Outcome::Failed, reason),
        Err(_) => (Outcome::Failed, format!("no answer within {} s", target.timeout.as_secs())),
    };
    tell(Finding { outcome, reason, took_ms });
    if let Some(stream) = left {
        bid_farewell(stream).await;
    }
}

/// What a server said in time.
enum Said {
    Connected,
    Answered(u16, TcpStream),
}

async fn ask(target: &Target) -> Result<Said, String> {
    let stream = TcpStream::connect(target.address).await;
    let mut stream = stream.map_err(|error| format!("no connection: {}", plain(&error)))?;
    let CheckKind::Http(check) = &target.kind else { return Ok(Said::Connected) };
    let head = request(check, target.address);
    stream.write_all(head.as_bytes()).await.map_err(|error| format!("cannot be asked: {}", plain(&error)))?;
    let mut input = BytesMut::with_capacity(2048);
    loop {
        if !input.is_empty() {
            let read =
                read_response(&input, HEAD, check.method == HttpMethod::Head, |response| response.status);
            match read {
                Ok(Some((status, length))) if status < 200 => _ = input.split_to(length),
                Ok(Some((status, _))) => return Ok(Said::Answered(status, stream)),
                // Its length does not matter here; that it cannot be served through the proxy does.
                Err(ResponseFault::Framing) => return Err("answers with an unclear length".to_owned()),
                Err(ResponseFault::BareLineFeed) => {
                    return Err("answers with a line that does not end in CR LF".to_owned());
                }
                Err(ResponseFault::Syntax) => return Err("does not answer in HTTP".to_owned()),
                Err(ResponseFault::TooLarge) => return Err("answers with an endless head".to_owned()),
                Ok(None) => {}
            }
        }
        match stream.read_buf(&mut input).await {
            Ok(0) => return Err("closed the connection without an answer".to_owned()),
            Ok(_) => {}
            Err(error) => return Err(format!("gave no answer: {}", plain(&error))),
        }
    }
}

/// HTTP/1.0, like the LoadMaster's probes: the oldest server understands it, and closes afterwards.
fn request(check: &HttpCheck, address: SocketAddr) -> String {
    let method = match check.method {
        HttpMethod::Head => "HEAD",
        HttpMethod::Get => "GET",
        // Without what it would send: data belongs to a later version.
        HttpMethod::Post => "POST",
        HttpMethod::Options => "OPTIONS",
    };
    let mut head = format!("{method} {} HTTP/1.0\r\nHost: ", check.path);
    // Writing to memory cannot fail.
    let _ = match &check.host {
        Some(host) => write!(head, "{host}"),
        None => write!(head, "{address}"),
    };
    head.push_str("\r\nUser-Agent: evener-check\r\nAccept: */*\r\nConnection: close\r\n\r\n");
    head
}

fn is_good(kind: &CheckKind, status: u16) -> bool {
    match kind {
        CheckKind::Http(check) => (200..300).contains(&status) || check.extra_good_statuses.contains(&status),
        _ => true,
    }
}

async fn bid_farewell(mut stream: TcpStream) {
    let rest = async {
        let mut scrap = vec![0; 4096];
        let mut left = BODY;
        while left > 0 {
            match stream.read(&mut scrap).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        stream.shutdown().await
    };
    // Whatever comes of it, the verdict stands.
    let _ = tokio::time::timeout(FAREWELL, rest).await;
}

/// The kernel's reason without its number.
fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "refused".to_owned(),
        io::ErrorKind::ConnectionReset => "reset".to_owned(),
        io::ErrorKind::HostUnreachable => "the host cannot be reached".to_owned(),
        io::ErrorKind::NetworkUnreachable => "no route".to_owned(),
        io::ErrorKind::TimedOut => "the host does not react".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn found(target: &Target) -> Finding {
        let mut found = None;
        probe(target, |finding| found = Some(finding)).await;
        found.unwrap()
    }

    fn http(method: HttpMethod) -> CheckKind {
        CheckKind::Http(HttpCheck {
            method,
            path: "/health?x".into(),
            extra_good_statuses: vec![403],
            ..HttpCheck::default()
        })
    }

    /// Probes a server that reads one head, says `answer`, and closes. Gives the request too.
    async fn against(kind: CheckKind, answer: &'static [u8]) -> (Finding, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target =
            Target { address: listener.local_addr().unwrap(), kind, timeout: Duration::from_secs(4) };
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                if stream.read_buf(&mut request).await.unwrap() == 0 {
                    break;
                }
            }
            stream.write_all(answer).await.unwrap();
            stream.shutdown().await.unwrap();
            // The end, and not a reset.
            assert_eq!(stream.read_buf(&mut Vec::new()).await.unwrap(), 0);
            String::from_utf8(request).unwrap()
        });
        let finding = found(&target).await;
        (finding, server.await.unwrap())
    }

    #[tokio::test]
    async fn a_good_status_is_good_and_the_request_is_what_was_set() {
        let (finding, request) =
            against(http(HttpMethod::Get), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        assert_eq!((finding.outcome, finding.reason.as_str()), (Outcome::Good, "answered 200"));
        assert!(request.starts_with("GET /health?x HTTP/1.0\r\nHost: 127.0.0.1:"), "{request}");
        let (finding, request) = against(http(HttpMethod::Head), b"HTTP/1.0 403 No\r\n\r\n").await;
        assert_eq!(finding.outcome, Outcome::Good, "an extra good status");
        assert!(request.starts_with("HEAD "));
    }

    #[tokio::test]
    async fn an_answer_that_says_no_is_not_a_failure_to_answer() {
        let (finding, _) =
            against(http(HttpMethod::Get), b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy").await;
        assert_eq!((finding.outcome, finding.reason.as_str()), (Outcome::Refused, "answered 503"));
    }

    #[tokio::test]
    async fn what_is_not_an_answer_is_a_failure() {
        for answer in [&b"hello\r\n\r\n"[..], b"", b"HTTP/1.1 200"] {
            let (finding, _) = against(http(HttpMethod::Get), answer).await;
            assert_eq!(finding.outcome, Outcome::Failed, "{}", finding.reason);
        }
        static ENDLESS: [u8; 40_000] = {
            let mut bytes = [b'x'; 40_000];
            let start = b"HTTP/1.1 200 OK\r\nX: ";
            let mut index = 0;
            while index < start.len() {
                bytes[index] = start[index];
                index += 1;
            }
            bytes
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target {
            address: listener.local_addr().unwrap(),
            kind: http(HttpMethod::Get),
            timeout: Duration::from_secs(4),
        };
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.write_all(&ENDLESS).await;
        });
        let finding = found(&target).await;
        assert_eq!(
            (finding.outcome, finding.reason.as_str()),
            (Outcome::Failed, "answers with an endless head")
        );
        server.await.unwrap();
    }

    #[tokio::test]
    async fn a_bare_line_feed_is_called_by_its_name() {
        let (finding, _) = against(http(HttpMethod::Get), b"HTTP/1.1 200 OK\n\n").await;
        assert_eq!(
            (finding.outcome, finding.reason.as_str()),
            (Outcome::Failed, "answers with a line that does not end in CR LF")
        );
    }

    #[tokio::test]
    async fn the_finding_does_not_wait_for_the_farewell() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target {
            address: listener.local_addr().unwrap(),
            kind: http(HttpMethod::Get),
            timeout: Duration::from_secs(4),
        };
        let (told, tells) = tokio::sync::oneshot::channel();
        let probing = tokio::spawn(async move { probe(&target, |finding| _ = told.send(finding)).await });
        let (mut stream, _) = listener.accept().await.unwrap();
        // The answer goes on for as long as the finding is not there.
        stream.write_all(b"HTTP/1.1 503 Busy\r\n\r\nendless").await.unwrap();
        assert_eq!(tells.await.unwrap().reason, "answered 503");
        assert!(!probing.is_finished());
        drop(stream);
        probing.await.unwrap();
    }

    #[tokio::test]
    async fn an_open_port_suffices_for_tcp_and_a_closed_one_does_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target {
            address: listener.local_addr().unwrap(),
            kind: CheckKind::Tcp,
            timeout: Duration::from_secs(4),
        };
        assert_eq!(found(&target).await.outcome, Outcome::Good);
        drop(listener);
        let finding = found(&target).await;
        assert_eq!((finding.outcome, finding.reason.as_str()), (Outcome::Failed, "no connection: refused"));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_with_the_time_out() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target {
            address: listener.local_addr().unwrap(),
            kind: http(HttpMethod::Get),
            timeout: Duration::from_secs(4),
        };
        let finding = found(&target).await;
        assert_eq!((finding.outcome, finding.reason.as_str()), (Outcome::Failed, "no answer within 4 s"));
        assert_eq!(finding.took_ms, 4000);
    }
}
