//! The client's states (RFC 2131 §4.4, figure 5).
//!
//! Two deviations, both for a short boot: the first pauses between questions are 1 s and 2 s instead of 4 s, and
//! an address that was granted is used at once, without probing for it first (the server did, §3.1).

use super::message::{Incoming, Outgoing};
use serde::{Deserialize, Serialize};
use smoltcp::wire::DhcpMessageType;
use std::net::Ipv4Addr;
use std::time::Duration;

const BROADCAST_MAC: [u8; 6] = [0xff; 6];
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(64);
/// Questions about one offer, or about the lease of before, until everything starts anew.
const MOST_REQUESTS: u32 = 4;
/// Shortest pause between two questions for a renewal (§4.4.5), unless the lease ends before.
const RENEWAL_PAUSE: Duration = Duration::from_secs(60);
/// Shorter leases are taken as this long, or a strange server would keep us asking without end.
const SHORTEST_LEASE: Duration = Duration::from_secs(20);

/// What the server granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub(crate) address: Ipv4Addr,
    pub(crate) prefix: u8,
    pub(crate) router: Option<Ipv4Addr>,
    pub(crate) name_servers: Vec<Ipv4Addr>,
    server: Ipv4Addr,
    /// Who sent it: the server, or the router or relay on the way to it. Renewals go there.
    server_mac: [u8; 6],
    renew_at: Duration,
    rebind_at: Duration,
    expires_at: Duration,
}

/// A packet to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transmit {
    pub(crate) to: [u8; 6],
    pub(crate) packet: Vec<u8>,
}

/// When to ask next, and how often it was done.
#[derive(Clone, Copy, Debug, Default)]
struct Asking {
    at: Duration,
    times: u32,
}

#[derive(Clone, Debug)]
enum State {
    /// Looking for servers.
    Selecting,
    /// Taking up an offer.
    Requesting { address: Ipv4Addr, server: Ipv4Addr },
    /// The cable was away: is the lease still ours?
    Rebooting,
    /// All is well until `renew_at`, then the server is asked, from `rebind_at` on anybody.
    Bound,
}

/// The client of one interface.
#[derive(Debug)]
pub(crate) struct Client {
    mac: [u8; 6],
    host_name: String,
    random: u64,
    transaction: u32,
    began: Duration,
    asking: Asking,
    state: State,
    lease: Option<Lease>,
}

impl Client {
    /// A client that asks at once. `seed` makes its transaction numbers and pauses differ from its neighbours'.
    pub(crate) fn new(mac: [u8; 6], seed: u64, now: Duration) -> Self {
        let mut client = Self {
            mac,
            host_name: String::new(),
            random: seed | 1,
            transaction: 0,
            began: now,
            asking: Asking::default(),
            state: State::Selecting,
            lease: None,
        };
        client.start_over(now);
        client
    }

    /// Takes up the lease of a former life, unless it has run out; whether it is still ours is asked when the link
    /// comes up.
    pub(crate) fn resume(&mut self, lease: Lease, now: Duration) {
        self.lease = Some(lease).filter(|lease| lease.expires_at > now);
    }

    /// What the server is told from the next message on; empty: nothing.
    pub(crate) fn set_host_name(&mut self, name: &str) {
        if self.host_name != name {
            name.clone_into(&mut self.host_name);
        }
    }

    /// The lease in force.
    pub(crate) fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// The cable is in (again): ask at once, first for the lease that we have.
    pub(crate) fn link_came_up(&mut self, now: Duration) {
        if self.lease.is_some() {
            self.enter(State::Rebooting, now);
        } else {
            self.start_over(now);
        }
    }

    /// When [`poll`](Self::poll) has something to do next.
    pub(crate) fn next_poll(&self) -> Duration {
        let expires = self.lease.as_ref().map(|lease| lease.expires_at);
        expires.map_or(self.asking.at, |expires| expires.min(self.asking.at))
    }

    /// What is to be sent at `now`.
    pub(crate) fn poll(&mut self, now: Duration) -> Option<Transmit> {
        if self.lease.as_ref().is_some_and(|lease| lease.expires_at <= now) {
            self.lease = None;
            self.start_over(now);
        }
        if now < self.asking.at {
            return None;
        }
        let gives_up = matches!(self.state, State::Requesting { .. } | State::Rebooting);
        if gives_up && self.asking.times >= MOST_REQUESTS {
            self.start_over(now);
        }
        let transmit = self.ask(now);
        self.asking = Asking { at: self.next_question(now), times: self.asking.times.saturating_add(1) };
        Some(transmit)
    }

    fn ask(&self, now: Duration) -> Transmit {
        let message = Outgoing {
            kind: DhcpMessageType::Request,
            transaction: self.transaction,
            mac: self.mac,
            host_name: &self.host_name,
            secs: u16::try_from(now.saturating_sub(self.began).as_secs()).unwrap_or(u16::MAX),
            from: Ipv4Addr::UNSPECIFIED,
            to: Ipv4Addr::BROADCAST,
            requested: None,
            server: None,
        };
        let (to, message) = match (&self.state, &self.lease) {
            (State::Requesting { address, server }, _) => {
                (BROADCAST_MAC, Outgoing { requested: Some(*address), server: Some(*server), ..message })
            }
            (State::Rebooting, Some(lease)) => {
                (BROADCAST_MAC, Outgoing { requested: Some(lease.address), ..message })
            }
            (State::Bound, Some(lease)) if now < lease.rebind_at => {
                (lease.server_mac, Outgoing { from: lease.address, to: lease.server, ..message })
            }
            (State::Bound, Some(lease)) => (BROADCAST_MAC, Outgoing { from: lease.address, ..message }),
            (State::Selecting | State::Rebooting | State::Bound, _) => {
                (BROADCAST_MAC, Outgoing { kind: DhcpMessageType::Discover, ..message })
            }
        };
        Transmit { to, packet: message.emit() }
    }

