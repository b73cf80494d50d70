//! What else both units of a pair have in common: time, logs, monitoring, mail, backups, and what all services share.

use crate::tls::Secret;
use core::net::IpAddr;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the time comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-inactive" = true))]
pub struct Time {
    /// NTP servers, by name or address (RFC 5905); none: the clock is left as it is.
    #[schemars(title = "NTP hosts", length(max = 8), inner(length(max = 253)))]
    pub servers: Vec<String>,
    /// The zone in which times are shown, such as `Europe/Vienna`; empty: UTC.
    #[schemars(title = "Time zone", length(max = 64))]
    pub zone: String,
    /// The number of the key that servers sign with; 0: they do not.
    #[schemars(title = "NTP key id", range(max = 65_535))]
    pub key_id: u16,
    /// That key.
    #[schemars(title = "NTP key", extend("maxLength" = 64))]
    pub key: Secret,
}

/// What is written down, and who else is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-inactive" = true))]
pub struct Logging {
    /// Hosts that are sent the log (RFC 5424).
    #[schemars(title = "Syslog servers", length(max = 10))]
    pub syslog: Vec<SyslogServer>,
    /// Whether a line is written for every request.
    #[schemars(title = "Log requests")]
    pub requests: bool,
    /// Days after which lines are deleted, if the place on the disk did not end before.
    #[schemars(title = "Days that logs are kept", range(min = 1, max = 366), extend("x-unit" = "days", "x-what" = "a number of days"))]
    pub days: u16,
}

impl Default for Logging {
    fn default() -> Self {
        Self { syslog: Vec::new(), requests: false, days: 90 }
    }
}

/// A host that is sent the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-label" = ["syslog server {name}"]))]
pub struct SyslogServer {
    /// Its name or address.
    #[schemars(title = "Host", length(max = 253))]
    pub name: String,
    /// Its port.
    #[serde(default = "crate::defaults::syslog_port")]
    #[schemars(title = "Port", range(min = 1, max = 65535))]
    pub port: u16,
    /// How messages travel.
    #[serde(default)]
    #[schemars(title = "Syslog protocol")]
    pub protocol: SyslogProtocol,
    /// The least important lines that it gets.
    #[serde(default)]
    #[schemars(title = "Least level")]
    pub level: LogLevel,
}

/// How messages of the log travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SyslogProtocol {
    /// RFC 5426: a datagram each, which may be lost.
    #[default]
    #[schemars(title = "UDP")]
    Udp,
    /// RFC 6587.
    #[schemars(title = "TCP")]
    Tcp,
    /// RFC 5425.
    #[schemars(title = "TLS")]
    Tls,
}

/// How important a line is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Something does not work.
    #[schemars(title = "error")]
    Error,
    /// Something may not work soon.
    #[schemars(title = "warning")]
    Warning,
    /// Something happened.
    #[default]
    #[schemars(title = "info")]
    Info,
    /// Every step.
    #[schemars(title = "debug")]
    Debug,
}

/// Monitoring by SNMP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-inactive" = true))]
pub struct Snmp {
    /// Whether questions are answered.
    #[schemars(title = "Enable SNMP")]
    pub is_on: bool,
    /// The word that a question in version 2c must have; empty: none is answered.
    #[schemars(title = "Community string", extend("maxLength" = 64))]
    pub community: Secret,
    /// The user of version 3; empty: none.
    #[schemars(title = "SNMPv3 user", length(max = 64))]
    pub user: String,
    /// The user's password.
    #[schemars(title = "SNMPv3 password", extend("maxLength" = 64))]
    pub password: Secret,
    /// Addresses that may ask; none: any.
    #[schemars(title = "SNMP clients", length(max = 32))]
    pub clients: Vec<crate::Network>,
    /// Hosts that are told of what happens, in version 2c.
    #[schemars(title = "SNMP trap sinks", length(max = 8))]
    pub sinks: Vec<IpAddr>,
    /// Whether the shared address sends them in a pair.
    #[schemars(title = "Send traps from the shared address")]
    pub traps_from_shared: bool,
    /// Whom to ask about the unit.
    #[schemars(title = "Contact", length(max = 255))]
    pub contact: String,
    /// Where it stands.
    #[schemars(title = "Location", length(max = 255))]
    pub location: String,
}

/// Mail to operators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-inactive" = true))]
pub struct Mail {
    /// Whether any is sent.
    #[schemars(title = "Enable email logging")]
    pub is_on: bool,
    /// Who takes it.
    #[schemars(title = "SMTP server", length(max = 253))]
    pub server: String,
    /// Where.
    #[schemars(title = "SMTP port", range(min = 1, max = 65535), extend("x-what" = "a port"))]
    pub port: u16,
    /// How.
    #[schemars(title = "Connection security")]
    pub security: MailSecurity,
    /// The account; empty: none is needed.
    #[schemars(title = "Mail user", length(max = 255))]
    pub user: String,
    /// Its password.
    #[schemars(title = "Mail password", extend("maxLength" = 255))]
    pub password: Secret,
    /// Who gets it, and from which level on.
    #[schemars(title = "Recipients", length(max = 16))]
    pub recipients: Vec<Recipient>,
}

impl Default for Mail {
    fn default() -> Self {
        Self {
            is_on: false,
            server: String::new(),
            port: 25,
            security: MailSecurity::None,
            user: String::new(),
            password: Secret::default(),
            recipients: Vec::new(),
        }
    }
}

