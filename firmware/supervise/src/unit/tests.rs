use super::*;
use crate::{End, LONGEST_BACK_OFF, SILENCE, STOP_WITHIN};
use evener_api::Service::{Checks, Console, Control, Log, Net, Proxy, Update, Web};

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn one() -> Supervision {
    let mut unit = Supervision::new();
    unit.add(Proxy, s(1));
    unit
}

fn state(unit: &Supervision, now: Duration) -> ServiceState {
    unit.health(now).next().unwrap().1.state
}

#[test]
fn starts_at_once_and_runs_when_it_says_so() {
    let mut unit = one();
    assert_eq!(unit.tick(s(1)), [Order::Start(Proxy)]);
    assert_eq!(state(&unit, s(1)), ServiceState::Starting);
    assert!(!unit.all_running());
    unit.on(Proxy, Event::Ready, s(2));
    assert!(unit.all_running());
    assert_eq!(unit.health(s(5)).next().unwrap().1.running, s(4));
}

#[test]
fn back_off_doubles_up_to_ten_seconds_and_starts_over_after_a_minute_of_running() {
    let mut unit = one();
    let mut now = s(1);
    assert_eq!(unit.tick(now), [Order::Start(Proxy)]);
    for pause in [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000] {
        unit.on(Proxy, Event::Ended(End::Exited(1)), now);
        assert_eq!(unit.starts_in(Proxy, now), Some(ms(pause)));
        assert_eq!(unit.tick(now + ms(pause - 1)), [], "not before {pause} ms");
        now += ms(pause);
        assert_eq!(unit.tick(now), [Order::Start(Proxy)], "after {pause} ms");
        assert_eq!(unit.starts_in(Proxy, now), None);
    }
    for _ in 0..60 {
        now += s(1);
        unit.on(Proxy, Event::Beat, now);
        assert_eq!(unit.tick(now), []);
    }
    unit.on(Proxy, Event::Ended(End::Signalled(9)), now);
    assert_eq!(unit.tick(now + ms(200)), [Order::Start(Proxy)]);
    let health = unit.health(now).next().unwrap().1;
    assert_eq!((health.restarts, health.last_end), (9, Some(End::Signalled(9))));
}

#[test]
fn a_silent_service_is_killed_and_started_again() {
    let mut unit = one();
    let mut now = s(1);
    assert_eq!(unit.tick(now), [Order::Start(Proxy)]);
    while now < s(1) + SILENCE - s(1) {
        now += s(1);
        assert_eq!(unit.tick(now), []);
    }
    assert_eq!(unit.tick(s(1) + SILENCE), [Order::Kill(Proxy)]);
    assert_eq!(unit.tick(s(1) + SILENCE + s(1)), [], "killed once");
    unit.on(Proxy, Event::Ended(End::Signalled(9)), s(13));
    assert_eq!(unit.tick(s(13) + ms(200)), [Order::Start(Proxy)]);
    assert_eq!(unit.health(s(14)).next().unwrap().1.last_end, Some(End::Silent));
}

#[test]
fn silence_while_init_itself_stood_still_is_forgiven() {
    let mut unit = one();
    assert_eq!(unit.tick(s(1)), [Order::Start(Proxy)]);
    assert_eq!(unit.tick(s(300)), [], "the virtual machine was paused for five minutes");
    let mut now = s(300);
    while now < s(300) + SILENCE - s(1) {
        now += s(1);
        assert_eq!(unit.tick(now), []);
    }
    assert_eq!(unit.tick(now + s(1)), [Order::Kill(Proxy)]);
}

#[test]
fn a_service_that_cannot_be_started_is_tried_again() {
    let mut unit = one();
    assert_eq!(unit.tick(s(1)), [Order::Start(Proxy)]);
    unit.on(Proxy, Event::Ended(End::NotStarted), s(1));
    assert_eq!(unit.tick(s(1) + ms(200)), [Order::Start(Proxy)]);
}

#[test]
fn stops_stage_by_stage_and_kills_what_does_not_stop() {
    let mut unit = Supervision::new();
    for service in Service::SUPERVISED {
        unit.add(service, s(0));
    }
    assert_eq!(unit.tick(s(0)).len(), Service::SUPERVISED.len());
    unit.stop();
    assert_eq!(unit.tick(s(1)), [Order::Stop(Web), Order::Stop(Update), Order::Stop(Console)]);
    unit.on(Console, Event::Ended(End::Exited(0)), s(1));
    unit.on(Web, Event::Ended(End::Exited(0)), s(1));
    assert_eq!(unit.tick(s(2)), []);
    unit.on(Update, Event::Ended(End::Exited(0)), s(2));
    assert_eq!(unit.tick(s(2)), [Order::Stop(Control), Order::Stop(Checks)]);
    unit.on(Checks, Event::Ended(End::Exited(0)), s(2));
    assert_eq!(unit.tick(s(4)), []);
    assert_eq!(unit.tick(s(2) + STOP_WITHIN), [Order::Kill(Control)]);
    unit.on(Control, Event::Ended(End::Signalled(9)), s(7));
    // The proxy dies by itself at this very moment: it is not started again.
    unit.on(Proxy, Event::Ended(End::Exited(1)), s(7));
    assert_eq!(unit.tick(s(8)), [Order::Stop(Net)]);
    assert!(!unit.all_stopped());
    unit.on(Net, Event::Ended(End::Exited(0)), s(8));
    assert_eq!(unit.tick(s(8)), [Order::Stop(Log)], "it has everybody's last words then");
    unit.on(Log, Event::Ended(End::Exited(0)), s(8));
    assert_eq!(unit.tick(s(8)), []);
    assert!(unit.all_stopped());
}

