//! `evener ctl` against the real pages' service over TLS, with fakes behind it.

#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, reason = "test crate")]

mod common;
#[path = "../../web/tests/web/fake.rs"]
#[allow(dead_code, reason = "the pages' own tests need more of it")]
mod fake;

use argon2::password_hash::{PasswordHasher, SaltString};
use common::{evener, eventually};
use evener_api::init;
use evener_api::update::{Inspected, InstallOrder, Proving, Request};
use fake::update::{Mood, below_floor, candidate, failed_before, refusal};
use std::process::Stdio;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

const PASSWORD: &str = "correct horse";

/// A unit that consists of its pages' service and fakes.
struct Unit {
    fake: Arc<fake::Fake>,
    port: u16,
    fingerprint: String,
    folder: TempDir,
    _web: Child,
}

/// What `evener ctl` said, and its exit code.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Unit {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (run, data) = (folder.path().join("run"), folder.path().join("data"));
        std::fs::create_dir_all(&run).unwrap();
        std::fs::create_dir_all(&data).unwrap();
        std::fs::write(folder.path().join("password"), format!("{PASSWORD}\n")).unwrap();
        let fake = fake::Fake::new(&phc(), false, Vec::new());
        // Any port: the log says which.
        fake.config.send_modify(|snapshot| Arc::make_mut(snapshot).config.unit.web_port = 0);
        fake.start(&run);
        let mut command = evener();
        command.arg("web").arg("--run-dir").arg(&run).arg("--data-dir").arg(&data).stderr(Stdio::piped());
        let mut web = command.spawn().unwrap();
        let mut lines = BufReader::new(web.stderr.take().unwrap()).lines();
        let (mut fingerprint, mut port) = (None, None);
        while fingerprint.is_none() || port.is_none() {
            let line = lines.next_line().await.unwrap().expect("web ended");
            if let Some((_, rest)) = line.split_once("sha256=\"") {
                fingerprint = Some(rest.trim_end_matches('"').to_owned());
            }
            if let Some((_, rest)) = line.split_once("listening address=[::]:") {
                port = Some(rest.split(' ').next().unwrap().parse().unwrap());
            }
        }
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { fake, port: port.unwrap(), fingerprint: fingerprint.unwrap(), folder, _web: web }
    }

    /// Everything given, as an operator does the second time.
    async fn ctl(&self, words: &[&str]) -> Said {
        let unit = format!("127.0.0.1:{}", self.port);
        let password = self.folder.path().join("password");
        let options = ["--unit", &unit, "--fingerprint", &self.fingerprint, "--password-file"];
        let options = options.into_iter().chain([password.to_str().unwrap()]);
        plain(&options.chain(words.iter().copied()).collect::<Vec<_>>()).await
    }

    /// A firmware file of so many bytes.
    fn file(&self, bytes: usize) -> (String, Vec<u8>) {
        let path = self.folder.path().join("new.evfw");
        let content: Vec<u8> = (0..=255).cycle().take(bytes).collect();
        std::fs::write(&path, &content).unwrap();
        (path.to_str().unwrap().to_owned(), content)
    }
}

async fn plain(words: &[&str]) -> Said {
    let mut command = evener();
    for variable in ["EVENER_UNIT", "EVENER_FINGERPRINT", "EVENER_PASSWORD"] {
        command.env_remove(variable);
    }
    let output = command.arg("ctl").args(words).output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// Hash of [`PASSWORD`], with the least cost.
fn phc() -> String {
    let salt = SaltString::encode_b64(b"salt for a test!").unwrap();
    let params = argon2::Params::new(8, 1, 1, None).unwrap();
    let argon2 = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
    argon2.hash_password(PASSWORD.as_bytes(), &salt).unwrap().to_string()
}

#[tokio::test]
async fn nothing_is_sent_to_a_certificate_that_was_not_pinned() {
    let unit = Unit::start().await;
    let address = format!("localhost:{}", unit.port);
    let said = plain(&["--unit", &address, "firmware"]).await;
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.err.contains(&format!("--fingerprint {}", unit.fingerprint)), "{said:?}");
    let other = "00".repeat(32);
    let password = unit.folder.path().join("password");
    let words = [
        "--unit",
        &address,
        "--fingerprint",
        &other,
        "--password-file",
        password.to_str().unwrap(),
        "firmware",
    ];
    let said = plain(&words).await;
    assert_eq!(said.code, 3, "{said:?}");
    assert!(said.err.contains("not the expected one") && said.err.contains(&unit.fingerprint), "{said:?}");
}

