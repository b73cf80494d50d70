//! How requests travel: which addresses servers see, which headers are added, who speaks first.

use core::net::IpAddr;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which addresses servers see, and how packets travel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-inactive" = true))]
pub struct Forwarding {
    /// Servers see the client's own address. Their way back must lead through this unit, and clients must not be in
    /// the servers' network.
    #[schemars(title = "Transparency")]
    pub transparent: bool,
    /// Without transparency: servers see the unit's address in their own network, not that of the service.
    #[schemars(title = "Subnet originating requests")]
    pub subnet_originating: bool,
    /// What servers send outwards by themselves leaves with the service's address.
    #[schemars(title = "Use address for server NAT")]
    pub server_nat: bool,
    /// Addresses that connections to servers are opened from, in turn: more than 64 000 at a time need several.
    #[schemars(title = "Alternate source addresses", length(max = 32))]
    pub source_addresses: Vec<IpAddr>,
    /// The way to clients, where it is not the unit's default gateway.
    #[schemars(title = "Service default gateway", extend("x-absent" = "the unit's own"))]
    pub gateway: Option<IpAddr>,
    /// The number of a service whose clients keep their server here, too.
    #[schemars(title = "Port following", extend("x-absent" = "none"))]
    pub follows: Option<crate::VsId>,
    /// The mark on packets for routers on the way (RFC 791, type of service).
    #[schemars(title = "Quality of service")]
    pub quality_of_service: QualityOfService,
}

impl Default for Forwarding {
    fn default() -> Self {
        Self {
            transparent: false,
            subnet_originating: true,
            server_nat: false,
            source_addresses: Vec::new(),
            gateway: None,
            follows: None,
            quality_of_service: QualityOfService::default(),
        }
    }
}

/// The type of service that packets carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QualityOfService {
    /// No mark.
    #[default]
    #[schemars(title = "Normal service")]
    Normal,
    /// The cheapest way.
    #[schemars(title = "Minimize cost")]
    MinimizeCost,
    /// The surest way.
    #[schemars(title = "Maximize reliability")]
    MaximizeReliability,
    /// The widest way.
    #[schemars(title = "Maximize throughput")]
    MaximizeThroughput,
    /// The quickest way.
    #[schemars(title = "Minimize delay")]
    MinimizeDelay,
    /// As the client's packets have it.
    #[schemars(title = "Pass through")]
    PassThrough,
}

/// Which headers tell the server who the client is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ForwardedFor {
    /// The client's address is appended to `X-Forwarded-For`.
    #[default]
    #[schemars(title = "X-Forwarded-For")]
    XForwardedFor,
    /// `X-Forwarded-For`, and `Via` (RFC 9110 §7.6.3).
    #[schemars(title = "X-Forwarded-For + Via", extend("x-inactive" = true))]
    XForwardedForAndVia,
    /// The client's address and port in `X-ClientSide`.
    #[schemars(title = "X-ClientSide", extend("x-inactive" = true))]
    XClientSide,
    /// `X-ClientSide`, and `Via`.
    #[schemars(title = "X-ClientSide + Via", extend("x-inactive" = true))]
    XClientSideAndVia,
    /// `Via` alone.
    #[schemars(title = "Via only", extend("x-inactive" = true))]
    Via,
    /// Nothing is added, and what the client sent is left as it is.
    #[schemars(title = "none")]
    None,
}

/// The PROXY protocol: a first line, or first bytes, that say who the client is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-inactive" = true))]
pub struct ProxyProtocol {
    /// Clients are other balancers, and every connection begins with it, in version 1 or 2; one without is closed.
    #[schemars(title = "PROXY protocol from clients")]
    pub from_clients: bool,
    /// What servers are sent.
    #[schemars(title = "PROXY protocol to servers")]
    pub to_servers: ProxyProtocolVersion,
}

/// A version of the PROXY protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProxyProtocolVersion {
    /// Not spoken.
    #[default]
    #[schemars(title = "none")]
    None,
    /// A line of text.
    #[schemars(title = "version 1")]
    V1,
    /// Bytes, with the addresses in binary.
    #[schemars(title = "version 2")]
    V2,
}

/// Protocols in which the server speaks first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServerSpeaksFirst {
    /// The client does.
    #[default]
    #[schemars(title = "Normal protocols")]
    No,
    /// Mail.
    #[schemars(title = "SMTP")]
    Smtp,
    /// Terminals.
    #[schemars(title = "SSH")]
    Ssh,
    /// Any other.
    #[schemars(title = "Other server initiating")]
    Other,
    /// Mailboxes.
    #[schemars(title = "IMAP4")]
    Imap4,
    /// A database.
    #[schemars(title = "MySQL")]
    Mysql,
    /// Mailboxes.
    #[schemars(title = "POP3")]
    Pop3,
}

