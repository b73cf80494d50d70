//! One interface's search for an address: DHCP, and the fallback in its place.

use crate::arp::Arp;
use crate::dhcp::{Client, Lease};
use crate::fallback::Fallback;
use crate::memory::Memory;
use crate::plan::Acquired;
use evener_api::net::AddressOrigin;
use evener_sys::clock;
use evener_sys::packet::PacketSocket;
use std::io;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

const BROADCAST: [u8; 6] = [0xff; 6];
/// Largest packet that is looked at; DHCP answers have at most 1500 bytes, because we say so.
const PACKET: usize = 1600;
/// Pause after a socket failed.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Which interface it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) index: u32,
    pub(crate) mac: [u8; 6],
}

/// What may change while the search goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    /// Whether the cable is in.
    pub(crate) carrier: bool,
    /// What servers are told that we are called.
    pub(crate) host_name: String,
}

/// Where findings go.
#[derive(Debug)]
pub(crate) struct Report {
    /// `None` until there is a result: then what the interface has is left as it was found.
    pub(crate) found: watch::Sender<Option<Acquired>>,
    /// Gets a message after each finding, from whichever interface.
    pub(crate) news: mpsc::Sender<()>,
    /// Where the lease is kept.
    pub(crate) memory: Memory,
    /// What is kept there.
    pub(crate) kept: Option<Lease>,
}

/// Searches as long as anybody wants to know what is found.
pub(crate) async fn acquire(
    subject: Subject,
    mut conditions: watch::Receiver<Conditions>,
    mut report: Report,
) {
    // A number that is not random still works: neighbours then may ask at the same moment.
    let seed = evener_sys::random_u64().unwrap_or(1);
    let mut client = Client::new(subject.mac, seed, clock::since_boot());
    report.kept = report.memory.lease();
    if let Some(lease) = report.kept.clone() {
        client.resume(lease, clock::since_boot());
        if client.lease().is_none() {
            // It ran out while nobody was there to give its address up.
            report.tell(Acquired::default());
        }
    }
    let mut fallback = Fallback::new(subject.mac);
    loop {
        if !conditions.borrow().carrier {
            // Nobody can be asked, and nothing is waited for: what is known now is the result.
            report.tell(acquired(&client, &fallback));
        }
        if conditions.wait_for(|conditions| conditions.carrier).await.is_err() {
            return;
        }
        client.link_came_up(clock::since_boot());
        let outcome = search(subject, &mut client, &mut fallback, &mut conditions, &mut report).await;
        if report.found.is_closed() {
            return;
        }
        // The cable is out: the lease stays ours, a fallback address has to be probed anew.
        fallback.stop();
        publish(&client, &fallback, &mut report);
        if let Err(error) = outcome {
            tracing::warn!(interface = subject.index, %error, "DHCP cannot be spoken here");
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }
}

/// Searches until the cable is out.
async fn search(
    subject: Subject,
    client: &mut Client,
    fallback: &mut Fallback,
    conditions: &mut watch::Receiver<Conditions>,
    report: &mut Report,
) -> io::Result<()> {
    let dhcp = PacketSocket::dhcp(subject.index)?;
    let mut arp = None;
    let (mut dhcp_packet, mut arp_packet) = ([0; PACKET], [0; PACKET]);
    loop {
        {
            let conditions = conditions.borrow_and_update();
            if !conditions.carrier {
                return Ok(());
            }
            client.set_host_name(&conditions.host_name);
        }
        let now = clock::since_boot();
        if let Some(transmit) = client.poll(now) {
            tell("DHCP", dhcp.send(transmit.to, &transmit.packet));
        }
        if client.lease().is_some() {
            fallback.stop()
        } else {
            fallback.lease_lost(now)
        }
        let packet = fallback.poll(now);
        if fallback.is_listening() && arp.is_none() {
            arp = Some(PacketSocket::arp(subject.index)?);
        } else if !fallback.is_listening() {
            arp = None;
        }
        if let (Some(packet), Some(arp)) = (packet, &arp) {
            tell("ARP", arp.send(BROADCAST, &packet.emit()));
        }
        publish(client, fallback, report);
        let next = fallback.next_poll().map_or(client.next_poll(), |at| at.min(client.next_poll()));
        tokio::select! {
            () = sleep_until(Instant::now() + next.saturating_sub(clock::since_boot())) => {}
            received = dhcp.receive(&mut dhcp_packet) => {
                let (length, from) = received?;
                client.receive(clock::since_boot(), from, dhcp_packet.get(..length).unwrap_or_default());
            }
            received = receive(arp.as_ref(), &mut arp_packet) => {
                if let Some(packet) = arp_packet.get(..received?).and_then(Arp::parse) {
                    fallback.receive(clock::since_boot(), packet);
                }
            }
            changed = conditions.changed() => if changed.is_err() { return Ok(()) },
            () = report.found.closed() => return Ok(()),
        }
    }
}

async fn receive(socket: Option<&PacketSocket>, buffer: &mut [u8]) -> io::Result<usize> {
    match socket {
        Some(socket) => Ok(socket.receive(buffer).await?.0),
        None => std::future::pending().await,
    }
}

fn tell(what: &str, sent: io::Result<()>) {
    // It is sent again by and by; a full queue or a link that is just going down is no news.
    if let Err(error) = sent {
        tracing::debug!(what, %error, "not sent");
    }
}

fn publish(client: &Client, fallback: &Fallback, report: &mut Report) {
    let acquired = acquired(client, fallback);
    // The first result is an address; that there is none any more is one only after that.
    if acquired.address.is_some() || report.found.borrow().is_some() {
        report.tell(acquired);
    }
    report.keep(client.lease());
}

fn acquired(client: &Client, fallback: &Fallback) -> Acquired {
    match client.lease() {
        Some(lease) => Acquired {
            address: Some((lease.address, lease.prefix, AddressOrigin::Dhcp)),
            router: lease.router,
            name_servers: lease.name_servers.clone(),
        },
        None => Acquired { address: fallback.address(), ..Acquired::default() },
    }
}

impl Report {
    fn tell(&self, acquired: Acquired) {
        if self.found.borrow().as_ref() != Some(&acquired) {
            self.found.send_replace(Some(acquired));
            // A message that is waiting already says the same.
            let _ = self.news.try_send(());
        }
    }

    fn keep(&mut self, lease: Option<&Lease>) {
        if self.kept.as_ref() == lease {
            return;
        }
        if let Err(error) = self.memory.keep(lease) {
            tracing::warn!(%error, "the lease is not kept for a new start of this service");
        }
        self.kept = lease.cloned();
    }
}
