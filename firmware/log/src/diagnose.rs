//! Ping, traceroute, DNS lookups, routes and neighbours: for whoever looks for a fault in the network.
//!
//! No answer is a finding, not an error: many gateways do not answer a ping, and nothing of the unit depends on it.

use evener_api::diagnose::{MOST_ECHOES, MOST_HOPS, Question, RecordKind, WITHIN_S};
use evener_api::{Service, net};
use evener_diagnose::dns::{self, DnsError};
use evener_diagnose::echo::{self, Answer, Family, Probe};
use evener_sys::echo::EchoSocket;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

mod tables;

/// How many are answered at the same time.
static PLACES: Semaphore = Semaphore::const_new(4);
/// Pause between two echo requests of a ping.
const PING_EVERY: Duration = Duration::from_millis(200);
/// Pause between two of a traceroute, which goes on while it waits for answers.
const TRACE_EVERY: Duration = Duration::from_millis(15);
/// How long the last answer is waited for.
const LAST_WITHIN: Duration = Duration::from_secs(2);
/// Echo requests for each hop.
const PROBES: u8 = 3;
/// Hops that an ordinary packet may take.
const HOPS: u8 = 64;
/// How long a DNS server may think, and how many are asked.
const SERVER_WITHIN: Duration = Duration::from_secs(2);
const MOST_SERVERS: usize = 3;
const DNS_PORT: u16 = 53;
/// What an echo request carries.
const DATA: &[u8] = b"evener looks for a fault in the network";

/// Finds it out, within [`WITHIN_S`]; lines for a person.
///
/// # Errors
/// Why it could not even be tried, in words.
pub(crate) async fn answer(run: &Path, question: Question) -> Result<Vec<String>, String> {
    let _place =
        PLACES.try_acquire().map_err(|_| "too many of these are under way; try again in a moment")?;
    let finding = async {
        match question {
            Question::Ping(address, count) => blocking(move || ping(address, count)).await,
            Question::Trace(address) => blocking(move || trace(address)).await,
            Question::Lookup(name, kind, server) => {
                let servers = match server {
                    Some(server) => vec![server],
                    None => own_servers(run).await?,
                };
                blocking(move || lookup(&name, kind, &servers, DNS_PORT)).await
            }
            Question::Routes => tables::routes().await,
            Question::Neighbours => tables::neighbours().await,
        }
    };
    let within = Duration::from_secs(WITHIN_S);
    tokio::time::timeout(within, finding)
        .await
        .unwrap_or_else(|_| Err(format!("not finished within {within:?}")))
}

async fn blocking(
    work: impl FnOnce() -> Result<Vec<String>, String> + Send + 'static,
) -> Result<Vec<String>, String> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.to_string()))
}

async fn own_servers(run: &Path) -> Result<Vec<IpAddr>, String> {
    let status: net::NetStatus = evener_ipc::call(run, Service::Net, &net::Request::Get)
        .await
        .map_err(|error| format!("the name servers are not known: {error}"))?;
    match status.name_servers {
        servers if servers.is_empty() => Err(String::from("the unit has no name servers")),
        servers => Ok(servers),
    }
}

/// Echo requests on their way to one address.
struct Echoes {
    socket: EchoSocket,
    address: IpAddr,
    family: Family,
    identifier: u16,
    sent: BTreeMap<u16, Instant>,
    /// By sequence: after which time, from whom, what.
    answers: BTreeMap<u16, (Duration, IpAddr, Answer)>,
}