#[tokio::test]
async fn the_status_is_told_in_words_and_as_json() {
    let unit = Unit::start().await;
    unit.fake.update.say(|status| {
        status.warnings.push(String::from("1.0.1 failed"));
        status.restore = Some(fake::update::previous());
    });
    let said = unit.ctl(&["firmware"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    for words in [
        "WARNING    1.0.1 failed",
        "running    0.1.0 from slot A",
        "slot B     empty",
        "restore    0.0.9 from slot B; it loses virtual service shop",
        "2023-11-14 19:26 UTC  failed 1.0.1 in slot B by unit: its last boot never reached its services",
    ] {
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
    let said = unit.ctl(&["--json", "firmware", "status"]).await;
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(json, serde_json::to_value(&**unit.fake.update.status.borrow()).unwrap());
}

#[tokio::test]
async fn a_file_is_shown_sent_and_verified() {
    let unit = Unit::start().await;
    let (path, content) = unit.file(3_000_000);
    let said = unit.ctl(&["firmware", "inspect", &path]).await;
    assert!(said.code == 0 && said.out.contains("signed by  6f1d93b2c0a4e857 (development key)"), "{said:?}");
    assert!(unit.fake.update.asked.lock().unwrap().is_empty(), "looking changes nothing");

    let said = unit.ctl(&["firmware", "install", &path]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("1.1.0 is in slot B and verified"), "{said:?}");
    assert!(*unit.fake.update.received.lock().unwrap() == content, "the bytes that came are others");
    let order = InstallOrder { author: String::from("bal"), size: Some(3_000_000), even_if_it_failed: false };
    assert_eq!(*unit.fake.update.asked.lock().unwrap(), [Request::Install(order)]);

    let said = unit.ctl(&["--json", "firmware", "install", &path]).await;
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(json["installed"], serde_json::to_value(candidate()).unwrap());
}

#[tokio::test]
async fn a_refusal_has_its_reason_its_remedy_and_its_code() {
    let unit = Unit::start().await;
    let (path, _) = unit.file(3_000_000);
    *unit.fake.update.mood.lock().unwrap() = Mood::Refuse(1_000_000, below_floor());
    let said = unit.ctl(&["firmware", "install", &path]).await;
    assert_eq!(said.code, 2, "{said:?}");
    let words = "1.0.0 is below 1.1.0, the lowest version that this unit may go back to. Install 1.1.0 or a later \
        version.\n(F10, below-floor)";
    assert!(said.err.contains(words), "{said:?}");
    let said = unit.ctl(&["--json", "firmware", "install", &path]).await;
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &json["type"], &json["status"]), (2, &"below-floor".into(), &422.into()));

    *unit.fake.update.mood.lock().unwrap() = Mood::Accept;
    let mut failed = candidate();
    failed.refusal = Some(failed_before());
    *unit.fake.update.inspected.lock().unwrap() = Inspected::Firmware(Box::new(failed));
    unit.fake.update.asked.lock().unwrap().clear();
    let said = unit.ctl(&["firmware", "install", &path]).await;
    assert!(said.code == 2 && said.err.contains("--even-if-it-failed"), "{said:?}");
    assert!(unit.fake.update.asked.lock().unwrap().is_empty(), "it is refused before it is sent");
    let said = unit.ctl(&["firmware", "install", &path, "--even-if-it-failed"]).await;
    assert_eq!(said.code, 0, "{said:?}");

    let none =
        refusal("F01", "not-a-firmware", "the file is not a firmware", "choose one that ends in .evfw");
    *unit.fake.update.inspected.lock().unwrap() = Inspected::Refused(none);
    let said = unit.ctl(&["firmware", "install", &path]).await;
    assert!(said.code == 2 && said.err.contains("The file is not a firmware. Choose one"), "{said:?}");
}

#[tokio::test]
async fn who_may_not_and_who_is_not_there_have_codes_of_their_own() {
    let unit = Unit::start().await;
    std::fs::write(unit.folder.path().join("password"), "wrong\n").unwrap();
    let said = unit.ctl(&["firmware"]).await;
    assert!(said.code == 4 && said.err.contains("User or password is wrong."), "{said:?}");
    std::fs::write(unit.folder.path().join("password"), "").unwrap();
    let said = unit.ctl(&["firmware"]).await;
    assert!(said.code == 4 && said.err.contains("--password-file"), "{said:?}");
    let nobody = format!("127.0.0.1:{}", common::free_port().await);
    let said = plain(&["--unit", &nobody, "firmware"]).await;
    assert!(said.code == 5 && said.err.contains("cannot be reached"), "{said:?}");
    let said = unit.ctl(&["firmware", "install", "/nothing/here.evfw"]).await;
    assert!(said.code != 0 && said.code != 64, "{said:?}");
    let said = plain(&["--unit", "lb", "firmware", "explode"]).await;
    assert!(said.code == 64 && said.err.contains("usage: evener ctl"), "{said:?}");
    let said = plain(&["--help"]).await;
    assert!(said.code == 0 && said.out.contains("--even-if-it-failed"), "{said:?}");
}

fn slot_b(status: &mut evener_api::update::FirmwareStatus, state: &str, tries: u8) {
    let slot = &mut status.slots[1];
    state.clone_into(&mut slot.state);
    slot.tries = tries;
}

#[tokio::test]
async fn after_a_reboot_it_waits_until_the_firmware_is_confirmed_or_given_up() {
    let unit = Unit::start().await;
    let (path, _) = unit.file(100_000);
    let words = ["firmware", "install", &path, "--reboot"];
    let waiting = unit.ctl(&words);
    let rebooting = async {
        eventually("the reboot", || async {
            (*unit.fake.asked.lock().unwrap() == [init::Request::Reboot]).then_some(())
        })
        .await;
        unit.fake.update.say(|status| {
            status.running = 'B';
            slot_b(status, "trial", 2);
            let fault = Some(String::from("proxy is not there yet"));
            status.proving =
                Some(Proving { on_trial: true, healthy_s: 7, needed_s: 60, left_s: Some(200), fault });
        });
    };
    let confirming = async {
        rebooting.await;
        unit.fake.update.say(|status| slot_b(status, "confirmed", 0));
    };
    let (said, ()) = tokio::join!(waiting, confirming);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("1.1.0 runs from slot B and is confirmed."), "{said:?}");

    let failing = async {
        unit.fake.update.say(|status| slot_b(status, "trial", 1));
        let words = ["firmware", "wait"];
        let waiting = unit.ctl(&words);
        let failed = async {
            // It has seen that one was on trial.
            unit.fake.update.seen.subscribe().changed().await.unwrap();
            unit.fake.update.say(|status| {
                status.running = 'A';
                status.last_failure = Some(String::from("1.1.0 in slot B used up its tries"));
                slot_b(status, "bad", 0);
            });
        };
        tokio::join!(waiting, failed).0
    };
    let said = failing.await;
    assert_eq!(said.code, 6, "{said:?}");
    assert!(
        said.err.contains("1.1.0 in slot B used up its tries") && said.err.contains("runs 0.1.0 from slot A"),
        "{said:?}"
    );
}

#[tokio::test]
async fn each_step_asks_the_unit_and_tells_what_comes_next() {
    let unit = Unit::start().await;
    let author = || String::from("bal");
    for (verb, asked) in [
        ("restore", Request::Restore { author: author() }),
        ("rescue", Request::Rescue { author: author() }),
        ("discard", Request::Discard { author: author() }),
        ("cancel", Request::Cancel),
    ] {
        let said = unit.ctl(&["firmware", verb]).await;
        assert!(said.code == 0 && said.out.contains("The next boot starts slot B"), "{verb}: {said:?}");
        assert_eq!(unit.fake.update.asked.lock().unwrap().pop(), Some(asked));
    }
    assert!(unit.ctl(&["firmware", "reboot"]).await.out.contains("rebooting"));
    assert_eq!(*unit.fake.asked.lock().unwrap(), [init::Request::Reboot]);
}