    fn next_question(&mut self, now: Duration) -> Duration {
        if let (State::Bound, Some(lease)) = (&self.state, &self.lease) {
            // Half of what is left, but not too often.
            let end = if now < lease.rebind_at { lease.rebind_at } else { lease.expires_at };
            let left = end.saturating_sub(now);
            return now + (left / 2).max(RENEWAL_PAUSE).min(left);
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << self.asking.times.min(6)).min(LONGEST_PAUSE);
        // Up to a quarter more or less, so that units that start together do not ask together.
        let quarter = u64::try_from(pause.as_millis() / 4).unwrap_or(0).max(1);
        let shift = Duration::from_millis(self.next_random() % (2 * quarter));
        now + pause.saturating_sub(Duration::from_millis(quarter)) + shift
    }

    /// Takes note of a packet that came from the hardware address `from`.
    pub(crate) fn receive(&mut self, now: Duration, from: [u8; 6], packet: &[u8]) {
        let Some(message) = Incoming::parse(packet) else { return };
        if message.mac != self.mac || message.transaction != self.transaction {
            return;
        }
        match (message.kind, &self.state) {
            (DhcpMessageType::Offer, State::Selecting) => {
                if let Some(lease) = self.lease_from(&message, None, from, now) {
                    self.enter(State::Requesting { address: lease.address, server: lease.server }, now);
                }
            }
            (DhcpMessageType::Ack, State::Requesting { server, .. }) => {
                let server = *server;
                if message.server.is_none_or(|named| named == server) {
                    self.bind(&message, Some(server), from, now);
                }
            }
            (DhcpMessageType::Ack, State::Rebooting) => self.bind(&message, None, from, now),
            (DhcpMessageType::Ack, State::Bound) if self.asking.times > 0 => {
                let server = self.lease.as_ref().map(|lease| lease.server);
                self.bind(&message, server, from, now);
            }
            (DhcpMessageType::Nak, State::Requesting { .. } | State::Rebooting | State::Bound) => {
                self.lease = None;
                self.start_over(now);
                // Not at once: a server that says no to everything would keep us busy.
                self.asking.at = now + FIRST_PAUSE;
            }
            _ => {}
        }
    }

    fn bind(&mut self, message: &Incoming, server: Option<Ipv4Addr>, from: [u8; 6], now: Duration) {
        if let Some(lease) = self.lease_from(message, server, from, now) {
            let renew_at = lease.renew_at;
            self.lease = Some(lease);
            self.enter(State::Bound, now);
            self.asking.at = renew_at;
        }
    }

    /// The lease in an offer or a grant, if it makes sense. `server`: who it is when the message does not say.
    fn lease_from(
        &self,
        message: &Incoming,
        server: Option<Ipv4Addr>,
        from: [u8; 6],
        now: Duration,
    ) -> Option<Lease> {
        let address = message.address;
        let usable = !(address.is_unspecified()
            || address.is_loopback()
            || address.is_multicast()
            || address.is_broadcast());
        let mask = message.mask.map_or(0xffff_ff00, u32::from);
        let prefix = mask.leading_ones();
        if !usable || prefix == 0 || mask.count_ones() != prefix {
            return None;
        }
        let server = message.server.or(server).or_else(|| Some(self.lease.as_ref()?.server))?;
        let lasts = Duration::from_secs(message.lease_s?.into()).max(SHORTEST_LEASE);
        let seconds = |value: Option<u32>| value.map(|value| Duration::from_secs(value.into()));
        // T1 < T2 < lease, or the defaults of §4.4.5.
        let rebind = seconds(message.rebind_s).filter(|rebind| *rebind < lasts).unwrap_or(lasts * 7 / 8);
        let renew = seconds(message.renew_s).filter(|renew| !renew.is_zero() && *renew < rebind);
        Some(Lease {
            address,
            prefix: u8::try_from(prefix).ok()?,
            router: message.router.filter(|router| !router.is_unspecified()),
            name_servers: message.name_servers.clone(),
            server,
            server_mac: from,
            renew_at: now + renew.unwrap_or(rebind.min(lasts / 2)),
            rebind_at: now + rebind,
            expires_at: now + lasts,
        })
    }

    fn start_over(&mut self, now: Duration) {
        self.began = now;
        self.enter(State::Selecting, now);
    }

    fn enter(&mut self, state: State, now: Duration) {
        // The request for an offer goes on with the transaction of the offer (§4.4.1).
        if !matches!(state, State::Requesting { .. }) {
            self.transaction = u32::try_from(self.next_random() >> 32).unwrap_or(0);
        }
        self.state = state;
        self.asking = Asking { at: now, times: 0 };
    }

    fn next_random(&mut self) -> u64 {
        // xorshift64*: good enough for numbers whose only purpose is to differ.
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

#[cfg(test)]
pub(crate) mod tests;
