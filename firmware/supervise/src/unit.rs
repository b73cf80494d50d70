//! The services of a unit together: who is due, and in which order they stop.

use crate::service::{Action, Supervised};
use crate::{Event, Health, STOP_STAGES, TICK_EVERY};
use core::time::Duration;
use evener_api::Service;
use evener_api::init::ServiceState;
use std::collections::BTreeMap;

/// What init has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Start its process. If that fails, [`Event::Ended`] is the answer.
    Start(Service),
    /// Ask it over its lifeline to finish.
    Stop(Service),
    /// Send SIGKILL to its process.
    Kill(Service),
}

/// All supervised services.
#[derive(Debug, Default)]
pub struct Supervision {
    services: BTreeMap<Service, Supervised>,
    stopping: bool,
    last_tick: Option<Duration>,
}

impl Supervision {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a service under supervision; the next [`tick`](Self::tick) starts it. A second time, or once the
    /// unit is stopping, nothing happens.
    pub fn add(&mut self, service: Service, now: Duration) {
        if !self.stopping {
            self.services.entry(service).or_insert_with(|| Supervised::new(now));
        }
    }

    /// Takes note of what happened to a service. What follows from it is found by the next
    /// [`tick`](Self::tick).
    pub fn on(&mut self, service: Service, event: Event, now: Duration) {
        if let Some(supervised) = self.services.get_mut(&service) {
            supervised.on(event, now);
        }
    }

    /// Everything that is due at `now`.
    #[must_use = "the services are thought to be in the state that these orders bring about"]
    pub fn tick(&mut self, now: Duration) -> Vec<Order> {
        let gap = self.last_tick.map_or(Duration::ZERO, |last| now.saturating_sub(last));
        self.last_tick = Some(now);
        let mut orders = Vec::new();
        for (service, supervised) in &mut self.services {
            if gap > TICK_EVERY * 3 {
                supervised.forgive(now);
            }
            if self.stopping {
                supervised.do_not_restart();
            }
            orders.extend(supervised.tick(now).map(|action| order(*service, action)));
        }
        if self.stopping {
            self.advance_stop(now, &mut orders);
        }
        orders
    }

    /// From now on services only stop, stage by stage; the next [`tick`](Self::tick) begins with it.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// Whether [`stop`](Self::stop) was called.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping
    }

    fn advance_stop(&mut self, now: Duration, orders: &mut Vec<Order>) {
        for stage in STOP_STAGES {
            let mut over = true;
            for service in stage {
                let Some(supervised) = self.services.get_mut(service) else { continue };
                orders.extend(supervised.stop(now).map(|action| order(*service, action)));
                over &= supervised.is_stopped();
            }
            if !over {
                return;
            }
        }
    }

    /// When [`tick`](Self::tick) is to be called next: when something is due, or [`TICK_EVERY`] after the last
    /// one.
    #[must_use]
    pub fn next_tick(&self) -> Duration {
        let regular = self.last_tick.map_or(Duration::ZERO, |last| last + TICK_EVERY);
        let due = self.services.values().filter_map(Supervised::next_tick).min();
        due.map_or(regular, |due| due.min(regular))
    }

    /// The pause until a service that has no process is started (again); `None` while it has one, and once it is
    /// stopped for good.
    #[must_use]
    pub fn starts_in(&self, service: Service, now: Duration) -> Option<Duration> {
        self.services.get(&service)?.starts_in(now)
    }

    /// Whether every service has said that it serves.
    #[must_use]
    pub fn all_running(&self) -> bool {
        self.services.values().all(|service| service.health(Duration::ZERO).state == ServiceState::Running)
    }

    /// Whether every service has stopped for good.
    #[must_use]
    pub fn all_stopped(&self) -> bool {
        self.stopping && self.services.values().all(Supervised::is_stopped)
    }

    /// What is known about each service, in the order of [`Service`].
    pub fn health(&self, now: Duration) -> impl Iterator<Item = (Service, Health)> + '_ {
        self.services.iter().map(move |(service, supervised)| (*service, supervised.health(now)))
    }
}

fn order(service: Service, action: Action) -> Order {
    match action {
        Action::Start => Order::Start(service),
        Action::Stop => Order::Stop(service),
        Action::Kill => Order::Kill(service),
    }
}

#[cfg(test)]
mod tests;
