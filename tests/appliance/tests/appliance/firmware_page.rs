//! A person updates a unit with a browser, and looks at it from a shell afterwards.
//!
//! The whole way: what the file is, sending it, loading the page anew in the middle, reboot, trial, confirmed. The
//! pictures go where those of `browser.rs` go.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use evener_appliance::{Api, BOOT_WITHIN, Browser, INIT_STARTED, Turn, fresh_disk, log_path, reissued};
use evener_lab::{Machine, Unit, first_password};
use serde_json::{Value, json};

use crate::browser::{CHOSEN, DESKTOP, LIMIT, PAGES, PHONE, picture};

/// From the order to reboot until the pages answer again.
const REBOOT_WITHIN: Duration = Duration::from_secs(150);
/// Five minutes is what a trial may take.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(330);
/// Bytes each second that the browser may send: an operator's line, so that there is a middle of the upload.
const LINE: u32 = 1_000_000;

#[test]
fn a_unit_is_updated_with_a_browser_that_loads_the_page_anew_in_the_middle() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let disk = fresh_disk(folder.path(), None).unwrap();
    let mut unit = Machine::new("firmware-page", &disk, &log_path("firmware-page"))
        .user_network(&[PAGES])
        .start()
        .unwrap();
    let file = folder.path().join("evener-0.9.0.evfw");
    std::fs::write(&file, reissued("0.9.0", "0.0.0").unwrap()).unwrap();
    let other = folder.path().join("holiday.evfw");
    std::fs::write(&other, vec![b'x'; 300_000]).unwrap();
    let browser = Browser::start(&log_path("chromedriver-firmware")).unwrap();
    browser.show(DESKTOP).unwrap();
    unit.serial().wait_for(INIT_STARTED, BOOT_WITHIN).unwrap();
    let first = first_password(unit.serial(), BOOT_WITHIN).unwrap();
    let address = unit.forwarded(PAGES).unwrap();
    let home = format!("https://{address}");
    let api = Api::over_system(address, &first);
    browser.arrive(&home, LIMIT).unwrap();
    let answer =
        api.call("POST", "/api/v1/users/bal/password", Some(&json!({ "password": CHOSEN }))).unwrap();
    assert_eq!(answer.status, 204, "{}", answer.json);
    let api = Api::over_system(address, CHOSEN);

    log_in(&browser, &home);
    look_at_a_file_that_is_none(&browser, &home, &other);
    install(&browser, &home, &file);
    reboot(&browser, &unit);
    see_the_trial(&browser, &home, &api);
    use_the_shell(&home, &file, &other);
}

fn log_in(browser: &Browser, home: &str) {
    browser.arrive(&format!("{home}/login"), REBOOT_WITHIN).unwrap();
    browser.wait_for_text("Log in", LIMIT).unwrap();
    browser.fill("#user", "bal").unwrap();
    browser.fill("#password", CHOSEN).unwrap();
    browser.click("form button[type=submit]").unwrap();
    browser.wait_for_text("Log out", LIMIT).unwrap();
}

fn look_at_a_file_that_is_none(browser: &Browser, home: &str, file: &Path) {
    browser.go(&format!("{home}/firmware")).unwrap();
    browser.wait_for_text("from slot A", LIMIT).unwrap();
    browser.choose("#file", file).unwrap();
    browser.wait_until("return !document.getElementById('complaint').hidden", LIMIT).unwrap();
    let words = browser.run("return document.getElementById('complaint').innerText").unwrap();
    assert!(words.as_str().unwrap().contains("ends in .evfw"), "{words}");
    assert_eq!(browser.run("return document.querySelector('[data-install]')").unwrap(), Value::Null);
}