/// How mail is handed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MailSecurity {
    /// In clear text.
    #[default]
    #[schemars(title = "none")]
    None,
    /// With STARTTLS, if it is offered.
    #[schemars(title = "STARTTLS, if available")]
    StartTlsIfOffered,
    /// With STARTTLS.
    #[schemars(title = "STARTTLS")]
    StartTls,
    /// TLS from the first byte.
    #[schemars(title = "SSL/TLS")]
    Tls,
}

/// Who gets mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-label" = ["recipient {name}"]))]
pub struct Recipient {
    /// An address (RFC 5321 §4.1.2).
    #[schemars(title = "Address", length(max = 254))]
    pub name: String,
    /// The least important lines that are sent.
    #[serde(default)]
    #[schemars(title = "Least level")]
    pub level: LogLevel,
}

/// Backups that are made by themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-inactive" = true))]
pub struct ScheduledBackup {
    /// Whether any are.
    #[schemars(title = "Enable automated backups")]
    pub is_on: bool,
    /// On which days.
    #[schemars(title = "Backup day")]
    pub day: BackupDay,
    /// At which hour, UTC.
    #[schemars(title = "Backup hour", range(max = 23))]
    pub hour: u8,
    /// At which minute.
    #[schemars(title = "Backup minute", range(max = 59))]
    pub minute: u8,
    /// How the file travels.
    #[schemars(title = "Backup method")]
    pub method: BackupMethod,
    /// The host that takes it.
    #[schemars(title = "Backup host", length(max = 253))]
    pub host: String,
    /// The folder there.
    #[schemars(title = "Backup folder", length(max = 255))]
    pub folder: String,
    /// The account there.
    #[schemars(title = "Backup user", length(max = 64))]
    pub user: String,
    /// Its password, or its key.
    #[schemars(title = "Backup secret", extend("maxLength" = 8192, "x-lines" = true))]
    pub secret: Secret,
    /// What the file is encrypted with.
    #[schemars(title = "Backup password", extend("maxLength" = 128))]
    pub password: Secret,
}

/// On which days backups are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BackupDay {
    /// All of them.
    #[default]
    #[schemars(title = "daily")]
    Daily,
    /// Weekly.
    #[schemars(title = "Monday")]
    Monday,
    /// Weekly.
    #[schemars(title = "Tuesday")]
    Tuesday,
    /// Weekly.
    #[schemars(title = "Wednesday")]
    Wednesday,
    /// Weekly.
    #[schemars(title = "Thursday")]
    Thursday,
    /// Weekly.
    #[schemars(title = "Friday")]
    Friday,
    /// Weekly.
    #[schemars(title = "Saturday")]
    Saturday,
    /// Weekly.
    #[schemars(title = "Sunday")]
    Sunday,
}

/// How a backup travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BackupMethod {
    /// FTP (RFC 959), in clear text: the file is encrypted, the account is not.
    #[default]
    #[schemars(title = "FTP")]
    Ftp,
    /// Copied over SSH.
    #[schemars(title = "SCP")]
    Scp,
    /// File transfer over SSH.
    #[schemars(title = "SFTP")]
    Sftp,
}

/// What all services have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-inactive" = true))]
pub struct ServiceDefaults {
    /// For checks without an interval of their own.
    #[schemars(title = "Common check interval", range(min = 1, max = 901), extend("x-unit" = "s"))]
    pub check_interval_s: u16,
    /// For checks without a time-out of their own.
    #[schemars(title = "Common check time-out", range(min = 1, max = 60), extend("x-unit" = "s"))]
    pub check_timeout_s: u16,
    /// For checks without a number of tries of their own.
    #[schemars(title = "Common check tries", range(min = 1, max = 15), extend("x-what" = "a number of tries"))]
    pub check_retries: u8,
    /// How long clients that are remembered still reach a server that was disabled.
    #[schemars(title = "L7 connection drain time", range(max = 86_400), extend("x-unit" = "s"))]
    pub drain_s: u32,
    /// Whether open connections are closed when that time is over.
    #[schemars(title = "Drop connections at drain time end")]
    pub drop_at_drain_end: bool,
    /// Whether open connections are closed when a server fails.
    #[schemars(title = "Drop connections on server failure")]
    pub drop_on_failure: bool,
    /// How long a server that came back gets less than its share.
    #[schemars(title = "Slow start", range(max = 600), extend("x-unit" = "s"))]
    pub slow_start_s: u16,
    /// From one lookup of a server's name to the next.
    #[schemars(title = "DNS update interval", range(min = 1, max = 3600), extend("x-unit" = "s"))]
    pub dns_interval_s: u16,
    /// Whether servers may be reached through a router.
    #[schemars(title = "Enable non-local real servers")]
    pub non_local_servers: bool,
    /// Whether what servers send outwards by themselves leaves with the unit's address.
    #[schemars(title = "Enable server NAT")]
    pub server_nat: bool,
    /// Whether the cookie that the unit sets has the port in its name.
    #[schemars(title = "Add port to active cookie")]
    pub port_in_cookie: bool,
    /// Whether an answer always takes the way that the request came.
    #[schemars(title = "Use default route only")]
    pub default_route_only: bool,
    /// Whether sub-services share what is remembered of clients.
    #[schemars(title = "Share sub-service persistence")]
    pub share_persistence: bool,
}

impl Default for ServiceDefaults {
    fn default() -> Self {
        Self {
            check_interval_s: 9,
            check_timeout_s: 4,
            check_retries: 2,
            drain_s: 300,
            drop_at_drain_end: false,
            drop_on_failure: false,
            slow_start_s: 0,
            dns_interval_s: 60,
            non_local_servers: true,
            server_nat: true,
            port_in_cookie: false,
            default_route_only: false,
            share_persistence: false,
        }
    }
}
