//! Sessions as timelines: type this, see that.

use super::*;
use crate::session::{IDLE, LOGIN_WITHIN};
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

const S: Duration = Duration::from_secs(1);

/// A session, what it has shown, and the orders that it has given.
struct Bench {
    session: Session,
    now: Duration,
    orders: Vec<Order>,
}

impl Bench {
    fn at(place: Place, user: Option<&str>) -> Self {
        let opening = Opening {
            place,
            title: "Evener 0.1.0 - unit-1".into(),
            rescue: false,
            user: user.map(Into::into),
        };
        Self { session: Session::new(opening, Duration::ZERO), now: Duration::ZERO, orders: Vec::new() }
    }

    fn logged_in() -> Self {
        let mut bench = Self::at(Place::Machine, Some("bal"));
        assert!(bench.shown().contains("1  Status"));
        bench
    }

    fn shown(&mut self) -> String {
        self.session.output()
    }

    /// Types and sees.
    fn types(&mut self, keys: &str) -> String {
        for byte in keys.bytes() {
            self.orders.extend(self.session.byte(byte, self.now));
        }
        self.shown()
    }

    fn answer(&mut self, answer: Answer) -> String {
        self.orders.extend(self.session.answer(answer, self.now));
        self.shown()
    }

    fn order(&mut self) -> Order {
        assert_eq!(self.orders.len(), 1, "{:?}", self.orders);
        self.orders.remove(0)
    }
}

fn secret(text: &str) -> Secret {
    Secret(text.into())
}

fn check(user: &str, password: &str) -> Order {
    Order::CheckPassword { user: user.into(), password: secret(password) }
}

fn setup() -> Setup {
    let port = |name: &str, addressing| Port { name: name.into(), note: "cable in".into(), addressing };
    Setup {
        based_on: 4,
        hostname: "unit-1".into(),
        ports: vec![port("eth0", Addressing::Dhcp), port("eth1", Addressing::Unused)],
        gateway: None,
        name_servers: vec![],
    }
}

#[test]
fn a_log_in_shows_the_menu_and_never_the_password() {
    let mut bench = Bench::at(Place::Machine, None);
    assert!(bench.shown().ends_with("login: "));
    assert!(bench.types("bal\r").ends_with("bal\r\nPassword: "));
    assert_eq!(bench.types("correct h\u{fc}rse\x7f\r"), "\r\n");
    assert_eq!(bench.order(), check("bal", "correct h\u{fc}rs"));
    assert_eq!(bench.types("noise\r\r"), "", "nothing is taken until there is an answer");
    let menu = bench.answer(Answer::Welcome { must_change: false });
    assert!(menu.contains("9  Power off") && menu.ends_with("Choose: "), "{menu}");
    assert_eq!(bench.session.user(), Some("bal"));
}

#[test]
fn a_wrong_password_leads_back_and_the_third_ends_the_session() {
    let mut bench = Bench::at(Place::Machine, None);
    for tried in 1..=3 {
        bench.types("bal\rx\r");
        bench.order();
        let shown = bench.answer(Answer::Denied("Wrong.".into()));
        assert!(shown.contains("Wrong."));
        assert_eq!(shown.ends_with("login: "), tried < 3, "{shown}");
    }
    assert_eq!(bench.order(), Order::End);
    assert_eq!(bench.types("bal\r"), "");
}

