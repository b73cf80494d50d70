//! The page about firmware: what it shows, files in pieces and as a form, the ways back, rescue and reset.

use crate::fake::update::{Mood, below_floor, candidate, failed_before, on_trial, previous, refusal};
use crate::support::{Answer, Browser, Unit};
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, ORIGIN};
use axum::http::{Method, StatusCode};
use evener_api::update::{self, CHUNK_BYTES, Changed, Inspected, InstallOrder};
use evener_api::{RESCUE_MODE, Service, init};
use serde_json::json;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10);

async fn signed_in() -> (Unit, Browser) {
    let unit = Unit::with_shop().await;
    let browser = unit.log_in().await;
    (unit, browser)
}

/// Waits until update says that the last installation is in this phase.
async fn wait_for(unit: &Unit, phase: update::Phase) {
    let mut status = unit.fake.update.status.subscribe();
    let there = status.wait_for(|status| {
        status.installation.as_ref().is_some_and(|installation| installation.phase == phase)
    });
    tokio::time::timeout(LIMIT, there).await.unwrap().unwrap();
}

async fn begin(unit: &Unit, browser: &Browser, size: usize) -> String {
    let path = format!("/firmware/upload?size={size}&even_if_it_failed=false");
    let answer = unit.script(&path, b"", browser).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json()["upload"].as_str().unwrap().to_owned()
}

async fn piece(unit: &Unit, browser: &Browser, upload: &str, offset: usize, bytes: &[u8]) -> Answer {
    unit.script(&format!("/firmware/upload/{upload}?offset={offset}"), bytes, browser).await
}

#[tokio::test]
async fn what_runs_and_why_stands_on_the_page() {
    let (unit, browser) = signed_in().await;
    let page = unit.get("/firmware", &browser).await;
    for text in [
        "<b>0.1.0</b> from slot A",
        "Slot R (rescue)",
        "Notes of 0.1.0.",
        "development key",
        "2023-11-14 19:26",
        "its last boot never reached its services",
        "The other slot holds no firmware to go back to.",
        "href=\"/system/factory-reset\"",
    ] {
        assert!(page.has(text), "{text}: {}", page.text);
    }
    assert!(!page.has("On trial") && !page.has("data-upload"));

    unit.fake.update.say(on_trial);
    unit.fake.update.say(|status| status.warnings.push(String::from("1.0.1 in slot B failed.")));
    for path in ["/firmware", "/", "/services", "/system"] {
        let page = unit.get(path, &browser).await;
        for text in
            ["healthy for 24 s of the 60 s", "virtual service shop is not bound", "1.0.1 in slot B failed."]
        {
            assert!(page.has(text), "{text} on {path}: {}", page.text);
        }
    }
    let page = unit.get("/firmware", &browser).await;
    assert!(page.has("4\u{a0}min 11\u{a0}s") && page.has("max=\"60\" value=\"24\""), "{}", page.text);
}

#[tokio::test]
async fn a_file_is_shown_before_anything_is_done_with_it() {
    let (unit, browser) = signed_in().await;
    let ask = || unit.script("/firmware/inspect", &[7; CHUNK_BYTES], &browser);
    let page = ask().await;
    for text in
        ["1.1.0", "newer than the running 0.1.0", "&lt;buffers&gt;", "in place of 0.0.9", "data-install"]
    {
        assert!(page.has(text), "{text}: {}", page.text);
    }
    let with = |change: &dyn Fn(&mut update::Candidate)| {
        let mut one = candidate();
        change(&mut one);
        *unit.fake.update.inspected.lock().unwrap() = Inspected::Firmware(Box::new(one));
    };
    unit.fake.update.say(|status| status.floor = String::from("0.0.10"));
    with(&|one| one.floor = String::from("0.0.9"));
    assert!(ask().await.has("0.0.10, once it is confirmed"), "the floor never falls");
    with(&|one| one.loses = vec![String::from("virtual service shop")]);
    assert!(ask().await.has("It cannot read these settings."));
    with(&|one| one.refusal = Some(below_floor()));
    let page = ask().await;
    assert!(page.has("Code F10, below-floor") && !page.has("data-install"), "{}", page.text);
    with(&|one| one.refusal = Some(failed_before()));
    assert!(ask().await.has("data-install=\"override\""));
    let none = refusal("F01", "not-a-firmware", "the file is not a firmware", "choose one");
    *unit.fake.update.inspected.lock().unwrap() = Inspected::Refused(none);
    let answer = ask().await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(answer.json(), json!({ "detail": "The file is not a firmware. Choose one." }));
    assert!(unit.fake.update.asked.lock().unwrap().is_empty(), "looking changes nothing");
}

