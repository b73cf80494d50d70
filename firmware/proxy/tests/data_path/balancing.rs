//! Who gets which request, and what the server is told.

use crate::support::{Client, Origin, Unit, nobody, service};
use evener_api::checks::HealthState;
use evener_api::proxy::ProxyStatus;
use evener_config::{ForwardedFor, Scheduler, Weight};

#[tokio::test]
async fn each_server_gets_its_turn_request_by_request() {
    let (a, b) = (Origin::named("a").await, Origin::named("b").await);
    let unit = Unit::start(service(&[a.address, b.address])).await;
    let mut client = unit.client().await;
    let mut bodies = String::new();
    for _ in 0..6 {
        bodies += &client.get("/").await.body;
    }
    assert_eq!(bodies, "ababab");
    // A server is credited when its answer is on its way, which a client may see first.
    let each_three =
        |status: &ProxyStatus| status.services[0].servers.iter().all(|server| server.requests == 3);
    let status = unit.until("three each", each_three).await.services.remove(0);
    assert_eq!((status.accepted, status.requests, status.connections), (1, 6, 1));
}

#[tokio::test]
async fn weights_count_when_they_are_to() {
    let (a, b) = (Origin::named("a").await, Origin::named("b").await);
    let mut vs = service(&[a.address, b.address]);
    vs.scheduler = Scheduler::WeightedRoundRobin;
    vs.real_servers[0].weight = Weight(3);
    let unit = Unit::start(vs).await;
    let mut client = unit.client().await;
    for _ in 0..40 {
        client.get("/").await;
    }
    assert_eq!((a.count(), b.count()), (30, 10));
}

#[tokio::test]
async fn every_worker_serves_and_their_counts_add_up() {
    let origins = [Origin::named("a").await, Origin::named("b").await];
    let vs = service(&origins.each_ref().map(|origin| origin.address));
    let unit = Unit::start_with(vec![vs], 4, Default::default(), true).await;
    for _ in 0..64 {
        assert_eq!(unit.client().await.get("/").await.status, 200);
    }
    let status = unit.status().await;
    assert_eq!((status.workers, status.services[0].requests, status.services[0].accepted), (4, 64, 64));
    assert_eq!(origins.iter().map(Origin::count).sum::<usize>(), 64);
}

#[tokio::test]
async fn servers_that_are_down_or_disabled_get_nothing() {
    let (a, b) = (Origin::named("a").await, Origin::named("b").await);
    let unit = Unit::start(service(&[a.address, b.address])).await;
    let mut client = unit.client().await;
    unit.report(&[HealthState::Down, HealthState::Up]);
    crate::support::soon("the report is in force", async {
        while client.get("/").await.body != client.get("/").await.body {}
    })
    .await;
    let before = a.count();
    for _ in 0..4 {
        assert_eq!(client.get("/").await.body, "b");
    }
    assert_eq!(a.count(), before);

    let mut vs = service(&[a.address, b.address]);
    vs.real_servers[1].enabled = false;
    unit.configure(vec![vs]).await;
    let answer = client.get("/").await;
    assert_eq!(answer.status, 503, "the one is down, the other disabled: {answer:?}");
}

#[tokio::test]
async fn without_a_server_the_client_is_told_when_to_come_back() {
    let origin = Origin::named("a").await;
    let unit = Unit::start(service(&[origin.address])).await;
    unit.report(&[HealthState::Down]);
    let mut client = unit.client().await;
    crate::support::soon("503", async { while client.get("/").await.status != 503 {} }).await;
    let answer = client.get("/").await;
    assert!(answer.head.contains("Retry-After: 9\r\n") && answer.body.contains("No server"), "{answer:?}");
    assert!(!answer.head.contains("Connection: close"), "the client may try again on the same connection");
    unit.report(&[HealthState::Up]);
    crate::support::soon("200", async { while client.get("/").await.status != 200 {} }).await;
}

#[tokio::test]
async fn the_server_learns_who_the_client_is() {
    let origin = Origin::named("a").await;
    let unit = Unit::start(service(&[origin.address])).await;
    let mut client = unit.client().await;
    client
        .send(
            "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 10.1.1.1\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n",
        )
        .await;
    assert_eq!(client.answer().await.status, 200);
    let mut vs = service(&[origin.address]);
    vs.forwarded_for = ForwardedFor::None;
    unit.configure(vec![vs]).await;
    client.send("GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 10.1.1.1\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
    let requests = origin.requests();
    assert_eq!(requests[0], "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 10.1.1.1, 127.0.0.1\r\n\r\n");
    assert_eq!(requests[1], "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 10.1.1.1\r\n\r\n");
}

#[tokio::test]
async fn connections_to_servers_are_kept_and_shared_by_clients() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut input = Vec::new();
        let mut served = 0;
        while served < 3 && crate::support::read_request(&mut stream, &mut input).await.is_some() {
            tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 204 x\r\n\r\n").await.unwrap();
            served += 1;
        }
        served
    });
    let unit = Unit::start(service(&[address])).await;
    for _ in 0..3 {
        let mut client: Client = unit.client().await;
        assert_eq!(client.get("/").await.status, 204);
    }
    assert_eq!(server.await.unwrap(), 3, "all on the one connection that was accepted");
}

#[tokio::test]
async fn a_service_whose_servers_all_refuse_answers_502() {
    let unit = Unit::start(service(&[nobody().await, nobody().await])).await;
    let answer = unit.client().await.get("/").await;
    assert_eq!((answer.status, answer.body.contains("cannot be reached")), (502, true));
    let status = unit.service().await;
    assert_eq!((status.retries, status.own_answers), (1, 1));
    assert_eq!(status.servers.iter().map(|server| server.faults).collect::<Vec<_>>(), [1, 1]);
}
