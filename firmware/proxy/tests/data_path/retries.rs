//! What is sent again, and what is not (RFC 9110 §9.2.2).

use crate::support::{Origin, Unit, nobody, read_request, service};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

#[tokio::test]
async fn a_get_that_got_no_answer_goes_to_the_next_server() {
    let (dying, good) = (Origin::answering(|_| None).await, Origin::named("good").await);
    let unit = Unit::start(service(&[dying.address, good.address])).await;
    for method in ["GET", "OPTIONS", "DELETE", "PUT"] {
        let mut client = unit.client().await;
        for _ in 0..2 {
            client.send(format!("{method} / HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nbody")).await;
            assert_eq!(client.answer().await.body, "good", "{method}");
        }
    }
    assert!(dying.count() >= 4);
    assert_eq!(unit.service().await.retries, dying.count() as u64);
}

#[tokio::test]
async fn a_post_that_was_sent_is_not_sent_again() {
    let (dying, good) = (Origin::answering(|_| None).await, Origin::named("good").await);
    let unit = Unit::start(service(&[dying.address, good.address])).await;
    let answer = unit.client().await.post("pay").await;
    assert_eq!((answer.status, dying.count(), good.count()), (502, 1, 0));
}

#[tokio::test]
async fn a_post_that_was_not_sent_goes_to_the_next_server() {
    let good = Origin::named("good").await;
    let unit = Unit::start(service(&[nobody().await, good.address])).await;
    assert_eq!(unit.client().await.post("pay").await.body, "good");
    assert!(good.requests()[0].ends_with("\r\n\r\npay"));
}

#[tokio::test]
async fn a_kept_connection_that_the_server_closed_loses_no_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // Answers each request, promises to go on, and closes: every kept connection is dead when it is next used.
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut input = Vec::new();
            if read_request(&mut stream, &mut input).await.is_some() {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            }
        }
    });
    let unit = Unit::start(service(&[address])).await;
    let mut client = unit.client().await;
    for _ in 0..20 {
        assert_eq!(client.get("/").await.status, 200);
    }
    assert_eq!(unit.service().await.own_answers, 0);
}

/// A server that says `stray` right behind its first answer on each connection.
async fn talkative(stray: &'static [u8]) -> (std::net::SocketAddr, tokio::sync::mpsc::UnboundedReceiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (said, hears) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let said = said.clone();
            tokio::spawn(async move {
                let mut input = Vec::new();
                read_request(&mut stream, &mut input).await.unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine").await.unwrap();
                // Until the proxy has taken the answer off; what comes now, nobody has asked for.
                tokio::task::yield_now().await;
                let _ = stream.write_all(stray).await;
                said.send(()).unwrap();
                // It stays open, and takes requests for nothing.
                while read_request(&mut stream, &mut input).await.is_some() {}
            });
        }
    });
    (address, hears)
}

#[tokio::test]
async fn bytes_that_nobody_asked_for_are_nobody_s_answer() {
    let stray = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray";
    let (address, mut said) = talkative(stray).await;
    let unit = Unit::start(service(&[address])).await;
    for _ in 0..50 {
        let mut client = unit.client().await;
        assert_eq!(client.get("/").await.body, "mine");
        said.recv().await.unwrap();
    }
}

#[tokio::test]
async fn a_408_on_a_kept_connection_is_not_the_answer_to_what_was_just_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut input = Vec::new();
            for answer in [
                &b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine"[..],
                b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
            ] {
                if read_request(&mut stream, &mut input).await.is_some() {
                    stream.write_all(answer).await.unwrap();
                }
            }
        }
    });
    let unit = Unit::start(service(&[address])).await;
    let mut client = unit.client().await;
    for _ in 0..4 {
        assert_eq!(client.get("/").await.body, "mine");
    }
    let faults = unit.service().await.servers[0].faults;
    assert_eq!(faults, 0, "a connection that was closed while it was idle is nobody's fault");
}

