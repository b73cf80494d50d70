//! The whole settings model: types, defaults, validation, difference.
//!
//! One value of [`Config`] is everything an operator can set. It has two halves: what a pair keeps equal
//! ([`Shared`]) and what belongs to one unit by nature ([`Unit`]: its addresses, its name). Synchronising a
//! pair copies the first half only, so nothing has to be filtered out, and nothing can be forgotten.
//!
//! A value that came from outside is only used after [`validate`] found nothing to say about it.
//!
//! The model is larger than what this version does: it has all that a LoadMaster's operator can set, so that whatever
//! such a unit has can be taken over and kept. What is kept without being acted on is marked so at its field
//! ([`shape`]).

#![forbid(unsafe_code)]

mod acceleration;
mod access_list;
mod administration;
mod check;
mod content;
mod defaults;
mod diff;
pub mod first;
mod forwarding;
mod geo;
mod limits;
mod network;
mod pair;
mod persistence;
mod preauth;
mod protection;
mod refuse;
mod secret;
mod served;
mod server;
mod service;
pub mod shape;
mod sparse;
mod system;
#[cfg(test)]
mod testing;
mod tls;
mod unavailable;
mod unit;
mod user;
mod validate;
mod violation;

pub use diff::diff;
pub use refuse::explain;
pub use secret::{HIDDEN, conceal};
pub use shape::json_schema;
pub use sparse::sparse;

pub use acceleration::{Acceleration, Caching, Compression};
pub use access_list::{AccessList, Network, NetworkError, PacketFilter, Refusal};
pub use administration::{Administration, Pages, RemoteAccess, Ssh};
pub use check::{
    BinaryCheck, CheckKind, DnsCheck, HeaderPair, HealthCheck, HttpCheck, HttpMethod, LdapCheck,
};
pub use content::{
    AddHeaderRule, DeleteHeaderRule, HeaderName, LooksAt, MatchRule, MatchType, ReplaceBodyRule,
    ReplaceHeaderRule, ReplaceRule, Rule, RuleKind, ServiceRules,
};
pub use forwarding::{
    Adaptive, ForwardedFor, Forwarding, HttpOptions, ProxyProtocol, ProxyProtocolVersion, QualityOfService,
    RemappedPage, RemappedStatus, RewriteRedirects, ServerSpeaksFirst, StartTls,
};
pub use geo::{
    Cluster, ClusterKind, Geo, GeoAddress, GeoAnswers, GeoChecker, GeoName, GeoRange, GeoRecord,
    GeoRecordKind, GeoRecovery, GeoSelection, Place,
};
pub use limits::{AddressLimit, Limits, ServiceTimeouts, UnitLimits};
pub use network::{
    Address, Bond, BondMode, Host, Interface, InterfaceAddress, InterfaceName, Ipv4Setup, Ipv6Setup,
    LinkSpeed, MadeOf, Route, StaticIpv4, StaticIpv6, Vlan, Vxlan,
};
pub use pair::{HaMode, Pair, PreferredHost, UnitPair};
pub use persistence::{Persistence, PersistenceMode};
pub use preauth::{
    Captcha, ClientAuthentication, LdapEndpoint, LdapProtocol, LogonFormat, PreAuthentication, SameSite,
    ServerAuthentication, SignOnDomain, SignOnProtocol,
};
pub use protection::{
    AuditMode, FirewallFile, FirewallMode, IntrusionPrevention, IntrusionRules, WebFirewall,
};
pub use server::{ForwardingMethod, RealServer, RsId, Weight};
pub use service::{Layer, PortRange, Protocol, Scheduler, ServiceKind, SubService, VirtualService, VsId};
pub use system::{
    BackupDay, BackupMethod, LogLevel, Logging, Mail, MailSecurity, Recipient, ScheduledBackup,
    ServiceDefaults, Snmp, SyslogProtocol, SyslogServer, Time,
};
pub use tls::{
    CIPHER_SETS, Certificate, CertificateOrigin, CipherSet, ClientCertificates, Hsts,
    IntermediateCertificate, Secret, ServiceTls, Tls13Cipher, TlsOptions, TlsVersion,
};
pub use unavailable::Unavailable;
pub use unit::Unit;
pub use user::{PasswordHash, User};
pub use validate::{
    MAX_INTERFACES, MAX_PASSWORD_BYTES, MAX_SERVERS, MAX_SERVERS_OF_A_SERVICE, MAX_SERVICES, MAX_USERS,
    validate, why_not_a_password,
};
pub use violation::Violation;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The format that settings are stored and backed up in: counts up with every change of the types here that an older
/// firmware could not read. It is in the manifest of a firmware, so that another one can tell what would be lost.
pub const FORMAT: u16 = 1;

