//! A person with a browser: first log-in, a service, a look at it.
//!
//! The pictures go to `out/pictures`; with `EVENER_PICTURES=1` (`make pictures`) also to `docs/pictures`.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::Duration;

use evener_appliance::{BOOT_WITHIN, Browser, INIT_STARTED, Turn, View, fresh_disk, log_path};
use evener_lab::http::{Connection, Response};
use evener_lab::{Forward, Machine, first_password};

pub(crate) const PAGES: Forward = Forward { guest: 8443 };
pub(crate) const CHOSEN: &str = "a password of my own";
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
pub(crate) const DESKTOP: View = View { width: 1280, height: 900, phone: false, dark: false };
pub(crate) const PHONE: View = View { width: 390, height: 844, phone: true, dark: false };

/// A web server on a free port of this machine; runs until the test program ends.
fn server() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut connection = Connection::new(stream);
                while let Ok(Some(request)) = connection.read_request() {
                    if connection.answer(&request.method, &Response::text(200, "hello")).is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

/// Keeps what the window shows.
pub(crate) fn picture(browser: &Browser, name: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    browser.picture(&root.join("out/pictures").join(name)).unwrap();
    if std::env::var_os("EVENER_PICTURES").is_some() {
        browser.picture(&root.join("docs/pictures").join(name)).unwrap();
    }
}

#[test]
fn a_new_unit_is_taken_into_service_with_a_browser() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let disk = fresh_disk(folder.path(), None).unwrap();
    let mut unit =
        Machine::new("browser", &disk, &log_path("browser")).user_network(&[PAGES]).start().unwrap();
    let browser = Browser::start(&log_path("chromedriver")).unwrap();
    browser.show(DESKTOP).unwrap();
    unit.serial().wait_for(INIT_STARTED, BOOT_WITHIN).unwrap();
    let password = first_password(unit.serial(), BOOT_WITHIN).unwrap();
    let home = format!("https://{}", unit.forwarded(PAGES).unwrap());

    log_in_for_the_first_time(&browser, &home, &password);
    add_service_with_two_servers(&browser, &home, [server(), server()]);
    look_around(&browser, &home);
}

fn log_in_for_the_first_time(browser: &Browser, home: &str, password: &str) {
    browser.arrive(home, LIMIT).unwrap();
    browser.wait_for_text("Log in", LIMIT).unwrap();
    picture(browser, "login.png");
    browser.fill("#user", "bal").unwrap();
    browser.fill("#password", password).unwrap();
    browser.click("form button[type=submit]").unwrap();
    browser.wait_for_text("Choose your password", LIMIT).unwrap();

    // Nothing else can be done before.
    browser.go(&format!("{home}/services")).unwrap();
    browser.wait_for_text("Choose your password", LIMIT).unwrap();
    browser.fill("[name=current]", password).unwrap();
    browser.fill("[name=new]", CHOSEN).unwrap();
    browser.fill("[name=again]", CHOSEN).unwrap();
    browser.click("form button[type=submit]").unwrap();
    browser.wait_for_text("Virtual Services", LIMIT).unwrap();
}

fn add_service_with_two_servers(browser: &Browser, home: &str, ports: [u16; 2]) {
    browser.go(&format!("{home}/services/new")).unwrap();
    browser.fill("[name=name]", "shop").unwrap();
    browser.click("[name='address.kind'][value=own]").unwrap();
    browser.fill("[name='address.own']", "eth0").unwrap();
    browser.fill("[name=port]", "80").unwrap();
    picture(browser, "add-service.png");
    browser.click("form.settings button[type=submit]").unwrap();
    browser.wait_for_text("shop", LIMIT).unwrap();
    let address = browser.address().unwrap();
    let service = address.split('?').next().unwrap().to_owned();
    assert!(service.starts_with(&format!("{home}/services/")), "{service}");
    for port in ports {
        browser.go(&format!("{service}/servers/new")).unwrap();
        browser.fill("[name=address]", "10.0.2.2").unwrap();
        browser.fill("[name=port]", &port.to_string()).unwrap();
        browser.click("form.settings button[type=submit]").unwrap();
        browser.wait_for_text(&format!("10.0.2.2:{port}"), LIMIT).unwrap();
    }
    // The service and each of its servers; the page renews itself.
    browser.go(&format!("{home}/services")).unwrap();
    let all_up = "return (document.body.innerText.match(/\\bUp\\b/g) || []).length === 3";
    browser.wait_until(all_up, LIMIT).unwrap();
}

fn look_around(browser: &Browser, home: &str) {
    for (page, path) in [("home", "/"), ("virtual-services", "/services"), ("system", "/system")] {
        for (kind, view) in [("", DESKTOP), ("-dark", View { dark: true, ..DESKTOP }), ("-phone", PHONE)] {
            browser.show(view).unwrap();
            browser.go(&format!("{home}{path}")).unwrap();
            let wide = browser.run("return document.documentElement.scrollWidth").unwrap();
            assert!(wide.as_u64().unwrap() <= u64::from(view.width), "{page}{kind} is {wide} wide");
            picture(browser, &format!("{page}{kind}.png"));
        }
    }
}
