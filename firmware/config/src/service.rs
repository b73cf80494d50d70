//! Virtual services: one address and port that clients talk to, and how the work is shared.
//!
//! Names and defaults are those operators of a LoadMaster know (`research`: virtual services, parameter groups). What
//! this version keeps without acting on it is marked `x-inactive`.

use crate::Address;
use crate::acceleration::{Caching, Compression};
use crate::check::HealthCheck;
use crate::content::ServiceRules;
use crate::forwarding::{
    Adaptive, ForwardedFor, Forwarding, HttpOptions, ProxyProtocol, ServerSpeaksFirst, StartTls,
};
use crate::limits::{Limits, ServiceTimeouts};
use crate::persistence::Persistence;
use crate::preauth::PreAuthentication;
use crate::protection::{IntrusionPrevention, WebFirewall};
use crate::server::RealServer;
use crate::tls::ServiceTls;
use crate::unavailable::Unavailable;
use core::net::IpAddr;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Identifies a virtual service, or a sub-service, for as long as it exists; given by control, never used again.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct VsId(pub u32);

/// One address and port that clients talk to, and the servers that do the work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-label" = ["virtual service {name} ({socket})", "virtual service {socket}"]))]
pub struct VirtualService {
    /// Given by the unit, never used again. Zero in a request to add a service.
    #[serde(default)]
    #[schemars(title = "Number")]
    pub id: VsId,
    /// What operators call it: unique unless empty.
    #[serde(default)]
    #[schemars(title = "Name", length(max = 64))]
    pub name: String,
    /// Where clients find it.
    #[schemars(title = "Address")]
    pub address: Address,
    /// Port and protocol are unique on an address.
    #[schemars(title = "Port", range(min = 1, max = 65535))]
    pub port: u16,
    /// Further ports of the same address that the service takes, too; `1` to `65535` for every port.
    #[serde(default)]
    #[schemars(title = "Extra ports", length(max = 64), extend("x-inactive" = true))]
    pub extra_ports: Vec<PortRange>,
    /// A second address of the service, of the other IP version for example.
    #[serde(default)]
    #[schemars(title = "Alternate address", extend("x-inactive" = true))]
    pub alternate_address: Option<IpAddr>,
    /// Transport.
    #[serde(default)]
    #[schemars(title = "Protocol")]
    pub protocol: Protocol,
    /// What is spoken on it.
    #[serde(default)]
    #[schemars(title = "Service type")]
    pub kind: ServiceKind,
    /// Where the work is done: in the proxy, which sees what is said, or in the kernel, which only sees packets.
    #[serde(default)]
    #[schemars(title = "Layer")]
    pub layer: Layer,
    /// A disabled service does not listen.
    #[serde(default = "crate::defaults::yes")]
    #[schemars(title = "Enabled")]
    pub enabled: bool,
    /// How the next server is chosen among those that are up.
    #[serde(default)]
    #[schemars(title = "Scheduling method")]
    pub scheduler: Scheduler,
    /// How servers report their load by themselves.
    #[serde(default)]
    #[schemars(title = "Adaptive scheduling")]
    pub adaptive: Adaptive,
    /// How a client finds its server again.
    #[serde(default)]
    #[schemars(title = "Persistence")]
    pub persistence: Persistence,
    /// How servers are probed.
    #[serde(default)]
    #[schemars(title = "Health check")]
    pub check: HealthCheck,
    /// Which headers tell the server who the client is.
    #[serde(default)]
    #[schemars(title = "Client address headers")]
    pub forwarded_for: ForwardedFor,
    /// Which addresses servers see, and how packets travel.
    #[serde(default)]
    #[schemars(title = "Forwarding")]
    pub forwarding: Forwarding,
    /// The PROXY protocol, in both directions.
    #[serde(default)]
    #[schemars(title = "PROXY protocol")]
    pub proxy_protocol: ProxyProtocol,
    /// Protocols in which the server speaks first: nothing is waited for from the client.
    #[serde(default)]
    #[schemars(title = "Server initiating protocol", extend("x-inactive" = true))]
    pub server_speaks_first: ServerSpeaksFirst,
    /// Protocols that begin in clear text and turn to TLS on demand.
    #[serde(default)]
    #[schemars(title = "STARTTLS", extend("x-inactive" = true))]
    pub start_tls: StartTls,
    /// What is done with HTTP.
    #[serde(default)]
    #[schemars(title = "HTTP")]
    pub http: HttpOptions,
    /// TLS towards clients and towards servers.
    #[serde(default)]
    #[schemars(title = "TLS")]
    pub tls: ServiceTls,
    /// Rules on requests and answers.
    #[serde(default)]
    #[schemars(title = "Rules")]
    pub rules: ServiceRules,
    /// What clients get while no server is up.
    #[serde(default)]
    #[schemars(title = "Not available")]
    pub unavailable: Unavailable,
    /// Answers that are kept and given again.
    #[serde(default)]
    #[schemars(title = "Caching")]
    pub caching: Caching,
    /// Answers that are made smaller.
    #[serde(default)]
    #[schemars(title = "Compression")]
    pub compression: Compression,
    /// Requests that look like an attack, by rules in the SNORT syntax.
    #[serde(default)]
    #[schemars(title = "Intrusion prevention")]
    pub intrusion_prevention: IntrusionPrevention,
    /// Requests that look like an attack, by the OWASP rules.
    #[serde(default)]
    #[schemars(title = "Web application firewall")]
    pub web_firewall: WebFirewall,
    /// Clients who must say who they are before a server hears of them.
    #[serde(default)]
    #[schemars(title = "Pre-authentication")]
    pub pre_authentication: PreAuthentication,
    /// Who may talk to the service.
    #[serde(default)]
    #[schemars(title = "Access list", extend("x-inactive" = true))]
    pub access: crate::access_list::AccessList,
    /// How long things may take.
    #[serde(default)]
    #[schemars(title = "Time-outs")]
    pub timeouts: ServiceTimeouts,
    /// What clients may hold.
    #[serde(default)]
    #[schemars(title = "Limits")]
    pub limits: Limits,
    /// In the order in which they were added; ids are unique. A service has either servers or sub-services.
    #[serde(default)]
    #[schemars(title = "Real servers", length(max = crate::MAX_SERVERS_OF_A_SERVICE))]
    pub real_servers: Vec<RealServer>,
    /// Services without an address, among which rules choose.
    #[serde(default)]
    #[schemars(title = "Sub-services", length(max = 100), extend("x-inactive" = true))]
    pub sub_services: Vec<SubService>,
}

