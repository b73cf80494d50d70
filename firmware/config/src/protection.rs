//! Requests that look like an attack: intrusion prevention and the web application firewall.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Intrusion prevention by rules in the SNORT syntax, for HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-inactive" = true))]
pub struct IntrusionPrevention {
    /// Whether requests are looked at.
    #[schemars(title = "Detect malicious requests")]
    pub detect: bool,
    /// Whether the connection of such a request is dropped; else the request is refused.
    #[schemars(title = "Drop connection")]
    pub drop_connection: bool,
    /// Whether such a request is written into the log.
    #[schemars(title = "Give warnings")]
    pub warn: bool,
}

/// What all services have in common about intrusion prevention.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-inactive" = true))]
pub struct IntrusionRules {
    /// The rules, one a line, in the SNORT syntax; empty: those that the unit brings.
    #[schemars(title = "Detection rules", length(max = 1_048_576), extend("x-lines" = true))]
    pub rules: String,
    /// Which rules count: 0 for the worst only, 3 for all.
    #[schemars(title = "Detection level", range(max = 3))]
    pub level: u8,
}

impl Default for IntrusionRules {
    fn default() -> Self {
        Self { rules: String::new(), level: 1 }
    }
}

/// The web application firewall, after the OWASP core rule set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-inactive" = true))]
pub struct WebFirewall {
    /// Whether it looks, and what it does.
    #[schemars(title = "Firewall mode")]
    pub mode: FirewallMode,
    /// How careful it is before it blocks: 1 for few false alarms, 4 for few misses.
    #[schemars(title = "Blocking paranoia level", range(min = 1, max = 4))]
    pub blocking_paranoia: u8,
    /// How careful it is before it warns.
    #[schemars(title = "Executing paranoia level", range(min = 1, max = 4))]
    pub executing_paranoia: u8,
    /// The score at which a request is an attack: each rule that matches adds to it.
    #[schemars(title = "Anomaly scoring threshold", range(min = 1, max = 10_000))]
    pub anomaly_threshold: u16,
    /// Attacks in an hour of which the operator is warned; 0: never.
    #[schemars(title = "Hourly alert threshold", range(max = 1_000_000))]
    pub alert_threshold: u32,
    /// Steps that a regular expression may take.
    #[schemars(title = "Regular expression limit", range(min = 1, max = 1_000_000))]
    pub pattern_limit: u32,
    /// Depth of JSON that is looked at.
    #[schemars(title = "JSON depth limit", range(min = 1, max = 100_000))]
    pub json_depth: u32,
    /// Size of a body that is looked at.
    #[schemars(title = "Body size limit", range(min = 1024, max = 134_217_728), extend("x-unit" = "bytes"))]
    pub body_bytes: u32,
    /// Whether bodies of requests are looked at.
    #[schemars(title = "Inspect request bodies")]
    pub request_bodies: bool,
    /// Types of POST bodies that are looked at beside forms, JSON and XML; `any` for all.
    #[schemars(title = "Other content types", length(max = 32), inner(length(max = 127)))]
    pub other_content_types: Vec<String>,
    /// Whether answers are looked at, too.
    #[schemars(title = "Process responses")]
    pub responses: bool,
    /// What is written of a request.
    #[schemars(title = "Audit mode")]
    pub audit: AuditMode,
    /// Parts of the request that are written: letters after the audit log format.
    #[schemars(title = "Audit parts", length(max = 16))]
    pub audit_parts: String,
    /// Whether clients of bad repute are blocked.
    #[schemars(title = "Block by reputation")]
    pub block_by_reputation: bool,
    /// Countries whose clients are blocked: ISO 3166-1 codes of two letters.
    #[schemars(title = "Blocked countries", length(max = 250), inner(length(max = 2)))]
    pub blocked_countries: Vec<String>,
    /// Groups of rules that are used; none: the core rule set.
    #[schemars(title = "Rule sets", length(max = 128), inner(length(max = 64)))]
    pub rule_sets: Vec<String>,
    /// Names of custom rule files that are used.
    #[schemars(title = "Custom rules", length(max = 128), inner(length(max = 64)))]
    pub custom_rules: Vec<String>,
    /// Numbers of rules that are not.
    #[schemars(title = "Disabled rules", length(max = 1024), inner(range(min = 1, max = 99_999_999)), extend("x-what" = "the number of a rule"))]
    pub disabled_rules: Vec<u32>,
    /// Applications whose known false alarms are left out.
    #[schemars(title = "Excluded workloads", length(max = 32), inner(length(max = 64)))]
    pub excluded_workloads: Vec<String>,
}

impl Default for WebFirewall {
    fn default() -> Self {
        Self {
            mode: FirewallMode::Off,
            blocking_paranoia: 1,
            executing_paranoia: 1,
            anomaly_threshold: 100,
            alert_threshold: 0,
            pattern_limit: 3000,
            json_depth: 10_000,
            body_bytes: 1_048_576,
            request_bodies: false,
            other_content_types: Vec::new(),
            responses: false,
            audit: AuditMode::None,
            audit_parts: String::new(),
            block_by_reputation: false,
            blocked_countries: Vec::new(),
            rule_sets: Vec::new(),
            custom_rules: Vec::new(),
            disabled_rules: Vec::new(),
            excluded_workloads: Vec::new(),
        }
    }
}

/// Whether the firewall looks, and what it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FirewallMode {
    /// It does not look.
    #[default]
    #[schemars(title = "off")]
    Off,
    /// It writes what it finds into the log.
    #[schemars(title = "audit only")]
    Audit,
    /// It refuses what it finds.
    #[schemars(title = "block mode")]
    Block,
    /// By the rules of former versions, without a score: it writes what it finds into the log.
    #[schemars(title = "audit only, legacy rules")]
    LegacyAudit,
    /// By the rules of former versions, without a score: it refuses what it finds.
    #[schemars(title = "block mode, legacy rules")]
    LegacyBlock,
}

/// What is written of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditMode {
    /// Nothing.
    #[default]
    #[schemars(title = "no audit")]
    None,
    /// Those in which something was found.
    #[schemars(title = "audit relevant")]
    Relevant,
    /// All of them.
    #[schemars(title = "audit all")]
    All,
}

/// Rules, or data for rules, of an operator's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-label" = ["firewall file {name}"], "x-inactive" = true))]
pub struct FirewallFile {
    /// What services call it; ends with `.conf` for rules, with `.data` for data.
    #[schemars(title = "Name", length(max = 64))]
    pub name: String,
    /// What is in it.
    #[schemars(title = "Content", length(max = 1_048_576), extend("x-lines" = true))]
    pub content: String,
}
