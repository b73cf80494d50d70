//! The menu on a pseudo terminal, which stands for a serial port.

use crate::fake::{Fake, PASSWORD};
use evener_api::control::{Change, Violation};
use evener_api::{init, update};
use evener_config::{Ipv4Setup, StaticIpv4};
use evener_console::{Unit, attend, terminals};
use evener_sys::console::open_for_output;
use evener_sys::device::Device;
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Longest time that anything here may take.
const PATIENCE: Duration = Duration::from_secs(40);

/// The far end of a serial line.
pub(crate) struct Person {
    line: Device,
    /// All that was shown and not yet looked at.
    seen: String,
    /// All that was ever shown.
    all: String,
    /// Init has the device open for the log.
    _of_init: OwnedFd,
}

impl Person {
    /// A person, and the device at the near end.
    pub(crate) fn new() -> (Self, PathBuf) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        fcntl_setfl(&master, OFlags::NONBLOCK).unwrap();
        let device = PathBuf::from(name);
        let _of_init = open_for_output(&device).unwrap();
        let line = Device::new(master).unwrap();
        (Self { line, seen: String::new(), all: String::new(), _of_init }, device)
    }

    pub(crate) async fn types(&self, keys: &str) {
        let mut rest = keys.as_bytes();
        while !rest.is_empty() {
            let count = self.line.write(rest).await.unwrap();
            rest = &rest[count..];
        }
    }

    /// Waits until these words are shown; gives what was shown up to them.
    pub(crate) async fn sees(&mut self, words: &str) -> String {
        let search = async {
            loop {
                if let Some(at) = self.seen.find(words) {
                    let rest = self.seen.split_off(at + words.len());
                    return std::mem::replace(&mut self.seen, rest);
                }
                let mut buffer = [0; 4096];
                match self.line.read(&mut buffer).await {
                    Ok(count) => {
                        let text = String::from_utf8_lossy(&buffer[..count]);
                        self.seen.push_str(&text);
                        self.all.push_str(&text);
                    }
                    // Nobody has the near end open yet.
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        let found = tokio::time::timeout(PATIENCE, search).await;
        found.unwrap_or_else(|_| panic!("{words:?} is not shown:\n{}", self.all))
    }

    /// Types when asked.
    async fn answers(&mut self, question: &str, answer: &str) {
        self.sees(question).await;
        self.types(&format!("{answer}\r")).await;
    }

    /// Presses Enter until the menu opens: whoever is too early is not heard.
    async fn knocks(&mut self) {
        loop {
            self.types("\r").await;
            let opened = tokio::time::timeout(Duration::from_secs(1), async {
                loop {
                    let mut buffer = [0; 4096];
                    match self.line.read(&mut buffer).await {
                        Ok(count) => {
                            let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
                            self.seen.push_str(&text);
                            self.all.push_str(&text);
                            if self.seen.contains("login: ") {
                                return;
                            }
                        }
                        Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                    }
                }
            });
            if opened.await.is_ok() {
                return;
            }
        }
    }

    async fn logs_in(&mut self, password: &str) {
        self.knocks().await;
        self.answers("login: ", "bal").await;
        self.answers("Password: ", password).await;
    }
}

/// A unit with a terminal at which a person sits.
fn begin(must_change_password: bool) -> (Arc<Fake>, Person) {
    let (person, device) = Person::new();
    let fake = Fake::start(must_change_password, Some(&device));
    let unit = Arc::new(Unit::new(fake.run.path()).unwrap());
    let found = terminals(fake.run.path());
    assert_eq!(found.len(), 1, "{found:?}");
    for terminal in found {
        tokio::spawn(attend(terminal, Arc::clone(&unit)));
    }
    (fake, person)
}

#[tokio::test]
async fn quick_setup_at_a_terminal_is_one_change_and_what_is_wrong_with_it_is_said() {
    let (fake, mut person) = begin(false);
    let mut quiet = fake.quiet.subscribe();
    person.logs_in(PASSWORD).await;
    person.answers("Choose: ", "2").await;
    assert!(*quiet.borrow_and_update(), "the log is kept off the menu");
    let shown = person.sees("Interface [eth0]: ").await;
    assert!(shown.contains("has 192.0.2.5, 52:54:00:12:34:56") && shown.contains("eth1"), "{shown}");
    let field = "unit.default_gateway".to_owned();
    let reason = "10.0.0.1 is in no network of this unit's interfaces".to_owned();
    *fake.refuse.lock().unwrap() = Some(vec![Violation { field, reason }]);
    person.types("eth1\r").await;
    person.answers("[unused]: ", "198.51.100.7/24").await;
    person.answers("Default gateway", "198.51.100.1").await;
    person.answers("Name servers", "198.51.100.53").await;
    person.answers("Host name [unit-1]: ", "lb-7").await;
    person.answers("Type yes to make this change: ", "yes").await;
    person.sees("unit.default_gateway: 10.0.0.1 is in no network").await;
    assert_eq!(fake.config.borrow().generation, 1);
    *fake.refuse.lock().unwrap() = None;
    person.answers("Press Enter: ", "").await;
    for question in
        ["Interface [eth1]: ", "[198.51.100.7/24]: ", "[198.51.100.1]: ", "[198.51.100.53]: ", "[lb-7]: "]
    {
        person.answers(question, "").await;
    }
    person.answers("Type yes to make this change: ", "yes").await;
    person.sees("Saved, as generation 2").await;
    let unit = fake.config.borrow().config.unit.clone();
    assert_eq!((unit.hostname.as_str(), unit.interfaces.len()), ("lb-7", 2));
    let network = StaticIpv4 { address: Ipv4Addr::new(198, 51, 100, 7), prefix: 24 };
    assert_eq!(unit.interfaces[1].ipv4, Ipv4Setup::Static(network));
    assert_eq!(unit.interfaces[0].ipv4, Ipv4Setup::Dhcp, "the one in use stays up");
    assert_eq!(unit.default_gateway, Some(Ipv4Addr::new(198, 51, 100, 1)));
    let changes = fake.changes.lock().unwrap().clone();
    assert_eq!(changes.len(), 2, "one for each try");
    assert!(changes.iter().all(|change| change.author == "bal" && change.based_on == Some(1)));
    person.answers("Press Enter: ", "").await;
    person.answers("Choose: ", "0").await;
    person.sees("Logged out.").await;
    quiet.wait_for(|quiet| !quiet).await.unwrap();
    assert!(!person.all.contains(PASSWORD), "a password is never shown");
}

#[tokio::test]
async fn a_change_that_somebody_else_made_meanwhile_is_not_undone() {
    let (fake, mut person) = begin(false);
    person.logs_in(PASSWORD).await;
    person.answers("Choose: ", "2").await;
    person.answers("Interface [eth0]: ", "").await;
    for question in ["Address", "gateway", "Name servers"] {
        person.answers(question, "").await;
    }
    person.answers("Host name", "lb-7").await;
    fake.config.send_modify(|snapshot| Arc::make_mut(snapshot).generation = 9);
    person.answers("Type yes to make this change: ", "yes").await;
    person.sees("somebody else has changed the settings meanwhile").await;
    assert_eq!(fake.config.borrow().config.unit.hostname, "unit-1");
}

#[tokio::test]
async fn the_first_password_is_changed_before_anything_else() {
    let (fake, mut person) = begin(true);
    person.logs_in(PASSWORD).await;
    let shown = person.sees("New password: ").await;
    assert!(shown.contains("still has its first password"), "{shown}");
    person.types("short\r").await;
    person.answers("New password again: ", "short").await;
    person.sees("cannot be used").await;
    person.answers("Press Enter: ", "").await;
    person.answers("New password: ", "battery staple 7").await;
    person.answers("New password again: ", "battery staple 7").await;
    person.sees("The password is changed").await;
    assert!(!fake.config.borrow().config.shared.users[0].must_change_password);
    person.answers("Press Enter: ", "").await;
    person.answers("Choose: ", "1").await;
    let shown = person.sees("the disk is nearly full").await;
    assert!(shown.contains("https://192.0.2.5:8443/") && shown.contains("900 of 1024 MiB"), "{shown}");
}

#[tokio::test]
async fn a_lost_password_is_replaced_by_whoever_is_at_the_machine() {
    let (fake, mut person) = begin(false);
    person.knocks().await;
    person.answers("login: ", "pwreset").await;
    person.answers("Type reset password to go on: ", "reset password").await;
    person.answers("New password: ", "battery staple 7").await;
    person.answers("New password again: ", "battery staple 7").await;
    person.sees("The password is changed").await;
    let changes = fake.changes.lock().unwrap().clone();
    assert!(matches!(&changes[..], [change] if matches!(change.change, Change::SetPassword { .. })));
    person.answers("Press Enter: ", "").await;
    person.answers("login: ", "bal").await;
    person.answers("Password: ", PASSWORD).await;
    person.sees("User or password is wrong.").await;
    person.answers("login: ", "bal").await;
    person.answers("Password: ", "battery staple 7").await;
    person.sees("Choose: ").await;
}

#[tokio::test]
async fn whoever_was_logged_in_when_the_password_changed_has_to_log_in_again() {
    let (fake, mut person) = begin(false);
    person.logs_in(PASSWORD).await;
    person.sees("Choose: ").await;
    fake.sets_password("something else");
    // Until the menu's own process has heard of it, what is asked for is still answered.
    loop {
        person.types("1\r").await;
        let shown = person.sees(": ").await;
        if shown.contains("log in again") || shown.contains("changed elsewhere: ") {
            break;
        }
        person.types("\r").await;
    }
}

#[tokio::test]
async fn what_ends_the_run_is_ordered_once_its_word_was_typed() {
    let (fake, mut person) = begin(false);
    person.logs_in(PASSWORD).await;
    for (key, word, request) in [
        ("7", "factory reset", init::Request::FactoryReset),
        ("8", "reboot", init::Request::Reboot),
        ("9", "power off", init::Request::PowerOff),
        ("6", "rescue", init::Request::Reboot),
    ] {
        person.answers("Choose: ", key).await;
        person.answers("to do it: ", "yes").await;
        person.answers("Press Enter: ", "").await;
        assert_eq!(fake.asked(), []);
        person.answers("Choose: ", key).await;
        person.answers("to do it: ", word).await;
        person.answers("Press Enter: ", "").await;
        assert_eq!(fake.asked(), [request]);
    }
    let rescue = update::Request::Rescue { author: "bal".into() };
    assert_eq!(*fake.updates.lock().unwrap(), [rescue]);
    person.answers("Choose: ", "4").await;
    person.answers("New date and time in UTC, Enter keeps it: ", "2026-11-20 09:05:30").await;
    person.sees("The clock is set").await;
    assert_eq!(fake.asked(), [init::Request::SetClock(1_795_165_530)]);
}

#[tokio::test]
async fn a_line_that_is_never_silent_is_answered_with_nothing_and_a_person_still_gets_in() {
    let (fake, mut person) = begin(false);
    let noise = "\r\nWelcome to port 7.\r\nlogin: admin\r\nPassword: \r\nLogin incorrect\r\n".repeat(4);
    let until = tokio::time::Instant::now() + Duration::from_secs(3);
    let mut shown = [0; 4096];
    while tokio::time::Instant::now() < until {
        // A line that nobody listens to is full after a while; on a real one the bytes are lost.
        let _ = tokio::time::timeout(Duration::from_millis(20), person.types(&noise)).await;
        let answer = tokio::time::timeout(Duration::from_millis(20), person.line.read(&mut shown)).await;
        let shown = answer
            .ok()
            .and_then(Result::ok)
            .map(|count| String::from_utf8_lossy(&shown[..count]).into_owned());
        assert_eq!(shown, None);
    }
    assert!(!*fake.quiet.borrow());
    person.logs_in(PASSWORD).await;
    person.sees("Choose: ").await;
}
