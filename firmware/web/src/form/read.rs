//! From what was typed to the model. Only what the model's types cannot hold is refused here (letters in a
//! number); ranges and clashes are control's to judge, once for all faces.

use super::{Form, KEPT, Word};
use evener_config::{
    Address, CheckKind, HealthCheck, HttpCheck, InterfaceName, Limits, RealServer, ServiceTimeouts,
    VirtualService, Weight,
};
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

impl Form {
    /// The service that was typed; what the form does not ask for stays as it is.
    ///
    /// # Errors
    /// Nothing, but [`Form::violations`] says what could not be read.
    pub(crate) fn service(&mut self, present: &VirtualService) -> Option<VirtualService> {
        let service = VirtualService {
            name: self.text("name"),
            address: self.address(),
            port: self.number("port", "80"),
            protocol: self.choice("protocol"),
            enabled: self.ticked("enabled"),
            scheduler: self.choice("scheduler"),
            check: self.check(&present.check),
            forwarded_for: self.choice("forwarded_for"),
            timeouts: ServiceTimeouts {
                request_head_s: self.number("timeouts.request_head_s", "10"),
                connect_s: self.number("timeouts.connect_s", "4"),
                response_head_s: self.number("timeouts.response_head_s", "60"),
                idle_s: self.number("timeouts.idle_s", "660"),
                keep_alive_s: self.number("timeouts.keep_alive_s", "60"),
            },
            limits: Limits {
                connections: self.number("limits.connections", "20000"),
                request_head_bytes: self.number("limits.request_head_bytes", "32768"),
                request_headers: self.number("limits.request_headers", "128"),
                ..present.limits
            },
            ..present.clone()
        };
        self.violations.is_empty().then_some(service)
    }

    /// The real server that was typed; what the form does not ask for stays as it is.
    pub(crate) fn server(&mut self, present: &RealServer) -> Option<RealServer> {
        let server = RealServer {
            address: self.ip("address", "10.0.0.5"),
            port: self.number("port", "8080"),
            weight: Weight(self.number("weight", "1000")),
            enabled: self.ticked("enabled"),
            ..present.clone()
        };
        self.violations.is_empty().then_some(server)
    }

    fn address(&mut self) -> Address {
        if self.value("address.kind") == "own" {
            Address::Own(InterfaceName(self.text("address.own")))
        } else {
            Address::Literal(self.ip("address.literal", "192.0.2.10"))
        }
    }

    fn check(&mut self, present: &HealthCheck) -> HealthCheck {
        let kind = match self.value("check.kind") {
            "tcp" => CheckKind::Tcp,
            "none" => CheckKind::None,
            KEPT => present.kind.clone(),
            _ => CheckKind::Http(HttpCheck {
                method: self.choice("check.http.method"),
                path: self.text("check.http.path"),
                host: Some(self.text("check.http.host")).filter(|host| !host.is_empty()),
                extra_good_statuses: self.statuses(),
                ..match &present.kind {
                    CheckKind::Http(http) => http.clone(),
                    _ => HttpCheck::default(),
                }
            }),
        };
        let port = if self.value("check.port").trim().is_empty() {
            None
        } else {
            Some(self.number("check.port", "8080"))
        };
        HealthCheck {
            kind,
            interval_s: self.number("check.interval_s", "9"),
            timeout_s: self.number("check.timeout_s", "4"),
            retries: self.number("check.retries", "2"),
            port,
            ..present.clone()
        }
    }

    fn statuses(&mut self) -> Vec<u16> {
        const NAME: &str = "check.http.extra_good_statuses";
        let typed = self.text(NAME);
        let mut statuses = Vec::new();
        for part in typed.split([',', ' ', ';']).filter(|part| !part.is_empty()) {
            match part.parse() {
                Ok(status) => statuses.push(status),
                Err(_) => {
                    self.complain(NAME, format!("“{part}” is not a status. Write numbers such as 301, 404."));
                }
            }
        }
        statuses
    }

    fn text(&self, name: &str) -> String {
        self.value(name).trim().to_owned()
    }

