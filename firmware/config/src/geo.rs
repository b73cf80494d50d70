//! Global balancing: names that are answered with the address of a site (rows D1 to D4).

use crate::access_list::Network;
use core::net::IpAddr;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Global balancing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-inactive" = true))]
pub struct Geo {
    /// Whether names are answered.
    #[schemars(title = "Enable GEO")]
    pub is_on: bool,
    /// Names, and who serves them.
    #[schemars(title = "Names", length(max = 256))]
    pub names: Vec<GeoName>,
    /// Sites.
    #[schemars(title = "Clusters", length(max = 64))]
    pub clusters: Vec<Cluster>,
    /// Other balancers that may read this unit's state.
    #[schemars(title = "Remote GEO access", length(max = 64))]
    pub clients: Vec<IpAddr>,
    /// Balancers with which these settings are shared.
    #[schemars(title = "GEO partners", length(max = 64))]
    pub partners: Vec<IpAddr>,
    /// Where their state is asked for.
    #[schemars(title = "GEO update port", range(min = 1, max = 65535), extend("x-what" = "a port"))]
    pub update_port: u16,
    /// How long an answer may be kept.
    #[schemars(title = "TTL", range(min = 1, max = 86_400), extend("x-unit" = "s"))]
    pub ttl_s: u32,
    /// How long a client gets the same answer; 0: not at all.
    #[schemars(title = "Stickiness", range(max = 86_400), extend("x-unit" = "s", "x-what" = "a time"))]
    pub sticky_s: u32,
    /// From one check of a site to the next.
    #[schemars(title = "Site check interval", range(min = 9, max = 3600), extend("x-unit" = "s"))]
    pub check_interval_s: u16,
    /// What a site has to answer.
    #[schemars(title = "Site check time-out", range(min = 4, max = 60), extend("x-unit" = "s"))]
    pub check_timeout_s: u16,
    /// Checks that must fail in a row.
    #[schemars(title = "Site check tries", range(min = 1, max = 15), extend("x-what" = "a number of tries"))]
    pub check_retries: u8,
    /// The zone's first server (RFC 1035 §3.3.13); empty: this unit.
    #[schemars(title = "Source of authority", length(max = 253))]
    pub authority: String,
    /// The zone's name servers.
    #[schemars(title = "Name servers of the zone", length(max = 16), inner(length(max = 253)))]
    pub zone_servers: Vec<String>,
    /// Whom to write to about the zone, with a dot for the @.
    #[schemars(title = "SOA email", length(max = 253))]
    pub zone_contact: String,
    /// Whether the client's network that a resolver tells of is used (RFC 7871).
    #[schemars(title = "Use EDNS client subnet")]
    pub client_subnet: bool,
    /// Whether answers are signed (RFC 4033).
    #[schemars(title = "DNSSEC")]
    pub dnssec: bool,
    /// Networks whose place is known better than from the table.
    #[schemars(title = "IP ranges", length(max = 512))]
    pub ranges: Vec<GeoRange>,
    /// Who is answered, and who is not.
    #[schemars(title = "GEO access list")]
    pub access: crate::access_list::AccessList,
}

impl Default for Geo {
    fn default() -> Self {
        Self {
            is_on: false,
            names: Vec::new(),
            clusters: Vec::new(),
            clients: Vec::new(),
            partners: Vec::new(),
            update_port: 22,
            ttl_s: 10,
            sticky_s: 0,
            check_interval_s: 120,
            check_timeout_s: 20,
            check_retries: 2,
            authority: String::new(),
            zone_servers: Vec::new(),
            zone_contact: String::new(),
            client_subnet: false,
            dnssec: false,
            ranges: Vec::new(),
            access: crate::access_list::AccessList::default(),
        }
    }
}

