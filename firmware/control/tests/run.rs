//! The service as the one binary runs it: started, asked, told to stop.

#![allow(clippy::unwrap_used, reason = "test crate")]

use evener_api::Service;
use evener_api::control::{Reply, Request};
use evener_ipc::{Connection, call};
use evener_observe::Dirs;
use rustix::process::{Signal, getpid, kill_process};

/// The only test of this file: it sends a signal to its own process.
#[test]
fn it_serves_until_it_is_told_to_stop() {
    let root = tempfile::tempdir().unwrap();
    let dirs = Dirs { run: root.path().join("run"), data: root.path().join("data") };
    std::fs::create_dir(&dirs.run).unwrap();
    let run = dirs.run.clone();
    let service = std::thread::spawn(move || evener_control::run(dirs));

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let answer = loop {
            match call::<_, Reply>(&run, Service::Control, &Request::Get).await {
                Ok(answer) => break answer,
                Err(_) => assert!(!service.is_finished(), "it ended before it served"),
            }
            tokio::task::yield_now().await;
        };
        assert!(matches!(answer, Reply::Snapshot(snapshot) if snapshot.generation == 1));
        let mut follower = Connection::open(&run, Service::Control).await.unwrap();
        follower.send(&Request::Subscribe).await.unwrap();
        follower.receive::<evener_api::control::Snapshot>().await.unwrap().unwrap();

        kill_process(getpid(), Signal::TERM).unwrap();
        let end = follower.receive::<evener_api::control::Snapshot>().await;
        assert!(matches!(end, Ok(None)), "a follower sees the end: {end:?}");
    });
    service.join().unwrap().unwrap();
}