impl Echoes {
    fn to(address: IpAddr) -> Result<Self, String> {
        let socket = EchoSocket::to(address).map_err(|error| format!("no socket for it: {error}"))?;
        let family = if address.is_ipv6() { Family::V6 } else { Family::V4 };
        let identifier = random()?;
        let (sent, answers) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { socket, address, family, identifier, sent, answers })
    }

    fn send(&mut self, sequence: u16, hops: u8) -> io::Result<()> {
        let message = echo::request(self.family, Probe { identifier: self.identifier, sequence }, DATA);
        self.sent.insert(sequence, Instant::now());
        self.socket.send(self.address, hops, &message)
    }

    /// Takes answers in until then, or until `enough`.
    fn listen(&mut self, until: Instant, enough: impl Fn(&Self) -> bool) -> Result<(), String> {
        let mut buffer = [0; 1500];
        while !enough(self) {
            let received = self.socket.receive(&mut buffer, until).map_err(|error| error.to_string())?;
            let Some((message, from)) = received else { return Ok(()) };
            let Some((probe, answer)) = echo::read(self.family, message) else { continue };
            if probe.identifier == self.identifier
                && let Some(sent) = self.sent.get(&probe.sequence)
            {
                let after = sent.elapsed();
                self.answers.entry(probe.sequence).or_insert((after, from, answer));
            }
        }
        Ok(())
    }
}

fn ping(address: IpAddr, count: u8) -> Result<Vec<String>, String> {
    let count = u16::from(count.clamp(1, MOST_ECHOES));
    let mut echoes = Echoes::to(address)?;
    let mut lines = Vec::new();
    for sequence in 1..=count {
        if let Err(error) = echoes.send(sequence, HOPS) {
            lines.push(format!("{sequence}: it cannot be sent: {error}"));
        }
        let is_last = sequence == count;
        let until = Instant::now() + if is_last { LAST_WITHIN } else { PING_EVERY };
        echoes.listen(until, |echoes| is_last && echoes.answers.len() == usize::from(count))?;
    }
    let mut times = Vec::new();
    for sequence in 1..=count {
        match echoes.answers.get(&sequence) {
            Some((after, from, Answer::Echo)) => {
                times.push(*after);
                lines.push(format!("{sequence}: {from} answered after {}", milliseconds(*after)));
            }
            Some((_, from, Answer::NoHopLeft)) => {
                lines.push(format!("{sequence}: {from} says: no hop is left"))
            }
            Some((_, from, Answer::Unreachable(why))) => {
                lines.push(format!("{sequence}: {from} says: {why}"))
            }
            None => lines.push(format!("{sequence}: no answer")),
        }
    }
    lines.push(match (times.iter().min(), times.iter().max()) {
        (Some(least), Some(most)) => {
            let mean = times.iter().sum::<Duration>() / u32::try_from(times.len()).unwrap_or(1).max(1);
            let [least, mean, most] = [*least, mean, *most].map(milliseconds);
            format!("{count} sent, {} answered: least {least}, mean {mean}, most {most}", times.len())
        }
        _ => format!(
            "{count} sent, none answered. Many hosts and gateways never answer: that alone is no fault."
        ),
    });
    Ok(lines)
}

fn trace(address: IpAddr) -> Result<Vec<String>, String> {
    let mut echoes = Echoes::to(address)?;
    // The hop and the attempt, in one number.
    let sequence = |hop: u8, probe: u8| u16::from(hop) * 16 + u16::from(probe);
    let reached = |echoes: &Echoes| {
        let is_end = |answer: &Answer| *answer != Answer::NoHopLeft;
        echoes
            .answers
            .iter()
            .filter(|(_, (_, _, answer))| is_end(answer))
            .map(|(sequence, _)| sequence / 16)
            .min()
    };
    let mut last = 0;
    for hop in 1..=MOST_HOPS {
        for probe in 0..PROBES {
            if let Err(error) = echoes.send(sequence(hop, probe), hop) {
                return Err(format!("it cannot be sent: {error}"));
            }
            echoes.listen(Instant::now() + TRACE_EVERY, |_| false)?;
        }
        last = hop;
        if reached(&echoes).is_some() {
            break;
        }
    }
    let all = |echoes: &Echoes| {
        let end = reached(echoes).unwrap_or(u16::from(last));
        let expected = (1..=end).flat_map(|hop| (0..u16::from(PROBES)).map(move |probe| hop * 16 + probe));
        expected.into_iter().all(|sequence| echoes.answers.contains_key(&sequence))
    };
    echoes.listen(Instant::now() + LAST_WITHIN, all)?;
    let end = reached(&echoes);
    // Behind the last router that answered there is nothing to show.
    let shown = end.or_else(|| echoes.answers.keys().map(|sequence| sequence / 16).max()).unwrap_or(0);
    let mut lines: Vec<String> = (1..=u8::try_from(shown).unwrap_or(MOST_HOPS))
        .map(|hop| {
            let answers = (0..PROBES).map(|probe| echoes.answers.get(&sequence(hop, probe)));
            hop_line(hop, &answers.collect::<Vec<_>>())
        })
        .collect();
    if end.is_none() {
        lines.push(format!(
            "No answer from {address} within {last} hops. Many hosts never answer: that alone is no fault."
        ));
    }
    Ok(lines)
}

