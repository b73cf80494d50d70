//! A host on the switch: a TCP/IP stack (smoltcp) with a thread of its own.
//!
//! Tests use it through blocking [`Stream`](crate::Stream)s and [`Listener`](crate::Listener)s, as they would
//! use the system's sockets. Buffers are 64 KiB: smoltcp has no SACK and repairs one segment a time-out, so
//! larger windows stall when the emulated card drops a burst.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::{tcp, udp};
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpCidr, IpEndpoint, IpListenEndpoint, Ipv4Cidr};

use crate::arp::answer_to_probe;
use crate::link::PortId;
use crate::stream::{Listener, Stream};
use crate::switch::Switch;

/// Bytes of each socket buffer.
const BUFFER: usize = 64 << 10;
/// Longest Ethernet frame without its checksum.
const FRAME: usize = 1514;
/// How long a connection may take to open.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// Who a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostSetup {
    /// Its address.
    pub address: Ipv4Addr,
    /// Bits of the network part.
    pub prefix: u8,
    /// Where everything else goes.
    pub gateway: Option<Ipv4Addr>,
}

/// A host on the switch. It leaves when it is dropped.
#[derive(Debug)]
pub struct Host {
    pub(crate) shared: Arc<Shared>,
    address: Ipv4Addr,
    port: PortId,
}

/// The stack, and what its users wait for.
#[derive(Debug)]
pub(crate) struct Shared {
    stack: Mutex<Stack>,
    changed: Condvar,
    events: Sender<Event>,
}

/// What wakes a host's thread.
#[derive(Debug)]
enum Event {
    Frame(Vec<u8>),
    Work,
    Leave,
}

/// Everything that a host's TCP/IP consists of.
pub(crate) struct Stack {
    pub(crate) interface: Interface,
    pub(crate) sockets: SocketSet<'static>,
    /// Sockets nobody holds any more, on their way to the end of their connection.
    pub(crate) leaving: Vec<SocketHandle>,
    card: Card,
    next_port: u16,
    started: Instant,
}

impl std::fmt::Debug for Stack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stack({:?})", self.interface.ip_addrs())
    }
}

impl Host {
    /// A host on `switch`.
    ///
    /// # Panics
    /// Never: the address fits the interface's list.
    #[must_use]
    pub fn new(switch: &Switch, setup: HostSetup) -> Self {
        let [a, b, c, d] = setup.address.octets();
        // Locally administered, and readable in a recording.
        let mac = EthernetAddress([0x02, 0x4c, a, b, c, d]);
        let mut card = Card::default();
        let mut config = Config::new(HardwareAddress::Ethernet(mac));
        config.random_seed = u64::from(u32::from(setup.address));
        let started = Instant::now();
        let mut interface = Interface::new(config, &mut card, smoltcp::time::Instant::ZERO);
        interface.update_ip_addrs(|list| {
            let cidr = IpCidr::Ipv4(Ipv4Cidr::new(setup.address, setup.prefix));
            list.push(cidr).expect("invariant: the list is empty and holds at least one");
        });
        if let Some(gateway) = setup.gateway {
            interface
                .routes_mut()
                .add_default_ipv4_route(gateway)
                .expect("invariant: the table is empty and holds at least one");
        }
        let stack = Stack {
            interface,
            sockets: SocketSet::new(Vec::new()),
            leaving: Vec::new(),
            card,
            next_port: 49_152,
            started,
        };
        let (events, inbox) = channel();
        let frames = events.clone();
        let port = switch.plug_host(move |frame| {
            frames.send(Event::Frame(frame)).map_err(|_| std::io::ErrorKind::BrokenPipe.into())
        });
        let shared = Arc::new(Shared { stack: Mutex::new(stack), changed: Condvar::new(), events });
        let (own, switch) = (Arc::clone(&shared), switch.clone());
        let identity = (mac, setup.address);
        std::thread::spawn(move || own.live(&inbox, &switch, port, identity));
        Self { shared, address: setup.address, port }
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Its port on the switch.
    #[must_use]
    pub fn port(&self) -> PortId {
        self.port
    }

    /// Opens a TCP connection.
    ///
    /// # Errors
    /// When it is refused, or does not open within 10 s.
    pub fn connect(&self, to: SocketAddrV4) -> Result<Stream> {
        self.connect_within(to, CONNECT_WITHIN)
    }

    /// Opens a TCP connection, or gives up after `limit`. Who wants to know when a service begins to answer asks often and
    /// shortly: a lost first packet is sent again only after 1, 3 and 7 s.
    ///
    /// # Errors
    /// When it is refused, or does not open in time.
    pub fn connect_within(&self, to: SocketAddrV4, limit: Duration) -> Result<Stream> {
        let handle = {
            let mut stack = self.shared.lock();
            let handle = stack.sockets.add(tcp_socket());
            let from = stack.next_port();
            let Stack { interface, sockets, .. } = &mut *stack;
            let socket = sockets.get_mut::<tcp::Socket<'_>>(handle);
            let opened = socket.connect(interface.context(), IpEndpoint::from(to), from);
            opened.map_err(|error| anyhow::anyhow!("connecting to {to}: {error:?}"))?;
            handle
        };
        self.shared.work();
        let stream = Stream::new(Arc::clone(&self.shared), handle);
        let deadline = Instant::now() + limit;
        let opened = self.shared.wait_until(deadline, |stack| {
            match stack.sockets.get::<tcp::Socket<'_>>(handle).state() {
                tcp::State::SynSent | tcp::State::SynReceived => None,
                tcp::State::Closed => Some(false),
                _ => Some(true),
            }
        });
        match opened {
            Some(true) => Ok(stream),
            Some(false) => bail!("{to} refused the connection"),
            None => bail!("{to} did not answer within {limit:?}"),
        }
    }

