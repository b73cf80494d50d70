//! Settings that refer to others: what they name is there.

use crate::violation::{Findings, Path};
use crate::{CIPHER_SETS, Config, PreAuthentication, RuleKind, ServiceRules, ServiceTls, Shared};
use std::collections::BTreeSet;

/// What can be referred to, and where the search stands.
struct Search<'a> {
    shared: &'a Shared,
    rules: BTreeSet<&'a str>,
    matching: BTreeSet<&'a str>,
    certificates: BTreeSet<&'a str>,
    domains: BTreeSet<&'a str>,
    findings: &'a mut Findings,
}

pub(super) fn check(config: &Config, findings: &mut Findings) {
    let shared = &config.shared;
    let matching = shared.rules.iter().filter(|rule| matches!(rule.does, RuleKind::Match(_)));
    let mut search = Search {
        shared,
        rules: shared.rules.iter().map(|it| it.name.as_str()).collect(),
        matching: matching.map(|it| it.name.as_str()).collect(),
        certificates: shared.certificates.iter().map(|it| it.name.as_str()).collect(),
        domains: shared.sign_on_domains.iter().map(|it| it.name.as_str()).collect(),
        findings,
    };
    for (index, service) in shared.virtual_services.iter().enumerate() {
        let at = Path::new("shared").element("virtual_services", index);
        search.rules_of(&service.rules, &at);
        search.tls(&service.tls, &at.object("tls"));
        search.domain(&service.pre_authentication, &at);
        for (index, server) in service.real_servers.iter().enumerate() {
            search.chosen_by(&server.chosen_by, &at.element("real_servers", index));
        }
        for (index, sub) in service.sub_services.iter().enumerate() {
            let at = at.element("sub_services", index);
            search.rules_of(&sub.rules, &at);
            search.domain(&sub.pre_authentication, &at);
            search.chosen_by(&sub.chosen_by, &at);
            for (index, server) in sub.real_servers.iter().enumerate() {
                search.chosen_by(&server.chosen_by, &at.element("real_servers", index));
            }
        }
    }
    search.clusters();
}

impl Search<'_> {
    fn rules_of(&mut self, rules: &ServiceRules, at: &Path) {
        let at = at.object("rules");
        let lists = [
            ("before", &rules.before),
            ("request", &rules.request),
            ("response", &rules.response),
            ("response_body", &rules.response_body),
        ];
        for (list, names) in lists {
            for (index, name) in names.iter().enumerate() {
                let is_there = self.rules.contains(name.as_str());
                self.findings.require(is_there, at.element(list, index).as_str(), || no_rule(name));
            }
        }
    }

    /// Only a rule that looks at a request can choose a server.
    fn chosen_by(&mut self, names: &[String], at: &Path) {
        for (index, name) in names.iter().enumerate() {
            let at = at.element("chosen_by", index);
            if !self.rules.contains(name.as_str()) {
                self.findings.add(at.as_str(), no_rule(name));
            } else if !self.matching.contains(name.as_str()) {
                let reason =
                    format!("the rule {name} changes requests: only a content matching rule chooses");
                self.findings.add(at.as_str(), reason);
            }
        }
    }

    fn tls(&mut self, tls: &ServiceTls, at: &Path) {
        for (index, name) in tls.certificates.iter().enumerate() {
            let is_there = self.certificates.contains(name.as_str());
            self.findings.require(is_there, at.element("certificates", index).as_str(), || {
                format!("there is no certificate {name}: upload it first")
            });
        }
        let sets = self.shared.cipher_sets.iter().map(|it| it.name.as_str());
        let is_there = sets.chain(CIPHER_SETS).any(|it| it == tls.cipher_set);
        self.findings.require(is_there, &at.field("cipher_set"), || {
            format!("there is no cipher set {:?}", tls.cipher_set)
        });
        self.findings.require(!tls.versions.is_empty(), &at.field("versions"), || {
            String::from("no version is left to speak: name one")
        });
    }

    fn domain(&mut self, auth: &PreAuthentication, at: &Path) {
        let at = at.object("pre_authentication");
        for (field, name) in [("domain", &auth.domain), ("outbound_domain", &auth.outbound_domain)] {
            let is_there = name.is_empty() || self.domains.contains(name.as_str());
            self.findings
                .require(is_there, &at.field(field), || format!("there is no sign-on domain {name}"));
        }
    }

    fn clusters(&mut self) {
        let geo = &self.shared.geo;
        let clusters: BTreeSet<&str> = geo.clusters.iter().map(|it| it.name.as_str()).collect();
        for (index, name) in geo.names.iter().enumerate() {
            let at = Path::new("shared").object("geo").element("names", index);
            for (index, address) in name.addresses.iter().enumerate() {
                let is_there = address.cluster.is_empty() || clusters.contains(address.cluster.as_str());
                self.findings.require(is_there, &at.element("addresses", index).field("cluster"), || {
                    format!("there is no cluster {}", address.cluster)
                });
            }
        }
    }
}

fn no_rule(name: &str) -> String {
    format!("there is no rule {name}")
}