#[test]
fn the_first_password_opens_nothing_but_its_change() {
    let mut bench = Bench::at(Place::Machine, None);
    bench.types("bal\rfirst-one\r");
    bench.order();
    let shown = bench.answer(Answer::Welcome { must_change: true });
    assert!(shown.contains("first password") && shown.ends_with("New password: "), "{shown}");
    assert!(bench.types("my own words\rmy own word\r").contains("The two differ"));
    bench.types("my own words\rmy own words\r");
    let change = Order::ChangePassword { old: secret("first-one"), new: secret("my own words") };
    assert_eq!(bench.order(), change);
    let shown = bench.answer(Answer::Refused(vec!["too simple".into()]));
    assert!(shown.contains("too simple"));
    assert!(bench.types("\r").ends_with("New password: "), "and nothing else");
    bench.types("better words\rbetter words\r");
    bench.order();
    bench.answer(Answer::Done("changed".into()));
    assert!(bench.types("\r").contains("1  Status"));

    let mut bench = Bench::at(Place::Machine, None);
    bench.types("bal\rfirst-one\r");
    bench.order();
    bench.answer(Answer::Welcome { must_change: true });
    bench.types("\x03");
    assert_eq!(bench.order(), Order::End, "no way round it");
}

#[test]
fn a_lost_password_is_replaced_at_the_machine_and_nowhere_else() {
    let mut bench = Bench::at(Place::Machine, None);
    assert!(bench.types("pwreset\r").ends_with("Type reset password to go on: "));
    assert!(bench.types("yes\r").ends_with("login: "), "other words do nothing");
    bench.types("pwreset\rreset password\rnew words 1\rnew words 1\r");
    assert_eq!(bench.order(), Order::ResetPassword(secret("new words 1")));
    assert!(bench.answer(Answer::Done("It is set.".into())).contains("It is set."));
    assert!(bench.types("\r").ends_with("login: "));
    assert_eq!(bench.session.user(), None, "and whoever set it logs in like everybody");

    let mut bench = Bench::at(Place::Network, None);
    bench.types("pwreset\rreset password\r");
    assert_eq!(bench.order(), check("pwreset", "reset password"));
}