    /// Listens on a TCP port.
    ///
    /// # Errors
    /// When something listens there already.
    pub fn listen(&self, port: u16) -> Result<Listener> {
        Listener::new(Arc::clone(&self.shared), port)
    }

    /// Receives and sends datagrams on a UDP port.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn udp(&self, port: u16) -> Result<UdpSocket> {
        let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 32], vec![0; BUFFER]);
        let mut socket = udp::Socket::new(buffer(), buffer());
        socket.bind(port).map_err(|error| anyhow::anyhow!("binding UDP port {port}: {error:?}"))?;
        let handle = self.shared.lock().sockets.add(socket);
        Ok(UdpSocket { shared: Arc::clone(&self.shared), handle })
    }

    /// Ends every TCP connection with `peer`, as when somebody knows that it is dead: who reads or writes, or waits for
    /// the connection to open, gets an error at once.
    pub fn drop_connections(&self, peer: Ipv4Addr) {
        let mut stack = self.shared.lock();
        for (_, socket) in stack.sockets.iter_mut() {
            if let smoltcp::socket::Socket::Tcp(socket) = socket
                && socket.remote_endpoint().is_some_and(|remote| remote.addr == peer.into())
            {
                socket.abort();
            }
        }
        drop(stack);
        self.shared.changed.notify_all();
        self.shared.work();
    }

    /// Ends everything on a TCP port with a reset, as a killed program does: who listens, who is connected.
    pub fn reset_port(&self, port: u16) {
        let mut stack = self.shared.lock();
        for (_, socket) in stack.sockets.iter_mut() {
            if let smoltcp::socket::Socket::Tcp(socket) = socket {
                let listens = socket.listen_endpoint().port == port;
                if listens || socket.local_endpoint().is_some_and(|own| own.port == port) {
                    socket.abort();
                }
            }
        }
        drop(stack);
        self.shared.work();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // The thread may be gone already, for example when the switch is.
        let _ = self.shared.events.send(Event::Leave);
    }
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Stack> {
        self.stack.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the host's thread that a socket has something to do.
    pub(crate) fn work(&self) {
        // Without a thread there is nothing left to do.
        let _ = self.events.send(Event::Work);
    }

    /// Waits until `ready` says something, looking each time the stack has moved; `None` at the deadline.
    pub(crate) fn wait_until<T>(
        &self,
        deadline: Instant,
        mut ready: impl FnMut(&mut Stack) -> Option<T>,
    ) -> Option<T> {
        let mut stack = self.lock();
        loop {
            if let Some(value) = ready(&mut stack) {
                return Some(value);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            stack = self.changed.wait_timeout(stack, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The host's thread.
    fn live(
        &self,
        inbox: &Receiver<Event>,
        switch: &Switch,
        port: PortId,
        (mac, address): (EthernetAddress, Ipv4Addr),
    ) {
        loop {
            let (frames, pause) = self.lock().step();
            self.changed.notify_all();
            for frame in frames {
                switch.forward(port, &frame);
            }
            let first = match inbox.recv_timeout(pause) {
                Ok(event) => Some(event),
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => None,
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return,
            };
            let mut stack = self.lock();
            for event in first.into_iter().chain(inbox.try_iter()) {
                match event {
                    Event::Frame(frame) => match answer_to_probe(&frame, mac, address) {
                        Some(answer) => stack.card.outgoing.push_back(answer),
                        None => stack.card.incoming.push_back(frame),
                    },
                    Event::Work => {}
                    Event::Leave => return,
                }
            }
        }
    }
}

impl Stack {
    fn now(&self) -> smoltcp::time::Instant {
        let micros = self.started.elapsed().as_micros();
        smoltcp::time::Instant::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }

    fn next_port(&mut self) -> u16 {
        let port = self.next_port;
        self.next_port = port.checked_add(1).unwrap_or(49_152);
        port
    }

    /// Lets the stack work; the frames it sends, and how long it has nothing to do.
    fn step(&mut self) -> (VecDeque<Vec<u8>>, Duration) {
        let now = self.now();
        let Self { interface, sockets, card, leaving, .. } = self;
        interface.poll(now, card, sockets);
        leaving.retain(|handle| {
            let over = matches!(
                sockets.get::<tcp::Socket<'_>>(*handle).state(),
                tcp::State::Closed | tcp::State::TimeWait
            );
            if over {
                sockets.remove(*handle);
            }
            !over
        });
        let pause = interface.poll_delay(now, sockets).map_or(Duration::from_secs(1), Into::into);
        (std::mem::take(&mut card.outgoing), pause.min(Duration::from_secs(1)))
    }
}

/// A TCP socket with the lab's buffers.
pub(crate) fn tcp_socket() -> tcp::Socket<'static> {
    let buffer = || tcp::SocketBuffer::new(vec![0; BUFFER]);
    let mut socket = tcp::Socket::new(buffer(), buffer());
    socket.set_nagle_enabled(false);
    socket.set_ack_delay(None);
    socket
}

/// A UDP socket of a host.
#[derive(Debug)]
pub struct UdpSocket {
    shared: Arc<Shared>,
    handle: SocketHandle,
}

impl UdpSocket {
    /// The next datagram and who sent it; `None` when none comes within `limit`.
    #[must_use]
    pub fn receive(&self, limit: Duration) -> Option<(Vec<u8>, IpEndpoint)> {
        self.shared.wait_until(Instant::now() + limit, |stack| {
            let socket = stack.sockets.get_mut::<udp::Socket<'_>>(self.handle);
            socket.recv().ok().map(|(data, meta)| (data.to_vec(), meta.endpoint))
        })
    }

    /// Sends a datagram.
    ///
    /// # Errors
    /// When it does not fit the queue.
    pub fn send(&self, data: &[u8], to: IpEndpoint) -> Result<()> {
        let mut stack = self.shared.lock();
        let socket = stack.sockets.get_mut::<udp::Socket<'_>>(self.handle);
        let sent = socket.send_slice(data, to);
        drop(stack);
        self.shared.work();
        sent.map_err(|error| anyhow::anyhow!("{error:?}")).with_context(|| format!("sending to {to}"))
    }
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        self.shared.lock().sockets.remove(self.handle);
    }
}

/// Where a listening socket stands.
pub(crate) fn on_port(port: u16) -> IpListenEndpoint {
    IpListenEndpoint { addr: None, port }
}

/// The network card as smoltcp sees it: two queues.
#[derive(Debug, Default)]
struct Card {
    incoming: VecDeque<Vec<u8>>,
    outgoing: VecDeque<Vec<u8>>,
}

/// A received frame.
struct Received(Vec<u8>);
/// Room for a frame to send.
struct Room<'a>(&'a mut VecDeque<Vec<u8>>);

impl Device for Card {
    type RxToken<'a> = Received;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, _: smoltcp::time::Instant) -> Option<(Received, Room<'_>)> {
        let frame = self.incoming.pop_front()?;
        Some((Received(frame), Room(&mut self.outgoing)))
    }

    fn transmit(&mut self, _: smoltcp::time::Instant) -> Option<Room<'_>> {
        Some(Room(&mut self.outgoing))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME;
        capabilities
    }
}

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.push_back(frame);
        result
    }
}
