//! Every server under observation: what is known of it, and when it is probed next.

use crate::probe::{Finding, Target};
use evener_api::checks::{HealthReport, HealthState, ServerHealth};
use evener_api::control::Snapshot;
use evener_config::{CheckKind, RealServer, RsId, VirtualService, VsId};
use evener_health::{Health, Outcome, Rules, State};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// A server under observation.
#[derive(Debug)]
struct Observed {
    target: Target,
    rules: Rules,
    health: Health,
    probing: bool,
    first: bool,
    reason: String,
    since_unix_s: u64,
    last_good_ms: Option<u32>,
}

/// All servers of the configuration in force.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    generation: u64,
    /// In the configuration's order: service, server, and whether it is to be probed.
    listed: Vec<(VsId, RsId, Listed)>,
    observed: BTreeMap<RsId, Observed>,
}

/// Why a server is probed or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listed {
    Probed,
    Disabled,
    Unprobed,
}

impl Watch {
    /// Follows a configuration. What is known of a server stays known while its address and its check are the
    /// same; every other is unknown, and due at once.
    pub(crate) fn follow(&mut self, snapshot: &Snapshot, now_ms: u64, unix_s: u64) {
        self.generation = snapshot.generation;
        self.listed.clear();
        let mut before = std::mem::take(&mut self.observed);
        for vs in &snapshot.config.shared.virtual_services {
            for rs in &vs.real_servers {
                let listed = match vs.check.kind {
                    _ if !vs.enabled || !rs.enabled => Listed::Disabled,
                    CheckKind::Tcp | CheckKind::Http(_) => Listed::Probed,
                    // What is not probed yet in this version counts as what never is.
                    _ => Listed::Unprobed,
                };
                self.listed.push((vs.id, rs.id, listed));
                if listed == Listed::Probed {
                    let (target, rules) = check_of(vs, rs);
                    let known = before.remove(&rs.id).filter(|known| known.target == target);
                    let observed = match known {
                        Some(known) => Observed { rules, ..known },
                        None => Observed::new(target, rules, now_ms, unix_s),
                    };
                    self.observed.insert(rs.id, observed);
                }
            }
        }
    }

    /// Those whose probe is due, which count as being probed from now on.
    pub(crate) fn due(&mut self, now_ms: u64) -> Vec<(RsId, Target)> {
        let mut due = Vec::new();
        for (id, observed) in &mut self.observed {
            if observed.probing || observed.health.probe_at_ms() > now_ms {
                continue;
            }
            observed.probing = true;
            // Servers that were set up together are not probed together for ever: the second probe comes up to
            // half an interval early, by a share that differs from server to server.
            let half = observed.rules.interval_ms / 2;
            let early =
                if observed.first { (u64::from(id.0) * 2_654_435_761 % 1000) * half / 1000 } else { 0 };
            observed.first = false;
            let rules = Rules { interval_ms: observed.rules.interval_ms - early, ..observed.rules };
            observed.health.begin(now_ms, rules);
            due.push((*id, observed.target.clone()));
        }
        due
    }

    /// When the next probe is due, in milliseconds; `None` while none will be.
    pub(crate) fn next_due_ms(&self) -> Option<u64> {
        self.observed
            .values()
            .filter(|observed| !observed.probing)
            .map(|observed| observed.health.probe_at_ms())
            .min()
    }

    /// Takes in what a probe found. Whether followers have to know. A finding about what is no longer probed
    /// like that is dropped.
    pub(crate) fn take(&mut self, id: RsId, target: &Target, finding: Finding, unix_s: u64) -> bool {
        let Some(observed) = self.observed.get_mut(&id).filter(|observed| observed.target == *target) else {
            return false;
        };
        observed.probing = false;
        let changed = observed.health.end(finding.outcome, observed.rules);
        if changed {
            observed.since_unix_s = unix_s;
            let state = observed.health.state();
            tracing::info!(server = id.0, address = %target.address, ?state, reason = finding.reason, "health changed");
        }
        if finding.outcome == Outcome::Good {
            observed.last_good_ms = Some(finding.took_ms);
        }
        let told = changed || observed.reason != finding.reason;
        observed.reason = finding.reason;
        told
    }

    /// Everything that is known.
    pub(crate) fn report(&self) -> HealthReport {
        let servers = self.listed.iter().map(|&(vs, rs, listed)| self.server(vs, rs, listed)).collect();
        HealthReport { generation: self.generation, servers }
    }

    fn server(&self, vs: VsId, rs: RsId, listed: Listed) -> ServerHealth {
        let plain = |state, reason: &str| ServerHealth {
            vs,
            rs,
            state,
            reason: reason.to_owned(),
            since_unix_s: 0,
            last_good_ms: None,
        };
        match (listed, self.observed.get(&rs)) {
            (Listed::Disabled, _) => plain(HealthState::Disabled, "disabled"),
            (Listed::Unprobed, _) | (Listed::Probed, None) => plain(HealthState::Up, "not probed"),
            (Listed::Probed, Some(observed)) => ServerHealth {
                state: match observed.health.state() {
                    State::Unknown => HealthState::Unknown,
                    State::Up => HealthState::Up,
                    State::Down => HealthState::Down,
                },
                since_unix_s: observed.since_unix_s,
                last_good_ms: observed.last_good_ms,
                ..plain(HealthState::Unknown, &observed.reason)
            },
        }
    }
}

