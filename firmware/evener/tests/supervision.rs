//! The services of a unit, as init keeps them alive: the real binary, every service a process of its own.

#![allow(clippy::unwrap_used, clippy::panic, clippy::large_futures, unreachable_pub, reason = "test crate")]

mod common;

use common::{Unit, evener, eventually, finish_request, send_signal};
use evener_api::Service;
use evener_api::init::ServiceState;
use rustix::process::{Pid, Signal, test_kill_process};

#[tokio::test]
async fn a_killed_proxy_comes_back_and_who_connects_meanwhile_waits_instead_of_being_refused() {
    let unit = Unit::start().await;
    let before = unit.pid(Service::Proxy).await;
    send_signal(before, Signal::KILL);
    eventually("init has seen its end", async || {
        (unit.service(Service::Proxy).await.state == ServiceState::Waiting).then_some(())
    })
    .await;

    let mut waiting = Vec::new();
    for _ in 0..50 {
        waiting.push(unit.connect().await.expect("nobody is refused"));
    }
    let state = unit.service(Service::Proxy).await.state;
    assert_eq!(state, ServiceState::Waiting, "they connected while there was no proxy at all");

    for stream in waiting {
        assert_eq!(finish_request(stream).await.unwrap(), "HTTP/1.1 200 OK");
    }
    let proxy = unit.service(Service::Proxy).await;
    assert_ne!(proxy.pid, Some(before));
    assert_eq!((proxy.restarts, proxy.last_end.as_str()), (1, "ended by signal 9"));
}

#[tokio::test]
async fn a_service_that_stands_still_is_killed_and_started_again() {
    let unit = Unit::start().await;
    let still = [Service::Checks, Service::Net, Service::Web];
    let mut before = Vec::new();
    for service in still {
        before.push(unit.pid(service).await);
        send_signal(unit.pid(service).await, Signal::STOP);
    }
    for (service, before) in still.into_iter().zip(before) {
        let health = eventually("it runs again", async || {
            let health = unit.service(service).await;
            (health.restarts == 1 && health.state == ServiceState::Running).then_some(health)
        })
        .await;
        assert_ne!(health.pid, Some(before), "{service}");
        assert_eq!(health.last_end, "gave no sign of life for 10 s and was killed");
        let gone = test_kill_process(Pid::from_raw(i32::try_from(before).unwrap()).unwrap());
        assert!(gone.is_err(), "{service} is reaped");
    }
    assert_eq!(unit.service(Service::Control).await.restarts, 0, "who beats is left alone");
}

#[tokio::test]
async fn traffic_goes_on_while_everybody_but_the_proxy_is_down() {
    let unit = Unit::start().await;
    let others = [
        Service::Control,
        Service::Checks,
        Service::Web,
        Service::Net,
        Service::Update,
        Service::Log,
        Service::Console,
    ];
    for service in others {
        send_signal(unit.pid(service).await, Signal::KILL);
        assert_eq!(unit.request().await.as_deref(), Some("HTTP/1.1 200 OK"), "without {service}");
    }
    for service in others {
        eventually("it is back", async || {
            let health = unit.service(service).await;
            (health.restarts == 1 && health.state == ServiceState::Running).then_some(())
        })
        .await;
    }
    assert_eq!(unit.service(Service::Proxy).await.restarts, 0);
}

#[tokio::test]
async fn stops_in_order_and_leaves_no_process() {
    let mut unit = Unit::start().await;
    let mut pids = Vec::new();
    for service in Service::SUPERVISED {
        pids.push(unit.pid(service).await);
    }
    assert!(unit.stop().await.success());
    for pid in pids {
        assert!(test_kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()).is_err());
    }
    let log = unit.log();
    let stopped = |service: Service| {
        let line = format!("stopped service={service} end=exited with status 0");
        log.find(&line).unwrap_or_else(|| panic!("{service} did not stop by itself:\n{log}"))
    };
    assert!(
        stopped(Service::Web).max(stopped(Service::Update))
            < stopped(Service::Control).min(stopped(Service::Checks))
    );
    assert!(stopped(Service::Control).max(stopped(Service::Checks)) < stopped(Service::Proxy));
    assert!(stopped(Service::Proxy) < stopped(Service::Net));
    assert!(stopped(Service::Net) < stopped(Service::Log), "it has everybody's last words then");
}

#[tokio::test]
async fn a_service_that_does_not_exist_is_a_usage_error() {
    let output = evener().arg("bash").output().await.unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no service \"bash\""));
    let output = evener().arg("--version").output().await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("evener {}\n", env!("CARGO_PKG_VERSION")));
}