impl VirtualService {
    /// A service with nothing set but where it stands.
    #[must_use]
    pub fn new(address: Address, port: u16) -> Self {
        Self {
            id: VsId(0),
            name: String::new(),
            address,
            port,
            extra_ports: Vec::new(),
            alternate_address: None,
            protocol: Protocol::default(),
            kind: ServiceKind::default(),
            layer: Layer::default(),
            enabled: true,
            scheduler: Scheduler::default(),
            adaptive: Adaptive::default(),
            persistence: Persistence::default(),
            check: HealthCheck::default(),
            forwarded_for: ForwardedFor::default(),
            forwarding: Forwarding::default(),
            proxy_protocol: ProxyProtocol::default(),
            server_speaks_first: ServerSpeaksFirst::default(),
            start_tls: StartTls::default(),
            http: HttpOptions::default(),
            tls: ServiceTls::default(),
            rules: ServiceRules::default(),
            unavailable: Unavailable::default(),
            caching: Caching::default(),
            compression: Compression::default(),
            intrusion_prevention: IntrusionPrevention::default(),
            web_firewall: WebFirewall::default(),
            pre_authentication: PreAuthentication::default(),
            access: crate::access_list::AccessList::default(),
            timeouts: ServiceTimeouts::default(),
            limits: Limits::default(),
            real_servers: Vec::new(),
            sub_services: Vec::new(),
        }
    }
}

/// A part of a virtual service with servers and settings of its own, chosen by its rules or its weight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-label" = ["sub-service {name}", "sub-service {id}"]))]
pub struct SubService {
    /// Given by the unit, out of the numbers of virtual services.
    #[schemars(title = "Number")]
    pub id: VsId,
    /// What operators call it.
    #[schemars(title = "Name", length(max = 64))]
    pub name: String,
    /// A disabled one is not chosen.
    #[schemars(title = "Enabled")]
    pub enabled: bool,
    /// What is spoken on it.
    #[schemars(title = "Service type")]
    pub kind: ServiceKind,
    /// Share of the work under weighted scheduling.
    #[schemars(title = "Weight", range(min = 1, max = 65535))]
    pub weight: u16,
    /// Most connections at a time; 0 is no limit.
    #[schemars(title = "Connection limit", range(max = 100_000))]
    pub connection_limit: u32,
    /// While it is down the whole service is.
    #[schemars(title = "Critical")]
    pub critical: bool,
    /// Content rules of which one must match for it to be chosen; none: anything.
    #[schemars(title = "Chosen by rules", length(max = 128), inner(length(max = 64)))]
    pub chosen_by: Vec<String>,
    /// How the next server is chosen among those that are up.
    #[schemars(title = "Scheduling method")]
    pub scheduler: Scheduler,
    /// How servers report their load by themselves.
    #[schemars(title = "Adaptive scheduling")]
    pub adaptive: Adaptive,
    /// How a client finds its server again.
    #[schemars(title = "Persistence")]
    pub persistence: Persistence,
    /// How servers are probed.
    #[schemars(title = "Health check")]
    pub check: HealthCheck,
    /// Which headers tell the server who the client is.
    #[schemars(title = "Client address headers")]
    pub forwarded_for: ForwardedFor,
    /// Which addresses servers see, and how packets travel.
    #[schemars(title = "Forwarding")]
    pub forwarding: Forwarding,
    /// What is done with HTTP.
    #[schemars(title = "HTTP")]
    pub http: HttpOptions,
    /// Rules on requests and answers.
    #[schemars(title = "Rules")]
    pub rules: ServiceRules,
    /// What clients get while no server is up.
    #[schemars(title = "Not available")]
    pub unavailable: Unavailable,
    /// Answers that are kept and given again.
    #[schemars(title = "Caching")]
    pub caching: Caching,
    /// Answers that are made smaller.
    #[schemars(title = "Compression")]
    pub compression: Compression,
    /// Requests that look like an attack, by rules in the SNORT syntax.
    #[schemars(title = "Intrusion prevention")]
    pub intrusion_prevention: IntrusionPrevention,
    /// Requests that look like an attack, by the OWASP rules.
    #[schemars(title = "Web application firewall")]
    pub web_firewall: WebFirewall,
    /// Clients who must say who they are before a server hears of them.
    #[schemars(title = "Pre-authentication")]
    pub pre_authentication: PreAuthentication,
    /// How long things may take.
    #[schemars(title = "Time-outs")]
    pub timeouts: ServiceTimeouts,
    /// What clients may hold.
    #[schemars(title = "Limits")]
    pub limits: Limits,
    /// In the order in which they were added; ids are unique.
    #[schemars(title = "Real servers", length(max = crate::MAX_SERVERS_OF_A_SERVICE))]
    pub real_servers: Vec<RealServer>,
}

