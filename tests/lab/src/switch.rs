//! A learning Ethernet switch in the test process.
//!
//! QEMU's end is `-netdev stream,server=on`: each frame goes over a Unix socket behind its length as four
//! big-endian bytes. QEMU is the server, because as a client it never connects again once it lost its peer.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use crate::link::{Cable, Dice, Faults, PortId};

/// Longest frame that is believed: an Ethernet frame with a jumbo payload.
const MAX_FRAME: usize = 9216 + 14;
/// Destination and source address and type.
const ETHERNET_HEADER: usize = 14;

type Mac = [u8; 6];

/// A switch. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct Switch(Arc<Mutex<Table>>);

#[derive(Debug)]
struct Table {
    ports: Vec<Port>,
    learned: BTreeMap<Mac, PortId>,
    dice: Dice,
    record: Option<BufWriter<File>>,
    watchers: Watchers,
}

/// Sees each frame and the port where it enters; false when it wants to see no more.
type Watcher = Box<dyn FnMut(PortId, &[u8]) -> bool + Send>;

#[derive(Default)]
struct Watchers(Vec<Watcher>);

impl std::fmt::Debug for Watchers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Watchers({})", self.0.len())
    }
}

#[derive(Debug)]
struct Port {
    cable: Cable,
    faults: Faults,
    /// QEMU's socket, to be able to pull the plug.
    socket: Option<UnixStream>,
}

impl Default for Switch {
    fn default() -> Self {
        Self::new(1)
    }
}

impl Switch {
    /// A switch without ports. `seed` decides which frames a lossy cable loses.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let (dice, watchers) = (Dice::new(seed), Watchers::default());
        let table = Table { ports: Vec::new(), learned: BTreeMap::new(), dice, record: None, watchers };
        Self(Arc::new(Mutex::new(table)))
    }

    /// Plugs in a unit's network card, whose socket QEMU has made at `path`.
    ///
    /// # Errors
    /// When QEMU does not answer there.
    pub fn plug_unit(&self, path: &Path) -> Result<PortId> {
        let socket =
            UnixStream::connect(path).with_context(|| format!("connecting to {}", path.display()))?;
        let mut reader = socket.try_clone()?;
        let mut writer = socket.try_clone()?;
        let cable = Cable::new(move |frame| {
            let length = u32::try_from(frame.len()).unwrap_or(0).to_be_bytes();
            let message: Vec<u8> = length.into_iter().chain(frame).collect();
            writer.write_all(&message)
        });
        let port = self.add(Port { cable, faults: Faults::default(), socket: Some(socket) });
        let switch = self.clone();
        std::thread::spawn(move || {
            // Ends when QEMU does, or when the plug is pulled.
            while let Ok(frame) = read_frame(&mut reader) {
                switch.forward(port, &frame);
            }
        });
        Ok(port)
    }

    /// Plugs in a host; `receive` is called with each frame for it.
    pub(crate) fn plug_host(
        &self,
        receive: impl FnMut(Vec<u8>) -> io::Result<()> + Send + 'static,
    ) -> PortId {
        self.add(Port { cable: Cable::new(receive), faults: Faults::default(), socket: None })
    }

    /// Changes what is wrong with a port's cable.
    pub fn set_faults(&self, port: PortId, faults: Faults) {
        self.lock().ports[port.0].faults = faults;
    }

    /// Pulls the plug of a unit's port: QEMU sees its peer go. [`Switch::plug_unit`] makes a new port.
    ///
    /// # Errors
    /// When the socket was gone already.
    pub fn unplug(&self, port: PortId) -> Result<()> {
        let socket = self.lock().ports[port.0].socket.take().context("the port is a host's, or unplugged")?;
        Ok(socket.shutdown(std::net::Shutdown::Both)?)
    }

    /// Records every frame that enters the switch from now on to a pcap file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn record(&self, path: &Path) -> Result<()> {
        let mut file =
            BufWriter::new(File::create(path).with_context(|| format!("writing {}", path.display()))?);
        // Magic of microsecond stamps, version 2.4, no zone, no accuracy, snap length, Ethernet.
        for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
            file.write_all(&word.to_le_bytes())?;
        }
        self.lock().record = Some(file);
        Ok(())
    }

    /// Stops recording; everything is in the file when this returns.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn stop_recording(&self) -> Result<()> {
        self.lock().record.take().map_or(Ok(()), |mut file| Ok(file.flush()?))
    }

    /// Takes a frame in at `from` and sends it where it belongs.
    pub(crate) fn forward(&self, from: PortId, frame: &[u8]) {
        let Some((destination, source)) = addresses(frame) else { return };
        let mut table = self.lock();
        if !table.passes(from) {
            return;
        }
        table.write_record(frame);
        table.watchers.0.retain_mut(|watcher| watcher(from, frame));
        table.learned.insert(source, from);
        let known = table.learned.get(&destination).copied().filter(|_| destination[0] & 1 == 0);
        let targets = match known {
            Some(port) => port.0..port.0 + 1,
            None => 0..table.ports.len(),
        };
        for to in targets.map(PortId).filter(|to| *to != from) {
            if table.passes(to) {
                table.deliver(to, frame);
            }
        }
    }

    /// Shows each frame that enters from now on to `watcher`.
    pub(crate) fn watch(&self, watcher: Watcher) {
        self.lock().watchers.0.push(watcher);
    }

    fn add(&self, port: Port) -> PortId {
        let mut table = self.lock();
        table.ports.push(port);
        PortId(table.ports.len() - 1)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn passes(&mut self, port: PortId) -> bool {
        let faults = self.ports[port.0].faults;
        !faults.cut && !self.dice.falls(faults.loss_per_mille)
    }

    fn deliver(&mut self, to: PortId, frame: &[u8]) {
        let faults = self.ports[to.0].faults;
        let due = Instant::now() + faults.delay;
        let times = if self.dice.falls(faults.twice_per_mille) { 2 } else { 1 };
        for _ in 0..times {
            if !self.ports[to.0].cable.send(due, frame.to_vec()) {
                // Nobody is there any more: a frame for nobody, not an error of the sender.
                return;
            }
        }
    }

    fn write_record(&mut self, frame: &[u8]) {
        let Some(file) = &mut self.record else { return };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = u32::try_from(now.as_secs()).unwrap_or(u32::MAX);
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let mut packet = Vec::with_capacity(16 + frame.len());
        for word in [seconds, now.subsec_micros(), length, length] {
            packet.extend(word.to_le_bytes());
        }
        packet.extend(frame);
        // A recording that cannot be written ends; the network goes on.
        if file.write_all(&packet).is_err() {
            self.record = None;
        }
    }
}

fn read_frame(socket: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    socket.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > MAX_FRAME {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut frame = vec![0; length];
    socket.read_exact(&mut frame)?;
    Ok(frame)
}

fn addresses(frame: &[u8]) -> Option<(Mac, Mac)> {
    if frame.len() < ETHERNET_HEADER {
        return None;
    }
    Some((frame[0..6].try_into().ok()?, frame[6..12].try_into().ok()?))
}