    fn number<N: FromStr + Default>(&mut self, name: &str, example: &str) -> N {
        let typed = self.text(name);
        typed.parse().unwrap_or_else(|_| {
            let whole = !typed.is_empty() && typed.bytes().all(|byte| byte.is_ascii_digit());
            self.complain(
                name,
                match typed.as_str() {
                    "" => format!("A number is needed here, such as {example}."),
                    _ if whole => format!("{typed} is too large. The range stands below."),
                    _ => format!("“{typed}” is not a whole number. Write one such as {example}."),
                },
            );
            N::default()
        })
    }

    fn ip(&mut self, name: &str, example: &str) -> IpAddr {
        let typed = self.text(name);
        typed.parse().unwrap_or_else(|_| {
            self.complain(
                name,
                if typed.is_empty() {
                    format!("An IP address is needed here, such as {example}.")
                } else {
                    format!("“{typed}” is not an IP address. Write one such as {example} or 2001:db8::10.")
                },
            );
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        })
    }

    fn choice<W: Word + Default>(&mut self, name: &str) -> W {
        let typed = self.text(name);
        match W::ALL.iter().find(|(_, word, _)| *word == typed) {
            Some((option, ..)) => *option,
            None => {
                self.complain(name, "Choose one of these.");
                W::default()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posted(form: &Form, changes: &[(&str, &str)]) -> Form {
        let mut form = form.clone();
        for (name, value) in changes {
            form.set(name, value);
        }
        form
    }

    #[test]
    fn a_service_survives_the_way_through_its_form() {
        let text = r#"{"id": 3, "name": "shop", "address": {"own": "eth0"}, "port": 8080, "enabled": false,
            "scheduler": "weighted_round_robin", "forwarded_for": "none",
            "check": {"kind": {"http": {"method": "GET", "path": "/up", "host": "shop",
                "extra_good_statuses": [301, 404]}}, "interval_s": 20, "port": 99},
            "timeouts": {"idle_s": 5}, "limits": {"connections": 7},
            "real_servers": [{"id": 4, "address": "2001:db8::1", "port": 1, "weight": 5, "enabled": false}]}"#;
        let service: VirtualService = serde_json::from_str(text).unwrap();
        let mut form = Form::of_service(&service);
        assert_eq!(form.service(&service), Some(service.clone()));
        let server = &service.real_servers[0];
        assert_eq!(Form::of_server(server).server(server).as_ref(), Some(server));
    }

    #[test]
    fn what_a_form_does_not_ask_for_stays_as_it_is() {
        let text = r#"{"id": 3, "address": {"own": "eth0"}, "port": 8080, "tls": {"to_clients": true},
            "check": {"kind": {"ldap": {"endpoint": "dc"}}, "least_servers": 2}, "limits": {"requests_per_s": 9},
            "real_servers": [{"id": 4, "address": "10.0.0.1", "port": 1, "critical": true}]}"#;
        let service: VirtualService = serde_json::from_str(text).unwrap();
        assert_eq!(Form::of_service(&service).service(&service).as_ref(), Some(&service));
        let server = &service.real_servers[0];
        assert_eq!(Form::of_server(server).server(server).as_ref(), Some(server));
    }

    #[test]
    fn a_new_form_holds_the_defaults_of_the_model() {
        let mut form = posted(&Form::of_new_service(), &[("address.literal", " 192.0.2.1 ")]);
        let default: VirtualService =
            serde_json::from_str(r#"{"address": {"literal": "192.0.2.1"}, "port": 80}"#).unwrap();
        assert_eq!(form.service(&super::super::blank()), Some(default));
    }

    #[test]
    fn what_cannot_be_read_is_said_at_its_input_and_kept() {
        let cases = [
            ("port", "http", "not a whole number"),
            ("port", "70000", "too large"),
            ("port", "", "needed here"),
            ("address.literal", "shop<b>", "not an IP address"),
            ("scheduler", "dice", "Choose"),
            ("check.http.extra_good_statuses", "301, x", "not a status"),
            ("timeouts.idle_s", "-1", "not a whole number"),
        ];
        let good = posted(&Form::of_new_service(), &[("address.literal", "192.0.2.1")]);
        for (name, value, reason) in cases {
            let mut form = posted(&good, &[(name, value)]);
            assert_eq!(form.service(&super::super::blank()), None, "{name}");
            assert!(form.complaints(name).all(|one| one.contains(reason)), "{name}");
            assert_eq!(form.complaints(name).count(), 1, "{name}");
            assert_eq!(form.value(name), value);
        }
    }
}