/// Everything an operator can set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What both units of a pair have in common.
    pub shared: Shared,
    /// What belongs to this unit alone and is never synchronised.
    pub unit: Unit,
}

/// What both units of a pair have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Shared {
    /// In the order in which they were made; ids are unique.
    #[schemars(title = "Virtual services", length(max = MAX_SERVICES))]
    pub virtual_services: Vec<VirtualService>,
    /// Rules that services refer to by name.
    #[schemars(title = "Content rules", length(max = 1000))]
    pub rules: Vec<Rule>,
    /// Certificates that services refer to by name.
    #[schemars(title = "Certificates", length(max = 1000))]
    pub certificates: Vec<Certificate>,
    /// Certificates of authorities.
    #[schemars(title = "Intermediate certificates", length(max = 256))]
    pub intermediate_certificates: Vec<IntermediateCertificate>,
    /// Cipher sets beside those that every unit has.
    #[schemars(title = "Cipher sets", length(max = 64))]
    pub cipher_sets: Vec<CipherSet>,
    /// What all TLS of the unit has in common.
    #[schemars(title = "TLS options")]
    pub tls: TlsOptions,
    /// What all services have in common.
    #[schemars(title = "Service options")]
    pub services: ServiceDefaults,
    /// What all clients together, and each by itself, may hold.
    #[schemars(title = "Limits")]
    pub limits: UnitLimits,
    /// Who may send packets to the unit and through it.
    #[schemars(title = "Packet filter")]
    pub packet_filter: PacketFilter,
    /// What all services have in common about keeping and compressing.
    #[schemars(title = "Acceleration")]
    pub acceleration: Acceleration,
    /// What all services have in common about intrusion prevention.
    #[schemars(title = "Intrusion rules")]
    pub intrusion: IntrusionRules,
    /// Rules and data for the web application firewall.
    #[schemars(title = "Firewall files", length(max = 64))]
    pub firewall_files: Vec<FirewallFile>,
    /// Who knows users.
    #[schemars(title = "Sign-on domains", length(max = 128))]
    pub sign_on_domains: Vec<SignOnDomain>,
    /// Directories that can be asked.
    #[schemars(title = "LDAP endpoints", length(max = 64))]
    pub ldap_endpoints: Vec<LdapEndpoint>,
    /// Global balancing.
    #[schemars(title = "Global balancing")]
    pub geo: Geo,
    /// How a pair behaves.
    #[schemars(title = "High availability")]
    pub high_availability: Pair,
    /// Names that the unit knows without asking anybody.
    #[schemars(title = "Hosts", length(max = 256), extend("x-inactive" = true))]
    pub hosts: Vec<Host>,
    /// Where the time comes from.
    #[schemars(title = "Date and time")]
    pub time: Time,
    /// What is written down, and who else is told.
    #[schemars(title = "Logging")]
    pub logging: Logging,
    /// Monitoring by SNMP.
    #[schemars(title = "SNMP")]
    pub snmp: Snmp,
    /// Mail to operators.
    #[schemars(title = "Email")]
    pub mail: Mail,
    /// Backups that are made by themselves.
    #[schemars(title = "Automated backups")]
    pub backup: ScheduledBackup,
    /// Sessions of those who administer.
    #[schemars(title = "Administration")]
    pub administration: Administration,
    /// `bal` is always among them once the unit has a configuration.
    #[schemars(title = "Accounts", length(max = MAX_USERS))]
    pub users: Vec<User>,
}