#[tokio::test]
async fn a_post_is_not_sent_on_a_connection_that_the_server_has_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (closed, mut closes) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            read_request(&mut stream, &mut Vec::new()).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            drop(stream);
            closed.send(()).unwrap();
        }
    });
    let unit = Unit::start(service(&[address])).await;
    let mut client = unit.client().await;
    for _ in 0..20 {
        assert_eq!(client.post("pay").await.status, 200);
        closes.recv().await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_asked_for_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            read_request(&mut stream, &mut Vec::new()).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart").await;
        }
    });
    let good = Origin::named("good").await;
    let unit = Unit::start(service(&[address, good.address])).await;
    let mut client = unit.client().await;
    client.send("GET / HTTP/1.1\r\nHost: t\r\n\r\n").await;
    let (answer, _) = client.head(false).await;
    assert_eq!(answer.status, 200);
    let mut rest = Vec::from(&client.input[..]);
    let end =
        crate::support::soon("the end", tokio::io::AsyncReadExt::read_to_end(&mut client.stream, &mut rest))
            .await;
    assert!(end.is_err(), "the connection breaks, and does not end in order: {}", rest.escape_ascii());
    assert_eq!(good.count(), 0);
}

#[tokio::test]
async fn a_request_visits_each_server_once() {
    let origins = [
        Origin::answering(|_| None).await,
        Origin::answering(|_| None).await,
        Origin::answering(|_| None).await,
    ];
    let unit = Unit::start(service(&origins.each_ref().map(|origin| origin.address))).await;
    let answer = unit.client().await.get("/").await;
    assert_eq!(answer.status, 502);
    assert_eq!(origins.each_ref().map(Origin::count), [1, 1, 1]);
    assert_eq!(unit.service().await.retries, 2);
}

#[tokio::test]
async fn a_request_that_four_servers_failed_goes_to_no_fifth() {
    let mut origins = Vec::new();
    for _ in 0..6 {
        origins.push(Origin::answering(|_| None).await);
    }
    let addresses: Vec<_> = origins.iter().map(|origin| origin.address).collect();
    let unit = Unit::start(service(&addresses)).await;
    assert_eq!(unit.client().await.get("/").await.status, 502);
    assert_eq!(origins.iter().map(Origin::count).sum::<usize>(), 4);
}

/// Answers like any server until it is killed; then every connection breaks, and new ones are refused.
async fn mortal(mut killed: tokio::sync::watch::Receiver<bool>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        let accepting = async {
            while let Ok((mut stream, _)) = listener.accept().await {
                connections.spawn(async move {
                    let mut input = Vec::new();
                    while read_request(&mut stream, &mut input).await.is_some() {
                        stream
                            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nmortal")
                            .await
                            .unwrap();
                    }
                });
            }
        };
        tokio::select! {
            () = accepting => {}
            _ = killed.wait_for(|killed| *killed) => {}
        }
    });
    address
}

#[tokio::test]
async fn no_get_is_lost_when_a_server_dies_under_load_and_the_configuration_changes() {
    const CLIENTS: usize = 40;
    const REQUESTS: usize = 50;
    let (kill, killed) = tokio::sync::watch::channel(false);
    let (dying, good) = (mortal(killed).await, Origin::named("good").await);
    let unit = Unit::start(service(&[dying, good.address])).await;
    let proxy = unit.address().await;
    let answered = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..CLIENTS {
        let answered = std::sync::Arc::clone(&answered);
        clients.spawn(async move {
            let mut client = crate::support::Client::connect(proxy).await;
            for _ in 0..REQUESTS {
                assert_eq!(client.get("/").await.status, 200);
                answered.add_permits(1);
            }
        });
    }
    // A quarter is answered, three quarters are still to come: this is under load.
    answered.acquire_many(u32::try_from(CLIENTS * REQUESTS / 4).unwrap()).await.unwrap().forget();
    kill.send_replace(true);
    let mut vs = service(&[dying, good.address]);
    vs.timeouts.idle_s = 50;
    unit.configure(vec![vs]).await;
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    let status = unit.service().await;
    assert_eq!((status.requests, status.own_answers), ((CLIENTS * REQUESTS) as u64, 0));
    assert!(status.retries > 0 && status.servers[0].requests > 0, "the kill fell into the load: {status:?}");
}
