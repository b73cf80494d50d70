//! Services that this version must not serve, because it would do so without what their operator asked for.
//!
//! Most settings that are not active yet do no harm: a service without caching is a service. Others are promises to
//! somebody: who asked for TLS must not get clear text, who asked for a firewall must not get none. Such a service is
//! kept, shown with the reason, and does not listen.

use crate::{
    FirewallMode, Layer, Protocol, ProxyProtocolVersion, ServerSpeaksFirst, ServiceKind, StartTls,
    VirtualService,
};

impl VirtualService {
    /// Why this version does not serve the service although it is enabled; none when it does.
    #[must_use]
    pub fn why_not_served(&self) -> Option<String> {
        let has_rules = self.rules.content_switching || !self.rules.before.is_empty();
        let lists = !self.access.allow.is_empty() || !self.access.block.is_empty();
        let proxy_protocol =
            self.proxy_protocol.from_clients || self.proxy_protocol.to_servers != ProxyProtocolVersion::None;
        let promises = [
            (self.protocol == Protocol::Udp, "UDP"),
            (self.layer == Layer::Four, "layer 4"),
            (self.kind != ServiceKind::Http, "any service type but HTTP"),
            (self.tls.to_clients, "TLS to clients"),
            (self.tls.to_servers, "TLS to servers"),
            (self.start_tls != StartTls::None, "STARTTLS"),
            (self.server_speaks_first != ServerSpeaksFirst::No, "server initiating protocols"),
            (proxy_protocol, "the PROXY protocol"),
            (!self.sub_services.is_empty(), "sub-services"),
            (has_rules, "content switching"),
            (lists, "access lists of services"),
            (self.intrusion_prevention.detect, "intrusion prevention"),
            (self.web_firewall.mode != FirewallMode::Off, "the web application firewall"),
            (self.pre_authentication.require, "pre-authentication"),
        ];
        let missing: Vec<&str> = promises.iter().filter(|(asked, _)| *asked).map(|(_, what)| *what).collect();
        let (last, before) = missing.split_last()?;
        let list =
            if before.is_empty() { (*last).to_owned() } else { format!("{} and {last}", before.join(", ")) };
        Some(format!("this version does not have {list} yet: the service is kept and does not listen"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Address;

    #[test]
    fn a_promise_that_cannot_be_kept_is_not_broken_silently() {
        let mut service = VirtualService::new(Address::Literal("192.0.2.1".parse().unwrap()), 443);
        assert_eq!(service.why_not_served(), None);
        service.caching.cache = true;
        service.persistence.mode = crate::PersistenceMode::Source;
        assert_eq!(service.why_not_served(), None, "served without, which harms nobody");
        service.tls.to_clients = true;
        assert_eq!(
            service.why_not_served().unwrap(),
            "this version does not have TLS to clients yet: the service is kept and does not listen"
        );
        service.rules.content_switching = true;
        service.web_firewall.mode = FirewallMode::Audit;
        assert_eq!(
            service.why_not_served().unwrap(),
            "this version does not have TLS to clients, content switching and the web application firewall yet: \
             the service is kept and does not listen"
        );
    }
}