#[tokio::test]
async fn pieces_go_on_where_they_stopped() {
    let (unit, browser) = signed_in().await;
    let file: Vec<u8> = (0..251).cycle().take(700_000).collect();
    let upload = begin(&unit, &browser, file.len()).await;
    assert_eq!(
        piece(&unit, &browser, &upload, 0, &file[..400_000]).await.json(),
        json!({ "taken": 400_000 })
    );
    // A page that is loaded anew finds what it needs to go on, and may be wrong about how far it was.
    let page = unit.get("/firmware", &browser).await;
    assert!(
        page.has(&format!("data-upload=\"{upload}\"")) && page.has("being uploaded by bal"),
        "{}",
        page.text
    );
    let answer = piece(&unit, &browser, &upload, 131_072, &file[131_072..500_000]).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::CONFLICT, json!({ "taken": 400_000 })));
    let answer = piece(&unit, &browser, &upload, 400_000, &file[400_000..]).await;
    assert_eq!(answer.json(), json!({ "taken": 700_000 }), "{}", answer.text);
    let end = format!("/firmware/upload/{upload}/end");
    assert_eq!(unit.script(&end, b"", &browser).await.status, StatusCode::ACCEPTED);
    wait_for(&unit, update::Phase::Installed).await;
    assert_eq!(*unit.fake.update.received.lock().unwrap(), file);
    let page = unit.get("/firmware", &browser).await;
    assert!(page.has("<b>1.1.0</b> is installed in slot B") && page.has("Reboot now"), "{}", page.text);
    assert_eq!(unit.script(&end, b"", &browser).await.status, StatusCode::GONE);
    let order = InstallOrder { author: String::from("bal"), size: Some(700_000), even_if_it_failed: false };
    assert_eq!(*unit.fake.update.asked.lock().unwrap(), [update::Request::Install(order)]);
}

#[tokio::test]
async fn an_upload_that_is_refused_or_ended_tells_why() {
    let (unit, browser) = signed_in().await;
    *unit.fake.update.mood.lock().unwrap() = Mood::Refuse(200_000, below_floor());
    let upload = begin(&unit, &browser, 400_000).await;
    let answer = piece(&unit, &browser, &upload, 0, &[7; 400_000]).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.has("1.0.0 is below 1.1.0"), "{}", answer.text);
    assert_eq!(piece(&unit, &browser, &upload, 0, &[7; 10]).await.status, StatusCode::GONE);
    let page = unit.get("/firmware", &browser).await;
    assert!(
        page.has("is not installed.") && page.has("Code F10") && !page.has("data-upload"),
        "{}",
        page.text
    );

    *unit.fake.update.mood.lock().unwrap() = Mood::Busy;
    let answer = unit.script("/firmware/upload?size=10", b"", &browser).await;
    assert!(answer.status.is_client_error() && answer.has("Another firmware is being installed."));
    let answer = unit.script("/firmware/upload?size=999999999", b"", &browser).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);

    *unit.fake.update.mood.lock().unwrap() = Mood::Accept;
    let upload = begin(&unit, &browser, 10).await;
    let answer = piece(&unit, &browser, &upload, 0, &[7; (512 << 10) + 1]).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "a piece is bounded");
}

