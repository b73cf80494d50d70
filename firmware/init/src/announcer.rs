//! When the first password and the unit's addresses are shown.

use evener_api::Service;
use evener_api::net::NetStatus;
use evener_ipc::Peer;
use evener_sys::open_regular;
use std::io::{self, Read};
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// Time that the network gets to find an address before the password is shown without one.
const WAIT_FOR_ADDRESS: Duration = Duration::from_secs(40);
/// Pause before it is shown again: whoever connects a screen or a serial line later has not seen it.
const REPEAT_EVERY: Duration = Duration::from_secs(180);
/// Longest password file that is read, in bytes.
const LONGEST_FILE: u64 = 4096;
/// Most addresses that are shown.
const MOST_ADDRESSES: usize = 8;

#[derive(Debug)]
struct Shown {
    addresses: Vec<IpAddr>,
    port: u16,
    at: Duration,
}

/// What was shown, and what has to be.
#[derive(Debug, Default)]
pub(crate) struct Announcer {
    /// Since when the first password is to be shown.
    wanted: Option<Duration>,
    shown: Option<Shown>,
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

    /// Whether to show the password now, with these addresses: at once for each new set of addresses, and every few
    /// minutes.
    pub(crate) fn due(&mut self, now: Duration, addresses: &[IpAddr], port: u16) -> bool {
        let Some(since) = self.wanted else { return false };
        let shown = self.shown.as_ref();
        let same = shown.is_some_and(|shown| shown.addresses == addresses && shown.port == port);
        let is_forgotten = shown.is_some_and(|shown| now >= shown.at + REPEAT_EVERY);
        // Those of IPv6 that routers advertise come first, and a person does not want to type them.
        let is_handy = addresses.iter().any(IpAddr::is_ipv4) || now >= since + WAIT_FOR_ADDRESS;
        let is_lost = addresses.is_empty() && self.shown.is_some();
        if !is_forgotten && (same || is_lost || !is_handy) {
            return false;
        }
        self.shown = Some(Shown { addresses: addresses.to_vec(), port, at: now });
        true
    }
}

/// The first password, as control left it in the run directory; not what some other service put in its place.
pub(crate) fn first_password(run: &Path) -> io::Result<String> {
    let file = open_regular(&run.join("first-password"))?;
    if !(Peer { uid: file.metadata()?.uid() }).is(Service::Control) {
        return Err(io::Error::other("the file is not control's"));
    }
    io::read_to_string(file.take(LONGEST_FILE))
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
    use std::fs;
    use std::os::unix::fs::{chown, symlink};

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn is_shown_for_each_set_of_addresses_and_every_three_minutes_until_it_was_changed() {
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
        assert!(!announcer.due(186 * S, &two, 9443));
        assert!(announcer.due(187 * S, &two, 9443), "again and again");
        assert!(!announcer.due(188 * S, &two, 9443));
        announcer.done();
        assert!(!announcer.due(1000 * S, &two, 9443));
        assert!(!announcer.due(8 * S, &one, 8443));
    }

    #[test]
    fn is_shown_without_an_address_when_none_comes() {
        let mut announcer = Announcer::default();
        announcer.want(S);
        assert!(announcer.due(S + WAIT_FOR_ADDRESS, &[], 8443));
        assert!(!announcer.due(2 * S + WAIT_FOR_ADDRESS, &[], 8443));
    }

    #[test]
    fn a_password_file_is_read_only_if_it_is_controls_own() {
        let run = tempfile::tempdir().unwrap();
        let (file, elsewhere) = (run.path().join("first-password"), run.path().join("elsewhere"));
        fs::write(&file, "secret").unwrap();
        chown(&file, Some(Service::Control.uid()), None).unwrap();
        assert_eq!(first_password(run.path()).unwrap(), "secret");
        chown(&file, Some(Service::Web.uid()), None).unwrap();
        assert!(first_password(run.path()).is_err());
        fs::rename(&file, &elsewhere).unwrap();
        chown(&elsewhere, Some(Service::Control.uid()), None).unwrap();
        symlink(&elsewhere, &file).unwrap();
        assert!(first_password(run.path()).is_err());
    }
}
