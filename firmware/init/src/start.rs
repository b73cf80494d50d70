//! Which services may start, and when.
//!
//! All but net need the disks. control alone also needs the medium with the first configuration, and only as long as
//! the unit has no configuration of its own: a drive that does not answer must not keep traffic waiting, and not even
//! a new unit may wait for it without end.

use evener_api::Service;
use std::time::Duration;

/// Time that the medium has to be read before control starts without it.
pub(crate) const WAIT_FOR_MEDIUM: Duration = Duration::from_secs(5);

/// How far the start has come.
#[derive(Debug)]
pub(crate) struct Start {
    services: &'static [Service],
    disks_ready: bool,
    medium_read: bool,
    /// While control waits for the medium: until when.
    control_at: Option<Duration>,
}

impl Start {
    /// For an ordinary unit, or one in rescue mode.
    pub(crate) fn new(rescue: bool) -> Self {
        let services: &[Service] = if rescue { &Service::IN_RESCUE } else { &Service::SUPERVISED };
        Self { services, disks_ready: false, medium_read: false, control_at: None }
    }

    /// The disks are prepared; the services that start now.
    pub(crate) fn disks_ready(&mut self, has_configuration: bool, now: Duration) -> Vec<Service> {
        self.disks_ready = true;
        let waits = !has_configuration && !self.medium_read;
        self.control_at = waits.then(|| now + WAIT_FOR_MEDIUM);
        self.services.iter().copied().filter(|service| !(waits && *service == Service::Control)).collect()
    }

    /// The medium was read, or there is none; whether control starts now.
    pub(crate) fn medium_read(&mut self) -> bool {
        self.medium_read = true;
        self.control_at.take().is_some()
    }

    /// Whether control starts now, because the medium was waited for long enough.
    pub(crate) fn medium_is_late(&mut self, now: Duration) -> bool {
        self.control_at.take_if(|until| *until <= now).is_some()
    }

    pub(crate) fn waits_for_disks(&self) -> bool {
        !self.disks_ready
    }

    pub(crate) fn waits_for_medium(&self) -> bool {
        !self.medium_read
    }

    /// Whether every service was let go.
    pub(crate) fn is_complete(&self) -> bool {
        self.disks_ready && self.control_at.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    #[test]
    fn a_configured_unit_waits_for_no_medium() {
        let mut start = Start::new(false);
        assert!(!start.is_complete());
        assert_eq!(start.disks_ready(true, S), Service::SUPERVISED);
        assert!(start.is_complete() && start.waits_for_medium());
        assert!(!start.medium_is_late(60 * S) && !start.medium_read());
    }

    #[test]
    fn on_a_new_unit_only_control_waits_and_not_for_long() {
        let mut start = Start::new(false);
        let first = start.disks_ready(false, S);
        assert_eq!(first.len(), Service::SUPERVISED.len() - 1);
        assert!(!first.contains(&Service::Control) && !start.is_complete());
        assert!(!start.medium_is_late(5 * S));
        assert!(start.medium_is_late(6 * S) && start.is_complete());
        assert!(!start.medium_read(), "control was started already");
    }

    #[test]
    fn in_rescue_nothing_of_the_data_path_starts() {
        let mut start = Start::new(true);
        assert_eq!(start.disks_ready(true, S), Service::IN_RESCUE);
        for service in [Service::Proxy, Service::Checks] {
            assert!(!Service::IN_RESCUE.contains(&service), "{service}");
        }
    }

    #[test]
    fn control_starts_as_soon_as_the_medium_was_read() {
        let mut start = Start::new(false);
        start.disks_ready(false, S);
        assert!(start.medium_read() && start.is_complete());
        assert!(!start.medium_is_late(60 * S));
        let mut quick = Start::new(false);
        assert!(!quick.medium_read(), "not before there is a place for its data");
        assert_eq!(quick.disks_ready(false, S), Service::SUPERVISED);
    }
}
