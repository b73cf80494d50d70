//! The address of an interface that no DHCP server answers for.
//!
//! ```text
//! Asking ── 20 s ──► probe 192.168.1.101 ── free ──► Holding
//!                          │ taken                      │ contested
//!                          ▼                            ▼
//!                    probe 169.254.x.y ── free ──► Holding (link-local, RFC 3927)
//!                      ▲        │ taken: another one
//!                      └────────┘
//! ```
//! A lease ends all of it; a lost lease begins it anew. Probes and announcements are those of RFC 5227 §2.

use crate::arp::Arp;
use evener_api::net::AddressOrigin;
use std::net::Ipv4Addr;
use std::time::Duration;

/// The address that operators know from the manual.
const FALLBACK: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 101);
const FALLBACK_PREFIX: u8 = 24;
const LINK_LOCAL_PREFIX: u8 = 16;
/// Time that DHCP servers have to answer.
pub(crate) const GIVE_DHCP: Duration = Duration::from_secs(20);
const PROBES: u32 = 3;
const PROBE_EVERY: Duration = Duration::from_secs(1);
const LISTEN_AFTER_PROBES: Duration = Duration::from_secs(2);
const ANNOUNCEMENTS: u32 = 2;
const ANNOUNCE_EVERY: Duration = Duration::from_secs(2);
/// Conflicts after which a new address is tried only once a minute (RFC 3927 §2.2.1).
const MANY_CONFLICTS: u32 = 10;
const SLOW_DOWN: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// A lease is in force, or the cable is out.
    Off,
    /// DHCP has its chance until `until`.
    Asking { until: Duration },
    /// `sent` probes were sent for `address`; the next step is at `next`.
    Probing { address: Ipv4Addr, sent: u32, next: Duration },
    /// `address` is ours.
    Holding { address: Ipv4Addr, announced: u32, next: Duration },
}

/// The fallback of one interface.
#[derive(Debug)]
pub(crate) struct Fallback {
    mac: [u8; 6],
    random: u64,
    conflicts: u32,
    phase: Phase,
}

impl Fallback {
    /// Off, until [`lease_lost`](Self::lease_lost).
    pub(crate) fn new(mac: [u8; 6]) -> Self {
        // The address shall be the same after each restart (RFC 3927 §2.1).
        let mac_bits = mac.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        Self { mac, random: mac_bits, conflicts: 0, phase: Phase::Off }
    }

    /// There is no lease (yet): DHCP has 20 s from now on.
    pub(crate) fn lease_lost(&mut self, now: Duration) {
        if let Phase::Off = self.phase {
            self.phase = Phase::Asking { until: now + GIVE_DHCP };
        }
    }

    /// There is a lease, or the cable is out: no fallback address is held.
    pub(crate) fn stop(&mut self) {
        self.phase = Phase::Off;
        self.conflicts = 0;
    }

    /// The address that is held, its prefix and its kind.
    pub(crate) fn address(&self) -> Option<(Ipv4Addr, u8, AddressOrigin)> {
        let Phase::Holding { address, .. } = self.phase else { return None };
        Some(if address == FALLBACK {
            (address, FALLBACK_PREFIX, AddressOrigin::Fallback)
        } else {
            (address, LINK_LOCAL_PREFIX, AddressOrigin::LinkLocal)
        })
    }

    /// Whether [`receive`](Self::receive) wants to see ARP packets.
    pub(crate) fn is_listening(&self) -> bool {
        matches!(self.phase, Phase::Probing { .. } | Phase::Holding { .. })
    }

    /// When [`poll`](Self::poll) has something to do next.
    pub(crate) fn next_poll(&self) -> Option<Duration> {
        match self.phase {
            Phase::Off => None,
            Phase::Asking { until } => Some(until),
            Phase::Probing { next, .. } => Some(next),
            Phase::Holding { announced, next, .. } => (announced < ANNOUNCEMENTS).then_some(next),
        }
    }

    /// What is to be sent at `now`.
    pub(crate) fn poll(&mut self, now: Duration) -> Option<Arp> {
        match &mut self.phase {
            Phase::Asking { until } if *until <= now => {
                self.phase = Phase::Probing { address: FALLBACK, sent: 0, next: now };
                self.poll(now)
            }
            Phase::Probing { address, sent, next } if *next <= now => {
                let address = *address;
                if *sent < PROBES {
                    *sent += 1;
                    *next = now + if *sent < PROBES { PROBE_EVERY } else { LISTEN_AFTER_PROBES };
                    return Some(Arp::probe(self.mac, address));
                }
                self.phase = Phase::Holding { address, announced: 0, next: now };
                self.poll(now)
            }
            Phase::Holding { address, announced, next } if *next <= now && *announced < ANNOUNCEMENTS => {
                *announced += 1;
                *next = now + ANNOUNCE_EVERY;
                Some(Arp::announcement(self.mac, *address))
            }
            _ => None,
        }
    }

