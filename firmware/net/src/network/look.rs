//! The first half of a round: the network as the kernel has it, its ports numbered, and without what is not ours.

use super::{KERNEL_ANSWERS_WITHIN, Network};
use crate::plan::{Actual, Change};
use crate::ports::{self, Name, Port};
use tokio::time::timeout;

impl Network {
    /// The network without what is not ours to change, after the ports got their numbers, and the renames that the
    /// kernel refused; `None` when it does not answer.
    pub(super) async fn look(&mut self) -> Option<(Actual, Vec<Change>)> {
        let mut actual = self.read().await?;
        let mut ports = self.ports.ports(&actual.links);
        let mut refused = Vec::new();
        if self.role.is_ours {
            let renames = self.renames(&actual, &ports);
            if !renames.is_empty() {
                refused = self.rename(&renames, &actual).await?;
                actual = self.read().await?;
                ports = self.ports.ports(&actual.links);
            }
            // What has a wrong number as yet may still change it.
            if refused.is_empty()
                && let Err(error) = self.ports.settle(&ports)
            {
                tracing::warn!(%error, "which port has which number is not kept for a new start of this service");
            }
        }
        let followers = ports::followers(&ports);
        Some((actual.without(|index| followers.contains_key(&index)), refused))
    }

    async fn read(&self) -> Option<Actual> {
        match timeout(KERNEL_ANSWERS_WITHIN, self.kernel.read()).await {
            Ok(Ok(actual)) => return Some(actual),
            Ok(Err(error)) => tracing::error!(%error, "the kernel does not tell its network"),
            Err(_) => tracing::error!("the kernel does not answer"),
        }
        None
    }

    fn renames(&self, actual: &Actual, ports: &[Port]) -> Vec<Change> {
        let is_port = |index: u32| ports.iter().any(|port| port.index == index);
        let others: Vec<&str> =
            actual.links.iter().filter(|link| !is_port(link.index)).map(|link| link.name.as_str()).collect();
        let renames = ports::renames(ports, self.ports.settled(), &others);
        renames.into_iter().map(|(index, name)| Change::Name(index, name)).collect()
    }

    /// What the kernel refused: the first rename it did not take, for the rest may depend on it.
    async fn rename(&self, renames: &[Change], actual: &Actual) -> Option<Vec<Change>> {
        for change in renames {
            let words = change.in_words(&actual.links);
            match self.make(*change).await? {
                // A step on the way is of interest to nobody.
                Ok(()) if matches!(change, Change::Name(_, Name::Parked(_))) => tracing::debug!("{words}"),
                Ok(()) => tracing::info!("{words}"),
                Err(error) => {
                    if !self.refused.contains(change) {
                        tracing::warn!(%error, "refused by the kernel: {words}; tried again every 5 s");
                    }
                    return Some(vec![*change]);
                }
            }
        }
        Some(Vec::new())
    }
}