impl Observed {
    fn new(target: Target, rules: Rules, now_ms: u64, unix_s: u64) -> Self {
        Self {
            target,
            rules,
            health: Health::unknown(now_ms),
            probing: false,
            first: true,
            reason: "not probed yet".to_owned(),
            since_unix_s: unix_s,
            last_good_ms: None,
        }
    }
}

fn check_of(vs: &VirtualService, rs: &RealServer) -> (Target, Rules) {
    let check = &vs.check;
    let target = Target {
        address: SocketAddr::new(rs.address, check.port.unwrap_or(rs.port)),
        kind: check.kind.clone(),
        timeout: Duration::from_secs(u64::from(check.timeout_s.max(1))),
    };
    let rules =
        Rules { interval_ms: u64::from(check.interval_s.max(1)) * 1000, retries: check.retries.max(1) };
    (target, rules)
}

#[cfg(test)]
mod tests {
    use super::*;
    use evener_config::Config;

    fn snapshot(generation: u64, servers: &[(u32, u16, bool)]) -> Snapshot {
        let mut config = Config::default();
        let address = evener_config::Address::Literal("192.0.2.1".parse().unwrap());
        let server = |&(id, port, enabled): &(u32, u16, bool)| RealServer {
            id: RsId(id),
            enabled,
            ..RealServer::new("10.0.0.1".parse().unwrap(), port)
        };
        config.shared.virtual_services.push(VirtualService {
            id: VsId(1),
            real_servers: servers.iter().map(server).collect(),
            ..VirtualService::new(address, 80)
        });
        Snapshot { generation, config }
    }

    fn good() -> Finding {
        Finding { outcome: Outcome::Good, reason: "answered 200".into(), took_ms: 3 }
    }

    fn states(watch: &Watch) -> Vec<HealthState> {
        watch.report().servers.iter().map(|server| server.state).collect()
    }

    #[test]
    fn every_server_is_due_at_once_and_then_within_its_interval() {
        let mut watch = Watch::default();
        watch.follow(&snapshot(1, &[(1, 80, true), (2, 81, true)]), 1000, 5);
        let due = watch.due(1000);
        assert_eq!(due.len(), 2);
        assert_eq!(watch.next_due_ms(), None, "both are being probed");
        for (id, target) in &due {
            assert!(watch.take(*id, target, good(), 6));
            assert!(!watch.take(*id, target, good(), 7), "nothing new");
        }
        let next = watch.next_due_ms().unwrap();
        assert!((5500..=10_000).contains(&next), "{next}");
        assert!(watch.due(next - 1).is_empty());
        assert_eq!(states(&watch), [HealthState::Up, HealthState::Up]);
        assert_eq!(watch.report().servers[0].since_unix_s, 6);
    }

    #[test]
    fn a_change_elsewhere_keeps_what_is_known_and_a_new_address_forgets_it() {
        let mut watch = Watch::default();
        watch.follow(&snapshot(1, &[(1, 80, true), (2, 81, true)]), 0, 0);
        for (id, target) in watch.due(0) {
            watch.take(id, &target, good(), 1);
        }
        watch.follow(&snapshot(2, &[(1, 80, true), (2, 99, true), (3, 83, true)]), 10, 2);
        assert_eq!(states(&watch), [HealthState::Up, HealthState::Unknown, HealthState::Unknown]);
        assert_eq!(watch.due(10).len(), 2, "only the changed and the new one");
        assert_eq!(watch.report().generation, 2);
    }

    #[test]
    fn a_finding_about_the_former_address_is_dropped() {
        let mut watch = Watch::default();
        watch.follow(&snapshot(1, &[(1, 80, true)]), 0, 0);
        let (id, target) = watch.due(0).remove(0);
        watch.follow(&snapshot(2, &[(1, 99, true)]), 5, 0);
        assert!(!watch.take(id, &target, good(), 1));
        assert_eq!(states(&watch), [HealthState::Unknown]);
        assert_eq!(watch.due(5).len(), 1);
    }

    #[test]
    fn disabled_servers_are_listed_and_not_probed() {
        let mut watch = Watch::default();
        watch.follow(&snapshot(1, &[(1, 80, false), (2, 80, true)]), 0, 0);
        assert_eq!(states(&watch), [HealthState::Disabled, HealthState::Unknown]);
        assert_eq!(watch.due(0).len(), 1);
        let mut unprobed = snapshot(2, &[(1, 80, false), (2, 80, true)]);
        unprobed.config.shared.virtual_services[0].check.kind = CheckKind::None;
        watch.follow(&unprobed, 0, 0);
        assert_eq!(states(&watch), [HealthState::Disabled, HealthState::Up]);
        assert_eq!(watch.next_due_ms(), None);
    }
}
