//! Who may ask what. The kernel says who asks; each service has its own uid.

use evener_api::Service;
use evener_api::control::{Change, Request, Snapshot};
use evener_ipc::Peer;

/// Whether this peer may ask this.
pub(crate) fn allows(peer: Peer, request: &Request) -> bool {
    match request {
        Request::Get | Request::Subscribe => peer.service().is_some() || peer.is(Service::Web),
        // Web is where people sign in: it knows who asks, and it alone speaks for them.
        Request::LostBy(_) => peer.is(Service::Web) || peer.is(Service::Update),
        // At the console too, but only to set the unit up and for who may get in.
        Request::Apply(transaction)
            if matches!(transaction.change, Change::SetUp(_) | Change::SetPassword { .. }) =>
        {
            peer.is(Service::Web) || peer.is(Service::Console)
        }
        Request::Warnings => peer.is(Service::Web) || peer.is(Service::Console),
        Request::Apply(_)
        | Request::Try(_)
        | Request::History(_)
        | Request::Generation(_)
        | Request::Compare { .. } => peer.is(Service::Web),
    }
}

/// What a peer is told of the secrets in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// All of them: the pages bring and keep every one. (The proxy will need keys once it speaks TLS.)
    All,
    /// Password hashes only: console checks passwords.
    Passwords,
    /// None.
    Nothing,
}

/// What this peer is told.
pub(crate) fn view(peer: Peer) -> View {
    match () {
        () if peer.is(Service::Web) => View::All,
        () if peer.is(Service::Console) => View::Passwords,
        () => View::Nothing,
    }
}

/// The snapshot for who checks passwords: every secret is empty but these.
pub(crate) fn with_passwords_only(snapshot: &Snapshot) -> Snapshot {
    let mut blank = without_secrets(snapshot);
    blank.config.shared.users.clone_from(&snapshot.config.shared.users);
    blank
}

/// The snapshot for everyone else: every secret is empty.
pub(crate) fn without_secrets(snapshot: &Snapshot) -> Snapshot {
    Snapshot { generation: snapshot.generation, config: snapshot.config.without_secrets() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evener_api::control::{SetUp, Transaction};
    use evener_config::{Config, PasswordHash, User, VsId};

    fn peer(service: Service) -> Peer {
        Peer { uid: service.uid() }
    }

    fn apply() -> Request {
        Request::Apply(Box::new(Transaction {
            author: "bal".into(),
            based_on: None,
            reason: None,
            change: Change::DeleteVs(VsId(1)),
        }))
    }

    #[test]
    fn only_web_changes_things_or_sees_hashes() {
        for service in [Service::Net, Service::Update, Service::Proxy, Service::Checks] {
            assert!(!allows(peer(service), &apply()), "{service}");
            assert!(!allows(peer(service), &Request::History(1)), "{service}");
            assert!(!allows(peer(service), &Request::Generation(1)), "{service}");
            assert!(!allows(peer(service), &Request::Compare { from: 1, to: 2 }), "{service}");
            assert!(!allows(peer(service), &Request::Warnings), "{service}");
            let asks_before_a_downgrade = service == Service::Update;
            assert_eq!(allows(peer(service), &Request::LostBy(1)), asks_before_a_downgrade, "{service}");
            assert_eq!(view(peer(service)), View::Nothing, "{service}");
            assert!(allows(peer(service), &Request::Subscribe), "{service}");
        }
        assert!(allows(peer(Service::Web), &apply()));
        assert_eq!(view(peer(Service::Web)), View::All);
    }

    #[test]
    fn console_sets_up_the_unit_and_passwords_and_nothing_else() {
        let console = peer(Service::Console);
        let apply = |change| {
            Request::Apply(Box::new(Transaction {
                author: "bal".into(),
                based_on: None,
                reason: None,
                change,
            }))
        };
        let password = PasswordHash("$argon2id$secret".into());
        let set_password = Change::SetPassword { user: "bal".into(), password };
        for change in [Change::SetUp(SetUp::default()), set_password] {
            assert!(allows(console, &apply(change.clone())), "{change:?}");
            assert!(!allows(peer(Service::Proxy), &apply(change)));
        }
        for change in [Change::DeleteVs(VsId(1)), Change::ReplaceUnit(evener_config::Unit::default())] {
            assert!(!allows(console, &apply(change)));
        }
        assert!(!allows(console, &Request::History(1)) && !allows(console, &Request::LostBy(1)));
        assert!(allows(console, &Request::Warnings));
        assert_eq!(view(console), View::Passwords);
    }

    #[test]
    fn strangers_get_nothing() {
        let stranger = Peer { uid: 4_000_000 };
        for request in [Request::Get, Request::Subscribe, Request::History(1), apply()] {
            assert!(!allows(stranger, &request), "{request:?}");
        }
    }

    #[test]
    fn hashes_are_left_out_and_nothing_else() {
        let mut config = Config::default();
        let password = PasswordHash("$argon2id$secret".into());
        config.shared.users.push(User { name: "bal".into(), password, must_change_password: true });
        let full = Snapshot { generation: 4, config };
        let mut blank = without_secrets(&full);
        assert_eq!(blank.config.shared.users[0].password.0, "");
        blank.config.shared.users[0].password = full.config.shared.users[0].password.clone();
        assert_eq!(blank, full);
        let mut full = full;
        full.config.unit.pages.key.0 = "a key".into();
        blank = with_passwords_only(&full);
        assert_eq!(blank.config.shared.users, full.config.shared.users);
        assert_eq!(blank.config.unit.pages.key.0, "", "a key is no password");
    }
}