/// A name, and who serves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-label" = ["name {name}"]))]
pub struct GeoName {
    /// Fully qualified, without the last dot; `*.` in front for all names below.
    #[schemars(title = "Fully qualified name", length(max = 253))]
    pub name: String,
    /// How one of its addresses is chosen.
    #[serde(default)]
    #[schemars(title = "Selection criteria")]
    pub selection: GeoSelection,
    /// Minutes after which an address that was down is given up until somebody enables it; 0: never.
    #[serde(default)]
    #[schemars(title = "Fail time", range(max = 1440), extend("x-unit" = "min", "x-what" = "a time"))]
    pub fail_min: u16,
    /// Whether an address comes back by itself.
    #[serde(default)]
    #[schemars(title = "Site recovery mode")]
    pub recovery: GeoRecovery,
    /// Only the first address that is up is given, for the selection by location.
    #[serde(default)]
    #[schemars(title = "Site failover")]
    pub failover: bool,
    /// What clients with public addresses get.
    #[serde(default)]
    #[schemars(title = "Public requests")]
    pub public: GeoAnswers,
    /// What clients with private addresses get.
    #[serde(default)]
    #[schemars(title = "Private requests")]
    pub private: GeoAnswers,
    /// An address is up only while all of the name's addresses at its site are.
    #[serde(default)]
    #[schemars(title = "Unanimous cluster health checks")]
    pub unanimous: bool,
    /// For this name in place of the common one.
    #[serde(default)]
    #[schemars(title = "Own TTL", range(min = 1, max = 86_400), extend("x-unit" = "s", "x-absent" = "the common one", "x-what" = "a TTL"))]
    pub ttl_s: Option<u32>,
    /// For this name in place of the common one.
    #[serde(default)]
    #[schemars(title = "Own stickiness", range(max = 86_400), extend("x-unit" = "s", "x-absent" = "the common one", "x-what" = "a time"))]
    pub sticky_s: Option<u32>,
    /// Its addresses.
    #[serde(default)]
    #[schemars(title = "Addresses", length(max = 256))]
    pub addresses: Vec<GeoAddress>,
    /// Other things that can be asked about it.
    #[serde(default)]
    #[schemars(title = "Extra records", length(max = 64))]
    pub records: Vec<GeoRecord>,
}

/// How one address of a name is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GeoSelection {
    /// Each in turn.
    #[default]
    #[schemars(title = "round robin")]
    RoundRobin,
    /// In proportion to the weights.
    #[schemars(title = "weighted round robin")]
    WeightedRoundRobin,
    /// The heaviest that is up.
    #[schemars(title = "fixed weighting")]
    Fixed,
    /// The one with the least load on its servers.
    #[schemars(title = "real server load")]
    RealServerLoad,
    /// The nearest.
    #[schemars(title = "proximity")]
    Proximity,
    /// The one for the client's country or continent.
    #[schemars(title = "location based")]
    Location,
    /// All of them.
    #[schemars(title = "all available")]
    All,
}

/// Whether an address comes back by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GeoRecovery {
    /// It does.
    #[default]
    #[schemars(title = "automatic")]
    Automatic,
    /// Somebody brings it back.
    #[schemars(title = "manual")]
    Manual,
}

/// Which addresses a kind of clients gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GeoAnswers {
    /// Public ones only.
    #[schemars(title = "public sites only")]
    PublicOnly,
    /// Public ones if any is up, else private ones.
    #[schemars(title = "prefer public sites")]
    PreferPublic,
    /// Private ones only.
    #[schemars(title = "private sites only")]
    PrivateOnly,
    /// Any.
    #[default]
    #[schemars(title = "all sites")]
    All,
}

/// One address of a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-label" = ["{address}"]))]
pub struct GeoAddress {
    /// What clients are told.
    #[schemars(title = "Address")]
    pub address: IpAddr,
    /// The name of its cluster; empty: none.
    #[serde(default)]
    #[schemars(title = "Cluster", length(max = 64))]
    pub cluster: String,
    /// How it is known to be up.
    #[serde(default)]
    #[schemars(title = "Checker")]
    pub checker: GeoChecker,
    /// What is checked.
    #[serde(default)]
    #[schemars(title = "Checker address", extend("x-absent" = "the address itself"))]
    pub check_address: Option<IpAddr>,
    /// Where.
    #[serde(default)]
    #[schemars(title = "Checker port", range(min = 1, max = 65535), extend("x-absent" = "the protocol's own", "x-what" = "a port"))]
    pub check_port: Option<u16>,
    /// Its share, or its rank.
    #[serde(default)]
    #[schemars(title = "Weight")]
    pub weight: crate::Weight,
    /// Whether it is given to clients.
    #[serde(default = "crate::defaults::yes")]
    #[schemars(title = "Enabled")]
    pub enabled: bool,
    /// Countries and continents whose clients get it: ISO 3166-1 codes, or `AF`, `AN`, `AS`, `EU`, `NA`, `OC`, `SA` behind
    /// `continent:`.
    #[serde(default)]
    #[schemars(title = "Locations", length(max = 260), inner(length(max = 64)))]
    pub locations: Vec<String>,
    /// Where it stands, for the nearest one.
    #[serde(default)]
    #[schemars(title = "Place", extend("x-absent" = "from the table of addresses"))]
    pub place: Option<Place>,
}