fn install(browser: &Browser, home: &str, file: &Path) {
    browser.choose("#file", file).unwrap();
    browser.wait_for_text("newer than the running 0.1.0", LIMIT).unwrap();
    browser.wait_for_text("Install 0.9.0", LIMIT).unwrap();
    picture(browser, "firmware-inspected.png");
    browser.slow_down(LINE).unwrap();
    browser.click("[data-install]").unwrap();
    let under_way = "const one = document.querySelector('[data-upload]'); \
        return Boolean(one) && Number(one.dataset.taken) > 1000000";
    browser.wait_until(under_way, LIMIT).unwrap();
    picture(browser, "firmware-installing.png");

    // In the middle of it: a new page, which has nothing of the old one.
    browser.go(&format!("{home}/firmware")).unwrap();
    let seen = browser.run("return document.getElementById('installation').innerText").unwrap();
    assert!(seen.as_str().unwrap().contains("is being uploaded by bal"), "{seen}");
    let taken = "return Number(document.querySelector('[data-upload]')?.dataset.taken ?? 1e12)";
    let then = browser.run(taken).unwrap().as_f64().unwrap();
    browser.wait_until(&format!("{taken} > {then}"), LIMIT).unwrap();
    browser.wait_for_text("0.9.0 is installed in slot B", CONFIRMED_WITHIN).unwrap();
    let history = browser.run("return document.getElementById('history').innerText").unwrap();
    assert!(history.as_str().unwrap().contains("0.9.0"), "{history}");
    picture(browser, "firmware-installed.png");
    browser.show(PHONE).unwrap();
    let wide = browser.run("return document.documentElement.scrollWidth").unwrap();
    assert!(wide.as_u64().unwrap() <= u64::from(PHONE.width), "{wide} wide on a phone");
    picture(browser, "firmware-phone.png");
    browser.show(DESKTOP).unwrap();
}

fn reboot(browser: &Browser, unit: &Unit) {
    browser.click("#installation a.primary").unwrap();
    browser.wait_for_text("Reboot this unit?", LIMIT).unwrap();
    browser.click("dialog[open] button.danger").unwrap();
    unit.serial().wait_for("slot B 0.9.0 verified, starting", REBOOT_WITHIN).unwrap();
    // The page goes on by itself.
    browser.wait_for_text("Log in", REBOOT_WITHIN).unwrap();
}

fn see_the_trial(browser: &Browser, home: &str, api: &Api) {
    log_in(browser, home);
    browser.go(home).unwrap();
    browser.wait_for_text("This firmware is on trial.", LIMIT).unwrap();
    browser.go(&format!("{home}/firmware")).unwrap();
    browser.wait_for_text("0.9.0 from slot B", LIMIT).unwrap();
    picture(browser, "firmware-trial.png");
    let confirmed = |status: &Value| status["mode"] != "trial" || status["slots"][1]["state"] == "confirmed";
    let status = api.wait_for("/api/v1/firmware", CONFIRMED_WITHIN, confirmed).unwrap();
    assert_eq!(
        (&status["running"], &status["slots"][1]["state"]),
        (&json!("B"), &json!("confirmed")),
        "{status}"
    );
    let history = status["history"].as_array().unwrap();
    assert!(history.iter().any(|one| one["what"] == "confirmed" && one["version"] == "0.9.0"), "{status}");
    // The page renews itself: no word of a trial is left, and the history has both.
    let settled = "const text = document.body.innerText; \
        return !text.includes('is on trial.') && document.getElementById('history').innerText.includes('Confirmed')";
    browser.wait_until(settled, LIMIT).unwrap();
    picture(browser, "firmware.png");
}

/// `evener ctl` on this machine.
fn ctl(home: &str, fingerprint: Option<&str>, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_evener-ctl"));
    command.env("EVENER_UNIT", home.trim_start_matches("https://")).env("EVENER_PASSWORD", CHOSEN);
    if let Some(fingerprint) = fingerprint {
        command.env("EVENER_FINGERPRINT", fingerprint);
    }
    command.args(words).output().unwrap()
}

fn use_the_shell(home: &str, file: &Path, other: &Path) {
    let output = ctl(home, None, &["firmware"]);
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{words}");
    let fingerprint = words.rsplit("--fingerprint ").next().unwrap().split_whitespace().next().unwrap();

    let output = ctl(home, Some(fingerprint), &["--json", "firmware"]);
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &status["running"]), (Some(0), &json!("B")), "{status}");
    let output = ctl(home, Some(fingerprint), &["firmware", "install", other.to_str().unwrap()]);
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && words.contains("(F01, not-a-firmware)"), "{words}");
    let output = ctl(home, Some(fingerprint), &["firmware", "install", file.to_str().unwrap()]);
    let words = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && words.contains("0.9.0 is in slot A and verified"), "{output:?}");
    let output = ctl(home, Some(fingerprint), &["firmware", "discard"]);
    let words = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && words.contains("The next boot starts slot B"), "{output:?}");
}
