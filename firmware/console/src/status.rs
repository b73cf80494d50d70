//! The screen that says how the unit does, on one page of a terminal.

use evener_api::control::Snapshot;
use evener_api::init::{ServiceState, UnitStatus};
use evener_api::moment;
use evener_api::net::NetStatus;
use std::net::IpAddr;

/// Its lines: what must be seen first, then the unit, then its network.
pub(crate) fn lines(
    snapshot: Option<&Snapshot>,
    net: Option<&NetStatus>,
    init: Option<&UnitStatus>,
    of_control: &[String],
    unix_s: u64,
) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    let mut line = |label: &str, text: String| lines.push((label.to_owned(), text));
    match init {
        Some(status) => {
            let up = status.uptime_ms / 60_000;
            let (days, hours, minutes) = (up / 1440, up / 60 % 24, up % 60);
            line("version", format!("{}, up for {days} d {hours} h {minutes} min", status.version));
            let not = status.services.iter().filter(|it| it.state != ServiceState::Running);
            let not: Vec<&str> = not.map(|service| service.service.name()).collect();
            if !not.is_empty() {
                line("not running", not.join(", "));
            }
            let mib = |bytes: u64| bytes / (1 << 20);
            let (free, total) = (mib(status.memory_available_bytes), mib(status.memory_total_bytes));
            line("memory", format!("{free} of {total} MiB free"));
        }
        None => line("init", "does not answer".into()),
    }
    line("clock", format!("{} UTC", moment(unix_s)));
    let port = snapshot.map_or(8443, |snapshot| snapshot.config.unit.web_port);
    if let Some(snapshot) = snapshot {
        line("host name", snapshot.config.unit.hostname.clone());
        line("services", snapshot.config.shared.virtual_services.len().to_string());
    }
    if let Some(net) = net {
        for interface in &net.interfaces {
            let cable = if interface.carrier { "" } else { ", no cable" };
            let addresses: Vec<String> = interface
                .addresses
                .iter()
                .take(4)
                .map(|(address, prefix)| format!("{address}/{prefix}"))
                .collect();
            let addresses = if addresses.is_empty() { "no address".into() } else { addresses.join(" ") };
            line(&interface.name.0, format!("{addresses}{cable}"));
        }
        line("gateway", net.gateway.map_or_else(|| "none".into(), |gateway| gateway.to_string()));
        let servers: Vec<String> = net.name_servers.iter().map(ToString::to_string).collect();
        line("name servers", if servers.is_empty() { "none".into() } else { servers.join(" ") });
        let first = net.interfaces.iter().flat_map(|interface| &interface.addresses).next();
        if let Some((address, _)) = first {
            line("pages", page(*address, port));
        }
    }
    let warnings = init.iter().flat_map(|init| &init.warnings).chain(of_control);
    for warning in warnings {
        line("WARNING", warning.clone());
    }
    lines
}

fn page(address: IpAddr, port: u16) -> String {
    match address {
        IpAddr::V4(address) => format!("https://{address}:{port}/"),
        IpAddr::V6(address) => format!("https://[{address}]:{port}/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evener_api::Service;
    use evener_api::init::ServiceHealth;

    #[test]
    fn says_what_does_not_run_and_what_is_warned_of() {
        let service = ServiceHealth {
            service: Service::Proxy,
            state: ServiceState::Waiting,
            pid: None,
            restarts: 3,
            last_end: String::new(),
            running_ms: 0,
        };
        let status = UnitStatus {
            version: "0.1.0".into(),
            uptime_ms: 90_061_000,
            memory_total_bytes: 1 << 30,
            memory_available_bytes: 700 << 20,
            handoff: String::new(),
            warnings: vec!["slot B is empty".into()],
            services: vec![service],
        };
        let text: Vec<String> = lines(None, None, Some(&status), &["the disk is full".into()], 0)
            .iter()
            .map(|(label, text)| format!("{label}: {text}"))
            .collect();
        for line in [
            "version: 0.1.0, up for 1 d 1 h 1 min",
            "not running: proxy",
            "memory: 700 of 1024 MiB free",
            "WARNING: slot B is empty",
            "WARNING: the disk is full",
        ] {
            assert!(text.iter().any(|it| it == line), "{line} in {text:?}");
        }
    }

    #[test]
    fn says_so_when_nobody_answers() {
        assert_eq!(lines(None, None, None, &[], 0)[0], ("init".into(), "does not answer".into()));
    }
}
