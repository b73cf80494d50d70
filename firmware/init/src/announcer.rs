//! When the first password and the unit's addresses are shown.

use evener_api::net::NetStatus;
use std::net::IpAddr;
use std::time::Duration;

/// Time that the network gets to find an address before the password is shown without one.
const WAIT_FOR_ADDRESS: Duration = Duration::from_secs(40);
/// Most addresses that are shown.
const MOST_ADDRESSES: usize = 8;

/// What was shown, and what has to be.
#[derive(Debug, Default)]
pub(crate) struct Announcer {
    /// Since when the first password is to be shown.
    wanted: Option<Duration>,
    shown: Option<(Vec<IpAddr>, u16)>,
}

impl Announcer {
    /// There is a first password.
    pub(crate) fn want(&mut self, now: Duration) {
        self.wanted = Some(now);
        self.shown = None;
    }

    /// There is none any more.
    pub(crate) fn done(&mut self) {
        self.wanted = None;
    }

    /// Whether to show the password now, with these addresses: once for each new set of addresses.
    pub(crate) fn due(&mut self, now: Duration, addresses: &[IpAddr], port: u16) -> bool {
        let Some(since) = self.wanted else { return false };
        let same = self.shown.as_ref().is_some_and(|(shown, at)| shown == addresses && *at == port);
        // Those of IPv6 that routers advertise come first, and a person does not want to type them.
        let is_handy = addresses.iter().any(IpAddr::is_ipv4) || now >= since + WAIT_FOR_ADDRESS;
        let is_lost = addresses.is_empty() && self.shown.is_some();
        if same || is_lost || !is_handy {
            return false;
        }
        self.shown = Some((addresses.to_vec(), port));
        true
    }
}

/// The addresses under which a person may reach the unit.
pub(crate) fn addresses(status: &NetStatus) -> Vec<IpAddr> {
    let all = status.interfaces.iter().flat_map(|interface| &interface.addresses);
    let usable = all.map(|(address, _)| *address).filter(|address| match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(address) => !address.is_unicast_link_local(),
    });
    usable.take(MOST_ADDRESSES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn is_shown_once_for_each_set_of_addresses_until_it_was_changed() {
        let mut announcer = Announcer::default();
        let (one, two) = (["10.0.0.1".parse().unwrap()], ["10.0.0.2".parse().unwrap()]);
        assert!(!announcer.due(S, &one, 8443), "nobody asked for it");
        announcer.want(S);
        assert!(!announcer.due(2 * S, &[], 8443), "wait for an address");
        assert!(!announcer.due(2 * S, &["2001:db8::1".parse().unwrap()], 8443), "wait for a handy one");
        assert!(announcer.due(3 * S, &one, 8443));
        assert!(!announcer.due(4 * S, &one, 8443));
        assert!(!announcer.due(5 * S, &[], 8443), "a lost address is no news");
        assert!(announcer.due(6 * S, &two, 8443));
        assert!(announcer.due(7 * S, &two, 9443));
        announcer.done();
        assert!(!announcer.due(8 * S, &one, 8443));
    }

    #[test]
    fn is_shown_without_an_address_when_none_comes() {
        let mut announcer = Announcer::default();
        announcer.want(S);
        assert!(announcer.due(S + WAIT_FOR_ADDRESS, &[], 8443));
        assert!(!announcer.due(2 * S + WAIT_FOR_ADDRESS, &[], 8443));
    }
}
