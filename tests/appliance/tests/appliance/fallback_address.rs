//! A network without a DHCP server: the address that the manual names, or a link-local one where somebody has that.
//!
//! Seen from outside: what is on the wire, what the console says, and whether operators and clients are served there.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use evener_appliance::{Api, BOOT_WITHIN, PASSWORD, Turn, fresh_disk, log_path};
use evener_lab::{
    Arp, Host, HostSetup, Machine, PortId, Seen, Switch, Tap, Unit, WebServer, asks_for_address,
    config_medium,
};
use serde_json::{Value, json};

use crate::{ask_at, wait_until_served_at};

/// What operators find in the manual.
const FALLBACK: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 101);
/// How long a unit asks for a lease before it helps itself, less what a busy machine may shift between two frames.
const ASKS_AT_LEAST: Duration = Duration::from_secs(19);
/// From its first question to an address: 20 s, two times four for the probes of two, and as much for a busy machine.
const DECIDED_WITHIN: Duration = Duration::from_secs(56);
/// RFC 5227 §2.1.1.
const PROBES: usize = 3;
const LIMIT: Duration = Duration::from_secs(60);

/// What is worth seeing on this wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// Somebody looks for DHCP servers.
    Asks,
    Arp(Arp),
}

impl Said {
    fn read(frame: &[u8]) -> Option<Self> {
        Arp::read(frame).map(Self::Arp).or_else(|| asks_for_address(frame).then_some(Self::Asks))
    }

    fn probed(self) -> Option<Ipv4Addr> {
        if let Self::Arp(arp) = self
            && arp.is_probe()
        {
            Some(arp.target)
        } else {
            None
        }
    }

    fn announced(self) -> Option<Ipv4Addr> {
        if let Self::Arp(arp) = self
            && arp.is_announcement()
        {
            Some(arp.target)
        } else {
            None
        }
    }
}

fn host(switch: &Switch, address: impl Into<Ipv4Addr>, prefix: u8) -> Arc<Host> {
    Arc::new(Host::new(switch, HostSetup { address: address.into(), prefix, gateway: None }))
}

/// A unit that is told by medium to serve on its own address, whichever that will be.
fn boot(name: &str, folder: &Path, switch: &Switch, server: Ipv4Addr) -> Unit {
    let text = format!(
        "password = \"{PASSWORD}\"\n[[interfaces]]\nname = \"eth0\"\n\n\
         [[virtual_services]]\naddress = {{ own = \"eth0\" }}\nport = 80\n\
         [[virtual_services.real_servers]]\naddress = \"{server}\"\nport = 8080\n"
    );
    let disk = fresh_disk(folder, None).unwrap();
    let medium = config_medium(folder, &text).unwrap();
    Machine::new(name, &disk, &log_path(name)).on(switch).medium(&medium).start().unwrap()
}

/// The unit's way to an address.
#[derive(Debug)]
struct Search {
    /// Since its first question for a lease, and what it probed for.
    probes: Vec<(Duration, Ipv4Addr)>,
    taken: Ipv4Addr,
    taken_after: Duration,
}

/// Watches the unit until it announces an address.
fn follow(wire: &Tap<Said>, unit: PortId) -> Search {
    let from_unit = |seen: &Seen<Said>| seen.from == unit;
    let asked = wire.wait_for(BOOT_WITHIN, |seen| from_unit(seen) && seen.what == Said::Asks).unwrap();
    let mut probes = Vec::new();
    loop {
        let seen = wire.wait_for(LIMIT, from_unit).unwrap();
        let after = seen.at - asked.at;
        probes.extend(seen.what.probed().map(|address| (after, address)));
        if let Some(taken) = seen.what.announced() {
            return Search { probes, taken, taken_after: after };
        }
    }
}

impl Search {
    /// Fails unless DHCP was given its time, and the address was probed for as often as it has to be.
    fn check(&self) {
        let first = self.probes.first().unwrap_or_else(|| panic!("nothing was probed: {self:?}"));
        assert!(first.0 >= ASKS_AT_LEAST && first.1 == FALLBACK, "{self:?}");
        assert!(self.taken_after <= DECIDED_WITHIN, "{self:?}");
        let of_the_taken = self.probes.iter().filter(|(_, address)| *address == self.taken);
        assert_eq!(of_the_taken.count(), PROBES, "{self:?}");
    }
}

/// Fails unless console, pages, API and service agree on where the unit is.
fn check_served(unit: &Unit, operator: &Arc<Host>, address: Ipv4Addr, prefix: u8, origin: &str) {
    let words = format!("evener: address {address}/{prefix} on eth0");
    unit.serial().wait_for(&words, LIMIT).unwrap();
    let api = Api::over_lab(Arc::clone(operator), address, PASSWORD);
    let status: Value = api.wait_until_served(BOOT_WITHIN).unwrap();
    let interface = &status["network"]["interfaces"][0];
    assert_eq!(interface["addresses"], json!([[address, prefix]]), "{status}");
    assert_eq!(interface["origin"], origin, "{status}");
    let service = SocketAddrV4::new(address, 80);
    wait_until_served_at(unit, operator, service);
    assert_eq!(ask_at(operator, service).unwrap(), "one");
}

#[test]
fn without_dhcp_a_unit_probes_for_the_address_of_the_manual_and_serves_there() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let switch = Switch::default();
    let wire = switch.tap(Said::read);
    let operator = host(&switch, [192, 168, 1, 5], 24);
    let server = host(&switch, [192, 168, 1, 21], 24);
    let _one = WebServer::named(Arc::clone(&server), 8080, "one").unwrap();
    let unit = boot("fallback", folder.path(), &switch, server.address());

    let search = follow(&wire, unit.port(0).unwrap());
    search.check();
    assert_eq!((search.taken, search.probes.len()), (FALLBACK, PROBES), "{search:?}");
    check_served(&unit, &operator, FALLBACK, 24, "fallback");
}

#[test]
fn where_somebody_has_the_address_of_the_manual_a_unit_leaves_it_alone_and_serves_on_a_link_local_one() {
    let _turn = Turn::take();
    let folder = tempfile::tempdir().unwrap();
    let switch = Switch::default();
    let wire = switch.tap(Said::read);
    let claims = switch.tap(|frame| Arp::read(frame).filter(|arp| arp.sender == FALLBACK));
    let owner = host(&switch, FALLBACK, 24);
    let operator = host(&switch, [169, 254, 7, 5], 16);
    let server = host(&switch, [169, 254, 7, 21], 16);
    let _one = WebServer::named(Arc::clone(&server), 8080, "one").unwrap();
    let unit = boot("link-local", folder.path(), &switch, server.address());

    let search = follow(&wire, unit.port(0).unwrap());
    search.check();
    assert!(search.taken.is_link_local() && !matches!(search.taken.octets()[2], 0 | 255), "{search:?}");
    check_served(&unit, &operator, search.taken, 16, "link_local");

    let claims = claims.rest();
    assert!(!claims.is_empty(), "the owner was never asked");
    assert!(claims.iter().all(|seen| seen.from == owner.port()), "the unit claimed it: {claims:?}");
}
