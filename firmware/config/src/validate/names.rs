//! Names that other settings refer to: each is there once, and can be written anywhere.

use super::text;
use crate::violation::{Findings, Path};
use crate::{CIPHER_SETS, Config};
use std::collections::BTreeSet;

pub(super) fn check(config: &Config, findings: &mut Findings) {
    let shared = &config.shared;
    let root = Path::new("shared");
    let mut list = |list: &str, what: &str, names: Vec<&str>| once(&root, list, what, &names, findings);
    list("rules", "a rule", shared.rules.iter().map(|it| it.name.as_str()).collect());
    list("certificates", "a certificate", shared.certificates.iter().map(|it| it.name.as_str()).collect());
    let intermediates = shared.intermediate_certificates.iter();
    list("intermediate_certificates", "a certificate", intermediates.map(|it| it.name.as_str()).collect());
    list("cipher_sets", "a cipher set", shared.cipher_sets.iter().map(|it| it.name.as_str()).collect());
    list("firewall_files", "a file", shared.firewall_files.iter().map(|it| it.name.as_str()).collect());
    list("sign_on_domains", "a domain", shared.sign_on_domains.iter().map(|it| it.name.as_str()).collect());
    list("ldap_endpoints", "an endpoint", shared.ldap_endpoints.iter().map(|it| it.name.as_str()).collect());
    for (index, set) in shared.cipher_sets.iter().enumerate() {
        findings.require(
            !CIPHER_SETS.contains(&set.name.as_str()),
            &root.element("cipher_sets", index).field("name"),
            || format!("{} is a set that every unit has: choose another name", set.name),
        );
    }
    let geo = root.object("geo");
    once(
        &geo,
        "clusters",
        "a cluster",
        &shared.geo.clusters.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(),
        findings,
    );
    dns_names(&geo, config, findings);
}

fn once(root: &Path, list: &str, what: &str, names: &[&str], findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for (index, name) in names.iter().enumerate() {
        let at = root.element(list, index).field("name");
        if let Some(reason) = text::why_not_a_name(name) {
            findings.add(at, reason);
        } else if !seen.insert(name) {
            findings.add(at, format!("there is already {what} {name}"));
        }
    }
}

/// Names of the domain name system, which have rules of their own.
fn dns_names(geo: &Path, config: &Config, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for (index, name) in config.shared.geo.names.iter().enumerate() {
        let at = geo.element("names", index).field("name");
        let plain = name.name.strip_prefix("*.").unwrap_or(&name.name);
        if let Some(reason) = text::why_not_a_domain(plain) {
            findings.add(at, reason);
        } else if !seen.insert(name.name.to_ascii_lowercase()) {
            findings.add(at, format!("{} is there already", name.name));
        }
    }
    let hosts = Path::new("shared");
    for (index, host) in config.shared.hosts.iter().enumerate() {
        if let Some(reason) = text::why_not_a_domain(&host.name) {
            findings.add(hosts.element("hosts", index).field("name"), reason);
        }
    }
}
