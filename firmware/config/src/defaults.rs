//! What a setting is when nobody set it.

use crate::{CheckKind, HealthCheck, HttpCheck, HttpMethod, Limits, ServiceTimeouts, Unit, Weight};

pub(crate) const fn yes() -> bool {
    true
}

impl Default for Unit {
    fn default() -> Self {
        Self {
            hostname: String::from("evener"),
            interfaces: Vec::new(),
            default_gateway: None,
            name_servers: Vec::new(),
            web_port: 8443,
        }
    }
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
        }
    }
}

impl Default for ServiceTimeouts {
    fn default() -> Self {
        Self { request_head_s: 10, connect_s: 4, response_head_s: 60, idle_s: 660, keep_alive_s: 60 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 20_000, request_head_bytes: 32_768, request_headers: 128 }
    }
}