    /// Takes note of an ARP packet: somebody may have the address that we want, or hold.
    pub(crate) fn receive(&mut self, now: Duration, packet: Arp) {
        let (Phase::Probing { address, .. } | Phase::Holding { address, .. }) = self.phase else { return };
        // While we hold it, a probe is answered by the kernel and is no conflict.
        let holding = matches!(self.phase, Phase::Holding { .. });
        if !packet.contests(self.mac, address) || (holding && packet.sender.is_unspecified()) {
            return;
        }
        self.conflicts = self.conflicts.saturating_add(1);
        let pause = if self.conflicts > MANY_CONFLICTS { SLOW_DOWN } else { Duration::ZERO };
        self.phase = Phase::Probing { address: self.next_candidate(), sent: 0, next: now + pause };
    }

    /// 169.254.1.0 to 169.254.254.255; the first and last 256 are reserved (RFC 3927 §2.1).
    fn next_candidate(&mut self) -> Ipv4Addr {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let [.., third, fourth, _, _, _] = self.random.to_be_bytes();
        Ipv4Addr::new(169, 254, 1 + third % 254, fourth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const OTHER: [u8; 6] = [2, 0, 0, 0, 0, 2];
    const S: Duration = Duration::from_secs(1);

    fn asking() -> Fallback {
        let mut fallback = Fallback::new(MAC);
        fallback.lease_lost(Duration::ZERO);
        fallback
    }

    /// Polls at each moment it asks for, until it holds an address; what it sent, and when.
    fn until_held(fallback: &mut Fallback) -> Vec<(Duration, Arp)> {
        let mut sent = Vec::new();
        while fallback.address().is_none() {
            let now = fallback.next_poll().expect("it goes on by itself");
            sent.extend(fallback.poll(now).map(|packet| (now, packet)));
        }
        sent
    }

    #[test]
    fn takes_the_known_address_after_twenty_seconds_and_three_probes() {
        let mut fallback = asking();
        assert_eq!(fallback.poll(19 * S), None);
        let sent = until_held(&mut fallback);
        let probe = Arp::probe(MAC, FALLBACK);
        let expected =
            [(20 * S, probe), (21 * S, probe), (22 * S, probe), (24 * S, Arp::announcement(MAC, FALLBACK))];
        assert_eq!(sent, expected);
        assert_eq!(fallback.address(), Some((FALLBACK, 24, AddressOrigin::Fallback)));
        assert!(fallback.poll(26 * S).is_some(), "announced twice");
        assert_eq!(fallback.next_poll(), None);
    }

    #[test]
    fn goes_link_local_when_somebody_has_the_known_address() {
        let mut fallback = asking();
        assert!(fallback.poll(20 * S).is_some());
        fallback.receive(20 * S, Arp::announcement(OTHER, FALLBACK));
        until_held(&mut fallback);
        let (address, prefix, origin) = fallback.address().unwrap();
        assert_eq!((prefix, origin), (16, AddressOrigin::LinkLocal));
        assert!(address.is_link_local() && address.octets()[2] != 0 && address.octets()[2] != 255);
    }

    #[test]
    fn tries_slowly_on_a_network_where_everything_is_taken() {
        let mut fallback = asking();
        let mut now = 20 * S;
        for _ in 0..MANY_CONFLICTS + 5 {
            now = fallback.next_poll().unwrap().max(now);
            let probe = fallback.poll(now).unwrap();
            fallback.receive(now, Arp::announcement(OTHER, probe.target));
        }
        assert!(now >= 20 * S + 4 * SLOW_DOWN);
        assert_eq!(fallback.address(), None);
    }

    #[test]
    fn a_held_address_is_given_up_only_when_somebody_claims_it() {
        let mut fallback = asking();
        until_held(&mut fallback);
        fallback.receive(30 * S, Arp::probe(OTHER, FALLBACK));
        assert!(fallback.address().is_some(), "the kernel answers probes");
        fallback.receive(30 * S, Arp::announcement(OTHER, FALLBACK));
        assert_eq!(fallback.address(), None);
        until_held(&mut fallback);
        assert_eq!(fallback.address().unwrap().2, AddressOrigin::LinkLocal);
    }

    #[test]
    fn a_lease_ends_it_and_a_lost_lease_begins_it_anew() {
        let mut fallback = asking();
        until_held(&mut fallback);
        fallback.stop();
        assert_eq!((fallback.address(), fallback.next_poll()), (None, None));
        fallback.lease_lost(100 * S);
        fallback.lease_lost(110 * S);
        assert_eq!(fallback.next_poll(), Some(120 * S));
    }

    #[test]
    fn the_link_local_address_is_the_same_after_a_restart() {
        let candidate = || Fallback::new(MAC).next_candidate();
        assert_eq!(candidate(), candidate());
        assert_ne!(candidate(), Fallback::new(OTHER).next_candidate());
    }
}