/// `3  192.0.2.1  1.2 ms  1.3 ms  *`
fn hop_line(hop: u8, answers: &[Option<&(Duration, IpAddr, Answer)>]) -> String {
    let mut line = format!("{hop:2}");
    let mut shown = None;
    for answer in answers {
        // Writing into a string does not fail.
        match answer {
            Some((after, from, answer)) => {
                if shown != Some(from) {
                    let _ = write!(line, "  {from}");
                    shown = Some(from);
                }
                let _ = write!(line, "  {}", milliseconds(*after));
                if let Answer::Unreachable(why) = answer {
                    let _ = write!(line, " ({why})");
                }
            }
            None => line.push_str("  *"),
        }
    }
    line
}

fn lookup(name: &str, kind: RecordKind, servers: &[IpAddr], port: u16) -> Result<Vec<String>, String> {
    let asked = match (kind, name.trim().parse::<IpAddr>()) {
        (RecordKind::Ptr, Ok(address)) => dns::reverse_name(address),
        _ => name.trim().to_owned(),
    };
    let kind = match kind {
        RecordKind::A => dns::Kind::A,
        RecordKind::Aaaa => dns::Kind::Aaaa,
        RecordKind::Ptr => dns::Kind::Ptr,
        RecordKind::Mx => dns::Kind::Mx,
        RecordKind::Ns => dns::Kind::Ns,
        RecordKind::Txt => dns::Kind::Txt,
    };
    let mut lines = Vec::new();
    for server in servers.iter().take(MOST_SERVERS) {
        let question = dns::query(random()?, &asked, kind).map_err(|error| error.to_string())?;
        match ask((*server, port).into(), &question) {
            Ok((answer, after)) => {
                lines.push(format!("{server} answered after {}", milliseconds(after)));
                lines.extend(answer.problem);
                if answer.truncated {
                    lines.push(String::from("it has more to say than fits into a datagram"));
                }
                if answer.records.is_empty() {
                    lines.push(String::from("no record of this kind"));
                }
                lines.extend(answer.records);
                return Ok(lines);
            }
            Err(error) => lines.push(format!("{server}: {error}")),
        }
    }
    Ok(lines)
}

fn ask(server: SocketAddr, question: &[u8]) -> Result<(dns::Answer, Duration), String> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let begun = Instant::now();
    let exchange = || -> io::Result<Result<dns::Answer, DnsError>> {
        let socket = UdpSocket::bind(any)?;
        socket.connect(server)?;
        socket.send(question)?;
        let mut buffer = vec![0; 4096];
        loop {
            let left = SERVER_WITHIN.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            socket.set_read_timeout(Some(left))?;
            let length = socket.recv(&mut buffer)?;
            let answer = dns::read(question, &buffer[..length]);
            // Whoever guesses answers must not end the wait for the true one.
            if answer != Err(DnsError::Foreign) {
                return Ok(answer);
            }
        }
    };
    match exchange() {
        Ok(answer) => answer.map(|answer| (answer, begun.elapsed())).map_err(|error| error.to_string()),
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                Err(format!("no answer within {SERVER_WITHIN:?}"))
            }
            _ => Err(format!("it cannot be asked: {error}")),
        },
    }
}

/// What nobody can guess.
fn random() -> Result<u16, String> {
    let random = evener_sys::random_u64().map_err(|error| format!("no randomness: {error}"))?;
    Ok(u16::try_from(random & 0xffff).unwrap_or_default())
}

fn milliseconds(time: Duration) -> String {
    let microseconds = time.as_micros();
    format!("{}.{:02} ms", microseconds / 1000, microseconds / 10 % 100)
}

#[cfg(test)]
mod tests;