#[test]
fn a_process_that_even_sigkill_does_not_end_holds_the_unit_up_for_ten_seconds_only() {
    let mut unit = one();
    assert_eq!(unit.tick(s(1)), [Order::Start(Proxy)]);
    unit.stop();
    assert_eq!(unit.tick(s(2)), [Order::Stop(Proxy)]);
    assert_eq!(unit.tick(s(2) + STOP_WITHIN), [Order::Kill(Proxy)]);
    assert_eq!(unit.tick(s(2) + STOP_WITHIN * 2), []);
    assert!(unit.all_stopped());
}

/// xorshift64*: the same seed, the same life.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % bound
    }
}

/// What a process really does, unknown to the supervision.
#[derive(Debug, Default)]
struct Process {
    alive: bool,
    stuck: bool,
    stop_at: Option<Duration>,
    killed_at: Option<Duration>,
    last_beat: Duration,
    down_since: Option<Duration>,
}

struct World {
    unit: Supervision,
    processes: BTreeMap<Service, Process>,
    random: Random,
    now: Duration,
    stop_asked: Option<Duration>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut unit = Supervision::new();
        let mut processes = BTreeMap::new();
        for service in Service::SUPERVISED {
            unit.add(service, Duration::ZERO);
            processes.insert(service, Process { down_since: Some(Duration::ZERO), ..Process::default() });
        }
        let random = Random(seed | 1);
        Self { unit, processes, random, now: Duration::ZERO, stop_asked: None }
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Start(service) => {
                assert!(self.stop_asked.is_none(), "{service} started while the unit goes down");
                let process = self.processes.get_mut(&service).unwrap();
                assert!(!process.alive, "a second process of {service}");
                if self.random.below(20) == 0 {
                    self.unit.on(service, Event::Ended(End::NotStarted), self.now);
                    process.down_since = Some(self.now);
                } else {
                    *process = Process { alive: true, last_beat: self.now, ..Process::default() };
                }
            }
            Order::Stop(service) => {
                let later = ms(self.random.below(8000));
                let process = self.processes.get_mut(&service).unwrap();
                process.stop_at = (!process.stuck).then_some(self.now + later);
            }
            Order::Kill(service) => {
                let later = ms(self.random.below(100));
                let process = self.processes.get_mut(&service).unwrap();
                assert!(process.killed_at.is_none(), "{service} killed twice");
                process.killed_at = Some(self.now + later);
            }
        }
    }

    fn live(&mut self) {
        for (service, process) in &mut self.processes {
            if !process.alive {
                continue;
            }
            let crash = self.random.below(2000) == 0;
            process.stuck |= self.random.below(4000) == 0;
            let due = |at: Option<Duration>| at.is_some_and(|at| at <= self.now);
            if crash || due(process.killed_at) || due(process.stop_at) {
                process.alive = false;
                process.down_since = Some(self.now);
                self.unit.on(*service, Event::Ended(End::Signalled(9)), self.now);
            } else if !process.stuck && self.now >= process.last_beat + s(1) {
                process.last_beat = self.now;
                let event = if self.random.below(2) == 0 { Event::Beat } else { Event::Ready };
                self.unit.on(*service, event, self.now);
            }
        }
    }

    fn check_invariants(&self) {
        let slack = TICK_EVERY * 2;
        for (service, process) in &self.processes {
            let at = self.now;
            if process.alive && process.killed_at.is_none() && self.stop_asked.is_none() {
                assert!(at <= process.last_beat + SILENCE + slack, "{service} is silent and lives at {at:?}");
            }
            if let (false, Some(down), None) = (process.alive, process.down_since, self.stop_asked) {
                assert!(at <= down + LONGEST_BACK_OFF + slack, "{service} was given up at {at:?}");
            }
        }
        if let Some(asked) = self.stop_asked {
            let bound = (STOP_WITHIN * 2 + slack) * u32::try_from(STOP_STAGES.len()).unwrap();
            assert!(self.unit.all_stopped() || self.now <= asked + bound, "the unit does not go down");
        }
        assert!(self.unit.next_tick() > self.now, "nothing is left undone by a tick");
    }

    fn step(&mut self) {
        self.now += ms(50 + self.random.below(200));
        self.live();
        if self.now > s(240) && self.stop_asked.is_none() {
            self.stop_asked = Some(self.now);
            self.unit.stop();
        }
        for order in self.unit.tick(self.now) {
            self.carry_out(order);
        }
        self.check_invariants();
    }
}

#[test]
fn no_service_is_given_up_doubled_or_left_hanging_in_any_seeded_life() {
    for seed in 1..=200 {
        let mut world = World::new(seed * 0x9e37_79b9);
        for step in 0..2500 {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.step()));
            assert!(outcome.is_ok(), "seed {seed}, step {step}");
        }
        assert!(world.unit.all_stopped(), "seed {seed}");
        assert!(world.processes.values().all(|process| !process.alive), "seed {seed}");
    }
}