/// Ports that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-label" = ["{first}-{last}"]))]
pub struct PortRange {
    /// The lowest.
    #[schemars(title = "First port", range(min = 1, max = 65535), extend("x-what" = "a port"))]
    pub first: u16,
    /// The highest; the same as the first for a single port.
    #[schemars(title = "Last port", range(min = 1, max = 65535), extend("x-what" = "a port"))]
    pub last: u16,
}

/// Transport of a virtual service.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// A connection for each client.
    #[default]
    #[schemars(title = "TCP")]
    Tcp,
    /// Datagrams, in the kernel (layer 4).
    #[schemars(title = "UDP", extend("x-inactive" = true))]
    Udp,
}

/// What is spoken on a virtual service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServiceKind {
    /// HTTP/1.1, balanced request by request; with HTTP/2 towards clients where that is allowed.
    #[default]
    #[schemars(title = "HTTP")]
    Http,
    /// HTTP/2 towards clients and servers, gRPC for example.
    #[schemars(title = "HTTP/2", extend("x-inactive" = true))]
    Http2,
    /// Anything: bytes are passed on as they are.
    #[schemars(title = "Generic", extend("x-inactive" = true))]
    Generic,
    /// TLS that is passed on unopened; the server is chosen by the name that the client asks for.
    #[schemars(title = "TLS pass-through", extend("x-inactive" = true))]
    Tls,
    /// Remote Desktop, with its own kinds of persistence.
    #[schemars(title = "Remote terminal", extend("x-inactive" = true))]
    RemoteTerminal,
    /// Log messages: each is passed on by itself.
    #[schemars(title = "Log insight", extend("x-inactive" = true))]
    Log,
}

/// Where the work of a service is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// In the proxy, which ends the client's connection and opens one to the server.
    #[default]
    #[schemars(title = "layer 7")]
    Seven,
    /// In the kernel, packet by packet. UDP services are always there.
    #[schemars(title = "layer 4", extend("x-inactive" = true))]
    Four,
}

/// How the next server is chosen among those that are up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scheduler {
    /// Each in turn; weights do not count.
    #[default]
    #[schemars(title = "Round robin")]
    RoundRobin,
    /// In proportion to the weights, evenly spread in time.
    #[schemars(title = "Weighted round robin")]
    WeightedRoundRobin,
    /// The one with the fewest open connections.
    #[schemars(title = "Least connections", extend("x-inactive" = true))]
    LeastConnections,
    /// The one with the fewest open connections for its weight.
    #[schemars(title = "Weighted least connections", extend("x-inactive" = true))]
    WeightedLeastConnections,
    /// The one with the highest weight that is up; the others wait for its failure.
    #[schemars(title = "Fixed weighting", extend("x-inactive" = true))]
    Fixed,
    /// By the load that an agent on each server reports.
    #[schemars(title = "Resource based (adaptive)", extend("x-inactive" = true))]
    Adaptive,
    /// By the load that a software-defined network reports for the way to each server.
    #[schemars(title = "Resource based (SDN adaptive)", extend("x-inactive" = true))]
    SdnAdaptive,
    /// By the client's address: the same client, the same server.
    #[schemars(title = "Source address hash", extend("x-inactive" = true))]
    SourceHash,
    /// By the time in which each server answers its health check.
    #[schemars(title = "Weighted response time", extend("x-inactive" = true))]
    WeightedResponseTime,
    /// By the address that is asked for: the same address, the same server.
    #[schemars(title = "URL hash", extend("x-inactive" = true))]
    UrlHash,
}
