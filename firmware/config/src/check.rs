//! How real servers are probed: a check every 9 s with 4 s to answer and two tries, unless set otherwise.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How real servers are probed. A server is down after so many failed probes in a row, up after one good one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HealthCheck {
    /// What a probe does.
    #[schemars(title = "Check")]
    pub kind: CheckKind,
    /// From one probe of a server to the next. At least time-out × tries + 1.
    #[schemars(title = "Check interval", range(min = 1, max = 901), extend("x-unit" = "s"))]
    pub interval_s: u16,
    /// What a server has to answer.
    #[schemars(title = "Check time-out", range(min = 1, max = 60), extend("x-unit" = "s"))]
    pub timeout_s: u16,
    /// Probes that must fail in a row before a server is down.
    #[schemars(title = "Check tries", range(min = 1, max = 15), extend("x-what" = "a number of tries"))]
    pub retries: u8,
    /// Where to probe.
    #[schemars(title = "Check port", range(min = 1, max = 65535),
               extend("x-absent" = "the server's own", "x-what" = "a port"))]
    pub port: Option<u16>,
    /// The service is up only while this many servers are; 0: one is enough.
    #[schemars(title = "Servers that must be up", range(max = 500), extend("x-inactive" = true))]
    pub least_servers: u16,
}

/// What a probe does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckKind {
    /// A connection opens.
    #[schemars(title = "TCP")]
    Tcp,
    /// A request is answered with a good status.
    #[schemars(title = "HTTP", extend("x-words" = "HTTP {method} {path}"))]
    Http(HttpCheck),
    /// As HTTP, over TLS.
    #[schemars(title = "HTTPS", extend("x-words" = "HTTPS {method} {path}", "x-inactive" = true))]
    Https(HttpCheck),
    /// An echo request is answered.
    #[schemars(title = "ICMP", extend("x-inactive" = true))]
    Icmp,
    /// A mail server greets (RFC 5321).
    #[schemars(title = "SMTP", extend("x-inactive" = true))]
    Smtp,
    /// A news server greets (RFC 3977).
    #[schemars(title = "NNTP", extend("x-inactive" = true))]
    Nntp,
    /// A file server greets (RFC 959).
    #[schemars(title = "FTP", extend("x-inactive" = true))]
    Ftp,
    /// A terminal server negotiates (RFC 854).
    #[schemars(title = "Telnet", extend("x-inactive" = true))]
    Telnet,
    /// A mailbox greets (RFC 1939).
    #[schemars(title = "POP3", extend("x-inactive" = true))]
    Pop3,
    /// A mailbox greets (RFC 9051).
    #[schemars(title = "IMAP", extend("x-inactive" = true))]
    Imap,
    /// A remote desktop answers a connection request.
    #[schemars(title = "Remote terminal", extend("x-inactive" = true))]
    Rdp,
    /// A name is looked up over UDP (RFC 1035).
    #[schemars(title = "DNS", extend("x-words" = "DNS {name}", "x-inactive" = true))]
    Dns(DnsCheck),
    /// Somebody signs in to a directory (RFC 4511).
    #[schemars(title = "LDAP", extend("x-words" = "LDAP {endpoint}", "x-inactive" = true))]
    Ldap(LdapCheck),
    /// Bytes are sent, and bytes are expected.
    #[schemars(title = "Binary data", extend("x-inactive" = true))]
    Binary(BinaryCheck),
    /// Never probed, always up.
    #[schemars(title = "none")]
    None,
}

/// An HTTP probe. Any answer ends the probe: a bad status counts at once, without a further try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HttpCheck {
    /// What is asked.
    #[schemars(title = "Check method")]
    pub method: HttpMethod,
    /// What is asked for: starts with `/`, visible ASCII.
    #[schemars(title = "Check path", length(max = 126))]
    pub path: String,
    /// The `Host` header: a name or an address, and a port after a colon.
    #[schemars(title = "Check host", length(max = 255), extend("x-absent" = "the server's address"))]
    pub host: Option<String>,
    /// Statuses that also count as good, beside 200 to 299.
    #[schemars(title = "Extra good statuses", length(max = 32), inner(range(min = 300, max = 599)),
               extend("x-what" = "an extra good status"))]
    pub extra_good_statuses: Vec<u16>,
    /// HTTP/1.1 instead of HTTP/1.0.
    #[schemars(title = "HTTP/1.1 in checks", extend("x-inactive" = true))]
    pub http_1_1: bool,
    /// A regular expression that the answer's body must match; empty: anything.
    #[schemars(title = "Check pattern", length(max = 255), extend("x-inactive" = true))]
    pub pattern: String,
    /// Bytes of the body that are looked at.
    #[schemars(title = "Check body length", range(max = 8000), extend("x-unit" = "bytes", "x-inactive" = true))]
    pub pattern_within_bytes: u32,
    /// Headers that the request has beside its own.
    #[schemars(title = "Check headers", length(max = 4), extend("x-inactive" = true))]
    pub headers: Vec<HeaderPair>,
    /// What a POST sends.
    #[schemars(title = "Check data", length(max = 2047), extend("x-inactive" = true))]
    pub post_data: String,
}

/// A header and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-label" = ["{header}: {value}", "{header}"]))]
pub struct HeaderPair {
    /// Its name (RFC 9110 §5.1).
    #[schemars(title = "Header", length(max = 127))]
    pub header: String,
    /// What it says.
    #[serde(default)]
    #[schemars(title = "Value", length(max = 255))]
    pub value: String,
}

/// Method of an HTTP probe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    /// Headers only.
    #[default]
    #[schemars(title = "HEAD")]
    Head,
    /// The whole document.
    #[schemars(title = "GET")]
    Get,
    /// With data.
    #[schemars(title = "POST", extend("x-inactive" = true))]
    Post,
    /// What the server can do.
    #[schemars(title = "OPTIONS", extend("x-inactive" = true))]
    Options,
}

/// A lookup of a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DnsCheck {
    /// What is looked up: any answer without an error is good.
    #[schemars(title = "Name to look up", length(max = 253))]
    pub name: String,
}

/// A sign-in to a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LdapCheck {
    /// The name of one of the unit's LDAP endpoints, which has the account; empty: an anonymous sign-in.
    #[schemars(title = "LDAP endpoint", length(max = 64))]
    pub endpoint: String,
}

/// Bytes to send and to expect, in hexadecimal digits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BinaryCheck {
    /// What is sent; empty: the server speaks first.
    #[schemars(title = "Bytes to send", length(max = 510))]
    pub send: String,
    /// What must be in the answer; empty: any answer is good.
    #[schemars(title = "Bytes to expect", length(max = 510))]
    pub expect: String,
    /// How much of the answer is looked at.
    #[schemars(title = "Bytes looked at", range(max = 8000), extend("x-unit" = "bytes"))]
    pub within_bytes: u32,
}