#[tokio::test]
async fn a_browser_without_script_installs_by_one_form() {
    let (unit, browser) = signed_in().await;
    let file: Vec<u8> = (0..=255).cycle().take(900_000).collect();
    let send = |csrf: &str, even: bool| {
        let mut body =
            format!("--line\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{csrf}\r\n").into_bytes();
        if even {
            body.extend(
                b"--line\r\nContent-Disposition: form-data; name=\"even_if_it_failed\"\r\n\r\ntrue\r\n",
            );
        }
        let head = "--line\r\nContent-Disposition: form-data; name=\"firmware\"; filename=\"a.evfw\"\r\n\
            Content-Type: application/octet-stream\r\n\r\n";
        body.extend(head.as_bytes());
        body.extend(&file);
        body.extend(b"\r\n--line--\r\n");
        let request = browser
            .request(Method::POST, "/firmware/install")
            .header(ORIGIN, "https://lb.example:8441")
            .header(CONTENT_TYPE, "multipart/form-data; boundary=line");
        unit.send(request.body(Body::from(body)).unwrap())
    };
    let token = browser.csrf.clone().unwrap();
    let answer = send(&token, true).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/firmware"), "{}", answer.text);
    assert_eq!(*unit.fake.update.received.lock().unwrap(), file);
    let order = InstallOrder { author: String::from("bal"), size: None, even_if_it_failed: true };
    assert_eq!(unit.fake.update.asked.lock().unwrap().pop(), Some(update::Request::Install(order)));

    *unit.fake.update.mood.lock().unwrap() = Mood::Refuse(0, below_floor());
    let answer = send(&token, false).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.has("1.0.0 is below 1.1.0"), "{}", answer.text);
    unit.fake.update.asked.lock().unwrap().clear();
    assert_eq!(send("guess", true).await.status, StatusCode::FORBIDDEN);
    assert!(unit.fake.update.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn nothing_about_firmware_is_done_for_strangers() {
    let (unit, browser) = signed_in().await;
    let stranger = Browser::default();
    let forged = Browser { csrf: Some(String::from("guess")), ..browser.clone() };
    for path in [
        "/firmware/inspect",
        "/firmware/upload?size=1",
        "/firmware/upload/x?offset=0",
        "/firmware/upload/x/end",
    ] {
        assert_eq!(unit.script(path, b"x", &stranger).await.location(), "/login?ended=1", "{path}");
        assert_eq!(unit.script(path, b"x", &forged).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    for path in [
        "/firmware/cancel",
        "/firmware/discard",
        "/firmware/restore",
        "/firmware/rescue",
        "/system/factory-reset",
    ] {
        assert_eq!(unit.post(path, &[], &stranger).await.location(), "/login?ended=1", "{path}");
        let fields = [("confirm", "factory reset")];
        assert_eq!(unit.post(path, &fields, &forged).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert!(unit.fake.update.asked.lock().unwrap().is_empty() && unit.fake.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn each_way_back_asks_for_certain_and_then_for_the_reboot() {
    let (unit, browser) = signed_in().await;
    assert_eq!(unit.get("/firmware/restore", &browser).await.status, StatusCode::CONFLICT);
    unit.fake.update.say(|status| status.restore = Some(previous()));
    assert!(unit.get("/firmware", &browser).await.has("href=\"/firmware/restore\""));
    let author = || String::from("bal");
    for (path, question, asked) in [
        ("/firmware/restore", "Go back to 0.0.9?", update::Request::Restore { author: author() }),
        ("/firmware/rescue", "Start the rescue firmware?", update::Request::Rescue { author: author() }),
    ] {
        let page = unit.get(path, &browser).await;
        assert!(page.has(question) && page.has(&format!("action=\"{path}\"")), "{}", page.text);
        assert!(unit.fake.update.asked.lock().unwrap().is_empty(), "asking does nothing");
        let page = unit.post(path, &[], &browser).await;
        assert!(
            page.has("The next boot starts slot B.") && page.has("action=\"/system/reboot\""),
            "{}",
            page.text
        );
        assert_eq!(unit.fake.update.asked.lock().unwrap().pop(), Some(asked));
    }
    assert!(unit.get("/firmware/restore", &browser).await.has("virtual service shop: its HTTP/2 setting"));
    let none = refusal("F21", "nothing-to-discard", "no firmware waits", "");
    *unit.fake.update.changed.lock().unwrap() = Changed::Refused(none);
    let answer = unit.post("/firmware/discard", &[], &browser).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert!(answer.has("No firmware waits."), "{}", answer.text);
}

#[tokio::test]
async fn a_reset_wants_its_words_typed() {
    let (unit, browser) = signed_in().await;
    let path = "/system/factory-reset";
    assert!(unit.get(path, &browser).await.has("Nothing undoes this."));
    let answer = unit.post(path, &[("confirm", "yes")], &browser).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(unit.fake.asked.lock().unwrap().is_empty());
    let answer = unit.post(path, &[("confirm", " factory reset ")], &browser).await;
    assert!(answer.status == StatusCode::OK && answer.has("restarts as new"), "{}", answer.text);
    assert_eq!(*unit.fake.asked.lock().unwrap(), [init::Request::FactoryReset]);
}

#[tokio::test]
async fn in_rescue_there_is_what_helps_and_the_rest_says_why_not() {
    let (mut unit, browser) = signed_in().await;
    std::fs::write(unit.run().join(RESCUE_MODE), "").unwrap();
    unit.fake.update.say(|status| {
        status.running = 'R';
        status.mode = String::from("rescue");
    });
    for service in [Service::Proxy, Service::Checks] {
        unit.kill(service);
    }
    let page = unit.get("/firmware", &browser).await;
    assert!(page.has("runs its rescue firmware") && page.has("Leave rescue"), "{}", page.text);
    assert!(!page.has("href=\"/services\"") && !page.has("does not answer"), "{}", page.text);
    assert_eq!(unit.get("/system", &browser).await.status, StatusCode::OK);
    assert_eq!(unit.get("/", &browser).await.location(), "/firmware");
    for path in ["/services", "/services/1", "/services/new"] {
        let page = unit.get(path, &browser).await;
        assert!(page.has("serves no clients"), "{path}: {}", page.text);
        assert!(unit.get(path, &Browser::default()).await.location().starts_with("/login"));
    }
    let status = unit.api(Method::GET, "/api/v1/status", None).await.json();
    assert_eq!(status["silent"], json!([]));
    let services = unit.api(Method::GET, "/api/v1/vs", None).await.json();
    let change = unit.api(Method::DELETE, "/api/v1/vs/1", None).await;
    assert_eq!((change.status, change.json()["type"].as_str()), (StatusCode::CONFLICT, Some("in-rescue")));
    assert_eq!(unit.api(Method::GET, "/api/v1/vs", None).await.json(), services, "they are kept");
    let upload = begin(&unit, &browser, 3).await;
    assert_eq!(piece(&unit, &browser, &upload, 0, b"abc").await.status, StatusCode::OK);
}