#[test]
fn quick_setup_is_one_change_that_is_shown_before_it_is_made() {
    let mut bench = Bench::logged_in();
    bench.types("2\r");
    assert_eq!(bench.order(), Order::ReadSetup);
    let shown = bench.answer(Answer::Setup(Box::new(setup())));
    assert!(shown.contains("eth1") && shown.ends_with("Interface [eth0]: "), "{shown}");
    assert!(bench.types("eth7\r").contains("interface: there is no eth7"));
    assert!(bench.types("eth1\r").ends_with("[unused]: "));
    assert!(bench.types("10.0.0.9\r").contains("address: 10.0.0.9 is neither"));
    bench.types("10.0.0.9/24\r10.0.0.1\r10.0.0.53 2001:db8::53\r");
    let shown = bench.types("lb-1\r");
    for part in
        ["eth1", "10.0.0.9/24 (until now unused)", "10.0.0.1 (until now -)", "lb-1 (until now unit-1)"]
    {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    assert!(!shown.contains("eth0"), "what stays is not shown: {shown}");
    assert!(bench.orders.is_empty(), "nothing was changed so far");
    bench.types("yes\r");
    let mut after = setup();
    after.ports[1].addressing = Addressing::Static(Ipv4Addr::new(10, 0, 0, 9), 24);
    after.gateway = Some(Ipv4Addr::new(10, 0, 0, 1));
    after.name_servers = ["10.0.0.53", "2001:db8::53"].map(|text| text.parse::<IpAddr>().unwrap()).to_vec();
    after.hostname = "lb-1".into();
    assert_eq!(bench.order(), Order::Apply(Box::new(after.clone())));

    let reason = "unit.default_gateway: 10.0.0.1 is in no network";
    assert!(bench.answer(Answer::Refused(vec![reason.into()])).contains(reason));
    assert!(bench.types("\r").ends_with("Interface [eth1]: "), "what was typed is proposed again");
    bench.types("\r\r-\r\r\ryes\r");
    after.gateway = None;
    assert_eq!(bench.order(), Order::Apply(Box::new(after)));
    assert!(bench.answer(Answer::Done("Saved.".into())).contains("Saved."));
}

#[test]
fn quick_setup_that_changes_nothing_or_is_left_orders_nothing() {
    for keys in ["\r\r\r\r\r", "\rnone\r\r\r\rno\r", "\rnone\r\x03", "\x04"] {
        let mut bench = Bench::logged_in();
        bench.types("2\r");
        bench.order();
        bench.answer(Answer::Setup(Box::new(setup())));
        bench.types(keys);
        assert!(bench.types("\r").contains("1  Status"), "{keys:?}");
        assert_eq!(bench.orders, [], "{keys:?}");
    }
}

#[test]
fn what_ends_the_run_asks_for_its_word() {
    for (key, word, act) in [
        ("6", "rescue", Act::Rescue),
        ("7", "factory reset", Act::FactoryReset),
        ("8", "reboot", Act::Reboot),
        ("9", "power off", Act::PowerOff),
    ] {
        let mut bench = Bench::logged_in();
        assert!(bench.types(&format!("{key}\r")).ends_with(&format!("Type {word} to do it: ")));
        assert!(bench.types("yes\r").contains("Nothing was done"));
        assert!(bench.orders.is_empty());
        bench.types(&format!("\r{key}\r{word}\r"));
        assert_eq!(bench.order(), Order::Carry(act));
    }
}

#[test]
fn in_rescue_there_is_no_way_into_rescue() {
    let opening =
        Opening { place: Place::Machine, title: "Evener".into(), rescue: true, user: Some("bal".into()) };
    let mut session = Session::new(opening, Duration::ZERO);
    let menu = session.output();
    assert!(!menu.contains("Rescue") && menu.contains("8  Reboot"), "{menu}");
    assert_eq!(session.byte(b'6', S), None);
    assert_eq!(session.byte(b'\r', S), None);
    assert!(session.output().contains("no such entry"));
}

#[test]
fn the_clock_is_set_to_what_is_a_moment() {
    let mut bench = Bench::logged_in();
    bench.types("4\r");
    assert_eq!(bench.order(), Order::ShowClock);
    bench.answer(Answer::Lines(vec![("now".into(), "2026-11-20 09:05 UTC".into())]));
    assert!(bench.types("2026-02-30 00:00\r").contains("day: 30"));
    bench.types("2023-11-14 22:13:20\r");
    assert_eq!(bench.order(), Order::SetClock(1_700_000_000));
}

#[test]
fn who_types_nothing_for_ten_minutes_is_logged_out_and_who_does_not_log_in_is_not_waited_for() {
    let mut bench = Bench::logged_in();
    bench.now = 500 * S;
    bench.types("3\rsecret beginning");
    assert_eq!(bench.session.due(), Some(bench.now + IDLE));
    assert_eq!(bench.session.tick(bench.now + IDLE - S), None);
    assert_eq!(bench.session.tick(bench.now + IDLE), Some(Order::End));
    assert_eq!(bench.session.user(), None);
    assert!(bench.shown().contains("ten minutes"));

    let mut bench = Bench::at(Place::Machine, None);
    bench.now = LOGIN_WITHIN - S;
    bench.types("ba");
    assert_eq!(bench.session.tick(LOGIN_WITHIN), Some(Order::End), "keys do not put it off");
}

#[test]
fn a_terminal_that_attaches_in_the_middle_gets_the_whole_screen() {
    let mut bench = Bench::logged_in();
    assert!(bench.types("\r").contains("1  Status"), "by Enter in the menu");
    bench.types("8\r");
    let shown = bench.types("reb\x0c");
    assert!(shown.contains("Clients are cut off") && shown.ends_with("Type reboot to do it: reb"), "{shown}");
    bench.types("oot\r");
    assert_eq!(bench.order(), Order::Carry(Act::Reboot));
    let mut bench = Bench::at(Place::Machine, None);
    bench.types("bal\rsecret");
    assert!(!bench.types("\x0c").contains("secret"));
}

#[test]
fn no_debug_output_has_a_password_in_it() {
    let mut bench = Bench::logged_in();
    bench.types("3\rold-secret\rnew-secret\rnew-sec");
    assert!(!format!("{:?}", bench.session).contains("-sec"));
    bench.types("ret\r");
    assert!(!format!("{:?} {:?}", bench.session, bench.orders).contains("-secret"));
}

/// Xorshift, so that a failure can be repeated.
fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

/// Some answer; not always one that fits.
fn some_answer(of: u64) -> Answer {
    let long = "\u{1b}[2J\u{fc} word".repeat(200);
    match of % 7 {
        0 => Answer::Welcome { must_change: of.is_multiple_of(2) },
        1 => Answer::Denied(long),
        2 => Answer::Lines(vec![(long.clone(), long); 50]),
        3 => Answer::Setup(Box::new(setup())),
        4 => Answer::Setup(Box::new(Setup { ports: vec![], hostname: long, ..setup() })),
        5 => Answer::Done(long),
        _ => Answer::Refused(vec![long; 50]),
    }
}

#[test]
fn whatever_comes_nothing_panics_and_no_byte_costs_more_than_a_screen() {
    const WORDS: [&str; 16] = [
        "1\r",
        "2\r",
        "3\r",
        "4\r",
        "5\r",
        "7\r",
        "\r",
        "yes\r",
        "bal\r",
        "pwreset\r",
        "reset password\r",
        "reboot\r",
        "dhcp\r",
        "\x0c",
        "\x15",
        "longer words\r",
    ];
    let (mut orders, mut begun) = (0, 0);
    for seed in 1..=120_u64 {
        let mut dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let place = if seed.is_multiple_of(3) { Place::Network } else { Place::Machine };
        let mut bench = Bench::at(place, seed.is_multiple_of(2).then_some("bal"));
        begun += 1;
        let mut waits = false;
        for _ in 0..600 {
            let roll = random(&mut dice);
            let bytes = match roll % 4 {
                0 => vec![u8::try_from((roll >> 8) & 0xff).unwrap()],
                _ => WORDS[usize::try_from(roll >> 8).unwrap() % WORDS.len()].as_bytes().to_vec(),
            };
            for byte in bytes {
                bench.now += Duration::from_millis(roll % 2000);
                let order = bench.session.byte(byte, bench.now);
                waits |= order.as_ref().is_some_and(|order| *order != Order::End);
                orders += usize::from(order.is_some());
                let shown = bench.shown();
                assert!(shown.len() <= MOST_OUTPUT, "{} bytes for {byte}, seed {seed}", shown.len());
                let terminal = |byte: u8| matches!(byte, 0x20..=0x7e | b'\r' | b'\n' | 7 | 8);
                assert!(shown.bytes().all(terminal), "{shown:?}, seed {seed}");
            }
            if place == Place::Network {
                assert!(!bench.orders.iter().any(|order| matches!(order, Order::ResetPassword(_))));
            }
            if waits && roll.is_multiple_of(3) {
                waits = false;
                bench.session.answer(some_answer(roll >> 16), bench.now);
                assert!(bench.shown().len() <= 2 * MOST_OUTPUT, "seed {seed}");
            }
            if bench.session.tick(bench.now).is_some() {
                break;
            }
        }
    }
    assert!(orders > begun, "{orders} orders: the dice get somewhere");
}

#[test]
fn every_screen_fits_into_24_rows_of_80_columns() {
    let screens = ["", "3\r", "4\r", "6\r", "7\r", "8\r", "9\r"];
    for keys in screens {
        let mut bench = Bench::logged_in();
        bench.types(keys);
        let shown = bench.answer(some_answer(2)) + &bench.types("\x0c");
        let last = shown.rfind("\r\n---").map_or(0, |at| shown[..at].rfind("\r\n").unwrap_or(0));
        let rows: Vec<&str> = shown[last..].split("\r\n").collect();
        assert!(rows.len() <= 24, "{keys:?}: {} rows\n{shown}", rows.len());
        assert!(rows.iter().all(|row| row.len() <= 79), "{keys:?}\n{shown}");
    }
}
