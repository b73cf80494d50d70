//! The factory reset of a whole unit, as ordinary processes: what is left of its settings.

#![allow(clippy::unwrap_used, clippy::panic, clippy::large_futures, unreachable_pub, reason = "test crate")]

mod common;

use common::{evener, eventually, free_port};
use evener_api::Service;
use evener_api::init::{Reply, Request};
use evener_disk::Role;
use evener_sys::disk::partition_path;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use tokio::process::Child;

const CONF_BYTES: u64 = 8 << 20;

struct Unit {
    init: Child,
    folder: tempfile::TempDir,
}

impl Unit {
    /// A unit with its first configuration in force.
    async fn start(with_conf: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("run")).unwrap();
        if with_conf {
            let conf = partition_path(&at("run"), Role::Conf);
            fs::create_dir_all(conf.parent().unwrap()).unwrap();
            File::create(conf).unwrap().set_len(CONF_BYTES).unwrap();
        }
        let first = format!("password = \"correct horse battery\"\nweb_port = {}\n", free_port().await);
        fs::write(at("run").join("evener.toml"), first).unwrap();
        let (run, data) = (at("run"), at("data"));
        let init = evener()
            .arg("init")
            .args([Path::new("--run-dir"), &run, Path::new("--data-dir"), &data])
            .stderr(File::create(at("log")).unwrap())
            .spawn()
            .unwrap();
        let unit = Self { init, folder };
        eventually("it is ready", async || unit.log().contains("evener: ready in").then_some(())).await;
        unit
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    async fn reset(&self) -> Reply {
        evener_ipc::call(&self.path("run"), Service::Init, &Request::FactoryReset).await.unwrap()
    }
}

#[tokio::test]
async fn a_reset_ends_the_run_and_leaves_nothing_of_the_settings() {
    let mut unit = Unit::start(true).await;
    let conf = partition_path(&unit.path("run"), Role::Conf);
    let generations = unit.path("data/control/generations");
    assert!(fs::read(&conf).unwrap().iter().any(|byte| *byte != 0), "there is a second copy");
    assert!(fs::read_dir(&generations).unwrap().next().is_some());
    fs::create_dir_all(unit.path("data/update")).unwrap();
    fs::write(unit.path("data/update/kept"), "how it came to its firmware").unwrap();

    assert_eq!(unit.reset().await, Reply::Done);
    assert!(unit.init.wait().await.unwrap().success());
    assert!(!generations.exists() && !unit.path("data/web").exists(), "{}", unit.log());
    assert!(unit.path("data/update/kept").exists());
    assert!(fs::read(&conf).unwrap().iter().all(|byte| *byte == 0), "neither a copy nor the order is left");
}

#[tokio::test]
async fn a_reset_that_cannot_be_ordered_changes_nothing() {
    let unit = Unit::start(false).await;
    let reply = unit.reset().await;
    assert!(matches!(&reply, Reply::Failed(reason) if reason.contains("conf partition")), "{reply:?}");
    assert!(unit.path("data/control/generations").exists());
    let status: Reply = evener_ipc::call(&unit.path("run"), Service::Init, &Request::Get).await.unwrap();
    assert!(matches!(status, Reply::Status(_)), "it goes on");
}
