//! Who may ask what. The kernel says who asks; each service has its own uid.

use evener_api::Service;
use evener_api::control::{Request, Snapshot};
use evener_ipc::Peer;

/// Whether this peer may ask this.
pub(crate) fn allows(peer: Peer, request: &Request) -> bool {
    match request {
        Request::Get | Request::Subscribe => peer.service().is_some() || peer.is(Service::Web),
        // Web is where people sign in: it knows who asks, and it alone speaks for them.
        Request::LostBy(_) => peer.is(Service::Web) || peer.is(Service::Update),
        Request::Apply(_)
        | Request::Try(_)
        | Request::History(_)
        | Request::Generation(_)
        | Request::Compare { .. }
        | Request::Warnings => peer.is(Service::Web),
    }
}

/// Whether this peer needs secrets: web checks passwords, nobody else does. (The proxy will need keys once it speaks TLS.)
pub(crate) fn sees_secrets(peer: Peer) -> bool {
    peer.is(Service::Web)
}

/// The snapshot for everyone else: every secret is empty.
pub(crate) fn without_secrets(snapshot: &Snapshot) -> Snapshot {
    Snapshot { generation: snapshot.generation, config: snapshot.config.without_secrets() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evener_api::control::{Change, Transaction};
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
            assert!(!sees_secrets(peer(service)), "{service}");
            assert!(allows(peer(service), &Request::Subscribe), "{service}");
        }
        assert!(allows(peer(Service::Web), &apply()));
        assert!(sees_secrets(peer(Service::Web)));
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
    }
}
