//! Two units that stand in for each other.
//!
//! What each unit is in its pair, and who its partner is, is its own and never synchronised (row C6); how the pair
//! behaves is the same on both.

use crate::tls::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A unit's place in a pair.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-inactive" = true))]
pub struct UnitPair {
    /// Which of the two it is, and in which kind of pair.
    #[schemars(title = "HA mode")]
    pub mode: HaMode,
    /// The other unit, by name or address.
    #[schemars(title = "Partner name or IP", length(max = 253))]
    pub partner: String,
    /// What both were told when they were paired; it is never given back.
    #[schemars(title = "Pairing code", extend("maxLength" = 127))]
    pub code: Secret,
}

/// Which unit of a pair this is, and in which kind of pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HaMode {
    /// It is alone.
    #[default]
    #[schemars(title = "non HA mode")]
    Single,
    /// The first, on premises: the pair shares addresses.
    #[schemars(title = "HA (first) mode")]
    First,
    /// The second, on premises.
    #[schemars(title = "HA (second) mode")]
    Second,
    /// The first, in a cloud, behind its balancer.
    #[schemars(title = "Master HA mode")]
    CloudMaster,
    /// The second, in a cloud.
    #[schemars(title = "Slave HA mode")]
    CloudSlave,
}

/// How a pair behaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("x-inactive" = true))]
pub struct Pair {
    /// Whether the first unit takes over again when it is back.
    #[schemars(title = "Switch to preferred server")]
    pub prefer: PreferredHost,
    /// Where a cloud's balancer asks which unit is active.
    #[schemars(title = "Health check port", range(min = 1, max = 65535), extend("x-what" = "a port"))]
    pub health_port: u16,
    /// Whether that is answered on all interfaces, not on the primary one alone.
    #[schemars(title = "Health check on all interfaces")]
    pub health_on_all: bool,
    /// The pair's number on its networks: two pairs on one network need two.
    #[schemars(title = "HA virtual ID", range(min = 1, max = 255))]
    pub virtual_id: u8,
    /// Silence of the active unit after which the other one takes over.
    #[schemars(title = "HA time-out", range(min = 200, max = 15_000), extend("x-unit" = "ms"))]
    pub timeout_ms: u16,
    /// What a unit waits at boot before it looks for its partner.
    #[schemars(title = "HA initial wait time", range(max = 200), extend("x-unit" = "s", "x-what" = "a time"))]
    pub initial_wait_s: u8,
    /// Whether the shared addresses have a hardware address of their own, which moves with them.
    #[schemars(title = "Use virtual MAC addresses")]
    pub virtual_mac: bool,
    /// Whether open connections of layer 4 outlive a take-over.
    #[schemars(title = "Inter-HA L4 TCP connection updates")]
    pub synchronize_connections: bool,
    /// Whether clients find their server again after a take-over.
    #[schemars(title = "Inter-HA L7 persistence updates")]
    pub synchronize_persistence: bool,
    /// Whether a unit whose checked link fails restarts, beside giving up.
    #[schemars(title = "Reboot on link failure")]
    pub reboot_on_link_failure: bool,
}

impl Default for Pair {
    fn default() -> Self {
        Self {
            prefer: PreferredHost::Master,
            health_port: 8444,
            health_on_all: false,
            virtual_id: 1,
            timeout_ms: 800,
            initial_wait_s: 0,
            virtual_mac: false,
            synchronize_connections: false,
            synchronize_persistence: false,
            reboot_on_link_failure: false,
        }
    }
}

/// Whether a unit takes over again when it is back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PreferredHost {
    /// Whoever is active stays so.
    #[schemars(title = "no preferred host")]
    None,
    /// The first unit does.
    #[default]
    #[schemars(title = "prefer master")]
    Master,
    /// The second unit does (on premises).
    #[schemars(title = "prefer second")]
    Second,
}