/// Protocols that begin in clear text and turn to TLS on demand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StartTls {
    /// TLS from the first byte, or none at all.
    #[default]
    #[schemars(title = "HTTP/HTTPS, or none")]
    None,
    /// Mail, if the client asks for it.
    #[schemars(title = "SMTP (STARTTLS if requested)")]
    SmtpIfRequested,
    /// Mail, always.
    #[schemars(title = "SMTP (STARTTLS always)")]
    SmtpAlways,
    /// File transfer.
    #[schemars(title = "FTP")]
    Ftp,
    /// Mailboxes.
    #[schemars(title = "IMAP")]
    Imap,
    /// Mailboxes.
    #[schemars(title = "POP3")]
    Pop3,
}

/// What is done with HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-inactive" = true))]
pub struct HttpOptions {
    /// Clients may speak HTTP/2 (needs TLS).
    #[schemars(title = "HTTP/2 to clients")]
    pub http2: bool,
    /// Requests of several clients may share a connection to a server.
    #[schemars(title = "TCP multiplexing")]
    pub multiplexing: bool,
    /// A new server is chosen for every request of a connection, not only for its first.
    #[schemars(title = "HTTP rescheduling")]
    pub reschedule: bool,
    /// The header whose value is copied into another one; empty: none.
    #[schemars(title = "Copy header from", length(max = 127))]
    pub copy_header_from: String,
    /// The header that the copy goes into.
    #[schemars(title = "Copy header to", length(max = 127))]
    pub copy_header_to: String,
    /// A header that every request to a server gets; empty: none.
    #[schemars(title = "Added header", length(max = 127))]
    pub added_header: String,
    /// The value of that header.
    #[schemars(title = "Added header's value", length(max = 255))]
    pub added_header_value: String,
    /// What becomes of the scheme in redirects of servers that do not know of the TLS in front of them.
    #[schemars(title = "Rewriting of redirects")]
    pub rewrite_redirects: RewriteRedirects,
    /// Whether statuses of servers are put in the place of others.
    #[schemars(title = "Response status remapping")]
    pub remap_statuses: bool,
    /// The page that comes with a remapped status.
    #[schemars(title = "Pages of remapped statuses")]
    pub remapped_page: RemappedPage,
    /// The statuses that are put in the place of others.
    #[schemars(title = "Remapped statuses", length(max = 32))]
    pub remapped_statuses: Vec<RemappedStatus>,
}

/// What becomes of the scheme in redirects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RewriteRedirects {
    /// They stay as they are.
    #[default]
    #[schemars(title = "none")]
    None,
    /// `https` becomes `http`.
    #[schemars(title = "to http")]
    Http,
    /// `http` becomes `https`.
    #[schemars(title = "to https")]
    Https,
}

/// The page that comes with a remapped status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RemappedPage {
    /// The server's.
    #[default]
    #[schemars(title = "the server's")]
    Server,
    /// The text of the mapping.
    #[schemars(title = "the mapping's text")]
    Text,
}

/// One status in the place of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-label" = ["{from} to {to}"]))]
pub struct RemappedStatus {
    /// What the server says.
    #[schemars(title = "Status of the server", range(min = 200, max = 599), extend("x-what" = "a status"))]
    pub from: u16,
    /// What the client is told.
    #[schemars(title = "Status for the client", range(min = 200, max = 599), extend("x-what" = "a status"))]
    pub to: u16,
    /// The text that comes with it.
    #[serde(default)]
    #[schemars(title = "Text for the client", length(max = 512))]
    pub text: String,
}

/// How servers report their load by themselves: over HTTP, a number from 0 (idle) to 100 (full), 101 for down, 102 for
/// disabled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-inactive" = true))]
pub struct Adaptive {
    /// What is asked for.
    #[schemars(title = "Adaptive URL", length(max = 126))]
    pub path: String,
    /// Where the agent listens.
    #[schemars(title = "Adaptive port", range(min = 1, max = 65535), extend("x-what" = "a port"))]
    pub port: u16,
    /// From one question to the next.
    #[schemars(title = "Adaptive interval", range(min = 1, max = 60), extend("x-unit" = "s"))]
    pub interval_s: u16,
    /// A load below this is taken for this: small differences do not count.
    #[schemars(title = "Smallest load that counts", range(max = 99), extend("x-unit" = "%"))]
    pub least_percent: u8,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self { path: String::from("/load"), port: 80, interval_s: 7, least_percent: 5 }
    }
}
