//! What a setting is when nobody set it, where that is not zero, empty or off.

use crate::{CheckKind, HealthCheck, HttpCheck, HttpMethod, Limits, ServiceTimeouts, SubService, Weight};

pub(crate) const fn yes() -> bool {
    true
}

pub(crate) const fn syslog_port() -> u16 {
    514
}

pub(crate) const fn unlock_s() -> u32 {
    1800
}

pub(crate) const fn session_idle_s() -> u32 {
    900
}

pub(crate) const fn session_longest_s() -> u32 {
    28_800
}

pub(crate) const fn ldap_timeout_s() -> u8 {
    5
}

pub(crate) const fn ldap_interval_s() -> u32 {
    60
}

impl Default for Weight {
    fn default() -> Self {
        Self(1000)
    }
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            kind: CheckKind::Http(HttpCheck::default()),
            interval_s: 9,
            timeout_s: 4,
            retries: 2,
            port: None,
            least_servers: 0,
        }
    }
}

impl Default for HttpCheck {
    fn default() -> Self {
        Self {
            method: HttpMethod::Head,
            path: String::from("/"),
            host: None,
            extra_good_statuses: Vec::new(),
            http_1_1: false,
            pattern: String::new(),
            pattern_within_bytes: 0,
            headers: Vec::new(),
            post_data: String::new(),
        }
    }
}

impl Default for crate::DnsCheck {
    fn default() -> Self {
        Self { name: String::from(".") }
    }
}

impl Default for ServiceTimeouts {
    fn default() -> Self {
        Self { request_head_s: 10, connect_s: 4, response_head_s: 60, idle_s: 660, keep_alive_s: 60 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            request_head_bytes: 32_768,
            request_headers: 128,
            connections_per_s: 0,
            requests_per_s: 0,
            bandwidth_kbit_s: 0,
        }
    }
}

impl Default for SubService {
    fn default() -> Self {
        let crate::VirtualService {
            id,
            kind,
            scheduler,
            adaptive,
            persistence,
            check,
            forwarded_for,
            forwarding,
            http,
            rules,
            unavailable,
            caching,
            compression,
            intrusion_prevention,
            web_firewall,
            pre_authentication,
            timeouts,
            limits,
            real_servers,
            ..
        } = crate::VirtualService::new(crate::Address::Literal(core::net::Ipv4Addr::UNSPECIFIED.into()), 0);
        Self {
            id,
            name: String::new(),
            enabled: true,
            kind,
            weight: Weight::default().0,
            connection_limit: 0,
            critical: false,
            chosen_by: Vec::new(),
            scheduler,
            adaptive,
            persistence,
            check,
            forwarded_for,
            forwarding,
            http,
            rules,
            unavailable,
            caching,
            compression,
            intrusion_prevention,
            web_firewall,
            pre_authentication,
            timeouts,
            limits,
            real_servers,
        }
    }
}
