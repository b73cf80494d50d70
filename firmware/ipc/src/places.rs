//! Places for connections, so that no peer can take them all.

use crate::Peer;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections that are served at the same time, in all.
const MOST: usize = 256;
/// Of these, for one uid. A service needs one or two, web one for each page that is being made at the moment.
const MOST_OF_ONE: usize = 64;

/// The places of a socket. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(Arc<Mutex<BTreeMap<u32, usize>>>);

/// A place for one connection, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Places,
    uid: u32,
}

impl Places {
    /// A place for this peer: one of 256 in all and of 64 for its uid. Our own uid may have them all; outside the
    /// appliance that is everybody's.
    #[must_use]
    pub(crate) fn take(&self, peer: Peer) -> Option<Place> {
        let mut taken = self.lock();
        let all: usize = taken.values().sum();
        let limit = if peer.uid == rustix::process::getuid().as_raw() { MOST } else { MOST_OF_ONE };
        let by_peer = taken.entry(peer.uid).or_default();
        if all >= MOST || *by_peer >= limit {
            return None;
        }
        *by_peer += 1;
        Some(Place { places: self.clone(), uid: peer.uid })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(count) = self.places.lock().get_mut(&self.uid) {
            *count = count.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_peer_cannot_take_every_place() {
        let own = rustix::process::getuid().as_raw();
        let (greedy, other) = (Peer { uid: own + 1 }, Peer { uid: own + 2 });
        let places = Places::default();
        let mut taken: Vec<Place> = std::iter::from_fn(|| places.take(greedy)).collect();
        assert_eq!(taken.len(), MOST_OF_ONE);
        assert!(places.take(other).is_some());
        taken.pop();
        assert!(places.take(greedy).is_some(), "a place that was given back is free");
        let rest: Vec<Place> = std::iter::from_fn(|| places.take(Peer { uid: own })).collect();
        assert_eq!(rest.len() + taken.len(), MOST);
        assert!(places.take(other).is_none());
    }
}