/// A point on the earth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-label" = ["{latitude} {longitude}"]))]
pub struct Place {
    /// Seconds of arc northward from the south pole: 324000 is the equator.
    #[schemars(title = "Latitude", range(max = 648_000), extend("x-unit" = "seconds of arc"))]
    pub latitude: u32,
    /// Seconds of arc eastward from the date line: 648000 is Greenwich.
    #[schemars(title = "Longitude", range(max = 1_296_000), extend("x-unit" = "seconds of arc"))]
    pub longitude: u32,
}

/// How an address is known to be up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GeoChecker {
    /// It always is.
    #[schemars(title = "none")]
    None,
    /// It answers an echo request.
    #[default]
    #[schemars(title = "ICMP ping")]
    Icmp,
    /// It opens a connection.
    #[schemars(title = "TCP connect")]
    Tcp,
    /// It answers a request.
    #[schemars(title = "HTTP")]
    Http,
    /// It answers a request over TLS.
    #[schemars(title = "HTTPS")]
    Https,
    /// Its cluster says so.
    #[schemars(title = "cluster checks")]
    Cluster,
}

/// Something else that can be asked about a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-label" = ["{kind} {value}"]))]
pub struct GeoRecord {
    /// What is asked.
    #[schemars(title = "Record type")]
    pub kind: GeoRecordKind,
    /// What is answered, as a zone file has it.
    #[schemars(title = "Record", length(max = 255))]
    pub value: String,
}

/// The kind of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum GeoRecordKind {
    /// Text.
    #[schemars(title = "TXT")]
    Txt,
    /// Another name.
    #[schemars(title = "CNAME")]
    Cname,
    /// Who takes mail.
    #[schemars(title = "MX")]
    Mx,
}

/// A site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-label" = ["cluster {name}"]))]
pub struct Cluster {
    /// What names call it.
    #[schemars(title = "Name", length(max = 64))]
    pub name: String,
    /// Where it is. `own` is replaced by the partner's when a pair synchronises.
    #[schemars(title = "Address")]
    pub address: crate::Address,
    /// What it is.
    #[serde(default)]
    #[schemars(title = "Type")]
    pub kind: ClusterKind,
    /// How it is known to be up, where it is not a balancer.
    #[serde(default)]
    #[schemars(title = "Checkers")]
    pub checker: GeoChecker,
    /// Where it is checked.
    #[serde(default)]
    #[schemars(title = "Checker port", range(min = 1, max = 65535), extend("x-absent" = "the protocol's own", "x-what" = "a port"))]
    pub check_port: Option<u16>,
    /// Whether its addresses are given to clients.
    #[serde(default = "crate::defaults::yes")]
    #[schemars(title = "Enabled")]
    pub enabled: bool,
    /// Where it stands, for the nearest one.
    #[serde(default)]
    #[schemars(title = "Place", extend("x-absent" = "from the table of addresses"))]
    pub place: Option<Place>,
}

/// What a site is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClusterKind {
    /// Anything that can be checked.
    #[default]
    #[schemars(title = "Default")]
    Default,
    /// Another balancer, which says how its services are.
    #[schemars(title = "Remote LM")]
    Remote,
    /// This unit.
    #[schemars(title = "Local LM")]
    Local,
}

/// Networks whose place is known better than from the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-label" = ["{network}"]))]
pub struct GeoRange {
    /// Those addresses.
    #[schemars(title = "Addresses")]
    pub network: Network,
    /// Its country, an ISO 3166-1 code; empty: none.
    #[serde(default)]
    #[schemars(title = "Country", length(max = 2))]
    pub country: String,
    /// A location of an operator's own; empty: none.
    #[serde(default)]
    #[schemars(title = "Custom location", length(max = 64))]
    pub location: String,
    /// Where it stands.
    #[serde(default)]
    #[schemars(title = "Place", extend("x-absent" = "none"))]
    pub place: Option<Place>,
}
