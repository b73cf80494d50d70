//! What each service may do: the table behind `docs/boot-order.md`.

use evener_api::{SERVICES_GID, Service};
use evener_config::MAX_SERVICES;
use evener_sys::process::{CapabilitySet, Identity};
use std::num::NonZeroUsize;

/// Its uid, the group of services, and the capabilities it cannot do without.
pub(crate) fn identity(service: Service) -> Identity {
    let capabilities = match service {
        Service::Net => CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW | CapabilitySet::NET_BIND_SERVICE,
        Service::Proxy => CapabilitySet::NET_BIND_SERVICE | CapabilitySet::NET_ADMIN,
        // log captures packets and pings for whoever looks for a fault.
        Service::Checks | Service::Log => CapabilitySet::NET_RAW,
        // The operator may want the pages on port 443.
        Service::Web => CapabilitySet::NET_BIND_SERVICE,
        // SSH is on port 22.
        Service::Console => CapabilitySet::NET_BIND_SERVICE,
        Service::Init | Service::Control | Service::Update => CapabilitySet::empty(),
    };
    Identity { uid: service.uid(), gid: SERVICES_GID, capabilities }
}

/// What it finds in its environment: settings of the allocator. Outside the data path memory that was freed goes back
/// to the kernel at once, not when the service happens to allocate again: a password check needs 19 MiB for a moment.
pub(crate) fn environment(service: Service) -> &'static [(&'static str, &'static str)] {
    if service == Service::Proxy { &[] } else { &[("MIMALLOC_PURGE_DELAY", "0")] }
}

/// Most descriptors it may have open: two for a proxied connection, few for all else.
pub(crate) fn open_files(service: Service) -> u64 {
    if service == Service::Proxy { 1 << 20 } else { 1 << 16 }
}

/// Most listeners that are kept for one service: of the proxy's every one there can be, for each of its workers (one
/// for each processor), and as many again that its former life had and nobody wants any more.
pub(crate) fn kept_listeners() -> usize {
    let workers = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    MAX_SERVICES * workers * 2
}

/// Most descriptors that init itself may have open: every kept listener is one, and one more while it is handed over.
/// In all below the kernel's own limit (`fs.nr_open`).
pub(crate) fn own_open_files() -> u64 {
    u64::try_from(2 * kept_listeners()).unwrap_or(u64::MAX).saturating_add(1 << 14).min(1 << 20)
}

/// How readily it is killed when memory runs out: the data path last of all.
pub(crate) fn out_of_memory_rank(service: Service) -> i16 {
    match service {
        Service::Init => -1000,
        Service::Proxy => -900,
        Service::Net => -800,
        Service::Checks => -700,
        Service::Control => -600,
        Service::Update => 100,
        Service::Console => 150,
        Service::Web => 200,
        Service::Log => 300,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_that_listen_below_port_1024_may() {
        for service in Service::SUPERVISED {
            let may = identity(service).capabilities.contains(CapabilitySet::NET_BIND_SERVICE);
            let listens = matches!(service, Service::Net | Service::Proxy | Service::Web | Service::Console);
            assert_eq!(may, listens, "{service}");
        }
    }
}
