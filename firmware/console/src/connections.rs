//! How many connections there are: few in all, fewer of one source.

use crate::unit::lock;
use evener_throttle::network;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

/// Connections at a time, logged in or not.
const MOST: usize = 24;
/// Of these, from one source (an IPv6 source counts by its /64).
const OF_ONE_SOURCE: usize = 4;

/// The places for connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connections(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

/// One connection's place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    source: IpAddr,
    connections: Connections,
}

impl Connections {
    /// A place, while there is one.
    pub(crate) fn take(&self, source: IpAddr) -> Option<Place> {
        let source = network(source);
        let mut taken = lock(&self.0);
        let all: usize = taken.values().sum();
        let of_source = taken.get(&source).copied().unwrap_or_default();
        if all >= MOST || of_source >= OF_ONE_SOURCE {
            return None;
        }
        taken.insert(source, of_source + 1);
        Some(Place { source, connections: self.clone() })
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        lock(&self.0).values().sum()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = lock(&self.connections.0);
        if let Some(count) = taken.get_mut(&self.source) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_cannot_take_every_place_and_all_together_have_a_bound() {
        let connections = Connections::default();
        let from = |number: u8| connections.take(IpAddr::from([192, 0, 2, number]));
        let mut places: Vec<Place> = std::iter::from_fn(|| from(1)).collect();
        assert_eq!(places.len(), OF_ONE_SOURCE);
        places.extend((2..100).filter_map(from));
        assert_eq!((places.len(), connections.taken()), (MOST, MOST));
        drop(places);
        assert_eq!(connections.taken(), 0);
        assert!(lock(&connections.0).is_empty() && from(1).is_some());
    }
}
